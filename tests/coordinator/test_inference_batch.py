"""Which questions are answered together, and that nobody waits without end, whoever dies.

Times are so long that a wait which only a clock would end never ends, or so short that they are over at once.
"""

from __future__ import annotations

from threading import Event, Thread

import numpy as np
import pytest

from agents.asking import Question
from agents.scripted.base import Rows
from coordinator.inference_batch import Gathering, Guest, Waiting

FOREVER = 1e6
SECONDS = 120.0
"""After which a test is taken to hang."""


def a_question(rows: int) -> Question:
    numbers, nothing = np.arange(rows), np.zeros((rows, 0))
    return Question([], [], Rows(nothing, nothing > 0, numbers, numbers), np.zeros(0, np.intp), nothing)


def ask(gathering: Gathering, guest: Guest, rows: int) -> None:
    gathering.ask(Waiting(guest, a_question(rows), run=0, size=0))


def entered(gathering: Gathering, *owners: str) -> list[Guest]:
    guests = [Guest(owner) for owner in owners]
    for guest in guests:
        gathering.enter(guest)
    return guests


class Gatherer:
    """A thread that gathers once."""

    def __init__(self, gathering: Gathering) -> None:
        self._result: list[Waiting] = []
        self._thread = Thread(target=lambda: self._result.extend(gathering.gather()), daemon=True)
        self._thread.start()

    def guests(self) -> list[Guest]:
        self._thread.join(SECONDS)
        assert not self._thread.is_alive(), "it waits for ever"
        return [one.guest for one in self._result]


def test_a_batch_goes_once_it_has_rows_enough() -> None:
    gathering = Gathering(rows=8, seconds=FOREVER)
    one, other, _ = entered(gathering, "actor-0.1.1", "actor-1.1.2", "actor-2.1.3")
    gatherer = Gatherer(gathering)
    ask(gathering, one, 5)
    ask(gathering, other, 3)
    assert gatherer.guests() == [one, other]


def test_a_batch_goes_once_everybody_has_asked() -> None:
    gathering = Gathering(rows=10**6, seconds=FOREVER)
    one, other = entered(gathering, "actor-0.1.1", "actor-1.1.2")
    gatherer = Gatherer(gathering)
    ask(gathering, other, 1)
    ask(gathering, one, 1)
    assert gatherer.guests() == [other, one]


def test_whoever_does_not_ask_is_waited_for_no_longer_than_that() -> None:
    gathering = Gathering(rows=10**6, seconds=1e-3)
    one, _ = entered(gathering, "actor-0.1.1", "actor-1.1.2")
    ask(gathering, one, 1)
    assert Gatherer(gathering).guests() == [one]


def test_the_clock_starts_with_the_oldest_question() -> None:
    now = [0.0]
    gathering = Gathering(rows=10**6, seconds=10.0, clock=lambda: now[0])
    one, other, _ = entered(gathering, "actor-0.1.1", "actor-1.1.2", "actor-2.1.3")
    ask(gathering, one, 1)
    now[0] = 9.0
    ask(gathering, other, 1)
    now[0] = 10.0
    assert Gatherer(gathering).guests() == [one, other]
    ask(gathering, one, 1)
    now[0] = 20.0
    assert Gatherer(gathering).guests() == [one], "and anew with the next batch"


@pytest.mark.parametrize("asked", [False, True])
def test_a_guest_that_leaves_is_waited_for_no_more(asked: bool) -> None:
    gathering = Gathering(rows=10**6, seconds=FOREVER)
    one, dies, third = entered(gathering, "actor-0.1.1", "actor-1.1.2", "actor-2.1.3")
    gatherer = Gatherer(gathering)
    ask(gathering, one, 1)
    if asked:
        ask(gathering, dies, 1)
        gathering.leave(dies)
    ask(gathering, third, 1)
    if not asked:
        Event().wait(0.05)  # until it waits for that one alone
        gathering.leave(dies)
    assert gatherer.guests() == [one, third]
    assert dies.answers.get(timeout=SECONDS) is None


def test_a_successor_takes_the_place_of_a_guest() -> None:
    gathering = Gathering(rows=10**6, seconds=FOREVER)
    (before,) = entered(gathering, "actor-0.1.1")
    ask(gathering, before, 1)
    (after,) = entered(gathering, "actor-0.1.2")
    gathering.leave(before)  # as its stream breaks: that is not the successor's
    ask(gathering, before, 1)
    ask(gathering, after, 1)
    assert Gatherer(gathering).guests() == [after]
    assert before.answers.get(timeout=SECONDS) is None


def test_what_is_closed_answers_nobody() -> None:
    gathering = Gathering(rows=10**6, seconds=FOREVER)
    one, _ = entered(gathering, "actor-0.1.1", "actor-1.1.2")
    gatherer = Gatherer(gathering)
    ask(gathering, one, 1)
    gathering.close()
    assert gatherer.guests() == []
    (late,) = entered(gathering, "actor-2.1.3")
    ask(gathering, late, 1)
    assert Gatherer(gathering).guests() == []
    assert [guest.answers.get(timeout=SECONDS) for guest in (one, late)] == [None, None]
