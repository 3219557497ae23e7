"""Openings: games of players who never vary differ all the same, and both games of a pair begin alike."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy.stats import chisquare

from agents import openings
from agents.config import LearnerConfig, NetworkConfig
from agents.learner import Learner
from agents.policy import Behaviour, NetworkPolicy
from agents.rollout import Rollout
from agents.scripted.base import Rows
from agents.scripted.minimax import MinimaxPlayer
from agents.scripted.random import RandomPlayer
from agents.scripted_policy import ScriptedPolicy
from agents.streams import StreamConfig
from agents.tables import Table
from envs.connect_four import ConnectFour
from envs.game import Array, Game, Step
from envs.kuhn import Kuhn
from envs.matrix import MatrixGame
from envs.tictactoe import TicTacToe

Moves = tuple[int, ...]


class First:
    """Plays the first legal choice, always."""

    needs_history = False

    def act(self, rows: Rows, generator: np.random.Generator) -> Array:
        return rows.mask.argmax(axis=1)


def network(game: Game, seed: int, *, greedy: bool) -> NetworkPolicy:
    config = LearnerConfig(NetworkConfig(hidden=(16,)))
    policy = NetworkPolicy(config, game.spec, team=None, greedy=greedy)
    policy.load(Learner(config, game.spec, team=None, seed=seed).weights(), 1)
    return policy


class Recorder(Game):
    """Plays a game, and remembers the first episode of every copy."""

    def __init__(self, game: Game) -> None:
        self.spec, self.copies = game.spec, game.copies
        self._game = game
        self.moves: list[list[int]] = [[] for _ in range(game.copies)]
        self._over = np.zeros(game.copies, bool)

    def reset(self, seed: int) -> Step:
        return self._game.reset(seed)

    def step(self, actions: Array) -> Step:
        for copy in np.flatnonzero(~self._over):
            self.moves[copy].append(int(actions[copy, 0]))
        step = self._game.step(actions)
        self._over |= step.over
        return step


def played(game: Game, acting: dict[str, Behaviour], opening: int = 0, seed: int = 5) -> list[Moves]:
    """Moves of as many episodes as there are copies, in the order of their numbers."""
    recorder = Recorder(game)
    rollout = Rollout(recorder, {})
    rollout.reset(0)
    rollout.behaviours = dict(acting)
    rollout.open(Table(0, tuple(acting), game.copies, opening=opening, seed=seed))
    while not rollout.results():
        rollout.tick()
    return [tuple(moves) for moves in recorder.moves]


@pytest.mark.parametrize("game", [ConnectFour(200), TicTacToe(200)], ids=lambda game: game.spec.name)
def test_greedy_networks_do_not_play_two_games_over_and_over(game: Game) -> None:
    acting: dict[str, Behaviour] = {name: network(game, ord(name), greedy=True) for name in "ab"}
    distinct = set(played(game, acting))
    assert len(distinct) > 100, "as many openings as pairs, and two ways to seat each"


def test_scripts_that_say_nothing_of_dice_are_varied_too() -> None:
    game = TicTacToe(100)
    acting: dict[str, Behaviour] = {name: ScriptedPolicy(First(), game.spec) for name in "ab"}
    assert len(set(played(game, acting))) > 30


def test_both_games_of_a_pair_begin_alike_and_pairs_do_not() -> None:
    game = ConnectFour(100)
    acting: dict[str, Behaviour] = {name: network(game, ord(name), greedy=False) for name in "ab"}
    games = played(game, acting, opening=3)
    assert all(first[:3] == second[:3] for first, second in zip(games[::2], games[1::2], strict=True))
    assert any(first[3:] != second[3:] for first, second in zip(games[::2], games[1::2], strict=True))
    assert len({moves[:3] for moves in games}) > 35
    assert [moves[:3] for moves in played(game, acting, opening=3)] == [moves[:3] for moves in games]
    assert [moves[:3] for moves in played(game, acting, opening=3, seed=6)] != [m[:3] for m in games]


def test_openings_are_uniform_over_legal_moves() -> None:
    game = TicTacToe(9000)
    acting: dict[str, Behaviour] = {name: ScriptedPolicy(First(), game.spec) for name in "ab"}
    pairs = Counter(moves[:2] for moves in played(game, acting, opening=2)[::2])
    assert len(pairs) == 9 * 8
    assert chisquare(list(pairs.values())).pvalue > 1e-6


@pytest.mark.parametrize("other", ["random", "minimax", "network"])
def test_where_somebody_varies_no_move_is_taken_from_anybody(other: str) -> None:
    game = TicTacToe(40)
    varied: dict[str, Behaviour] = {
        "random": ScriptedPolicy(RandomPlayer(game.spec.actions), game.spec),
        "minimax": ScriptedPolicy(MinimaxPlayer(game.spec), game.spec),
        "network": network(game, 1, greedy=False),
    }
    games = played(game, {"first": ScriptedPolicy(First(), game.spec), other: varied[other]})
    assert {moves[0] for moves in games[::2]} == {0}, "the first seat plays the first cell"


@pytest.mark.parametrize("game", [Kuhn(64), MatrixGame("rps", 64), TicTacToe(1)])
def test_games_that_differ_as_it_is_or_cannot_be_told_begin_as_ever(game: Game) -> None:
    """Cards are dealt; all choices are made at once; a single copy does not tell which it is."""
    assert not openings.may_open(game.spec, game.reset(0))


def test_an_opening_is_as_long_as_it_must_be() -> None:
    assert [openings.length(count, 7) for count in (0, 1, 2, 7, 8, 50, 10**9)] == [0, 0, 1, 1, 2, 3, 4]
    assert openings.length(100, 0) == openings.length(100, 1) == openings.LONGEST


def test_a_learner_is_not_taught_the_moves_of_an_opening() -> None:
    game = TicTacToe(64)
    rollout = Rollout(game, {"main": StreamConfig(unroll=1, batch=1)})
    rollout.reset(0)
    rollout.behaviours = {"main": network(game, 1, greedy=False), "old": network(game, 2, greedy=False)}
    rollout.open(Table(0, ("main", "old"), 64, frozenset({"main"}), opening=2))
    for _ in range(9):
        rollout.tick()
    stones = [column.observation[0].sum() for column in rollout.take()["main"]]
    assert stones
    assert min(stones) >= 2
