"""A run's complete configuration: one frozen dataclass, from preset, file and flags to `config.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from agents.algorithms.config import PolicyLoss
from agents.config import BufferKind, Cooperation, LearnerConfig, RolloutConfig
from agents.streams import StreamConfig
from coordinator.runtime_config import Coordination, Inference, Payload, Runtime, RuntimeConfig
from league.config import LeagueConfig
from league.pbt import PbtConfig
from league.players import Player
from league.teams import named_for


@dataclass(frozen=True)
class GameConfig:
    """What is played."""

    name: str
    """As in `league envs`: connect_four, pettingzoo:classic/tictactoe_v3, gymnasium:CartPole-v1, …"""
    teams: Literal["auto", "seats", "prefix", "one"] = "auto"
    """How an adapted game's seats make teams: each its own, by the part of the name before _N, or all one."""


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
            self._check_learners(learner)
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
        if self.pbt.period is not None and "entropy_cost" in self.pbt.tuned:
            raise ValueError(
                "pbt.tuned has entropy_cost, but must be learning_rate alone with runtime.shipment "
                "gradients: actors that find them do not hear of costs that are tuned"
            )
        for cost in ("magnet_cost", "kl_cost"):
            if value := getattr(learner.algorithm, cost):
                raise ValueError(
                    f"learner.algorithm.{cost} is {value}, but must be 0 with runtime.shipment gradients: "
                    "what it needs stays with the learner"
                )
        if learner.buffer.kind is BufferKind.CIRCULAR:
            raise ValueError(
                "learner.buffer.kind is circular, but must be queue or prioritized with runtime.shipment "
                "gradients: all passes over a batch would be gradients for the same weights"
            )

    def _check_learners(self, learner: LearnerConfig) -> None:
        """Several that learn in step make as many updates, each time of the same player."""
        runtime = self.runtime
        if runtime.learners == 1:
            return
        learning = [name for name, role in self.league.roles.items() if role.learns]
        for name, value, allowed, why in (
            ("runtime.runtime", runtime.runtime, Runtime.RAY, "inline, there is one process"),
            ("runtime.address", runtime.address, "local", "processes find one another on one machine"),
            ("runtime.shipment", runtime.shipment, Payload.TRAJECTORIES, "gradients go to one that steps"),
            ("runtime.inference", runtime.inference, Inference.ACTOR, "its server is beside one learner"),
        ):
            if value != allowed:
                raise ValueError(
                    f"{name} is {value}, but must be {allowed} with runtime.learners "
                    f"{runtime.learners}: {why}"
                )
        if learner.buffer.kind is BufferKind.PRIORITIZED:
            raise ValueError(
                "learner.buffer.kind is prioritized, but must be queue or circular with runtime.learners "
                f"{runtime.learners}: replays that fill at different times ask for updates at different times"
            )
        if len(learning) > 1:
            raise ValueError(
                f"runtime.learners is {runtime.learners}, but must be 1 where {len(learning)} players learn "
                f"({', '.join(learning)}): batches of different players would meet"
            )
        if runtime.actor_count % runtime.learners:
            raise ValueError(
                f"runtime.actors is {runtime.actor_count}, but must be a multiple of runtime.learners "
                f"{runtime.learners}: each learns from as many actors"
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
