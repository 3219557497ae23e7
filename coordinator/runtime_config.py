"""How a run's work is placed, what travels, who waits, and when something counts as failed."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

SHORTEST_PATIENCE = 1.0
"""Seconds: below, an actor would be killed between two beats of its heart."""


def cores() -> int:
    """Cores that this process may use; not every system can tell those from all that there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Layout(NamedTuple):
    """Which core everybody keeps to."""

    actors: tuple[int, ...] = ()
    """Of each actor."""
    learner: int | None = None

    def actor(self, index: int) -> int | None:
        """Of one actor; None for any."""
        return self.actors[index] if self.actors else None


class Runtime(StrEnum):
    """Where the parts of a run are placed."""

    INLINE = "inline"
    """Everything in one process, in order: exact, and easy to debug."""
    RAY = "ray"
    """Actors and learners as processes of their own, on this machine or a cluster."""


class Coordination(StrEnum):
    """Who waits for whom to train."""

    ASYNC = "async"
    """Nobody: actors play on by the weights that they have, and how old those are is measured."""
    SYNC = "sync"
    """All for all: an update waits for a batch of every actor, and they for its weights."""


class Inference(StrEnum):
    """Where players that learn decide."""

    ACTOR = "actor"
    """At every actor: weights travel to it, and trajectories back."""
    CENTRAL = "central"
    """At a server beside the learner: observations travel to it, actions back (Espeholt et al. 2020)."""


class Payload(StrEnum):
    """What travels from actors to a learner."""

    TRAJECTORIES = "trajectories"
    """What was played; the learner finds the gradient."""
    GRADIENTS = "gradients"
    """Gradients that the actor found; the learner steps by one after the other, and holds the parameters."""


@dataclass(frozen=True)
class RuntimeConfig:
    """How the work is placed, and when it counts as failed."""

    runtime: Runtime = Runtime.RAY
    """inline (one process, exact) or ray (processes)."""
    address: str = "local"
    """Ray cluster to join; local starts one on this machine for this run alone."""
    coordination: Coordination = Coordination.ASYNC
    """Ray: async or sync; inline, everything is in step."""
    quorum: float = 1.0
    """sync: share of the actors that an update waits for; batches of the others join the next one (Wijmans et
    al. 2020 wait for 0.6)."""
    inference: Inference = Inference.ACTOR
    """Ray, async: where players that learn decide: actor (weights travel) or central (observations do)."""
    inference_rows: int = 0
    """central: rows that are enough for a batch; 0 for half of what all actors can ask at once."""
    inference_seconds: float = 0.005
    """central: that no row waits longer for others."""
    shipment: Payload = Payload.TRAJECTORIES
    """Ray: what travels from actors to a learner: trajectories or gradients."""
    actors: int = 0
    """Actor processes; 0 chooses from the cores at hand: one less than there are, at least one."""
    learners: int = 1
    """Ray: processes that learn one player in step, each from batches of actors of its own: data-parallel."""
    learner_threads: int = 0
    """Threads that compute one gradient; 0 chooses from the cores that actors leave, two at most."""
    workers: int = 0
    """Ray: processes that step each actor's copies, so that a slow one does not hold all; 0 for none."""
    redis: str = ""
    """URL of a Redis or Valkey server; empty starts one inside the run folder."""
    round_steps: int = 1_000_000
    """Inline: trained decisions between two commits, which are the points that a resume goes back to."""
    checkpoint_seconds: float = 15.0
    """Ray: seconds between two checkpoints of the learners."""
    inbox: int = 1
    """Shipments that wait for a learner before actors are held back; more of them only grow older."""
    hang_seconds: float = 60.0
    """An actor whose game has not moved for so long is killed and started anew; a scripted player that thinks
    for half of it over its moves of one tick forfeits."""
    lease_seconds: float = 90.0
    """A match whose actor has been silent for so long is offered again; longer than `hang_seconds`."""

    @property
    def actor_count(self) -> int:
        """`actors`, or what the cores at hand suggest."""
        return self.actors or max(self.learners, cores() - self.learners)

    @property
    def quorum_count(self) -> int:
        """Actors that an update waits for at each learner; 0 where it waits for none."""
        if self.coordination is Coordination.ASYNC:
            return 0
        return math.ceil(self.quorum * (self.actor_count // self.learners))

    def inference_row_count(self, asked: int) -> int:
        """`inference_rows`, or half of what all actors can ask at once, each `asked` rows."""
        return self.inference_rows or max(1, asked * self.actor_count // 2)

    @property
    def script_seconds(self) -> float:
        """That a scripted player may think: less than would have its actor killed."""
        return self.hang_seconds / 2

    @property
    def layout(self) -> Layout:
        """A core for everybody, where this run alone fills the machine; else wherever the system likes."""
        alone = (
            self.runtime is Runtime.RAY
            and self.address == "local"
            and self.actor_count == cores() - 1
            and self.learners == 1
        )
        if not alone or not hasattr(os, "sched_getaffinity"):
            return Layout()
        *actors, learner = sorted(os.sched_getaffinity(0))
        return Layout(tuple(actors), learner)

    @property
    def learner_thread_count(self) -> int:
        """`learner_threads`, or what the cores at hand suggest: those that no actor fills, two at most."""
        busy = self.actor_count if self.runtime is Runtime.RAY else 0
        return self.learner_threads or max(1, min(2, cores() - busy))

    def __post_init__(self) -> None:
        for name, least in (
            ("actors", 0),
            ("learners", 1),
            ("learner_threads", 0),
            ("workers", 0),
            ("inference_rows", 0),
            ("inference_seconds", 0.0),
            ("round_steps", 1),
            ("inbox", 1),
            ("hang_seconds", SHORTEST_PATIENCE),
        ):
            if not getattr(self, name) >= least:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be at least {least:g}")
        if not 0.0 < self.quorum <= 1.0:
            raise ValueError(f"quorum is {self.quorum}, but must lie in (0, 1]")
        for name in ("checkpoint_seconds", "lease_seconds"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be above 0")
        if self.workers and self.runtime is Runtime.INLINE:
            raise ValueError(
                f"workers is {self.workers}, but must be 0 with runtime inline, which plays in order, exactly"
            )
        if self.inference is Inference.CENTRAL and self.runtime is Runtime.INLINE:
            raise ValueError(
                "inference is central, but must be actor with runtime inline, where all are in one process"
            )
        if self.inference is Inference.CENTRAL and self.coordination is Coordination.SYNC:
            raise ValueError(
                "inference is central, but must be actor with coordination sync: no actor ships a batch of "
                "its own that an update could wait for"
            )
        if self.lease_seconds <= self.hang_seconds:
            raise ValueError(
                f"lease_seconds {self.lease_seconds:g} is not above hang_seconds {self.hang_seconds:g}: "
                "a match would be offered again while its actor still has time"
            )
