"""What OpenSpiel knows of our games: everything that a seat may ever have to decide on, and exact answers.

OpenSpiel is an optional package: importing this module does not need it, what is in it does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from envs.game import Array, Bools, GameError, Ints

Doubles = npt.NDArray[np.float64]
State = Any
"""`pyspiel.State`, which comes without types."""


def _dealt_row(state: State) -> Array:
    return np.array(state.information_state_tensor(), np.uint8)


def _tictactoe_row(state: State) -> Array:
    """OpenSpiel's planes are the empty cells, noughts (player 1) and crosses (player 0)."""
    planes = np.array(state.observation_tensor(), np.uint8).reshape(3, 3, 3)
    mover = state.current_player()
    return planes[[2 - mover, 1 + mover]]


_TWINS: dict[str, tuple[str, Callable[[State], Array]]] = {
    "kuhn": ("kuhn_poker", _dealt_row),
    "leduc": ("leduc_poker", _dealt_row),
    "tictactoe": ("tic_tac_toe", _tictactoe_row),
}
"""Games whose information states are few enough to be listed: our name -> OpenSpiel's, and what the seat to
move sees as we show it. Actions have the same numbers."""


@dataclass(frozen=True)
class InformationStates:
    """All that may be known to whoever must act, I of them, each after those that lead to it."""

    names: tuple[str, ...]
    """OpenSpiel's strings, which say all that the seat has seen."""
    seat: Ints
    """[I] who acts."""
    observation: Array
    """[I, *observation] as our game shows it."""
    mask: Bools
    """[I, A] legal choices."""
    before: Ints
    """[I] the information state in which the same seat acted last; -1 where this is its first turn."""
    action: Ints
    """[I] what it did there; 0 where this is its first turn."""


def has_twin(name: str) -> bool:
    """Whether `Twin` knows one of our games."""
    return name in _TWINS


class Twin:
    """One of our games in OpenSpiel."""

    def __init__(self, name: str) -> None:
        """Raises GameError where its information states cannot be listed, or OpenSpiel is not installed."""
        if not has_twin(name):
            raise GameError(
                f"{name}: its information states cannot be listed, only those of {', '.join(_TWINS)}"
            )
        try:
            import pyspiel
        except ImportError:
            raise GameError(
                f"{name}: this needs OpenSpiel, which is not installed; "
                "pip install 'selfplay-league[openspiel]' brings it"
            ) from None
        self._spiel: Any = pyspiel
        twin, self._row = _TWINS[name]
        self.game: Any = pyspiel.load_game(twin)

    def row(self, state: State) -> tuple[Array, Bools]:
        """What our game shows the seat to move in a state of OpenSpiel's: ([*observation], mask [A])."""
        mask = np.zeros(self.game.num_distinct_actions(), bool)
        mask[state.legal_actions()] = True
        return self._row(state), mask

    def information_states(self) -> InformationStates:
        """Every information state of the game, by playing all there is."""
        found: dict[str, int] = {}
        rows: list[tuple[int, Array, Bools, int, int]] = []
        waiting: list[tuple[State, tuple[tuple[int, int], ...]]] = [
            (self.game.new_initial_state(), ((-1, 0),) * 2)
        ]
        while waiting:
            state, last = waiting.pop()
            if state.is_terminal():
                continue
            if not state.is_chance_node():
                seat, name = state.current_player(), state.information_state_string()
                if name not in found:
                    found[name] = len(rows)
                    rows.append((seat, *self.row(state), *last[seat]))
            for action in state.legal_actions():
                after = last
                if not state.is_chance_node():
                    own = (found[name], action)
                    after = (own, last[1]) if seat == 0 else (last[0], own)
                waiting.append((state.child(action), after))
        seats, observations, masks, before, actions = map(np.array, zip(*rows, strict=True))
        return InformationStates(tuple(found), seats, observations, masks, before, actions)

    def gains(self, states: InformationStates, policy: Doubles) -> Sequence[float]:
        """What each seat would gain if it alone answered this policy as well as can be. Exact.

        policy: [I, A] chances of every choice in every information state.
        """
        table = {
            name: [(action, float(chances[action])) for action in np.flatnonzero(legal).tolist()]
            for name, chances, legal in zip(states.names, policy, states.mask, strict=True)
        }
        tabular = self._spiel.TabularPolicy(table)
        root = self.game.new_initial_state()
        values = self._spiel.expected_returns(root, tabular, -1, True)
        gains = []
        for seat in range(2):
            answer = self._spiel.TabularBestResponse(self.game, seat, tabular)
            gains.append(answer.value_from_state(root) - values[seat])
        return gains
