"""Starts a run, or starts it again: the same parts, placed inline or on Ray.

Resume is starting again. Whoever holds the run's lock opens the store, takes a new epoch, and goes on from
what the store and the files say.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from coordinator.archive import Archive
from coordinator.branch import begin
from coordinator.config import RunConfig
from coordinator.coordinator import Coordinator
from coordinator.first_players import (
    check_gate,
    check_meta_game,
    check_pbt,
    check_variants,
    first_players,
)
from coordinator.limits import check_age, check_machine, check_memory, check_round
from coordinator.metrics import Metrics
from coordinator.options import from_plain, to_plain
from coordinator.run_folder import RunFolder
from coordinator.run_store import serve_store
from coordinator.runtime_config import Runtime
from coordinator.session import Goal, Session, StopSignal, Watch
from coordinator.store_types import RunState
from envs.catalogue import make_game
from league.players import LeagueError, Role


@dataclass(frozen=True)
class TrainResult:
    """How one start of a run ended."""

    reached: bool
    """Whether it got to its goal; else somebody asked it to stop."""
    steps: int
    """Trained decisions, over all starts."""
    seconds: float
    """Of training, over all starts."""


def train(
    config: RunConfig,
    run: RunFolder,
    *,
    watch: Watch,
    steps: int | None = None,
    seconds: float | None = None,
) -> TrainResult:
    """Train a run, new or resumed, for `steps` more decisions or `seconds` more seconds.

    Where neither is given, a resumed run goes on to the goal that it has, and a new one until it is stopped.
    Raises OptionError where the machine or a round is too small for what is asked; GameError, LeagueError,
    StoreError, SnapshotError, AgentError or RunFolderError. Each has a line for the user, and whatever was
    committed before is safe.
    """
    check_machine(config.runtime)
    stop = StopSignal()
    with (
        stop.listening(),
        run.lock(),
        serve_store(run, config.runtime.redis or None) as (store, url),
        make_game(config.game.name, 1, teams=config.game.teams) as probe,
    ):
        players = store.players() or first_players(config, probe.spec)
        learners = [player for player in players.values() if player.role.learns]
        check_memory(config, probe.spec, learners)
        if not store.exists():
            check_variants(config, [one for one in players.values() if one.role is not Role.SCRIPTED])
            check_gate(config, probe.spec)
            check_meta_game(config, probe.spec)
            check_pbt(config, probe.spec, learners)
            check_round(config, probe.spec, learners)
            check_age(config, probe.spec, learners)
            store.create(to_plain(config))
        if not store.players():
            begin(config, run, store, players)
        coordinator = Coordinator(store, Archive(run.archive), config, probe.spec)
        at = sum(player.steps for player in coordinator.players.values())
        goal = next_goal(store.status(), at, steps, seconds)
        with Metrics(run.metrics, resumed_at=at) as metrics:
            session = Session(run.path.name, coordinator, store, metrics, goal, stop, watch)
            # at once, so that whoever resumes after a kill knows the goal
            coordinator.commit(status=session.status(), state=RunState.RUNNING)
            match config.runtime.runtime:
                case Runtime.INLINE:
                    from agents.machine import settle
                    from coordinator.inline import Inline

                    settle()
                    make = partial(
                        make_game, config.game.name, config.rollout.copies, teams=config.game.teams
                    )
                    Inline(config, run, store, coordinator, session, make).run()
                case Runtime.RAY:
                    from coordinator.on_ray import OnRay

                    OnRay(config, run, store, url, coordinator, session).run()
            session.show("finished" if session.reached else "stopped")
        return TrainResult(session.reached, session.steps, session.seconds)


def next_goal(status: dict[str, Any], at: int, steps: int | None, seconds: float | None) -> Goal:
    """How far to go, counted over all starts. at: decisions trained so far.

    Steps are counted on from the last goal where that was reached, so that N and then N more are 2 N although
    a goal is reached by the end of a round.
    """
    goal = status.get("goal")
    last = Goal(**goal) if isinstance(goal, dict) else Goal()
    done = float(status.get("seconds", 0.0))
    if steps is None and seconds is None:
        if (last.steps is not None and at >= last.steps) or (
            last.seconds is not None and done >= last.seconds
        ):
            raise LeagueError("the run has reached its goal: say how far to go on with --steps or --seconds")
        return last
    begin = last.steps if last.steps is not None and at >= last.steps else at
    return Goal(
        steps=None if steps is None else begin + steps,
        seconds=None if seconds is None else done + seconds,
    )


def load_config(run: RunFolder) -> RunConfig:
    """The configuration that a run was made with. Raises OptionError where this program cannot read it."""
    return from_plain(RunConfig, run.config)
