"""How far a start of a run is to go, and how it is stopped."""

from __future__ import annotations

import os
import signal
from dataclasses import asdict

import pytest

from coordinator.launch import next_goal
from coordinator.session import Goal, StopSignal
from league.players import LeagueError


def status(goal: Goal, seconds: float = 0.0) -> dict[str, object]:
    return {"goal": asdict(goal), "seconds": seconds}


def test_a_new_run_counts_from_nothing() -> None:
    assert next_goal({}, 0, 100, None) == Goal(steps=100)
    assert next_goal({}, 0, None, 5.0) == Goal(seconds=5.0)
    assert next_goal({}, 0, None, None) == Goal()


def test_n_and_n_more_are_2_n_although_a_round_went_beyond() -> None:
    assert next_goal(status(Goal(steps=100)), 103, 100, None) == Goal(steps=200)


def test_a_killed_run_goes_on_to_the_goal_that_it_had() -> None:
    goal = Goal(steps=100, seconds=60.0)
    assert next_goal(status(goal, 10.0), 40, None, None) == goal


def test_more_steps_after_a_kill_count_from_where_it_stands() -> None:
    assert next_goal(status(Goal(steps=100)), 40, 100, None) == Goal(steps=140)
    assert next_goal(status(Goal(seconds=60.0), 20.0), 40, 100, None) == Goal(steps=140)


def test_more_seconds_count_from_the_seconds_trained() -> None:
    assert next_goal(status(Goal(seconds=60.0), 61.5), 40, None, 10.0) == Goal(seconds=71.5)


@pytest.mark.parametrize("goal", [Goal(steps=100), Goal(seconds=60.0), Goal(steps=10_000, seconds=60.0)])
def test_a_goal_that_is_reached_must_be_followed_by_another(goal: Goal) -> None:
    with pytest.raises(LeagueError, match="say how far to go on with --steps or --seconds"):
        next_goal(status(goal, 60.1), 100, None, None)


def test_ctrl_c_asks_once_and_stops_the_second_time() -> None:
    before = signal.getsignal(signal.SIGINT)
    stop = StopSignal()
    with stop.listening():
        assert not stop.asked
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.asked
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGINT) is before
