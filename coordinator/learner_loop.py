"""The learner process: takes shipments, trains, publishes, writes checkpoints.

    actors ──submit(shipment)──> inbox ──> update ──> published weights ──> (answer to the next submit)
                                 (bounded)    │
    driver ──freeze, reset, turn, checkpoint, progress

Who waits for whom
    submit      waits for room in the inbox: that holds actors back. Room comes with every shipment trained,
                or the process ends, which ends the wait with an error. In step (`sync`), and with
                gradients, it waits until the shipment is trained, and comes back with what became of it.
    train       waits for a shipment, a short while at a time, and sees `stop` in between. In step, it waits
                for those of a quorum of the actors; one that died is replaced, and ships then.
    peers       where several processes learn in step, each waits for the others before every update.
    the driver  waits for the update in progress: weights are never copied in the middle of one.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from agents.machine import keep_to, settle
from agents.peers import Peers
from agents.policy import Weights
from agents.stages import WAITING
from agents.trajectory import Trajectory, joined
from agents.update import Proposal
from coordinator.config import RunConfig
from coordinator.figures import Figures, Traffic
from coordinator.learners import Frozen, Learners
from coordinator.snapshots import SnapshotStore
from coordinator.store_types import Checkpoint
from envs.game import GameSpec
from league.pbt import Turn
from league.players import Player

Shipment = list[tuple[str, Trajectory | Proposal]]
"""(player, batch or the gradient of one), in the order in which they were played."""


class Delivery(NamedTuple):
    """A batch that arrived."""

    player: str
    batch: Trajectory | Proposal
    release: Callable[[], None] | None = None
    """To be called once nobody reads the batch any more."""


class Arrival(NamedTuple):
    """What one actor handed over at once."""

    deliveries: Sequence[Delivery]
    trained: threading.Event


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
    traffic: Traffic | None = None
    """Of the inference server beside them; None where there is none."""


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
        peers: Peers | None = None,
    ) -> None:
        """checkpoints: where to go on from. folder: the run's. core: to train on; None for any.

        peers: other processes that learn the same in step.
        """
        settle()
        self._peers = peers
        self._checkpoints = SnapshotStore(folder / "checkpoints")
        self._learners = Learners(
            config,
            spec,
            players,
            checkpoints=self._checkpoints,
            snapshots=SnapshotStore(folder / "snapshots"),
            peers=peers,
        )
        self._core = core
        self._learners.restore(checkpoints)
        self._quorum = config.runtime.quorum_count
        self._inbox: queue.Queue[Arrival] = queue.Queue(
            maxsize=max(config.runtime.inbox, config.runtime.actor_count if self._quorum else 0)
        )
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
        arrival = Arrival(deliveries, threading.Event())
        waiting = bool(deliveries)
        while waiting:
            self._raise()
            if self._stopping.is_set():
                return {}  # nobody makes room any more
            with suppress(queue.Full):
                self._inbox.put(arrival, timeout=0.5)
                waiting = False
        waiting = bool(self._quorum) or any(isinstance(each.batch, Proposal) for each in deliveries)
        while deliveries and waiting and not arrival.trained.wait(0.5):
            self._raise()
            if self._stopping.is_set():
                return {}  # what waits in the inbox is lost
        if known is None:
            return {}
        return {name: new for name, new in self._published.items() if new[1] != known.get(name)}

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

    def fail(self, error: Exception) -> None:
        """Something beside the training failed that it cannot go on without: whoever asks is told."""
        self._error = self._error or error

    def stop(self) -> None:
        """Train no more; what waits in the inbox is lost."""
        self._stopping.set()
        self._thread.join(timeout=10 if self._peers is None else 1)  # who waits for peers may wait for ever

    def _train(self) -> None:
        keep_to(self._core)
        stages = self._learners.stages
        stages.begin()
        while not self._stopping.is_set():
            self._shares = stages.shares()
            with stages(WAITING):
                arrivals = self._gather()
            try:
                for name, batch in _joined(arrivals) if self._quorum else _one_by_one(arrivals):
                    if self._peers is not None:
                        with stages(WAITING):
                            self._peers.meet()  # without the turn: whoever asks waits for no peers
                    # Training and publishing have stages of their own: what is left is the wait for the turn.
                    with stages("checkpoint"), self._turn:
                        self._learners.train(name, batch)
                        self._publish(name)
            except Exception as error:  # handed to the driver, which asks for progress
                self._error = error
                return
            for arrival in arrivals:
                arrival.trained.set()

    def _gather(self) -> list[Arrival]:
        """What is to be trained on now: one arrival; in step, those of a quorum and what else is there."""
        arrivals: list[Arrival] = []
        while len(arrivals) < max(1, self._quorum) and not self._stopping.is_set():
            with suppress(queue.Empty):
                arrivals.append(self._inbox.get(timeout=0.2))
            if not arrivals:
                break
        while self._quorum and not self._inbox.empty():
            arrivals.append(self._inbox.get())
        return arrivals

    def _publish(self, name: str) -> None:
        weights, version = self._published[name] = self._learners.weights(name)
        for reader in tuple(self._readers.values()):
            reader(name, weights, version)

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error


def _one_by_one(arrivals: Sequence[Arrival]) -> Iterator[tuple[str, Trajectory | Proposal]]:
    """(player, batch) in the order of arrival; a batch is given back once the next one is asked for."""
    for arrival in arrivals:
        for name, batch, release in arrival.deliveries:
            yield name, batch
            if release is not None:
                release()


def _joined(arrivals: Sequence[Arrival]) -> Iterator[tuple[str, Trajectory]]:
    """(player, batch), all that arrived for a player as one batch: one gradient, the mean over all actors."""
    batches: dict[str, list[Trajectory]] = {}
    for name, batch in _one_by_one(arrivals):
        assert isinstance(batch, Trajectory), "gradients are stepped by one after the other"
        batches.setdefault(name, []).append(batch.select(np.ones(batch.columns, np.bool_)))
    for name, parts in batches.items():
        yield name, joined(parts)
