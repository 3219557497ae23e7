"""The Ray runtime: one process coordinates, others play and learn, all of them replaceable.

    this process        ready list, ledger, freezes, checkpoints, supervision ──┐
      actor processes   lease, play, ship, report ──────────────────────────────┤──> store (the truth)
      learner process   train, publish, write files

Who waits for whom
    this process waits for nobody longer than `PATIENCE`: every answer has a deadline.
    An actor whose run ended or whose heart stopped is killed, its leases are offered again, and another
    takes its place after a pause that grows with every failure. A learner process that died is
    started again from the last checkpoint that the store knows.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import ray

from coordinator.config import RunConfig
from coordinator.coordinator import Coordinator
from coordinator.processes import LEARNER, ActorProcess, LearnerProcess
from coordinator.ray_cluster import cluster
from coordinator.run_folder import RunFolder
from coordinator.session import Session
from coordinator.store import Store
from coordinator.store_types import Checkpoint, RunState
from envs.game import GameError
from league.players import Player

BEAT_SECONDS = 0.1
"""Between two rounds of the control loop."""
PATIENCE = 60.0
"""Seconds that another process has to answer."""
FAILURES = 3
"""Times in a row that an actor may fail, nothing having been reported in between, before the run stops."""


@dataclass
class ActorSlot:
    """One place for an actor process, and who fills it now."""

    owner: str
    handle: Any = None
    running: Any = None
    """Reference that is ready once `run` has ended, however it ended."""
    beats: int = -1
    moved: float = 0.0
    """When its heart was last seen to beat."""
    failures: int = 0
    start_at: float = 0.0
    """Not to be started before."""
    seen: dict[str, Any] = field(default_factory=dict)
    """Its last heartbeat."""


class OnRay:
    """Coordinator and supervisor of one run."""

    def __init__(
        self,
        config: RunConfig,
        run: RunFolder,
        store: Store,
        url: str,
        coordinator: Coordinator,
        session: Session,
    ) -> None:
        self._config = config
        self._run = run
        self._store = store
        self._url = url
        self._coordinator = coordinator
        self._session = session
        self._learner: Any = None
        self._learner_failures = 0
        self._slots = [ActorSlot(f"actor-{i}") for i in range(config.runtime.actor_count)]
        self._checkpoints: dict[str, Checkpoint] = store.checkpoints()
        self._next_checkpoint = 0.0
        self._finished = 8
        """Matches that ended in the busiest of the last rounds: how short the ready list may be."""

    def run(self) -> None:
        """Until the goal is reached or somebody asks to stop."""
        with cluster(self._config.runtime.address, self._run.namespace, self._run.path):
            self._start_learner()
            for slot in self._slots:
                self._store.release(slot.owner)
                self._start_actor(slot)
            self._freeze()
            self._commit(RunState.RUNNING)
            while not (self._session.reached or self._session.interrupted):
                begin = time.monotonic()
                self._round()
                time.sleep(max(0.0, begin + BEAT_SECONDS - time.monotonic()))
            self._stop()

    def _round(self) -> None:
        """One look at everything."""
        self._look_at_learner()
        finished = len(self._coordinator.absorb())
        self._finished = max(finished, int(0.9 * self._finished), 8)
        self._freeze()
        self._coordinator.offer(2 * self._finished - self._store.counts().ready)
        expired = self._store.expire(time.time())
        for number in expired.parked:
            self._session.note(f"match {number} parked after three failures: see `league matches`")
        for slot in self._slots:
            self._supervise(slot)
        if time.monotonic() >= self._next_checkpoint:
            self._commit(RunState.RUNNING)
        self._session.show(actors={slot.owner: slot.seen for slot in self._slots})

    # --- learner -----------------------------------------------------------------------------------

    def _start_learner(self) -> None:
        remote = ray.remote(LearnerProcess)
        self._learner = remote.options(
            name=LEARNER, num_cpus=0, max_concurrency=8 + 4 * len(self._slots), max_restarts=0
        ).remote(self._config, self._coordinator.spec, self._players(), self._checkpoints, self._run.path)

    def _players(self) -> dict[str, Player]:
        """Those that learn."""
        return {name: self._coordinator.players[name] for name in self._coordinator.learners}

    def _look_at_learner(self) -> None:
        try:
            progress = self._ask(self._learner.progress.remote())
        except ray.exceptions.RayActorError:
            self._learner_failures += 1
            if self._learner_failures > FAILURES:
                raise
            self._session.note("the learner process died; started again from its last checkpoint")
            self._start_learner()
            return
        if progress.figures and any(figure.updates for figure in progress.figures.values()):
            self._learner_failures = 0
        self._session.trained(progress.figures, progress.steps, progress.versions)

    def _freeze(self) -> None:
        """Freeze whoever is due, with a checkpoint: the copies are safe before anyone may speak of them."""
        due = self._coordinator.due()
        for name, reason in due.items():
            sha256, steps = self._ask(self._learner.freeze.remote(name))
            snapshot = self._coordinator.froze(name, sha256, steps, reason)
            self._session.note(f"{snapshot.name} frozen: {reason}")
        if due:
            self._commit(RunState.RUNNING)

    def _commit(self, state: RunState) -> None:
        """Files first, then the store; then the files that nothing points at any more may go."""
        self._checkpoints = self._ask(self._learner.checkpoint.remote())
        self._coordinator.commit(self._checkpoints, self._session.status(), state)
        self._learner.prune.remote({checkpoint.sha256 for checkpoint in self._checkpoints.values()})
        self._next_checkpoint = time.monotonic() + self._config.runtime.checkpoint_seconds

    # --- actors ------------------------------------------------------------------------------------

    def _start_actor(self, slot: ActorSlot) -> None:
        remote = ray.remote(ActorProcess)
        slot.handle = remote.options(num_cpus=0, max_concurrency=3, max_restarts=0).remote(
            self._config, slot.owner, self._players(), self._url, self._run.namespace, self._run.path
        )
        slot.running = slot.handle.run.remote()
        slot.moved = time.monotonic()

    def _supervise(self, slot: ActorSlot) -> None:
        """Notice an actor that ended or hangs, and start another in its place."""
        now = time.monotonic()
        if slot.handle is None:
            if now >= slot.start_at:
                self._start_actor(slot)
            return
        slot.seen = self._store.actors().get(slot.owner, {})
        if slot.seen.get("beats", -1) != slot.beats:
            slot.beats, slot.moved = slot.seen.get("beats", -1), now
        ended, _ = ray.wait([slot.running], timeout=0)
        if ended:
            self._replace(slot, self._why(slot.running))
        elif now - slot.moved > self._config.runtime.hang_seconds:
            self._replace(slot, f"its game has not moved for {now - slot.moved:.0f} s")

    def _replace(self, slot: ActorSlot, why: str) -> None:
        """Kill an actor and give its matches to others; the next one starts after a pause."""
        ray.kill(slot.handle)
        self._store.release(slot.owner, failed=True)
        slot.handle = None
        slot.failures += 1
        slot.start_at = time.monotonic() + min(10.0, 0.25 * 2**slot.failures)
        self._session.note(f"{slot.owner} started anew: {why}")

    def _why(self, running: Any) -> str:
        """Why an actor's `run` ended. Raises the game's error where it has failed too often."""
        try:
            ray.get(running, timeout=PATIENCE)
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, GameError):
                raise error.cause from None
            return str(error.cause).strip().splitlines()[-1]
        except ray.exceptions.RayError as error:
            return type(error).__name__
        return "it ended"

    # --- the end -----------------------------------------------------------------------------------

    def _stop(self) -> None:
        """Let actors report what they have, then write everything."""
        for slot in self._slots:
            if slot.handle is not None:
                slot.handle.stop.remote()
        running = [slot.running for slot in self._slots if slot.handle is not None]
        if running:
            ray.wait(running, num_returns=len(running), timeout=10)
        self._ask(self._learner.stop.remote())
        self._look_at_learner()
        self._coordinator.absorb()
        for slot in self._slots:
            self._store.release(slot.owner)
        self._commit(RunState.FINISHED if self._session.reached else RunState.STOPPED)

    def _ask(self, reference: Any) -> Any:
        """An answer, or the error that the other process raised; never a wait without an end."""
        try:
            return ray.get(reference, timeout=PATIENCE)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
