"""Actor processes under Ray: started, watched, and replaced when they end or hang.

Every start of an actor leases under a name of its own: one that was killed may live on for a moment, and
what it leases or reports then must not pass for its successor's.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import ray

from agents.errors import AgentError
from coordinator.config import RunConfig
from coordinator.coordinator import Coordinator
from coordinator.processes import ActorProcess
from coordinator.ray_cluster import PATIENCE, ClusterError
from coordinator.ray_links import learner_name
from coordinator.run_folder import RunFolder
from coordinator.session import Session
from coordinator.store import Store
from coordinator.store_types import StoreError
from envs.game import GameError

FAILURES = 3
"""Times in a row that actors may fail, no result having come in between, before the run stops."""


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


class ActorProcesses:
    """All actors of one run."""

    def __init__(
        self,
        config: RunConfig,
        run: RunFolder,
        store: Store,
        url: str,
        coordinator: Coordinator,
        session: Session,
    ) -> None:
        """url: of the store, for processes on any machine."""
        self._config = config
        self._run = run
        self._store = store
        self._url = url
        self._coordinator = coordinator
        self._session = session
        self._layout = config.runtime.layout
        self._slots = [ActorSlot(f"actor-{i}") for i in range(config.runtime.actor_count)]
        self._starts = 0
        """In this epoch."""
        self._failures = 0
        """In a row, no result having come in between."""
        self._results = 0
        """In the log at the last of them."""

    def start(self) -> None:
        """Start all."""
        self.release_everybody()
        for slot in self._slots:
            self._start(slot)

    def supervise(self) -> dict[str, dict[str, Any]]:
        """Replace whoever ended or hangs; returns everybody's last heartbeat.

        Raises what stopped the actors, where they fail again and again.
        """
        beats: Mapping[str, dict[str, Any]] = self._store.actors()
        for slot in self._slots:
            self._supervise(slot, beats.get(slot.owner, {}))
        return {slot.name: slot.seen for slot in self._slots}

    def stop(self) -> None:
        """Let them report what they have, and end."""
        for slot in self._slots:
            if slot.handle is not None:
                slot.handle.stop.remote()
        running = [slot.running for slot in self._slots if slot.handle is not None]
        if running:
            ray.wait(running, num_returns=len(running), timeout=10)
        self.release_everybody()

    def release_everybody(self) -> None:
        """Nobody plays yet: whatever is leased was leased before a kill."""
        owners = {match.owner for match in self._store.open_matches() if match.owner}
        for owner in sorted(owners | self._store.actors().keys()):
            self._store.release(owner)

    def _start(self, slot: ActorSlot) -> None:
        self._starts += 1
        slot.owner = f"{slot.name}.{self._store.epoch()}.{self._starts}"
        slot.results = self._coordinator.ledger.seq
        remote = ray.remote(ActorProcess)
        slot.handle = remote.options(num_cpus=0, max_concurrency=3, max_restarts=0).remote(
            self._config,
            slot.owner,
            self._coordinator.players_that_learn(),
            self._url,
            self._run.namespace,
            self._run.path,
            self._layout.actor(self._slots.index(slot)),
            learner_name(self._slots.index(slot) % self._config.runtime.learners),
        )
        slot.running = slot.handle.run.remote()
        slot.beats, slot.moved = -1, time.monotonic()

    def _supervise(self, slot: ActorSlot, seen: dict[str, Any]) -> None:
        """Notice an actor that ended or hangs, and start another in its place."""
        now = time.monotonic()
        if slot.handle is None:
            if now >= slot.start_at:
                self._start(slot)
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
        self._session.absorb()
        results = self._coordinator.ledger.seq
        self._failures = 1 if results > self._results else self._failures + 1
        self._results = results
        hopeless = isinstance(error, GameError) and results == slot.results
        if self._failures > FAILURES or hopeless:
            raise error
        slot.start_at = time.monotonic() + min(10.0, 0.25 * 2**self._failures)
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
