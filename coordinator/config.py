"""A run's complete configuration: one frozen dataclass, from preset, file and flags to `config.json`."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, NamedTuple

from agents.algorithms.config import PolicyLoss
from agents.config import BufferKind, Cooperation, LearnerConfig, RolloutConfig
from agents.streams import StreamConfig
from league.config import LeagueConfig
from league.pbt import PbtConfig
from league.players import Player
from league.teams import named_for

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
class GameConfig:
    """What is played."""

    name: str
    """As in `league envs`: connect_four, pettingzoo:classic/tictactoe_v3, gymnasium:CartPole-v1, …"""
    teams: Literal["auto", "seats", "prefix", "one"] = "auto"
    """How an adapted game's seats make teams: each its own, by the part of the name before _N, or all one."""


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
        return self.actors or max(1, cores() - 1)

    @property
    def quorum_count(self) -> int:
        """Actors that an update waits for; 0 where it waits for none."""
        return math.ceil(self.quorum * self.actor_count) if self.coordination is Coordination.SYNC else 0

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
        alone = self.runtime is Runtime.RAY and self.address == "local" and self.actor_count == cores() - 1
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


@dataclass(frozen=True)
class RunConfig:
    """Everything that a run is made from."""

    game: GameConfig
    """What is played."""
    learner: LearnerConfig = LearnerConfig()
    """How every player learns that has no variant."""
    variants: Mapping[str, LearnerConfig] = field(default_factory=dict, metadata={"over": "learner"})
    """How players of these names learn: `variants.main-2.algorithm.entropy_cost`, and what is not given as in
    `learner`. Where teams differ, `main` is the first player of every team, `main-2` the second, …"""
    rollout: RolloutConfig = RolloutConfig()
    """How games are played and cut."""
    league: LeagueConfig = LeagueConfig()
    """Who plays whom, and when a player is frozen."""
    pbt: PbtConfig = PbtConfig()
    """Whether and how players of one role copy one another and vary their hyper-parameters."""
    runtime: RuntimeConfig = RuntimeConfig()
    """Where it runs."""
    initialize_from: str = ""
    """RUN@N, or RUN:PLAYER@N for one player: begin from generation N of another run, and take over its
    ancestors with their results; empty for first weights."""
    seed: int = 0
    """Everything random follows from it; runs with the same seed differ only where processes race."""

    def __post_init__(self) -> None:
        if self.runtime.workers > self.rollout.copies:
            raise ValueError(
                f"runtime.workers {self.runtime.workers} is above rollout.copies {self.rollout.copies}: "
                "a worker would have no copy to step"
            )
        for learner in (self.learner, *self.variants.values()):
            self._check_shipment(learner)
            if learner.overlap >= self.rollout.unroll:
                raise ValueError(
                    f"rollout.unroll is {self.rollout.unroll}, but must be above {learner.overlap}: columns "
                    "share q.burn_in rows (q.steps - 1 if buffer.transitions) with the one before"
                )
        if self.runtime.runtime is Runtime.INLINE and self.league.episodes > self.runtime.round_steps:
            raise ValueError(
                f"league.episodes {self.league.episodes} is above "
                f"runtime.round_steps {self.runtime.round_steps}: "
                "inline, a round lasts until its matches are over, and only then is it written"
            )

    def _check_shipment(self, learner: LearnerConfig) -> None:
        """Gradients are found by weights that are another process's, once each."""
        if self.runtime.shipment is not Payload.GRADIENTS:
            return
        for name, value, allowed, why in (
            ("runtime.runtime", self.runtime.runtime, Runtime.RAY, "inline, nothing travels"),
            ("runtime.inference", self.runtime.inference, Inference.ACTOR, "else actors have no weights"),
            (
                "runtime.coordination",
                self.runtime.coordination,
                Coordination.ASYNC,
                "each is stepped by at once",
            ),
            (
                "learner.cooperation",
                learner.cooperation,
                Cooperation.INDEPENDENT,
                "a central critic stays behind",
            ),
        ):
            if value is not allowed:
                raise ValueError(
                    f"{name} is {value}, but must be {allowed} with runtime.shipment gradients: {why}"
                )
        if learner.buffer.kind is BufferKind.CIRCULAR:
            raise ValueError(
                "learner.buffer.kind is circular, but must be queue or prioritized with runtime.shipment "
                "gradients: all passes over a batch would be gradients for the same weights"
            )

    def learner_of(self, player: Player) -> LearnerConfig:
        """How a player learns: by its variant, else by `learner`."""
        return self.learner if (name := self.variant_of(player)) is None else self.variants[name]

    def variant_of(self, player: Player) -> str | None:
        """Name of the variant that is meant for a player: its own goes before its team's plain one."""
        meant = [name for name in self.variants if is_meant(name, player)]
        return player.name if player.name in meant else next(iter(meant), None)

    def stream_config(self, player: Player) -> StreamConfig:
        """How the decisions of a player are cut."""
        learner = self.learner_of(player)
        q = learner.algorithm.policy_loss is PolicyLoss.Q
        return StreamConfig(
            unroll=self.rollout.unroll,
            batch=learner.algorithm.batch,
            cooperation=learner.cooperation,
            team=player.team,
            core=learner.network.lstm,
            overlap=learner.overlap,
            episodic=q and not learner.buffer.transitions,
            values=q,
        )


def is_meant(name: str, player: Player) -> bool:
    """Whether a variant of this name is that player's: `main-2` is `predator-2`'s, bound to the predators."""
    return name == player.name or (player.team is not None and named_for(player.team, name) == player.name)
