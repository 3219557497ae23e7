"""From a batch of columns to the gradient for a player's networks.

shard ──> networks ──> loss ──> its gradient for what the networks gave ──> for their weights ──┐
shard ──> … on another core                                                                     ├──> sum
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from agents.algorithms.advantages import Batch, Gradient, Losses
from agents.algorithms.clipped import clipped
from agents.algorithms.config import PolicyLoss, Targets
from agents.algorithms.impala import impala
from agents.algorithms.neurd import neurd
from agents.algorithms.q import q_learning
from agents.config import LearnerConfig
from agents.dense import Cast
from agents.distributions import Categorical, distribution_for
from agents.errors import AgentError
from agents.flat import Flat
from agents.kernels.dense import Packed
from agents.kernels.learn import Nets, learn, serves
from agents.machine import Crew, autocast
from agents.modules import Modules
from agents.networks import Output, PolicyNetwork
from agents.schedule import Costs
from agents.trajectory import Records, Trajectory
from agents.update import Means
from envs.game import GameSpec

LARGE = 1 << 17
"""Numbers observed in a batch from which two threads learn from it sooner than one."""
SHARDS = 4


class Found(NamedTuple):
    """What a batch came to."""

    means: Means
    errors: npt.NDArray[np.float32] | None
    """q: [T - burn_in, B, S] how wrong the values of its trained decisions were; 0 where nobody decided."""


class GradientFinder:
    """Finds gradients for the networks of one player."""

    def __init__(
        self, config: LearnerConfig, spec: GameSpec, modules: Modules, flat: Flat, crew: Crew
    ) -> None:
        """flat: holds the parameters of the network, then the critic's. crew: who computes.

        Raises AgentError where the game's actions are not what the loss is for.
        """
        self._config = config
        self._distribution = distribution_for(spec.actions)
        self._network, self._critic = modules.network, modules.critic
        self._earlier = modules.earlier
        algorithm = config.algorithm
        self._loss_kind = algorithm.policy_loss
        if self._loss_kind.is_of_choices and not isinstance(self._distribution, Categorical):
            raise AgentError(
                f"learner.algorithm.policy_loss is {self._loss_kind}, but must be gradient, ppo or impact in "
                f"{spec.name}, whose actions are {spec.actions} and not one choice of a few"
            )
        self._in_c = (
            self._loss_kind is PolicyLoss.NEURD
            or (self._loss_kind is PolicyLoss.GRADIENT and not (algorithm.magnet_cost or algorithm.upgo_cost))
        ) and not (algorithm.normalise_advantages or algorithm.targets is not Targets.VTRACE)
        """Whether `kernels.learn` knows this loss."""
        self._parameters = [*self._network.parameters(), *(self._critic.parameters() if self._critic else ())]
        self._flat = flat
        self._crew = crew

    def find(
        self, trajectory: Trajectory, costs: Costs, weights: npt.NDArray[np.float32] | None = None
    ) -> Found:
        """Write the gradient of the mean loss over all decisions to where `flat` keeps it.

        weights: [B] of the columns, for q.
        """
        packed, valued = self._packed(trajectory), self._valued(trajectory)
        decisions = self._trained(trajectory)

        def work(part: slice) -> tuple[Tensor, list[float], Tensor | None]:
            shard = trajectory.select(part)
            if packed is not None:
                return self._at_once(shard, packed, decisions, costs.entropy)
            shares = self._trained(shard) / decisions, self._valued(shard) / valued
            weighed = None if weights is None else torch.from_numpy(weights[part])
            return self._of_shard(shard, *shares, costs, weighed)

        # Advantages are normalised over a batch, and so not by parts of it.
        whole = self._config.algorithm.normalise_advantages
        parts = _shards(trajectory, 1 if whole else self._crew.threads)
        gradients, figures, errors = zip(*self._crew.map(work, parts), strict=True)
        total = sum(gradients[1:], gradients[0])
        self._flat.gradient.copy_(total if packed is None else _in_network_order(total, packed))
        means = Means(*map(sum, zip(*figures, strict=True)))
        return Found(means, None if errors[0] is None else torch.cat(errors, 1).numpy())

    def _packed(self, trajectory: Trajectory) -> Nets | None:
        """The networks ready for `kernels.learn`; None where they or the game are not what that is for."""
        networks = [network for network in (self._network, self._critic, self._earlier) if network]
        if (
            not self._in_c
            or not all(network.only_dense for network in networks)
            or self._network.features.seats > 1
        ):
            return None
        with autocast(trajectory.acting.size, precision=self._config.precision):
            seen = torch.from_numpy(trajectory.place)
            policy, critic, magnet = (
                network.prepared(seen)[0] if network else None
                for network in (self._network, self._critic, self._earlier)
            )
        if not isinstance(policy, Packed) or isinstance(critic, Cast) or isinstance(magnet, Cast):
            return None
        nets = Nets(policy, critic, magnet)
        return nets if serves(trajectory.rows, nets) else None

    def _at_once(
        self, shard: Trajectory, nets: Nets, decisions: int, entropy_cost: float
    ) -> tuple[Tensor, list[float], None]:
        """As `_of_shard`, for networks of dense layers; the gradient is in the order of `nets`."""
        config = self._config.algorithm
        done = learn(config, shard.rows, nets, entropy_cost=entropy_cost, scale=1 / decisions)
        total = done.policy + config.baseline_cost * done.value
        if self._loss_kind is not PolicyLoss.NEURD:
            total -= entropy_cost * done.entropy
        return done.gradient, [total, done.policy, done.value, done.entropy, done.rho, 0.0], None

    def _trained(self, trajectory: Trajectory) -> int:
        """Decisions that the loss is the mean over."""
        return int(np.count_nonzero(trajectory.acting[self._config.trained]))

    def _valued(self, trajectory: Trajectory) -> int:
        """Rows whose value is trained: a central critic has one for all seats that decide."""
        if self._critic is None:
            return self._trained(trajectory)
        return int(np.count_nonzero(trajectory.acting[:-1].any(2)))

    def _of_shard(
        self, shard: Trajectory, share: float, value_share: float, costs: Costs, weights: Tensor | None
    ) -> tuple[Tensor, list[float], Tensor | None]:
        """Gradient [n] and losses of a shard, times its share of the batch's decisions, and of its values.

        And how wrong values of actions were.
        """
        parameters, values = self._forward(shard)
        losses, gradient, errors = self._loss(shard, parameters, values, costs, weights)
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
        total, policy, value, *others = torch.stack(losses).tolist()
        for_values = self._config.algorithm.baseline_cost * value
        total = share * (total - for_values) + value_share * for_values
        means = [total, share * policy, value_share * value, *(share * other for other in others)]
        return torch.cat([part.flatten() for part in known]), means, errors

    def _loss(
        self, shard: Trajectory, parameters: Tensor, values: Tensor, costs: Costs, weights: Tensor | None
    ) -> tuple[Losses, Gradient, Tensor | None]:
        """Of what the networks gave, its gradient for that, and how wrong values of actions were."""
        algorithm, distribution = self._config.algorithm, self._distribution
        rows = shard.rows[self._config.burn_in :]
        batch = Batch(*(_tensor(rows[name]) for name in Batch._fields))
        earlier = None
        if self._earlier is not None:
            with torch.no_grad():
                earlier = self._through(self._earlier, shard)
        looked_back = None if earlier is None else earlier.parameters.view_as(parameters)
        if self._loss_kind is PolicyLoss.Q:
            assert earlier is not None
            assert earlier.value is not None
            target = earlier.parameters.view_as(parameters), earlier.value.view_as(values)
            given_q = parameters, values, target, batch, weights
            trained = 1 if self._config.buffer.transitions else len(rows) - 1
            judged = q_learning(algorithm, self._config.q, *given_q, trained=trained)
            return judged.losses, judged.gradient, judged.errors
        given = parameters, values, looked_back, batch, costs.entropy
        if self._loss_kind.is_clipped:
            return *clipped(algorithm, distribution, *given, costs.kl), None
        if self._loss_kind is PolicyLoss.GRADIENT:
            return *impala(algorithm, distribution, *given), None
        assert isinstance(distribution, Categorical)
        return *neurd(algorithm, distribution, *given), None

    def _forward(self, shard: Trajectory) -> tuple[Tensor, Tensor]:
        """Policy parameters [T+1, B, S, P] and values [T+1, B, V], V = 1 for a central critic, else S."""
        output = self._through(self._network, shard)
        columns, seats = shard.acting.shape[1:]
        if self._critic is None:
            assert output.value is not None
            values = output.value.view(-1, columns, seats)
        else:
            seen = _tensor(shard.observation if shard.state is None else shard.state)
            with autocast(shard.acting.size, precision=self._config.precision):
                values = self._critic(seen)[..., None]
        return output.parameters.view(len(values), columns, seats, -1), values

    def _through(self, network: PolicyNetwork, shard: Trajectory) -> Output:
        """What a network gives for a shard. Columns and their seats run side by side: [T+1, B S].

        What a burn-in leads up to begins with the state that it leads to, and gives that no gradient.
        """
        core = None if shard.core is None else torch.from_numpy(shard.core).flatten(0, 1)
        if core is not None and not self._config.q.stored_state:
            core = torch.zeros_like(core)
        if (rows := self._config.burn_in) and core is not None:
            with torch.no_grad():
                core = self._over(network, shard.rows[:rows], shard.place, core).core
        return self._over(network, shard.rows[rows:], shard.place, core)

    def _over(
        self, network: PolicyNetwork, taken: Records, place: npt.NDArray[np.int64], core: Tensor | None
    ) -> Output:
        """What a network gives for rows [R, B]. core: [B S, 2, H] before the first of them."""
        acting, observation, first = (_tensor(taken[name]) for name in ("acting", "observation", "first"))
        rows, columns, seats = acting.shape
        merged = (rows, columns * seats)
        told_apart = network.features.seats > 1
        places = torch.from_numpy(place.ravel()).expand(merged) if told_apart else None
        with autocast(rows * columns * seats, precision=self._config.precision):
            output: Output = network(
                observation.reshape(*merged, *observation.shape[3:]),
                places,
                first.repeat_interleave(seats, dim=1) if seats > 1 else first,
                core,
                acting.view(merged),
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


def _shards(trajectory: Trajectory, threads: int) -> list[slice]:
    """Columns of the batch; where it is large, and there are several threads, its quarters.

    Quarters for two threads, so that neither waits long for the other; one thread alone would only lose.
    """
    if threads < 2 or trajectory.columns < SHARDS or trajectory.observation.size < LARGE:
        return [slice(0, trajectory.columns)]
    ends = [trajectory.columns * part // SHARDS for part in range(SHARDS + 1)]
    parts = [slice(*between) for between in pairwise(ends)]
    return [part for part in parts if trajectory.acting[:-1, part].any()]


def _tensor(field: np.ndarray[Any, np.dtype[Any]]) -> Tensor:
    """A field of a trajectory, out of its rows: PyTorch is slow on what does not lie together."""
    return torch.from_numpy(np.ascontiguousarray(field))
