"""The learner process: takes shipments, trains, publishes, writes checkpoints.

    actors ──submit(shipment)──> inbox ──> update ──> published weights ──> (answer to the next submit)
                                 (bounded)    │
    driver ──freeze, reset, turn, checkpoint, progress

Who waits for whom
    submit      waits for room in the inbox: that holds actors back. Room comes with every shipment trained,
                or the process ends, which ends the wait with an error.
    train       waits for a shipment, a short while at a time, and sees `stop` in between.
    the driver  waits for the update in progress: weights are never copied in the middle of one.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from agents.machine import keep_to, settle
from agents.policy import Weights
from agents.stages import WAITING
from agents.trajectory import Trajectory
from coordinator.config import RunConfig
from coordinator.figures import Figures
from coordinator.learners import Frozen, Learners
from coordinator.snapshots import SnapshotStore
from coordinator.store_types import Checkpoint
from envs.game import GameSpec
from league.pbt import Turn
from league.players import Player

Shipment = list[tuple[str, Trajectory]]
"""(player, batch), in the order in which they were played."""


class Delivery(NamedTuple):
    """A batch that arrived."""

    player: str
    batch: Trajectory
    release: Callable[[], None] | None = None
    """To be called once nobody reads the batch any more."""


Reader = Callable[[str, Weights, int], None]
"""Is told (player, weights, version) whenever there are new ones."""
Published = tuple[Weights, int]
"""(weights, version)"""


class Progress(NamedTuple):
    """Where the learners of a process stand."""

    figures: dict[str, Figures]
    """Since the last time this was asked."""
    steps: dict[str, int]
    versions: dict[str, int]
    stages: dict[str, float]
    """Share of its time by stage, lately; see `Stages.shares`."""


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
        core: int | None,
    ) -> None:
        """checkpoints: where to go on from. folder: the run's. core: to train on; None for any."""
        settle()
        self._checkpoints = SnapshotStore(folder / "checkpoints")
        self._learners = Learners(
            config,
            spec,
            players,
            checkpoints=self._checkpoints,
            snapshots=SnapshotStore(folder / "snapshots"),
        )
        self._core = core
        self._learners.restore(checkpoints)
        self._inbox: queue.Queue[Sequence[Delivery]] = queue.Queue(maxsize=config.runtime.inbox)
        self._turn = threading.Lock()
        """Held during an update, and by whoever reads the learners between two."""
        self._published: dict[str, Published] = {name: self._learners.weights(name) for name in players}
        self._readers: dict[str, Reader] = {}
        self._shares: dict[str, float] = {}
        self._error: Exception | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._train, name="train", daemon=True)
        self._thread.start()

    def listen(self, place: str, reader: Reader) -> None:
        """Tell an actor's reader of every version from now on, and of the present one at once."""
        with self._turn:
            for name, (weights, version) in self._published.items():
                reader(name, weights, version)
            self._readers[place] = reader

    def submit(self, deliveries: Sequence[Delivery], known: Mapping[str, int] | None) -> dict[str, Published]:
        """Hand over trajectories; returns weights that differ from the `known` versions; None: none."""
        while True:
            self._raise()
            try:
                if deliveries:
                    self._inbox.put(deliveries, timeout=0.5)
                if known is None:
                    return {}
                return {name: new for name, new in self._published.items() if new[1] != known.get(name)}
            except queue.Full:
                continue

    def progress(self) -> Progress:
        """Where the learners stand. Raises what stopped the training, if anything did."""
        self._raise()
        with self._turn:
            learners = self._learners
            return Progress(learners.figures(), learners.steps(), learners.versions(), self._shares)

    def freeze(self, name: str) -> Frozen:
        """See `Learners.freeze`."""
        with self._turn:
            return self._learners.freeze(name)

    def reset(self, name: str) -> None:
        """See `Learners.reset`. Actors are given the first weights at once."""
        with self._turn:
            self._learners.reset(name)
            self._publish(name)

    def turn(self, turn: Turn, frozen_at: int) -> Frozen | None:
        """See `Learners.turn`. Actors are given copied weights at once."""
        with self._turn:
            frozen = self._learners.turn(turn, frozen_at)
            self._publish(turn.player)
            return frozen

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
        keep_to(self._core)
        stages = self._learners.stages
        stages.begin()
        while not self._stopping.is_set():
            self._shares = stages.shares()
            try:
                with stages(WAITING):
                    deliveries = self._inbox.get(timeout=0.2)
            except queue.Empty:
                continue
            try:
                for name, batch, release in deliveries:
                    # Training and publishing have stages of their own: what is left is the wait for the turn.
                    with stages("checkpoint"), self._turn:
                        self._learners.train(name, batch)
                        self._publish(name)
                    if release is not None:
                        release()
            except Exception as error:  # handed to the driver, which asks for progress
                self._error = error
                return

    def _publish(self, name: str) -> None:
        weights, version = self._published[name] = self._learners.weights(name)
        for reader in tuple(self._readers.values()):
            reader(name, weights, version)

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error
