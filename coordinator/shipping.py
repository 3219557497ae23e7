"""What passes between an actor and the learner process: either weights come and trajectories go, as here,
or neither does (`inference_link`).

    actor ──batches──> shipment ──> learner process ──newer weights──> actor
             └─(worker)──> gradients ──┘

Who waits for whom
    the actor   for first weights; then for the learner while `IN_FLIGHT` shipments are not taken, in step
                (`sync`) while one is not trained, and with gradients while one is not stepped by. One that
                is taken, or a learner process started in place of one that died, ends it. Meanwhile `go_on`
                is called, which lets the heart beat.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from agents.asking import Asker
from agents.stages import WAITING, Stages
from agents.trajectory import Trajectory
from agents.update import Proposal
from coordinator.actor import Actor
from coordinator.config import RunConfig
from coordinator.learner_loop import Published, Shipment
from coordinator.runtime_config import Coordination, Payload
from coordinator.worker import Worker
from envs.game import GameSpec
from league.players import Player

WAIT_SECONDS = 0.2
"""Between two calls of `go_on`."""
SHIP_SECONDS = 0.1
SHIP_DECISIONS = 16_384
"""A shipment leaves when it is so old or so large, whichever comes first."""
IN_FLIGHT = 2
"""Shipments not yet taken at which an actor holds back: what waits grows old, and trains less well."""


class Exchange(Protocol):
    """How what actors play comes to be learnt from, and what is learnt comes to be played."""

    moved: int
    """Bytes both ways so far."""

    def open(self, spec: GameSpec) -> Asker | None:
        """Games begin, or begin anew. Returns what decides for those that learn, where their weights are
        elsewhere."""
        ...

    def ready(self, actor: Actor) -> bool:
        """Whether they can be played now; waits for a moment at most."""
        ...

    def exchange(self, actor: Actor) -> None:
        """Hand over what was played in a tick, and hold back where that is not taken."""
        ...


class LearnerLink(Protocol):
    """How an actor reaches the learner processes."""

    def send(self, shipment: Shipment, known: Mapping[str, int]) -> None:
        """Begin to hand a shipment over. known: versions of weights that the actor has, by player."""
        ...

    def receive(self, wait: float) -> tuple[int, dict[str, Published]]:
        """(shipments still not taken, newer weights that came back); waits so many seconds at most."""
        ...


class Shipping:
    """The `Exchange` of an actor that acts by weights of its own."""

    def __init__(
        self,
        config: RunConfig,
        players: Mapping[str, Player],
        link: LearnerLink,
        stages: Stages,
        go_on: Callable[[], bool],
    ) -> None:
        """players: those that learn, by name. go_on: called every while in a wait; False ends it."""
        self._players = players
        self._link, self._stages, self._go_on = link, stages, go_on
        self._config = config
        self._worker: Worker | None = None
        """Finds gradients, where those are shipped."""
        self._at_once = config.runtime.coordination is Coordination.SYNC or (
            config.runtime.shipment is Payload.GRADIENTS
        )
        """Whether every batch leaves alone, and newer weights are waited for: a gradient soon is too old."""
        self._known: dict[str, int] = {}
        self._shipment: Shipment = []
        self._shipped = 0.0
        self.moved = 0
        """See `Exchange.moved`."""

    def open(self, spec: GameSpec) -> None:
        """See `Exchange.open`."""
        self._known, self._shipment = {}, []
        if self._config.runtime.shipment is Payload.GRADIENTS:
            seed = int.from_bytes(os.urandom(4))
            self._worker = Worker(self._config, spec, self._players, self._stages, seed)

    def ready(self, actor: Actor) -> bool:
        """Ask for everybody's first weights, and wait for them."""
        if len(self._known) < len(self._players):
            self._link.send([], self._known)
            self._load(actor, wait=1.0)
        return len(self._known) == len(self._players)

    def exchange(self, actor: Actor) -> None:
        """Send what was played, and hold back while learners are behind."""
        now = time.time()
        for name, batch in actor.batches():
            if self._worker is None:
                self._shipment.append((name, batch))
            else:
                self._shipment += [(name, found) for found in self._worker.gradients(name, batch)]
        size = sum(_decisions(shipped) for _, shipped in self._shipment)
        due = self._at_once or size >= SHIP_DECISIONS or now - self._shipped >= SHIP_SECONDS
        if self._shipment and due:
            with self._stages("transfer"):
                self._link.send(self._shipment, self._known)
            self.moved += sum(_bytes(shipped) for _, shipped in self._shipment)
            self._shipment, self._shipped = [], now
        waiting = self._load(actor, wait=0.0)
        while waiting >= (1 if self._at_once else IN_FLIGHT) and self._go_on():
            waiting = self._load(actor, wait=WAIT_SECONDS)

    def _load(self, actor: Actor, wait: float) -> int:
        """Take newer weights; returns the shipments that were not taken yet."""
        with self._stages(WAITING if wait else "transfer"):
            waiting, news = self._link.receive(wait)
        with self._stages("transfer"):
            for name, (weights, version) in news.items():
                actor.load(name, weights, version)
                if self._worker is not None:
                    self._worker.follow(name, weights, version)
                self._known[name] = version
                self.moved += weights.nbytes
        return waiting


def _decisions(shipped: Trajectory | Proposal) -> int:
    """How much was played for it."""
    if isinstance(shipped, Proposal):
        return shipped.decisions
    return int(shipped.acting.size)


def _bytes(shipped: Trajectory | Proposal) -> int:
    """How much of it travels."""
    if isinstance(shipped, Proposal):
        return 0 if shipped.gradient is None else shipped.gradient.nbytes
    return shipped.rows.nbytes + shipped.place.nbytes + (0 if shipped.core is None else shipped.core.nbytes)
