"""The learner process: takes shipments, trains, publishes, writes checkpoints.

    actors ──submit(shipment)──> inbox ──> update ──> published weights ──> (answer to the next submit)
                                 (bounded)    │
    driver ──freeze, checkpoint, progress─────┘

Who waits for whom
    submit      waits for room in the inbox: that holds actors back. Room comes with every shipment trained,
                or the process ends, which ends the wait with an error.
    train       waits for a shipment, a short while at a time, and sees `stop` in between.
    the driver  waits for the update in progress: weights are never copied in the middle of one.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from agents.machine import settle
from agents.policy import Weights
from agents.trajectory import Trajectory
from coordinator.config import RunConfig
from coordinator.figures import Figures
from coordinator.learners import Learners
from coordinator.snapshots import SnapshotStore
from coordinator.store_types import Checkpoint
from envs.game import GameSpec
from league.players import Player

Shipment = list[tuple[str, Trajectory]]
"""(player, batch), in the order in which they were played."""
Published = tuple[Weights, int]
"""(weights, version)"""


class Progress(NamedTuple):
    """Where the learners of a process stand."""

    figures: dict[str, Figures]
    """Since the last time this was asked."""
    steps: dict[str, int]
    versions: dict[str, int]


class LearnerLoop:
    """The learners of one process, behind a bounded inbox."""

    def __init__(
        self,
        config: RunConfig,
        spec: GameSpec,
        players: Mapping[str, Player],
        checkpoints: Mapping[str, Checkpoint],
        *,
        folder: Path,
    ) -> None:
        """checkpoints: where to go on from. folder: the run's."""
        settle()
        self._checkpoints = SnapshotStore(folder / "checkpoints")
        self._learners = Learners(
            config,
            spec,
            players,
            checkpoints=self._checkpoints,
            snapshots=SnapshotStore(folder / "snapshots"),
        )
        self._learners.restore(checkpoints)
        self._inbox: queue.Queue[Shipment] = queue.Queue(maxsize=config.runtime.inbox)
        self._turn = threading.Lock()
        """Held during an update, and by whoever reads the learners between two."""
        self._published: dict[str, Published] = {name: self._learners.weights(name) for name in players}
        self._error: Exception | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._train, name="train", daemon=True)
        self._thread.start()

    def submit(self, shipment: Shipment, known: Mapping[str, int]) -> dict[str, Published]:
        """Hand over trajectories; returns the weights that differ from the `known` versions."""
        while True:
            self._raise()
            try:
                if shipment:
                    self._inbox.put(shipment, timeout=0.5)
                return {name: new for name, new in self._published.items() if new[1] != known.get(name)}
            except queue.Full:
                continue

    def progress(self) -> Progress:
        """Where the learners stand. Raises what stopped the training, if anything did."""
        self._raise()
        with self._turn:
            return Progress(self._learners.figures(), self._learners.steps(), self._learners.versions())

    def freeze(self, name: str) -> tuple[str, int]:
        """See `Learners.freeze`."""
        with self._turn:
            return self._learners.freeze(name)

    def checkpoint(self) -> dict[str, Checkpoint]:
        """See `Learners.checkpoint`. Older checkpoints stay until `prune`."""
        with self._turn:
            return self._learners.checkpoint()

    def prune(self, keep: set[str]) -> None:
        """Delete the checkpoints that nothing points at any more."""
        self._checkpoints.prune(keep)

    def stop(self) -> None:
        """Train no more; what waits in the inbox is lost."""
        self._stopping.set()
        self._thread.join(timeout=10)

    def _train(self) -> None:
        while not self._stopping.is_set():
            try:
                shipment = self._inbox.get(timeout=0.2)
            except queue.Empty:
                continue
            try:
                for name, batch in shipment:
                    with self._turn:
                        self._learners.train(name, batch)
                        self._published[name] = self._learners.weights(name)
            except Exception as error:  # handed to the driver, which asks for progress
                self._error = error
                return

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error
