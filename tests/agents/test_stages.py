"""Time goes to the innermost stage, of one thread, and is a share of what has passed."""

from __future__ import annotations

from contextlib import suppress
from threading import Thread

import pytest

from agents.stages import PERIOD, Stages, busy


class Clock:
    """Goes on when it is told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_stage_within_another_has_its_time_to_itself(clock: Clock) -> None:
    stages = Stages(clock)
    clock.wait(1.0)
    with stages("outer"):
        clock.wait(2.0)
        with stages("inner"):
            clock.wait(3.0)
        clock.wait(1.0)
        with stages("inner"):
            clock.wait(1.0)
    clock.wait(2.0)
    assert stages.shares() == {"outer": pytest.approx(0.3), "inner": pytest.approx(0.4)}


def test_a_stage_may_hold_itself(clock: Clock) -> None:
    stages = Stages(clock)
    with stages("a"), stages("a"):
        clock.wait(4.0)
    clock.wait(4.0)
    assert stages.shares() == {"a": 0.5}


def test_shares_are_of_the_last_period_that_is_over(clock: Clock) -> None:
    stages = Stages(clock)
    with stages("a"):
        clock.wait(PERIOD / 2)
    assert stages.shares() == {}
    with stages("b"):
        clock.wait(PERIOD)
    first = stages.shares()
    assert first == {"a": pytest.approx(1 / 3), "b": pytest.approx(2 / 3)}
    with stages("b"):
        clock.wait(PERIOD / 2)
    assert stages.shares() == first
    clock.wait(PERIOD / 2)
    assert stages.shares() == {"a": 0.0, "b": 0.5}


def test_a_stage_that_is_open_counts_in_both_periods(clock: Clock) -> None:
    stages = Stages(clock)
    with stages("long"):
        clock.wait(PERIOD)
        assert stages.shares() == {"long": 1.0}
        clock.wait(PERIOD / 2)
    clock.wait(PERIOD / 2)
    assert stages.shares() == {"long": 0.5}


def test_a_stage_ends_where_an_error_leaves_it(clock: Clock) -> None:
    stages = Stages(clock)
    with suppress(KeyError), stages("a"):
        clock.wait(1.0)
        raise KeyError
    clock.wait(3.0)
    assert stages.shares() == {"a": 0.25}


def test_other_threads_count_for_nothing(clock: Clock) -> None:
    stages = Stages(clock)

    def elsewhere() -> None:
        with stages("theirs"):
            clock.wait(1.0)

    with stages("ours"):
        other = Thread(target=elsewhere)
        other.start()
        other.join()
        clock.wait(1.0)
    assert {name: share for name, share in stages.shares().items() if share} == {"ours": 1.0}
    assert len(stages.open) == 1


def test_the_thread_that_begins_is_measured_from_then_on(clock: Clock) -> None:
    stages = Stages(clock)
    with stages("before"):
        clock.wait(5.0)
    shares = []

    def run() -> None:
        stages.begin()
        with stages("here"):
            clock.wait(PERIOD)
        shares.append(stages.shares())

    thread = Thread(target=run)
    thread.start()
    thread.join()
    assert shares == [{"before": 0.0, "here": 1.0}]


def test_busy_is_all_but_waiting() -> None:
    assert busy({"game": 0.25, "waiting": 0.5, "inference": 0.125}) == 0.375
    assert busy({}) == 0.0
