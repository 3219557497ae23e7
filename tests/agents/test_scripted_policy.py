"""Scripted players that fail: they forfeit, and the game goes on."""

from __future__ import annotations

import sys
from collections.abc import Callable
from threading import Event, Thread, current_thread
from typing import Any

import numpy as np
import pytest
import torch

from agents.policy import Chance
from agents.rollout import Rollout
from agents.scripted.base import Rows
from agents.scripted.random import RandomPlayer
from agents.scripted_policy import ScriptedPolicy
from agents.streams import StreamConfig
from agents.tables import Table, TableResult
from envs.game import ActionSpace, Box, Discrete, MultiDiscrete
from envs.tictactoe import TicTacToe
from tests.agents.fakes import ScriptedGame, Teller

Answer = Callable[[Rows], Any]


class Script:
    """Answers by a function; counts how often it was asked."""

    needs_history = False

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked = 0

    def act(self, rows: Rows, generator: np.random.Generator) -> Any:
        self.asked += 1
        return self.answer(rows)


def raises(rows: Rows) -> Any:
    raise ValueError("no\nidea")


def leaves(rows: Rows) -> Any:
    sys.exit("enough")


def some_rows(choices: int, count: int = 3) -> Rows:
    """The second choice is illegal."""
    mask = np.arange(choices) != np.ones((count, 1))
    zeros = np.zeros(count, np.int64)
    return Rows(np.zeros((count, 3)), mask, zeros, zeros)


def chance() -> Chance:
    return Chance(np.random.default_rng(0), torch.Generator())


def policy(answer: Answer, actions: ActionSpace = Discrete(3), **more: Any) -> ScriptedPolicy:  # noqa: B008
    return ScriptedPolicy(Script(answer), ScriptedGame([], [[0], [1]], actions=actions).spec, **more)


@pytest.mark.parametrize(
    ("actions", "answer", "said"),
    [
        (Discrete(3), raises, "raised ValueError: no idea"),
        (Discrete(3), leaves, "raised SystemExit: enough"),
        (Discrete(3), lambda rows: [0, 2, 1], "played 1, which is illegal: legal are [0, 2]"),
        (Discrete(3), lambda rows: [0, 3, 0], "played 3, which is illegal"),
        (Discrete(3), lambda rows: [-1, 0, 0], "played -1, which is illegal"),
        (Discrete(3), lambda rows: [0, 2], "answered int64 [2], must be int64 [3]"),
        (Discrete(3), lambda rows: [0.0] * 3, "answered float64 [3], must be int64 [3]"),
        (Discrete(3), lambda rows: None, "answered object [], must be int64 [3]"),
        (Discrete(3), lambda rows: [[0], [0, 1], [0]], "raised ValueError"),
        (MultiDiscrete((2, 1)), lambda rows: [[0, 0], [1, 0], [0, 0]], "played [1, 0], which is illegal"),
        (Box((-1.0,), (1.0,)), lambda rows: [[0.0], [np.nan], [0.0]], "numbers must be finite"),
    ],
)
@pytest.mark.parametrize("patience", [None, 600.0])
def test_what_is_wrong_is_a_forfeit(
    actions: ActionSpace, answer: Answer, said: str, patience: float | None
) -> None:
    choice = policy(answer, actions, patience=patience).act(some_rows(3), None, chance())
    assert choice.forfeit is not None
    assert said in choice.forfeit
    assert "\n" not in choice.forfeit


def test_who_is_quick_is_called_without_a_thread() -> None:
    threads: list[Thread] = []

    def tell(rows: Rows) -> np.ndarray:
        threads.append(current_thread())
        return np.zeros(3, np.int64)

    for quick in (False, True):
        script, spec = Script(tell), ScriptedGame([], [[0], [1]], actions=Discrete(3)).spec
        script.quick = quick  # type: ignore[attr-defined]
        ScriptedPolicy(script, spec, patience=600.0).act(some_rows(3), None, chance())
    assert [thread is current_thread() for thread in threads] == [False, True]


@pytest.mark.parametrize("patience", [None, 600.0])
def test_what_is_right_is_played(patience: float | None) -> None:
    choice = policy(lambda rows: np.array([0, 2, 0], np.int32), patience=patience).act(
        some_rows(3), None, chance()
    )
    assert choice.forfeit is None
    assert choice.played.tolist() == [0, 2, 0]


def test_who_hangs_is_not_asked_again() -> None:
    never = Event()
    hanging = policy(lambda rows: never.wait(), patience=0.01)
    for _ in range(3):
        choice = hanging.act(some_rows(3), None, chance())
        assert choice.forfeit == "took more than 0.01 s over 3 moves"
    script: Any = hanging._script
    assert script.asked == 1
    never.set()


def tables(rollout: Rollout, ticks: int) -> dict[int, TableResult]:
    results = {}
    for _ in range(ticks):
        rollout.tick()
        results |= {result.key: result for result in rollout.results()}
    return results


def test_a_forfeit_ends_its_tables_and_no_others() -> None:
    game = TicTacToe(30)
    spec = game.spec
    rollout = Rollout(game, {})
    rollout.reset(0)
    good = ScriptedPolicy(RandomPlayer(spec.actions), spec)
    moves = iter(range(100))
    failing = policy(lambda rows: raises(rows) if next(moves) > 12 else rows.mask.argmax(axis=1), Discrete(9))
    rollout.behaviours = {"good": good, "other": good, "bad": failing}
    for key, opponent in enumerate(["other", "bad", "bad", "other"]):
        rollout.open(Table(key, ("good", opponent), 40 if opponent == "bad" else 15))
    results = tables(rollout, 60)
    assert results.keys() == {0, 1, 2, 3}
    for key in (0, 3):
        assert (results[key].episodes, results[key].forfeits) == (15, {})
        assert sum(results[key].swapped) == 7
    for key in (1, 2):
        result = results[key]
        assert result.forfeits == {"bad": "raised ValueError: no idea"}
        assert result.episodes < 40
        assert sum(sum(pair[2:5]) for pair in result.pairs) == result.episodes
        assert [entry[1] for entry in result.returns] == [result.episodes] * 2
        assert result.swapped == ()
    assert results[1].episodes > 0, "what was over before counts"


def test_who_learns_against_one_that_forfeits_sees_whole_episodes() -> None:
    """Every column is one decision: its successor is of the same episode, or says that a new one begins."""
    game = TicTacToe(16)
    rollout = Rollout(game, {"main": StreamConfig(unroll=1, batch=1)})
    rollout.reset(0)
    asked = iter(range(100))
    failing = policy(lambda rows: raises(rows) if next(asked) > 1 else rows.mask.argmax(axis=1), Discrete(9))
    varied = ScriptedPolicy(RandomPlayer(game.spec.actions), game.spec)
    rollout.behaviours = {"main": varied, "bad": failing}
    rollout.open(Table(0, ("main", "bad"), 100, frozenset({"main"})))
    results = tables(rollout, 3)
    assert results[0].forfeits
    del rollout.behaviours["bad"]  # as an actor does once nobody of that name sits at a table
    rollout.open(Table(1, ("main", "main"), 64, frozenset({"main"})))
    assert tables(rollout, 60)[1].episodes == 64
    for column in rollout.take()["main"]:
        before, after = column.observation[0, 0, 0].sum(), column.observation[1, 0, 0].sum()
        assert column.first[1, 0] == column.terminated[0, 0] == bool(after <= before)


def test_it_tells_whether_it_varies() -> None:
    game = TicTacToe(1)
    assert ScriptedPolicy(RandomPlayer(game.spec.actions), game.spec).varies
    assert not policy(raises).varies
    assert Teller().varies
