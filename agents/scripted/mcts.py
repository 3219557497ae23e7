"""OpenSpiel's Monte Carlo tree search, for games that have a twin there with the same actions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from agents.errors import AgentError
from agents.scripted.base import Rows
from envs.game import GameSpec, Ints

TWINS = {"connect_four": "connect_four", "tictactoe": "tic_tac_toe"}
"""Our name of a game -> OpenSpiel's, where actions are numbered alike and seats move in the same order."""

EXPLORATION = 2.0
"""c of UCT (Kocsis and Szepesvari 2006), the default of OpenSpiel's own example."""
ROLLOUTS = 1
"""Random games that judge a leaf."""
MEMORY_MB = 1000
"""Bound of one search tree; a thousand simulations take less than one."""


class MctsPlayer:
    """UCT with random rollouts, a new tree for every move: c = 2 and one rollout a leaf, as in OpenSpiel's
    own example; the move is the one with the most visits.

    With `solve` wins and losses that are proven spread up the tree, and a move that is proven best is
    played (Winands et al. 2008). At 100 simulations that is the stronger player by far.
    """

    needs_history = True
    varies = True

    def __init__(self, spec: GameSpec, simulations: int, *, solve: bool) -> None:
        """Raises AgentError where the game has no twin or OpenSpiel is not installed."""
        if spec.name not in TWINS:
            raise AgentError(f"player 'mcts' cannot play {spec.name!r}; it plays {', '.join(sorted(TWINS))}")
        try:
            import pyspiel
        except ImportError as error:
            raise AgentError(
                "player 'mcts' needs OpenSpiel, which is not installed;"
                " pip install 'selfplay-league[openspiel]' brings it"
            ) from error
        self._spiel: Any = pyspiel
        self._game = pyspiel.load_game(TWINS[spec.name])
        self._simulations = simulations
        self._solve = solve
        self._games: dict[int, tuple[list[int], Any]] = {}
        """Copy -> actions so far and the state they led to: only saves replaying them."""

    def act(self, rows: Rows, generator: np.random.Generator) -> Ints:
        if rows.history is None:
            raise ValueError("player 'mcts' reads Rows.history, which is None")
        search = self._new_search(int(generator.integers(2**31)))
        moves = [
            search.step(self._state(int(copy), history))
            for copy, history in zip(rows.copy, rows.history, strict=True)
        ]
        return np.array(moves, np.int64)

    def _new_search(self, seed: int) -> Any:
        """A search whose randomness is all in `seed`; making one costs a few microseconds."""
        evaluator = self._spiel.RandomRolloutEvaluator(ROLLOUTS, seed)
        return self._spiel.MCTSBot(
            self._game, evaluator, EXPLORATION, self._simulations, MEMORY_MB, self._solve, seed, False
        )

    def _state(self, copy: int, history: Sequence[int]) -> Any:
        """OpenSpiel's state of this copy, moved on by the actions that are new."""
        played, state = self._games.get(copy, ([], None))
        if state is None or list(history[: len(played)]) != played:
            played, state = [], self._game.new_initial_state()
        for action in history[len(played) :]:
            state.apply_action(int(action))
        self._games[copy] = (list(history), state)
        return state
