"""How far a start of a run is to go, how it is stopped, and what it tells whoever watches."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import asdict
from types import SimpleNamespace
from typing import Any, cast

import pytest

from coordinator.figures import Figures
from coordinator.launch import next_goal
from coordinator.report import Frame
from coordinator.session import Goal, Session, StopSignal, Watch
from coordinator.store_types import MatchCounts
from league.config import LeagueConfig
from league.forgetting import alarms
from league.ledger import Ledger
from league.players import LeagueError, Player
from league.view import LeagueView
from tests.league.leagues import make_view


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


def a_session(view: LeagueView, status: dict[str, Any], watch: Watch, metrics: Any = None) -> Session:
    """A start of a run whose league is `view`, and whose store says `status`."""
    coordinator = SimpleNamespace(
        players=view.players,
        ledger=view.ledger,
        learners=tuple(view.players),
        view=lambda: view,
        config=SimpleNamespace(league=LeagueConfig()),
        spec=SimpleNamespace(name="a game"),
    )
    store = SimpleNamespace(
        status=lambda: status,
        counts=lambda: MatchCounts(ready=0, leased=0, parked=0, done=0, refused=0),
        last_results=lambda limit: [],
    )
    return Session("run", cast(Any, coordinator), cast(Any, store), metrics, Goal(), StopSignal(), watch)


def test_what_was_forgotten_is_noted_once_over_all_starts() -> None:
    ledger = Ledger()
    ledger.tally.record("main@1", "main@0", 90, 0, 10)
    ledger.tally.record("main@2", "main@0", 20, 0, 80)
    view = make_view([Player("main", generation=2)], ledger=ledger, win_rates={"main": {"main@0": 0.2}})
    frames: list[Frame] = []
    first = a_session(view, {}, frames.append)
    first.show("stopped")
    first.show("stopped")
    (alarm,) = alarms(view)
    assert [frame.notes for frame in frames] == [(str(alarm),)] * 2
    assert first.status()["forgetting"] == [asdict(alarm)]
    again = a_session(view, json.loads(json.dumps(first.status())), frames.append)
    again.show("stopped")
    assert frames[-1].notes == ()
    assert again.status()["forgetting"] == [asdict(alarm)]


def test_metrics_count_what_is_forgotten() -> None:
    rows: list[dict[str, float]] = []
    metrics = SimpleNamespace(write=lambda steps, scalars: rows.append(scalars))
    session = a_session(make_view([Player("main", generation=2)]), {}, lambda frame: None, metrics)
    session.trained({"main": Figures(updates=1, sums={"loss": 1.0})}, {}, {})
    session.show("stopped")
    assert rows[0]["forgetting/main"] == 0


def test_who_is_how_strong_is_asked_anew_only_after_a_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr("coordinator.session.alarms", lambda view: asked.append(1) or [])
    monkeypatch.setattr("coordinator.session.FRAME_SECONDS", 0.0)
    monkeypatch.setattr("coordinator.session.RATING_SECONDS", 0.0)
    monkeypatch.setattr("coordinator.session.RATING_REST", 1e9)
    session = a_session(make_view([Player("main", generation=2)]), {}, lambda frame: None)
    for _ in range(5):
        session.show()
    assert len(asked) == 1
    session.show("stopped")
    assert len(asked) == 2
