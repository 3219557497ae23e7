"""From a batch of columns to the gradient for a player's networks.

shard ──> networks ──> loss ──> its gradient for what the networks gave ──> for their weights ──┐
shard ──> … on another core                                                                     ├──> sum
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from agents.algorithms.impala import Batch, Gradient, Losses, impala
from agents.algorithms.neurd import neurd
from agents.config import LearnerConfig, PolicyLoss
from agents.dense import Cast
from agents.distributions import Categorical, distribution_for
from agents.errors import AgentError
from agents.flat import Flat
from agents.kernels.dense import Packed
from agents.kernels.learn import Nets, learn, serves
from agents.machine import Crew, autocast
from agents.networks import CentralCritic, Output, PolicyNetwork
from agents.trajectory import Trajectory
from envs.game import GameSpec

LARGE = 1 << 17
"""Numbers observed in a batch from which two threads learn from it sooner than one."""
SHARDS = 4


class Means(NamedTuple):
    """`Losses` as numbers: means over the decisions of a batch."""

    total: float
    policy: float
    value: float
    entropy: float
    rho: float


class GradientFinder:
    """Finds gradients for one network, and its central critic if it has one."""

    def __init__(
        self,
        config: LearnerConfig,
        spec: GameSpec,
        network: PolicyNetwork,
        critic: CentralCritic | None,
        flat: Flat,
        crew: Crew,
        magnet: PolicyNetwork | None = None,
    ) -> None:
        """flat: holds the parameters of the network, then the critic's. crew: who computes.

        magnet: the policy that pulls; it has no gradient.
        Raises AgentError where the game's actions are not what the loss is for.
        """
        self._config = config
        self._distribution = distribution_for(spec.actions)
        self._network = network
        self._critic = critic
        self._magnet = magnet
        self._neurd = config.algorithm.policy_loss is PolicyLoss.NEURD
        if self._neurd and not isinstance(self._distribution, Categorical):
            raise AgentError(
                f"learner.algorithm.policy_loss is neurd, but must be gradient in {spec.name}, whose actions "
                f"are {spec.actions} and not one choice of a few"
            )
        self._parameters = [*network.parameters(), *(critic.parameters() if critic else ())]
        self._flat = flat
        self._crew = crew

    def find(self, trajectory: Trajectory, decisions: int, entropy_cost: float) -> Means:
        """Write the gradient of the mean loss over all `decisions` to where `flat` keeps it."""
        packed, valued = self._packed(trajectory), self._valued(trajectory)

        def work(shard: Trajectory) -> tuple[Tensor, list[float]]:
            if packed is not None:
                return self._at_once(shard, packed, decisions, entropy_cost)
            shares = shard.decisions / decisions, self._valued(shard) / valued
            return self._of_shard(shard, *shares, entropy_cost)

        gradients, figures = zip(*self._crew.map(work, _shards(trajectory, self._crew.threads)), strict=True)
        total = sum(gradients[1:], gradients[0])
        self._flat.gradient.copy_(total if packed is None else _in_network_order(total, packed))
        return Means(*map(sum, zip(*figures, strict=True)))

    def _packed(self, trajectory: Trajectory) -> Nets | None:
        """The networks ready for `kernels.learn`; None where they or the game are not what that is for."""
        networks = [network for network in (self._network, self._critic, self._magnet) if network]
        if not all(network.only_dense for network in networks) or self._network.features.seats > 1:
            return None
        with autocast(trajectory.acting.size, precision=self._config.precision):
            seen = torch.from_numpy(trajectory.place)
            policy, critic, magnet = (
                network.prepared(seen)[0] if network else None
                for network in (self._network, self._critic, self._magnet)
            )
        if not isinstance(policy, Packed) or isinstance(critic, Cast) or isinstance(magnet, Cast):
            return None
        nets = Nets(policy, critic, magnet)
        return nets if serves(trajectory.rows, nets) else None

    def _at_once(
        self, shard: Trajectory, nets: Nets, decisions: int, entropy_cost: float
    ) -> tuple[Tensor, list[float]]:
        """As `_of_shard`, for networks of dense layers; the gradient is in the order of `nets`."""
        config = self._config.algorithm
        done = learn(config, shard.rows, nets, entropy_cost=entropy_cost, scale=1 / decisions)
        total = done.policy + config.baseline_cost * done.value
        if not self._neurd:
            total -= entropy_cost * done.entropy
        return done.gradient, [total, done.policy, done.value, done.entropy, done.rho]

    def _valued(self, trajectory: Trajectory) -> int:
        """Rows whose value is trained: a central critic has one for all seats that decide."""
        if self._critic is None:
            return trajectory.decisions
        return int(np.count_nonzero(trajectory.acting[:-1].any(2)))

    def _of_shard(
        self, shard: Trajectory, share: float, value_share: float, entropy_cost: float
    ) -> tuple[Tensor, list[float]]:
        """Gradient [n] and losses of a shard, times its share of the batch's decisions, and of its values."""
        parameters, values = self._forward(shard)
        losses, gradient = self._loss(shard, parameters, values, entropy_cost)
        found = torch.autograd.grad(
            [parameters, values],
            self._parameters,
            [share * gradient.parameters, value_share * gradient.values],
            allow_unused=True,
        )
        known = [
            torch.zeros_like(parameter) if part is None else part
            for parameter, part in zip(self._parameters, found, strict=True)
        ]
        total, policy, value, entropy, rho = torch.stack(losses).tolist()
        for_values = self._config.algorithm.baseline_cost * value
        total = share * (total - for_values) + value_share * for_values
        means = [total, share * policy, value_share * value, share * entropy, share * rho]
        return torch.cat([part.flatten() for part in known]), means

    def _loss(
        self, shard: Trajectory, parameters: Tensor, values: Tensor, entropy_cost: float
    ) -> tuple[Losses, Gradient]:
        """Of what the networks gave, and its gradient for that."""
        algorithm, distribution = self._config.algorithm, self._distribution
        batch = Batch(*(_tensor(getattr(shard, name)) for name in Batch._fields))
        if not self._neurd:
            return impala(algorithm, distribution, parameters, values, batch, entropy_cost)
        assert isinstance(distribution, Categorical)
        magnet = None
        if self._magnet is not None:
            with torch.no_grad():
                magnet = self._through(self._magnet, shard).parameters.view_as(parameters)
        return neurd(algorithm, distribution, parameters, values, magnet, batch, entropy_cost)

    def _forward(self, shard: Trajectory) -> tuple[Tensor, Tensor]:
        """Policy parameters [T+1, B, S, P] and values [T+1, B, V], V = 1 for a central critic, else S."""
        shape = shard.acting.shape
        output = self._through(self._network, shard)
        if self._critic is None:
            assert output.value is not None
            values = output.value.view(shape)
        else:
            seen = _tensor(shard.observation if shard.state is None else shard.state)
            with autocast(shard.acting.size, precision=self._config.precision):
                values = self._critic(seen)[..., None]
        return output.parameters.view(*shape, -1), values

    def _through(self, network: PolicyNetwork, shard: Trajectory) -> Output:
        """What a network gives for a shard. Columns and their seats run side by side: [T+1, B S]."""
        rows, columns, seats = shard.acting.shape
        merged = (rows, columns * seats)
        observation, first = _tensor(shard.observation), _tensor(shard.first)
        core = None if shard.core is None else torch.from_numpy(shard.core).flatten(0, 1)
        told_apart = network.features.seats > 1
        places = torch.from_numpy(shard.place.ravel()).expand(merged) if told_apart else None
        with autocast(rows * columns * seats, precision=self._config.precision):
            output: Output = network(
                observation.reshape(*merged, *observation.shape[3:]),
                places,
                first.repeat_interleave(seats, dim=1) if seats > 1 else first,
                core,
                _tensor(shard.acting).view(merged),
            )
        return output


def _in_network_order(gradient: Tensor, nets: Nets) -> Tensor:
    """From layers with the heads as one to layers, policy and value; a critic has them in order."""
    if nets.critic is not None:
        return gradient
    features, heads = nets.policy.widths[-2:]
    before = len(gradient) - heads * (features + 1)
    hidden, weight, bias = gradient.split_with_sizes([before, heads * features, heads])
    return torch.cat([hidden, weight[:-features], bias[:-1], weight[-features:], bias[-1:]])


def _shards(trajectory: Trajectory, threads: int) -> list[Trajectory]:
    """The batch; where it is large, and there are several threads, its quarters.

    Quarters for two threads, so that neither waits long for the other; one thread alone would only lose.
    """
    if threads < 2 or trajectory.columns < SHARDS or trajectory.observation.size < LARGE:
        return [trajectory]
    ends = [trajectory.columns * part // SHARDS for part in range(SHARDS + 1)]
    shards = [trajectory.select(slice(*between)) for between in pairwise(ends)]
    return [shard for shard in shards if shard.decisions]


def _tensor(field: np.ndarray[Any, np.dtype[Any]]) -> Tensor:
    """A field of a trajectory, out of its rows: PyTorch is slow on what does not lie together."""
    return torch.from_numpy(np.ascontiguousarray(field))
