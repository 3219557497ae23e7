"""Turns trajectories into new weight versions, for one player.

Everything that a learner knows is in `state()`: weights, optimizer, counters. It holds no random
generator: what it does with the same batches after `load_state` is the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
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
        self.config = config
        self._crew = crew
        self._stages = stages or Stages()
        self.version = 0
        """Of the weights; grows by one with every update and every reset."""
        self.steps = 0
        """Decisions trained on, before a reset too."""
        self.skipped = 0
        """Updates skipped in a row since the last good one."""
        self._hyper: dict[str, float] = {}
        self._replaced_at = 0
        """Version of the weights that last took the place of others."""
        self._first_version = self._first_steps = 0
        """Of the weights that it began with, or began anew with."""
        self._make_first = partial(_first_modules, config, spec, team, seed)
        self._network, self._critic, self._magnet = self._make_first()
        self._modules = _together(self._network, self._critic, self._magnet)
        self._parameters = [p for p in self._modules.parameters() if p.requires_grad]
        self._flat = Flat(self._parameters)
        self._optimizer = self._make_optimizer()
        finder = self._network, self._critic, self._flat, crew, self._magnet
        self._gradient = GradientFinder(config, spec, *finder)
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
        self._place_magnet()

    def reset(self) -> None:
        """Begin anew by the first weights, with a fresh optimizer. Version and steps go on.

        What older weights decided trains these no more, however young it is: V-trace corrects for a policy
        that is near, and its clipped ratios would lead one that is far back to what it was.
        """
        self._modules.load_state_dict(_together(*self._make_first()).state_dict())
        self._optimizer.reset()
        self._mean = self.weights()
        self.skipped = 0
        self.version += 1
        self._replaced_at = self.version
        self._first_version, self._first_steps = self.version, self.steps

    def copy(self, other: Learner) -> None:
        """Go on by another's weights, mean, magnet and optimizer, in its schedule; as after a `reset`.

        Raises RuntimeError where its networks are not of the same shape.
        """
        self._modules.load_state_dict(other._modules.state_dict())
        self._optimizer.load(other._optimizer.tensors)
        self._mean = other.mean_weights()
        self.skipped = 0
        self.version += 1
        self._replaced_at = self.version
        self._first_version = self.version - (other.version - other._first_version)
        self._first_steps = self.steps - (other.steps - other._first_steps)

    def tune(self, hyper: Mapping[str, float]) -> None:
        """Let `entropy_cost` and `learning_rate` begin at these values; their schedules keep their shape."""
        self._hyper = dict(hyper)

    def update(self, trajectory: Trajectory) -> Update:
        """One step of gradient descent on a batch of columns."""
        trajectory, dropped = self._fresh_columns(trajectory)
        decisions = trajectory.decisions
        if not decisions:
            return Update(0, dropped, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, skipped=False)
        pace, entropy_cost = self._schedule()
        for network in (self._network, self._magnet):
            if network is not None:
                network.renew()
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
            if (self.version - self._first_version) % self.config.algorithm.magnet_updates == 0:
                self._place_magnet()
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
        return tensors, {
            "version": self.version,
            "steps": self.steps,
            "skipped": self.skipped,
            "replaced_at": self._replaced_at,
            "first_version": self._first_version,
            "first_steps": self._first_steps,
        }

    def load_state(self, tensors: Mapping[str, Any], meta: Mapping[str, Any]) -> None:
        """The inverse of `state`. Raises AgentError where it was made by another configuration.

        Where there is the mean alone, as at the start of a branch, it begins by that, with a fresh optimizer.
        """
        try:
            if tensors.keys() == {"mean"}:
                self.set_weights(tensors["mean"])
            else:
                self._modules.load_state_dict(_part("model", tensors))
        except (RuntimeError, ValueError) as error:
            why = " ".join(str(error).split())
            raise AgentError(f"the checkpoint is of another network than the configuration: {why}") from error
        try:
            if tensors.keys() != {"mean"}:
                self._optimizer.load(_part("optimizer", tensors))
        except (KeyError, RuntimeError) as error:
            raise AgentError("the checkpoint is of another optimizer than the configuration") from error
        self._mean = np.array(tensors["mean"])
        self.version, self.steps = int(meta["version"]), int(meta["steps"])
        self.skipped = int(meta["skipped"])
        # What was written before there were resets lacks these.
        self._replaced_at = int(meta.get("replaced_at", 0))
        self._first_version = int(meta.get("first_version", 0))
        self._first_steps = int(meta.get("first_steps", 0))

    def _fresh_columns(self, trajectory: Trajectory) -> tuple[Trajectory, int]:
        """Without the columns that are too old, begin before the weights were replaced, or are of a version
        that a learner published which then died: this one goes on from its checkpoint."""
        acted = trajectory.version[:-1]
        oldest = max(self._replaced_at, self.version - self.config.algorithm.max_policy_lag)
        fresh = (acted.min(axis=0) >= oldest) & (acted.max(axis=0) <= self.version)
        dropped = int(np.count_nonzero(~fresh))
        return (trajectory.select(fresh) if dropped else trajectory), dropped

    def _average(self) -> None:
        """Move the mean towards the weights; the first ones weigh little, or it would lag behind for long."""
        if keep := self.config.algorithm.averaging:
            age = self.version - self._first_version
            keep = min(keep, (1 + age) / (10 + age))
            torch.from_numpy(self._mean).lerp_(self._flat.values[: self._acting], 1 - keep)

    def _place_magnet(self) -> None:
        """The policy is pulled to the present mean from now on, if anything pulls it."""
        if self._magnet is not None:
            set_weights(self._magnet, self.mean_weights())

    def _make_optimizer(self) -> Optimizer:
        matrices: list[nn.Parameter] = []
        if self.config.algorithm.optimizer is OptimizerKind.MUON:
            matrices = self._network.matrices() + (self._critic.matrices() if self._critic else [])
        inner = {id(p) for p in matrices}
        others = [p for p in self._parameters if id(p) not in inner]
        momentum, precision = self.config.algorithm.momentum, self.config.precision
        return Optimizer(matrices=matrices, others=others, momentum=momentum, precision=precision)

    def _schedule(self) -> tuple[float, float]:
        """(share of the first learning rate, entropy cost): linear in the decisions trained on since the
        first weights, then constant."""
        c = self.config.algorithm
        done = min(1.0, (self.steps - self._first_steps) / c.anneal_steps) if c.anneal_steps else 0.0
        pace = 1.0 + done * (c.final_learning_rate / c.learning_rate - 1.0)
        entropy_cost = c.entropy_cost + done * (c.final_entropy_cost - c.entropy_cost)
        if tuned := self._hyper.get("learning_rate"):
            pace *= tuned / c.learning_rate
        if tuned := self._hyper.get("entropy_cost"):
            entropy_cost *= tuned / c.entropy_cost
        return pace, entropy_cost


def _first_modules(
    config: LearnerConfig, spec: GameSpec, team: str | None, seed: int
) -> tuple[PolicyNetwork, CentralCritic | None, PolicyNetwork | None]:
    """Network, critic and magnet as they are before any training: the same for the same seed."""
    torch.manual_seed(seed)
    seats, joint = team_seats(spec, team), config.cooperation is Cooperation.JOINT
    network = PolicyNetwork(config.network, spec, seats, joint, config.precision)
    critic = CentralCritic(config.network, spec, seats, config.precision) if joint else None
    magnet = deepcopy(network).requires_grad_(False) if config.algorithm.magnet_cost else None
    return network, critic, magnet


def _together(*modules: nn.Module | None) -> nn.ModuleDict:
    """What `_first_modules` gives, by the names that checkpoints give it."""
    named = zip(("network", "critic", "magnet"), modules, strict=True)
    return nn.ModuleDict({name: module for name, module in named if module is not None})


def _part(name: str, tensors: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors of a state whose names begin so, without that."""
    prefix = f"{name}."
    return {k.removeprefix(prefix): torch.tensor(v) for k, v in tensors.items() if k.startswith(prefix)}


def _copy(value: Tensor) -> np.ndarray[Any, np.dtype[Any]]:
    copied: np.ndarray[Any, np.dtype[Any]] = value.detach().cpu().numpy().copy()
    return copied
