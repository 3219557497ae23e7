"""The Ray runtime: one process coordinates, others play and learn, all of them replaceable.

    this process        ready list, ledger, freezes, checkpoints, supervision ──┐
      actor processes   lease, play, ship, report ──────────────────────────────┤──> store (the truth)
      learner process   train, publish, write files

Who waits for whom
    this process waits for nobody longer than `PATIENCE`: every answer has a deadline.
    An actor whose run ended or whose heart stopped is killed, its leases are offered again, and another
    takes its place after a pause that grows with every failure. A learner process that died or is silent
    is started again from the last checkpoint that the store knows.

Every start of an actor leases under a name of its own: one that was killed may live on for a moment, and
what it leases or reports then must not pass for its successor's.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import ray

from agents.errors import AgentError
from coordinator.config import RunConfig
from coordinator.coordinator import Coordinator
from coordinator.processes import LEARNER, ActorProcess, LearnerProcess
from coordinator.ray_cluster import ClusterError, cluster
from coordinator.run_folder import RunFolder
from coordinator.session import Session
from coordinator.snapshots import SnapshotError, SnapshotStore
from coordinator.store import Store
from coordinator.store_types import Checkpoint, MatchState, OpenMatch, RunState, StoreError
from envs.game import GameError
from league.players import Player

BEAT_SECONDS = 0.1
"""Between two rounds of the control loop."""
PATIENCE = 60.0
"""Seconds that another process has to answer."""
FAILURES = 3
"""Times in a row that actors may fail, no result having come in between, before the run stops; the same
for the learner process, no update having been made."""


@dataclass
class ActorSlot:
    """One place for an actor process, and who fills it now."""

    name: str
    owner: str = ""
    """Who leases: the slot's name, epoch and start."""
    handle: Any = None
    running: Any = None
    """Reference that is ready once `run` has ended, however it ended."""
    beats: int = -1
    moved: float = 0.0
    """When its heart was last seen to beat."""
    results: int = 0
    """In the log when it was started."""
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
        self._snapshots = SnapshotStore(run.snapshots)
        self._coordinator = coordinator
        self._session = session
        self._learner: Any = None
        self._learner_failures = 0
        self._layout = config.runtime.layout
        self._slots = [ActorSlot(f"actor-{i}") for i in range(config.runtime.actor_count)]
        self._starts = 0
        """Of actors, in this epoch."""
        self._actor_failures = 0
        """In a row, no result having come in between."""
        self._results = 0
        """In the log at the last of them."""
        self._parked = {match.id for match in store.open_matches() if match.state is MatchState.PARKED}
        self._checkpoints: dict[str, Checkpoint] = store.checkpoints()
        self._next_checkpoint = 0.0
        self._finished = 8
        """Matches that ended in the busiest of the last rounds: how short the ready list may be."""

    def run(self) -> None:
        """Until the goal is reached or somebody asks to stop."""
        with cluster(self._config.runtime.address, self._run.namespace, self._run.path):
            self._start_learner()
            self._release_everybody()
            for slot in self._slots:
                self._start_actor(slot)
            ray.wait([self._learner.progress.remote()], timeout=PATIENCE)
            self._session.begin()
            while not (self._session.reached or self._session.interrupted):
                begin = time.monotonic()
                try:
                    self._round()
                except ray.exceptions.RayError as error:
                    self._replace_learner(error)
                time.sleep(max(0.0, begin + BEAT_SECONDS - time.monotonic()))
            self._stop()

    def _round(self) -> None:
        """One look at everything. Raises RayError where the learner process does not answer."""
        self._look_at_learner()
        finished = len(self._coordinator.absorb())
        self._finished = max(finished, int(0.9 * self._finished), 8)
        self._freeze()
        self._store.expire(time.time())
        counts = self._store.counts()
        if counts.parked > len(self._parked):
            self._look_at_parked()
        self._coordinator.offer(2 * self._finished - counts.ready)
        beats = self._store.actors()
        for slot in self._slots:
            self._supervise(slot, beats.get(slot.owner, {}))
        if time.monotonic() >= self._next_checkpoint:
            self._commit(RunState.RUNNING)
        self._session.show(actors={slot.name: slot.seen for slot in self._slots})

    def _look_at_parked(self) -> None:
        """Name the matches that were parked since the last look. A damaged snapshot is drawn no more."""
        parked = [match for match in self._store.open_matches() if match.state is MatchState.PARKED]
        for match in parked:
            if match.id not in self._parked:
                self._session.note(f"match {match.id} parked after three failures: {match.why}")
                self._leave_out_damaged(match)
        self._parked = {match.id for match in parked}

    def _leave_out_damaged(self, parked: OpenMatch) -> None:
        files = {snapshot.name: snapshot.sha256 for snapshot in self._coordinator.snapshots}
        for identity in set(parked.match.teams.values()) & files.keys():
            try:
                self._snapshots.read(files[identity])
            except SnapshotError:
                self._coordinator.leave_out(identity)

    # --- learner -----------------------------------------------------------------------------------

    def _start_learner(self) -> None:
        """From the last checkpoint. Raises SnapshotError where it is damaged."""
        for checkpoint in self._checkpoints.values():
            SnapshotStore(self._run.checkpoints).read(checkpoint.sha256)
        self._learner = (
            ray.remote(LearnerProcess)
            .options(name=LEARNER, num_cpus=0, max_concurrency=8 + 4 * len(self._slots), max_restarts=0)
            .remote(
                self._config,
                self._coordinator.spec,
                self._players(),
                self._checkpoints,
                self._run.path,
                self._layout.learner,
            )
        )

    def _players(self) -> dict[str, Player]:
        """Those that learn."""
        return {name: self._coordinator.players[name] for name in self._coordinator.learners}

    def _look_at_learner(self) -> None:
        progress = self._ask(self._learner.progress.remote())
        if progress.figures and any(figure.updates for figure in progress.figures.values()):
            self._learner_failures = 0
        self._session.trained(progress.figures, progress.steps, progress.versions)
        self._session.spent("learner", progress.stages)

    def _replace_learner(self, error: ray.exceptions.RayError) -> None:
        """It died or hangs: start it again, and register what it had frozen."""
        self._learner_failures += 1
        silent = isinstance(error, ray.exceptions.GetTimeoutError)
        what = f"did not answer for {PATIENCE:.0f} s" if silent else "died"
        if self._learner_failures > FAILURES:
            raise ClusterError(
                f"the learner process {what}, the {self._learner_failures}th time in a row: "
                "see the logs of Ray, and whether memory is short"
            )
        self._session.note(f"the learner process {what}; started again from its last checkpoint")
        ray.kill(self._learner)
        self._start_learner()
        self._write(RunState.RUNNING)

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
        """Files first, then the store; then the files that nothing points at any more may go.

        That is waited for: a late `prune` would take the next checkpoint for one of the old.
        """
        self._checkpoints = self._ask(self._learner.checkpoint.remote())
        self._write(state)
        self._ask(self._learner.prune.remote({point.sha256 for point in self._checkpoints.values()}))

    def _write(self, state: RunState) -> None:
        self._coordinator.commit(self._checkpoints, self._session.status(), state)
        self._next_checkpoint = time.monotonic() + self._config.runtime.checkpoint_seconds

    # --- actors ------------------------------------------------------------------------------------

    def _release_everybody(self) -> None:
        """Nobody plays yet: whatever is leased was leased before a kill."""
        owners = {match.owner for match in self._store.open_matches() if match.owner}
        for owner in sorted(owners | self._store.actors().keys()):
            self._store.release(owner)

    def _start_actor(self, slot: ActorSlot) -> None:
        self._starts += 1
        slot.owner = f"{slot.name}.{self._store.epoch()}.{self._starts}"
        slot.results = self._coordinator.ledger.seq
        remote = ray.remote(ActorProcess)
        slot.handle = remote.options(num_cpus=0, max_concurrency=3, max_restarts=0).remote(
            self._config,
            slot.owner,
            self._players(),
            self._url,
            self._run.namespace,
            self._run.path,
            self._layout.actor(self._slots.index(slot)),
        )
        slot.running = slot.handle.run.remote()
        slot.beats, slot.moved = -1, time.monotonic()

    def _supervise(self, slot: ActorSlot, seen: dict[str, Any]) -> None:
        """Notice an actor that ended or hangs, and start another in its place."""
        now = time.monotonic()
        if slot.handle is None:
            if now >= slot.start_at:
                self._start_actor(slot)
            return
        slot.seen = seen
        if seen.get("beats", -1) != slot.beats:
            slot.beats, slot.moved = seen.get("beats", -1), now
        # A process that is just starting has nothing that could hang, and takes its time on a busy machine.
        patience = self._config.runtime.hang_seconds if slot.beats >= 0 else PATIENCE
        ended, _ = ray.wait([slot.running], timeout=0)
        if ended:
            self._replace(slot, self._why(slot.running))
        elif now - slot.moved > patience:
            self._replace(slot, ClusterError(f"its game has not moved for {now - slot.moved:.0f} s"))

    def _replace(self, slot: ActorSlot, error: Exception) -> None:
        """Kill an actor and give its matches to others; the next one starts after a pause.

        Raises the error where no result came in between: of a game, which the actor tried anew by itself,
        at once; of a process, after a few times.
        """
        ray.kill(slot.handle)
        self._store.release(slot.owner, failed=True)
        slot.handle, slot.seen = None, {}
        self._coordinator.absorb()
        results = self._coordinator.ledger.seq
        self._actor_failures = 1 if results > self._results else self._actor_failures + 1
        self._results = results
        hopeless = isinstance(error, GameError) and results == slot.results
        if self._actor_failures > FAILURES or hopeless:
            raise error
        slot.start_at = time.monotonic() + min(10.0, 0.25 * 2**self._actor_failures)
        self._session.note(f"{slot.name} started anew: {error}")

    def _why(self, running: Any) -> Exception:
        """Why an actor's `run` ended."""
        try:
            ray.get(running, timeout=PATIENCE)
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, GameError | StoreError | AgentError):
                return error.cause
            last = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            return ClusterError(f"an actor process failed: {last}")
        except ray.exceptions.RayError:
            return ClusterError("an actor process died")
        return ClusterError("an actor process ended of itself")

    # --- the end -----------------------------------------------------------------------------------

    def _stop(self) -> None:
        """Let actors report what they have, then write everything; without the learner, if it just died."""
        for slot in self._slots:
            if slot.handle is not None:
                slot.handle.stop.remote()
        running = [slot.running for slot in self._slots if slot.handle is not None]
        if running:
            ray.wait(running, num_returns=len(running), timeout=10)
        self._release_everybody()
        self._coordinator.absorb()
        try:
            self._ask(self._learner.stop.remote())
            self._look_at_learner()
            self._commit(self._state)
        except ray.exceptions.RayError as error:
            self._session.note(f"the learner process died at the end ({type(error).__name__})")
            self._write(self._state)

    @property
    def _state(self) -> RunState:
        return RunState.FINISHED if self._session.reached else RunState.STOPPED

    def _ask(self, reference: Any) -> Any:
        """An answer, or the error that the other process raised; never a wait without an end."""
        try:
            return ray.get(reference, timeout=PATIENCE)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
