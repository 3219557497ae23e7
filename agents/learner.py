"""Turns trajectories into new weight versions, for one player.

Everything that a learner knows is in `state()`: weights, optimizer, counters. It holds no random
generator: what it does with the same batches after `load_state` is the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch

from agents.config import BufferKind, LearnerConfig
from agents.errors import AgentError
from agents.flat import Flat
from agents.gradient import GradientFinder
from agents.machine import ALONE, Crew
from agents.modules import copied, first_modules, make_optimizer, named, target_updates
from agents.peers import Peers
from agents.policy import Weights, set_weights
from agents.schedule import Costs, next_kl_cost, schedule
from agents.stages import Stages
from agents.trajectory import Trajectory
from agents.update import Floats, Proposal, Update
from envs.game import GameSpec

Tensors = dict[str, np.ndarray[Any, np.dtype[Any]]]


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
        peers: Peers | None = None,
    ) -> None:
        """team: the one that the player is bound to; None where it plays any. seed: of the first weights.

        crew: who computes; alone or several, sums round otherwise, but how many they are does not matter.
        stages: of the thread that calls `update`. peers: who learns the same in step; None for nobody.
        """
        self.config = config
        self._crew = crew
        self._peers = peers
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
        self._kl_cost = config.algorithm.kl_cost
        self._make_first = partial(first_modules, config, spec, team, seed)
        networks = self._make_first()
        self._network, self._critic, self._magnet, self._target = networks
        self._target_updates = target_updates(config)
        self._modules = networks.together()
        self._flat = Flat(networks.learning())
        self._optimizer = make_optimizer(config, networks)
        self._gradient = GradientFinder(config, spec, networks, self._flat, crew)
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
        for module in (self._magnet, self._target):
            if module is not None:
                set_weights(module, weights)

    def reset(self) -> None:
        """Begin anew by the first weights, with a fresh optimizer. Version and steps go on.

        What older weights decided trains these no more, however young it is: V-trace corrects for a policy
        that is near, and its clipped ratios would lead one that is far back to what it was.
        """
        self._modules.load_state_dict(self._make_first().together().state_dict())
        self._optimizer.reset()
        self._mean = self.weights()
        self._kl_cost = self.config.algorithm.kl_cost
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
        self._kl_cost = other._kl_cost
        self.skipped = 0
        self.version += 1
        self._replaced_at = self.version
        self._first_version = self.version - (other.version - other._first_version)
        self._first_steps = self.steps - (other.steps - other._first_steps)

    def tune(self, hyper: Mapping[str, float]) -> None:
        """Let `entropy_cost` and `learning_rate` begin at these values; their schedules keep their shape."""
        self._hyper = dict(hyper)

    def update(
        self,
        trajectory: Trajectory,
        *,
        fresh: int | None = None,
        weights: Floats | None = None,
    ) -> Update:
        """One step of gradient descent on a batch of columns; arguments as in `propose`."""
        proposal = self._propose(trajectory, fresh, weights)
        if self._peers is not None:
            proposal = self._peers.mean(proposal, self._flat.gradient)
        return self.accept(proposal)

    def propose(
        self, trajectory: Trajectory, *, fresh: int | None = None, weights: Floats | None = None
    ) -> Proposal:
        """The gradient of a batch of columns, for another learner to step by.

        fresh: decisions that count as trained by this; None for all that are. weights: [B] importance weights
        of the columns.
        """
        proposal = self._propose(trajectory, fresh, weights)
        return replace(proposal, gradient=self._flat.gradient.numpy().copy())

    def accept(self, proposal: Proposal) -> Update:
        """Step by a gradient, unless it is too old, or not finite."""
        if not proposal.decisions:
            return Update(dropped=proposal.dropped)
        algorithm, means, lag = self.config.algorithm, proposal.means, proposal.policy_lag
        if proposal.gradient is not None:
            behind = self.version - proposal.version
            oldest = max(self._replaced_at, self.version - algorithm.max_policy_lag)
            if not oldest <= proposal.version <= self.version:
                return Update(dropped=proposal.dropped + 1)
            self._flat.gradient.copy_(torch.from_numpy(proposal.gradient))
            lag += behind
        pace, _ = self._schedule()
        norm = self._flat.clip(algorithm.max_gradient_norm)
        finite = bool(np.isfinite([norm, means.total]).all())
        if finite:
            with self._stages("optimizer"):
                self._optimizer.step(
                    matrix_learning_rate=pace * algorithm.matrix_learning_rate,
                    learning_rate=pace * algorithm.learning_rate,
                    crew=self._crew,
                )
            self.version += 1
            self.steps += proposal.fresh
            self.skipped = 0
            self._follow(means.divergence)
        else:
            self.skipped += 1
        return Update(
            decisions=proposal.decisions if finite else 0,
            fresh=proposal.fresh if finite else 0,
            dropped=proposal.dropped,
            policy_lag=lag,
            policy_loss=means.policy,
            value_loss=means.value,
            entropy=means.entropy,
            rho=means.rho,
            divergence=means.divergence,
            gradient_norm=norm,
            skipped=not finite,
            errors=proposal.errors,
        )

    def follow(self, weights: Weights, version: int, steps: int) -> None:
        """Go on by the weights of the learner that this one finds gradients for.

        steps: decisions that those were trained on, as far as is known.
        """
        period = self._target_updates
        moves = version // period != self.version // period
        set_weights(self._network, weights)
        if self._target is not None and moves:
            set_weights(self._target, weights)
        self.version, self.steps = version, steps

    def _propose(self, trajectory: Trajectory, fresh: int | None, weights: Floats | None) -> Proposal:
        """Finds the gradient and leaves it where the parameters keep theirs."""
        trajectory, dropped = self.fresh_columns(trajectory)
        decisions = int(np.count_nonzero(trajectory.acting[self.config.trained]))
        counted = decisions if fresh is None else min(fresh, decisions) if dropped else fresh
        if not decisions:
            return Proposal(None, self.version, 0, 0, dropped, 0.0)
        _, costs = self._schedule()
        for network in (self._network, self._magnet, self._target):
            if network is not None:
                network.renew()
        with self._stages("gradient"):
            means, errors = self._gradient.find(trajectory, costs, weights)
        lag = float(np.mean(self.version - trajectory.version[:-1]))
        return Proposal(None, self.version, decisions, counted, dropped, lag, means, errors)

    def state(self) -> tuple[Tensors, dict[str, Any]]:
        """Everything: (tensors by name, counters). Shares no memory with the learner."""
        tensors = {f"model.{name}": copied(value) for name, value in self._modules.state_dict().items()}
        tensors |= {f"optimizer.{name}": copied(value) for name, value in self._optimizer.tensors.items()}
        tensors["mean"] = self.mean_weights()
        return tensors, {
            "version": self.version,
            "steps": self.steps,
            "skipped": self.skipped,
            "replaced_at": self._replaced_at,
            "first_version": self._first_version,
            "first_steps": self._first_steps,
            "kl_cost": self._kl_cost,
        }

    def load_state(self, tensors: Mapping[str, Any], meta: Mapping[str, Any]) -> None:
        """The inverse of `state`. Raises AgentError where it was made by another configuration.

        Where there is the mean alone, as at the start of a branch, it begins by that, with a fresh optimizer.
        """
        try:
            if tensors.keys() == {"mean"}:
                self.set_weights(tensors["mean"])
            else:
                self._modules.load_state_dict(named("model", tensors))
        except (RuntimeError, ValueError) as error:
            why = " ".join(str(error).split())
            raise AgentError(f"the checkpoint is of another network than the configuration: {why}") from error
        try:
            if tensors.keys() != {"mean"}:
                self._optimizer.load(named("optimizer", tensors))
        except (KeyError, RuntimeError) as error:
            raise AgentError("the checkpoint is of another optimizer than the configuration") from error
        self._mean = np.array(tensors["mean"])
        self.version, self.steps = int(meta["version"]), int(meta["steps"])
        self.skipped = int(meta["skipped"])
        # What was written before there were resets lacks these.
        self._replaced_at = int(meta.get("replaced_at", 0))
        self._first_version = int(meta.get("first_version", 0))
        self._first_steps = int(meta.get("first_steps", 0))
        self._kl_cost = float(meta.get("kl_cost", self._kl_cost))

    def fresh_columns(self, trajectory: Trajectory) -> tuple[Trajectory, int]:
        """(what to learn from of a batch, columns that this leaves out).

        Those that are too old, begin before the weights were replaced, or are of a version that a learner
        published which then died: this one goes on from its checkpoint. A replay's may be of any age: what a
        player learns from those does not ask who decided.
        """
        if self.config.buffer.kind is BufferKind.PRIORITIZED:
            return trajectory, 0
        acted = trajectory.version[:-1]
        oldest = max(self._replaced_at, self.version - self.config.algorithm.max_policy_lag)
        fresh = (acted.min(axis=0) >= oldest) & (acted.max(axis=0) <= self.version)
        dropped = int(np.count_nonzero(~fresh))
        return (trajectory.select(fresh) if dropped else trajectory), dropped

    def _follow(self, divergence: float) -> None:
        """What follows the weights moves on, after an update. divergence: what that found."""
        algorithm, age = self.config.algorithm, self.version - self._first_version
        if keep := algorithm.averaging:  # the first ones weigh little, or the mean would lag behind for long
            keep = min(keep, (1 + age) / (10 + age))
            torch.from_numpy(self._mean).lerp_(self._flat.values[: self._acting], 1 - keep)
        if self._magnet is not None and algorithm.magnet_updates and age % algorithm.magnet_updates == 0:
            set_weights(self._magnet, self.mean_weights())
        if self._target is not None and age % self._target_updates == 0:
            set_weights(self._target, self.weights())
        self._kl_cost = next_kl_cost(algorithm, self._kl_cost, divergence)

    def _schedule(self) -> tuple[float, Costs]:
        """(share of the first learning rate, weights of the loss's terms), now."""
        steps = self.steps - self._first_steps
        pace, entropy_cost = schedule(self.config.algorithm, steps, self._hyper)
        return pace, Costs(entropy_cost, self._kl_cost)
