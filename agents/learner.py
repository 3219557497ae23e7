"""Turns trajectories into new weight versions, for one player.

Everything that a learner knows is in `state()`: weights, optimizer, counters. It holds no random
generator: what it does with the same batches after `load_state` is the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from agents.config import Cooperation, LearnerConfig, OptimizerKind
from agents.errors import AgentError
from agents.flat import Flat
from agents.gradient import GradientFinder
from agents.machine import ALONE, Crew
from agents.networks import CentralCritic, PolicyNetwork
from agents.optimizer import Optimizer
from agents.policy import Weights, set_weights
from agents.stages import Stages
from agents.trajectory import Trajectory, team_seats
from envs.game import GameSpec

Tensors = dict[str, np.ndarray[Any, np.dtype[Any]]]


@dataclass(frozen=True)
class Update:
    """What one update did; all figures are means over the decisions of the batch."""

    decisions: int
    """Trained on; 0 where the update was skipped."""
    dropped: int
    """Columns that were too old."""
    policy_lag: float
    """Updates between the weights that acted and those that learn."""
    policy_loss: float
    value_loss: float
    entropy: float
    rho: float
    gradient_norm: float
    skipped: bool
    """Loss or gradient were not finite: nothing was changed."""


class Learner:
    """Weights, optimizer and counters of one player."""

    def __init__(
        self,
        config: LearnerConfig,
        spec: GameSpec,
        *,
        team: str | None,
        seed: int,
        crew: Crew = ALONE,
        stages: Stages | None = None,
    ) -> None:
        """team: the one that the player is bound to; None where it plays any. seed: of the first weights.

        crew: who computes; alone or several, sums round otherwise, but how many they are does not matter.
        stages: of the thread that calls `update`.
        """
        torch.manual_seed(seed)
        self.config = config
        self._crew = crew
        self._stages = stages or Stages()
        self.version = 0
        """Of the weights; grows by one with every update."""
        self.steps = 0
        """Decisions trained on."""
        self.skipped = 0
        """Updates skipped in a row since the last good one."""
        seats = team_seats(spec, team)
        joint = config.cooperation is Cooperation.JOINT
        self._network = PolicyNetwork(config.network, spec, seats, joint, config.precision)
        self._critic = CentralCritic(config.network, spec, seats, config.precision) if joint else None
        self._modules = nn.ModuleDict({"network": self._network})
        if self._critic is not None:
            self._modules["critic"] = self._critic
        self._parameters = [*self._modules.parameters()]
        self._flat = Flat(self._parameters)
        self._optimizer = self._make_optimizer()
        self._gradient = GradientFinder(config, spec, self._network, self._critic, self._flat, crew)
        self._acting = sum(parameter.numel() for parameter in self._network.parameters())
        """Numbers of the network that acts; a central critic's come after them."""
        self._mean = self.weights()

    def weights(self) -> Weights:
        """A copy of the network's parameters, for those who act."""
        weights: Weights = self._flat.values[: self._acting].numpy().copy()
        return weights

    def mean_weights(self) -> Weights:
        """A copy of the running mean of the weights, for snapshots: a policy that swings less."""
        return self._mean.copy() if self.config.algorithm.averaging else self.weights()

    def set_weights(self, weights: Weights) -> None:
        """Start from somebody else's network, with a fresh optimizer."""
        set_weights(self._network, weights)
        self._optimizer.reset()
        self._mean = self.weights()

    def update(self, trajectory: Trajectory) -> Update:
        """One step of gradient descent on a batch of columns."""
        trajectory, dropped = self._fresh_columns(trajectory)
        decisions = trajectory.decisions
        if not decisions:
            return Update(0, dropped, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, skipped=False)
        pace, entropy_cost = self._schedule()
        self._network.renew()
        with self._stages("gradient"):
            losses = self._gradient.find(trajectory, decisions, entropy_cost)
        norm = self._flat.clip(self.config.algorithm.max_gradient_norm)
        finite = bool(np.isfinite([norm, losses.total]).all())
        lag = float(np.mean(self.version - trajectory.version[:-1]))
        if finite:
            with self._stages("optimizer"):
                self._optimizer.step(
                    matrix_learning_rate=pace * self.config.algorithm.matrix_learning_rate,
                    learning_rate=pace * self.config.algorithm.learning_rate,
                    crew=self._crew,
                )
            self.version += 1
            self.steps += decisions
            self._average()
            self.skipped = 0
        else:
            self.skipped += 1
        return Update(
            decisions=decisions if finite else 0,
            dropped=dropped,
            policy_lag=lag,
            policy_loss=losses.policy,
            value_loss=losses.value,
            entropy=losses.entropy,
            rho=losses.rho,
            gradient_norm=norm,
            skipped=not finite,
        )

    def state(self) -> tuple[Tensors, dict[str, Any]]:
        """Everything: (tensors by name, counters). Shares no memory with the learner."""
        tensors = {f"model.{name}": _copy(value) for name, value in self._modules.state_dict().items()}
        tensors |= {f"optimizer.{name}": _copy(value) for name, value in self._optimizer.tensors.items()}
        tensors["mean"] = self.mean_weights()
        return tensors, {"version": self.version, "steps": self.steps, "skipped": self.skipped}

    def load_state(self, tensors: Mapping[str, Any], meta: Mapping[str, Any]) -> None:
        """The inverse of `state`. Raises AgentError where it was made by another configuration."""
        model = {name: value for name, value in tensors.items() if name.startswith("model.")}
        try:
            self._modules.load_state_dict(
                {k.removeprefix("model."): torch.tensor(v) for k, v in model.items()}
            )
        except RuntimeError as error:
            why = " ".join(str(error).split())
            raise AgentError(f"the checkpoint is of another network than the configuration: {why}") from error
        optimizer = {name: value for name, value in tensors.items() if name.startswith("optimizer.")}
        try:
            self._optimizer.load(
                {k.removeprefix("optimizer."): torch.tensor(v) for k, v in optimizer.items()}
            )
        except (KeyError, RuntimeError) as error:
            raise AgentError("the checkpoint is of another optimizer than the configuration") from error
        self._mean = np.array(tensors["mean"])
        self.version, self.steps = int(meta["version"]), int(meta["steps"])
        self.skipped = int(meta["skipped"])

    def _fresh_columns(self, trajectory: Trajectory) -> tuple[Trajectory, int]:
        """Without the columns that are too old."""
        oldest = trajectory.version[:-1].min(axis=0)
        fresh = oldest >= self.version - self.config.algorithm.max_policy_lag
        dropped = int(np.count_nonzero(~fresh))
        return (trajectory.select(fresh) if dropped else trajectory), dropped

    def _average(self) -> None:
        """Move the mean towards the weights; the first ones weigh little, or it would lag behind for long."""
        if keep := self.config.algorithm.averaging:
            keep = min(keep, (1 + self.version) / (10 + self.version))
            torch.from_numpy(self._mean).lerp_(self._flat.values[: self._acting], 1 - keep)

    def _make_optimizer(self) -> Optimizer:
        matrices: list[nn.Parameter] = []
        if self.config.algorithm.optimizer is OptimizerKind.MUON:
            matrices = self._network.matrices() + (self._critic.matrices() if self._critic else [])
        inner = {id(p) for p in matrices}
        return Optimizer(matrices=matrices, others=[p for p in self._parameters if id(p) not in inner])

    def _schedule(self) -> tuple[float, float]:
        """(share of the first learning rate, entropy cost) after `steps` decisions: linear, then constant."""
        c = self.config.algorithm
        done = min(1.0, self.steps / c.anneal_steps) if c.anneal_steps else 0.0
        return (
            1.0 + done * (c.final_learning_rate / c.learning_rate - 1.0),
            c.entropy_cost + done * (c.final_entropy_cost - c.entropy_cost),
        )


def _copy(value: Tensor) -> np.ndarray[Any, np.dtype[Any]]:
    copied: np.ndarray[Any, np.dtype[Any]] = value.detach().cpu().numpy().copy()
    return copied
