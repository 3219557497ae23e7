"""The classes that Ray places, thin: each builds its loop, and passes calls on to it.

What computes is imported inside, so that the process that only coordinates never loads it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray

from coordinator.config import RunConfig
from coordinator.store_types import Checkpoint
from envs.game import GameSpec
from league.players import Player

if TYPE_CHECKING:
    from coordinator.actor_loop import ActorLoop
    from coordinator.learner_loop import Progress, Published, Shipment


class LearnerProcess:
    """A process with the learners of some players. Methods run in threads of their own."""

    def __init__(
        self,
        config: RunConfig,
        spec: GameSpec,
        players: Mapping[str, Player],
        checkpoints: Mapping[str, Checkpoint],
        folder: Path,
    ) -> None:
        from coordinator.learner_loop import LearnerLoop

        self._loop = LearnerLoop(config, spec, players, checkpoints, folder=folder)

    def submit(self, shipment: Shipment, known: Mapping[str, int]) -> dict[str, Published]:
        return self._loop.submit(shipment, known)

    def progress(self) -> Progress:
        return self._loop.progress()

    def freeze(self, name: str) -> tuple[str, int]:
        return self._loop.freeze(name)

    def checkpoint(self) -> dict[str, Checkpoint]:
        return self._loop.checkpoint()

    def prune(self, keep: set[str]) -> None:
        self._loop.prune(keep)

    def stop(self) -> None:
        self._loop.stop()


class ActorProcess:
    """A process that plays matches. `run` occupies one thread, `stop` comes in by another."""

    def __init__(
        self,
        config: RunConfig,
        owner: str,
        players: Mapping[str, Player],
        url: str,
        namespace: str,
        folder: Path,
    ) -> None:
        from coordinator.actor_loop import ActorLoop
        from coordinator.snapshots import SnapshotStore
        from coordinator.store import Store

        self._loop: ActorLoop = ActorLoop(
            config,
            owner,
            players,
            Store.connect(url, namespace),
            SnapshotStore(folder / "snapshots"),
            RayLink(LEARNER),
        )

    def run(self) -> None:
        self._loop.run()

    def stop(self) -> None:
        self._loop.stop()

    def pid(self) -> int:
        return os.getpid()


LEARNER = "learner"
"""Name of the learner process within the run's Ray namespace."""


class RayLink:
    """Shipments to the learner process, by Ray calls that are in flight; see `actor_loop.LearnerLink`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._handle: Any = None
        self._flight: list[Any] = []

    def send(self, shipment: Shipment, known: Mapping[str, int]) -> None:
        """Begin to hand a shipment over. Where there is no learner process now, the shipment is lost."""
        try:
            if self._handle is None:
                self._handle = ray.get_actor(self._name)
            self._flight.append(self._handle.submit.remote(shipment, dict(known)))
        except ValueError:  # nobody bears the name: it died, and is not up again
            time.sleep(0.1)

    def receive(self, wait: float) -> tuple[int, dict[str, Published]]:
        """(shipments still in flight, newer weights)."""
        news: dict[str, Published] = {}
        if not self._flight:
            return 0, news
        done, self._flight = ray.wait(self._flight, num_returns=1, timeout=wait)
        for ref in done:
            try:
                news.update(ray.get(ref, timeout=10))
            except ray.exceptions.RayActorError:
                self._handle, self._flight = None, []
        return len(self._flight), news
