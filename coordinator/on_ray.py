"""The Ray runtime: one process coordinates, others play and learn, all of them replaceable.

    this process        ready list, ledger, freezes, checkpoints, supervision ──┐
      actor processes   lease, play, ship, report ──────────────────────────────┤──> store (the truth)
      learner process   train, publish, write files

Who waits for whom
    this process waits for nobody longer than `PATIENCE`: every answer has a deadline.
    An actor whose run ended or whose heart stopped is killed, its leases are offered again, and another
    takes its place after a pause that grows with every failure. A learner process that died or is silent
    is started again from the last checkpoint that the store knows.

Who begins anew
    copy on disk ──> commit ──> withdraw its matches ──> reset ──> checkpoint on disk ──> commit

    The first commit registers the copy; the second, both or neither, the reset and the checkpoint with the
    first weights. A kill in between leaves a learner of the checkpoint before, and the same reset is decided
    again. Matches that were made for the old weights count no more: they would be rated as the copy's.
    Of a turn of population-based training that copies a rival's weights the same holds, but that its snapshot
    is registered together with the new weights.
"""

from __future__ import annotations

import secrets
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import ray

from agents.errors import PeerError
from coordinator.actor_processes import ActorProcesses
from coordinator.config import RunConfig
from coordinator.coordinator import Coordinator
from coordinator.processes import LearnerProcess
from coordinator.ray_cluster import PATIENCE, ClusterError, cluster
from coordinator.ray_links import learner_name
from coordinator.run_folder import RunFolder
from coordinator.session import Session
from coordinator.snapshots import SnapshotStore
from coordinator.store import Store
from coordinator.store_types import Checkpoint, MatchState, RunState

BEAT_SECONDS = 0.1
"""Between two rounds of the control loop."""
FAILURES = 3
"""Times in a row that the learner process may fail, no update having been made, before the run stops."""


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
        self._snapshots = SnapshotStore(run.snapshots)
        self._coordinator = coordinator
        self._session = session
        self._learner: Any = None
        """The process that checkpoints and snapshots are of."""
        self._peers: list[Any] = []
        """Others that learn the same in step with it."""
        self._meeting: Path | None = None
        """The file where these find one another."""
        self._learner_failures = 0
        self._actors = ActorProcesses(config, run, store, url, coordinator, session)
        self._parked = {match.id for match in store.open_matches() if match.state is MatchState.PARKED}
        self._checkpoints: dict[str, Checkpoint] = store.checkpoints()
        self._next_checkpoint = 0.0
        self._finished = 8
        """Matches that ended in the busiest of the last rounds: how short the ready list may be."""

    def run(self) -> None:
        """Until the goal is reached or somebody asks to stop."""
        with cluster(self._config.runtime.address, self._run.namespace, self._run.path):
            self._start_learner()
            self._actors.start()
            ray.wait([self._learner.progress.remote()], timeout=PATIENCE)
            self._session.begin()
            while not (self._session.reached or self._session.interrupted):
                begin = time.monotonic()
                try:
                    self._round()
                except (ray.exceptions.RayError, PeerError) as error:
                    self._replace_learner(error)
                time.sleep(max(0.0, begin + BEAT_SECONDS - time.monotonic()))
            self._stop()
        self._clear_meeting()

    def _round(self) -> None:
        """One look at everything. Raises RayError where the learner process does not answer."""
        self._look_at_learner()
        finished = self._session.absorb()
        self._finished = max(finished, int(0.9 * self._finished), 8)
        self._freeze()
        self._reset()
        self._take_turns()
        self._store.expire(time.time())
        counts = self._store.counts()
        if counts.parked != len(self._parked):
            self._look_at_parked()
        self._coordinator.offer(2 * self._finished - counts.ready)
        beats = self._actors.supervise()
        if time.monotonic() >= self._next_checkpoint:
            self._commit(RunState.RUNNING)
        self._session.show(actors=beats)

    def _look_at_parked(self) -> None:
        """Name the matches that were parked since the last look. A damaged snapshot is drawn no more."""
        parked = [match for match in self._store.open_matches() if match.state is MatchState.PARKED]
        for match in parked:
            if match.id not in self._parked:
                self._session.note(f"match {match.id} parked after three failures: {match.why}")
                self._coordinator.leave_out_damaged(match.match, self._snapshots)
        self._parked = {match.id for match in parked}

    # --- learner -----------------------------------------------------------------------------------

    def _start_learner(self) -> None:
        """From the last checkpoint. Raises SnapshotError where it is damaged."""
        for checkpoint in self._checkpoints.values():
            SnapshotStore(self._run.checkpoints).read(checkpoint.sha256)
        runtime = self._config.runtime
        self._clear_meeting()
        if runtime.learners > 1:
            self._meeting = Path(tempfile.gettempdir()) / f"league-peers-{secrets.token_hex(8)}"
        self._learner, *self._peers = (
            ray.remote(LearnerProcess)
            .options(
                name=learner_name(rank),
                num_cpus=0,
                max_concurrency=8 + 4 * runtime.actor_count,
                max_restarts=0,
            )
            .remote(
                self._config,
                self._coordinator.spec,
                self._coordinator.players_that_learn(),
                self._checkpoints,
                self._run.path,
                runtime.layout.learner,
                rank,
                self._meeting,
            )
            for rank in range(runtime.learners)
        )

    def _clear_meeting(self) -> None:
        """All who met there have met, or are gone."""
        if self._meeting is not None:
            self._meeting.unlink(missing_ok=True)

    def _look_at_learner(self) -> None:
        progress = self._ask(self._learner.progress.remote())
        if progress.figures and any(figure.updates for figure in progress.figures.values()):
            self._learner_failures = 0
        self._session.trained(progress.figures, progress.steps, progress.versions)
        self._session.spent("learner", progress.stages)
        self._session.served(progress.traffic)

    def _replace_learner(self, error: Exception) -> None:
        """It died or hangs, or one beside it did: start all again, and register what was frozen."""
        self._learner_failures += 1
        silent = isinstance(error, ray.exceptions.GetTimeoutError)
        what = f"did not answer for {PATIENCE:.0f} s" if silent else "died"
        if self._learner_failures > FAILURES:
            raise ClusterError(
                f"the learner process {what}, the {self._learner_failures}th time in a row: "
                "see the logs of Ray, and whether memory is short"
            )
        self._session.note(f"the learner process {what}; started again from its last checkpoint")
        for process in (self._learner, *self._peers):
            ray.kill(process)
        self._start_learner()
        self._write(RunState.RUNNING)

    def _freeze(self) -> None:
        """Freeze whoever is due, with a checkpoint: the copies are safe before anyone may speak of them."""
        due = self._coordinator.due()
        for name, reason in due.items():
            self._freeze_one(name, reason)
        if due:
            self._commit(RunState.RUNNING)

    def _freeze_one(self, name: str, reason: str) -> None:
        sha256, steps = self._ask(self._learner.freeze.remote(name))
        snapshot = self._coordinator.froze(name, sha256, steps, reason)
        self._session.note(f"{snapshot.name} frozen: {reason}")

    def _reset(self) -> None:
        """Let whoever is due begin anew: its copy was registered by an earlier commit."""
        due = self._coordinator.resets_due()
        if not due:
            return
        self._coordinator.withdraw(due)
        for name, reason in due.items():
            self._ask(self._learner.reset.remote(name))
            self._session.note(f"{name} reset: {reason}")
        self._commit(RunState.RUNNING, *(partial(self._coordinator.was_reset, *one) for one in due.items()))

    def _take_turns(self) -> None:
        """Population-based training. Whoever is overwritten was frozen first; one commit tells of both."""
        while (turn := self._coordinator.turn()) is not None:
            if turn.rival is not None:
                self._coordinator.withdraw([turn.player])
            frozen_at = self._coordinator.players[turn.player].frozen_at
            frozen = self._ask(self._learner.turn.remote(turn, frozen_at))
            self._session.note(f"{turn.player} {turn.reason}")
            self._commit(RunState.RUNNING, partial(self._coordinator.took_turn, turn, frozen))

    def _commit(self, state: RunState, *carried_out: Callable[[], None]) -> None:
        """Files first, then the store; then the files that nothing points at any more may go.

        That is waited for: a late `prune` would take the next checkpoint for one of the old.
        carried_out: tell the coordinator what learners did with themselves since the last commit. Not before
        the checkpoint is there: the learner process may die until then, and take it all with it.
        """
        self._checkpoints = self._ask(self._learner.checkpoint.remote())
        for tell in carried_out:
            tell()
        self._write(state)
        self._ask(self._learner.prune.remote({point.sha256 for point in self._checkpoints.values()}))

    def _write(self, state: RunState) -> None:
        self._coordinator.commit(self._checkpoints, self._session.status(), state)
        self._next_checkpoint = time.monotonic() + self._config.runtime.checkpoint_seconds

    # --- the end -----------------------------------------------------------------------------------

    def _stop(self) -> None:
        """Let actors report what they have, then write everything; without the learner, if it just died."""
        self._actors.stop()
        self._session.absorb()
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
