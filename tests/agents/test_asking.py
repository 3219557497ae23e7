"""Central inference keeps what local inference would have kept, to the last bit."""

from __future__ import annotations

from collections.abc import Sequence
from queue import SimpleQueue
from threading import Thread
from typing import Any

import numpy as np
import pytest

from agents.answering import ActorState, answer
from agents.asking import Asker, Question, Served
from agents.rollout import Rollout
from agents.stages import Stages
from agents.tables import Table
from agents.trajectory import Trajectory
from envs.game import Array, Game
from tests.agents.served import (
    BOTH,
    CASES,
    COPIES,
    FROZEN,
    NOBODY,
    PLAYERS,
    TICKS,
    Case,
    Tables,
    assert_alike,
    assert_same,
    chance_of,
)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_columns_are_those_of_local_inference(case: Case) -> None:
    played = assert_alike(case)
    batches = [batch for taken in played.batches.values() for batch in taken]
    assert all(len(taken) > 2 for taken in played.batches.values())
    assert len({int(v) for batch in batches for v in batch.version.ravel()}) > 5, "weights changed"
    assert any((np.ptp(batch.version, axis=0) > 0).any() for batch in batches), "in the middle of columns"
    assert any(batch.terminated.any() for batch in batches)
    assert any((~batch.acting.any(2) & ~batch.terminated[:-1].all()).any() for batch in batches)
    if case.lstm:
        assert any(batch.core is not None and batch.core.any() for batch in batches)


@pytest.mark.parametrize("name", ["turns", "memory, simultaneous", "values with a memory"])
def test_games_that_begin_anew_take_nothing_along(name: str) -> None:
    assert_alike(CASES[name], begin_again=True)


class Waiting:
    """A `Line` whose questions another thread answers."""

    def __init__(self) -> None:
        self.questions: SimpleQueue[Question] = SimpleQueue()
        self.answers: SimpleQueue[Array] = SimpleQueue()

    def begin(self) -> None: ...

    def send(self, question: Question) -> None:
        self.questions.put(question)

    def receive(self) -> Array:
        return self.answers.get(timeout=60)


PAIRS: Sequence[Tables] = (
    [(("main", "main-2"), BOTH)],
    [(("main-2", "main-2"), BOTH), (("main", FROZEN), NOBODY), (("main", "main"), BOTH)],
)
"""What two actors play."""


def play_together(case: Case, pairs: Sequence[Tables]) -> tuple[list[ActorState], list[Game], list[Any]]:
    """Actors of which each plays at its own tables, answered together; nobody draws."""
    games: list[Game] = [case.game() for _ in pairs]
    spec, learners = games[0].spec, dict.fromkeys(PLAYERS, case.stream)
    policies = {name: case.policy(spec, 10 + i, greedy=True) for i, name in enumerate(PLAYERS)}
    frozen = case.policy(spec, 1, greedy=True)
    lines = [Waiting() for _ in pairs]
    states = [ActorState(spec, COPIES, learners) for _ in pairs]

    def play(game: Game, line: Waiting, tables: Tables) -> None:
        rollout = Rollout(game, learners, asker=Asker(spec, learners, line))
        rollout.reset(3)
        rollout.behaviours = {name: Served(name, varies=True) for name in PLAYERS} | {FROZEN: frozen}
        for _ in range(TICKS):
            if not rollout.seating.backlog:
                for key, (holders, learn) in enumerate(tables):
                    rollout.seating.open(Table(key, holders, 4, learn))
            rollout.tick()

    threads = [Thread(target=play, args=one) for one in zip(games, lines, pairs, strict=True)]
    for thread in threads:
        thread.start()
    for _ in range(TICKS):
        questions = [line.questions.get(timeout=60) for line in lines]
        answers = answer(policies, list(zip(states, questions, strict=True)), chance_of(3), Stages())
        for line, played in zip(lines, answers, strict=True):
            line.answers.put(played)
    for thread in threads:
        thread.join()
    return states, games, [dict(taken) for taken in map(by_player, states)]


def by_player(state: ActorState) -> dict[str, list[Trajectory]]:
    taken: dict[str, list[Trajectory]] = {name: [] for name in PLAYERS}
    for name, batch in state.take():
        taken[name].append(batch)
    return taken


@pytest.mark.parametrize("name", ["simultaneous", "memory, simultaneous", "numbers"])
def test_actors_that_are_answered_together_do_not_mix(name: str) -> None:
    """Every row is decided by its own player's weights, and lies in a column of its own actor."""
    case = CASES[name]
    _, games, together = play_together(case, PAIRS)
    for game, tables, here in zip(games, PAIRS, together, strict=True):
        _, (alone,), (there,) = play_together(case, [tables])
        for one, other in zip(game.played, alone.played, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)
        for player in PLAYERS:
            assert len(here[player]) == len(there[player])
            for left, right in zip(here[player], there[player], strict=True):
                # Sums of products come out a little differently with more rows in a batch.
                assert_same([left], [right], atol=1e-5)
    assert all(here["main"] and here["main-2"] for here in together)
