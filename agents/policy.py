"""How somebody at a table acts; a network with weights does it as here (a script: `scripted_policy`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from agents.algorithms.config import PolicyLoss
from agents.algorithms.q import action_values
from agents.config import Cooperation, LearnerConfig, Precision
from agents.distributions import distribution_for
from agents.kernels.dense import Packed, forward_each
from agents.machine import VERY_FEW_ROWS, autocast, bfloat16_pays, pad, round_rows
from agents.networks import PolicyNetwork
from agents.q_targets import epsilon_greedy_log_probs, epsilons
from agents.scripted.base import Rows
from agents.trajectory import seat_places, team_seats
from envs.game import Array, GameSpec

Weights = npt.NDArray[np.float32]
"""All parameters of a network, one after the other in the order of its modules."""


class Chance(NamedTuple):
    """Where random numbers come from; both are seeded by the rollout."""

    numpy: np.random.Generator
    torch: torch.Generator

    @staticmethod
    def of(seed: np.random.SeedSequence) -> Chance:
        """All of it follows from the seed."""
        return Chance(
            np.random.default_rng(seed), torch.Generator().manual_seed(int(seed.generate_state(1)[0]))
        )


class Considered(NamedTuple):
    """What a network says of n rows."""

    parameters: Tensor
    """[n, P] of the distribution."""
    core: npt.NDArray[np.float32] | None
    """[n, 2, H] recurrent state after these rows."""
    action_values: Tensor | None = None
    """[n, A] of a policy that learns these; what stands where a choice is illegal means nothing."""


class Choice(NamedTuple):
    """What was decided for n rows."""

    played: Array
    """[n] or [n, D] for the game."""
    action: Array
    """The same as the distribution gave it, before any clipping: what a learner must see."""
    log_prob: npt.NDArray[np.float32]
    """[n] of the distribution that was sampled from."""
    core: npt.NDArray[np.float32] | None = None
    """[n, 2, H] recurrent state after these rows."""
    q: npt.NDArray[np.float32] | None = None
    """[n, 2] of a policy that learns values of actions: of the one that it takes, and of the best."""
    forfeit: str | None = None
    """What the player did wrong; then nothing else of this means anything."""


class Behaviour(Protocol):
    """How an identity acts."""

    version: int
    """Of its weights; 0 where it has none."""
    core: int
    """Width of its recurrent state; 0 for none."""
    needs_history: bool
    """Whether it must know all actions of the episode so far."""

    @property
    def varies(self) -> bool:
        """Whether it may play one position in two ways."""
        ...

    def act(self, rows: Rows, core: npt.NDArray[np.float32] | None, chance: Chance) -> Choice:
        """Decide for every row. core: [n, 2, H] state before them."""
        ...


class NetworkPolicy:
    """A player's network, live or frozen."""

    needs_history = False

    def __init__(
        self,
        config: LearnerConfig,
        spec: GameSpec,
        *,
        team: str | None,
        greedy: bool = False,
        copies: int = 0,
    ) -> None:
        """team: the one that the player is bound to; None where it plays any. greedy: no sampling.

        copies: of the game in which it explores, if it learns values of actions; 0 where it is frozen.
        """
        self.version = 0
        self.core = config.network.lstm
        self.greedy = greedy
        self._precision = config.precision
        self._distribution = distribution_for(spec.actions)
        self._seats = team_seats(spec, team)
        self._place = torch.from_numpy(seat_places(spec))
        self._network = PolicyNetwork(
            config.network, spec, self._seats, config.cooperation is Cooperation.JOINT, config.precision
        ).requires_grad_(False)
        self._bounded = spec.choices == 0
        self._q = config.q if config.algorithm.policy_loss is PolicyLoss.Q else None
        self._chances = torch.tensor(epsilons(copies, config.q.exploration, config.q.spread))
        """[copies] of a random move."""
        self.packed: Packed | None = None
        """The network as a call to C takes it, where it can be had so and weights were loaded."""

    @property
    def varies(self) -> bool:
        """Whether it draws its moves."""
        return not self.greedy and self._q is None

    def load(self, weights: Weights, version: int) -> None:
        """Act by these weights from now on."""
        set_weights(self._network, weights)
        self._network.renew()
        self.version = version
        quick = self._q is None and self._precision is not Precision.FLOAT32 and bfloat16_pays()
        self.packed = self._network.packed() if quick else None

    def weights(self) -> Weights:
        """A copy of those that it acts by."""
        return get_weights(self._network)

    def act(self, rows: Rows, core: npt.NDArray[np.float32] | None, chance: Chance) -> Choice:
        considered = self.consider(rows, core)
        drawn = self.draw(considered.parameters, torch.from_numpy(rows.mask), chance)
        return drawn._replace(core=considered.core)

    @torch.inference_mode()
    def consider(
        self, rows: Rows, core: npt.NDArray[np.float32] | None, *, explores: bool = False
    ) -> Considered:
        """What the network says of every row; `draw` makes choices of it.

        explores: whether one that learns values of actions tries others than the best, each copy with a
        chance of its own.
        """
        if self.packed is not None:
            return Considered(self.parameters_of([self.packed], rows, [slice(0, len(rows.seat))]), None)
        count = len(rows.seat)
        computed = count if self._network.only_dense else round_rows(count)
        observation = pad(torch.from_numpy(rows.observation), computed)
        place = pad(self._place[torch.from_numpy(rows.seat)], computed) if self._seats > 1 else None
        before = None if core is None else pad(torch.from_numpy(core), computed)
        with autocast(computed, VERY_FEW_ROWS, precision=self._precision):
            parameters, values, after = self._network.act_parameters(observation, place, before)
        core = None if after is None else after[:count].numpy()
        if self._q is None:
            return Considered(parameters[:count], core)
        assert values is not None, "values of actions are not learnt jointly"
        mask = torch.from_numpy(rows.mask)
        judged = action_values(self._q, parameters[:count], values[:count], mask)
        chances = torch.full((count,), self._q.frozen_exploration)
        if explores:
            chances = self._chances[torch.from_numpy(rows.copy)]
        return Considered(epsilon_greedy_log_probs(judged, mask, chances), core, judged)

    def parameters_of(self, packed: Sequence[Packed], rows: Rows, spans: Sequence[slice]) -> Tensor:
        """Parameters [n, P] of this or other networks of its shape, each for its own span of the rows."""
        seen = torch.from_numpy(rows.observation).flatten(1)
        return forward_each(packed, seen, spans)[:, : self._network.parameters_width]

    @torch.inference_mode()
    def draw(self, parameters: Tensor, mask: Tensor, chance: Chance) -> Choice:
        """Choices, without a core, by parameters [N, P] of this policy or of others that are as greedy."""
        if self.greedy:
            action = self._distribution.mode(parameters, mask)
            log_prob = self._distribution.log_prob(parameters, action, mask)
        else:
            action, log_prob = self._distribution.sample(parameters, mask, chance.torch)
        chosen = action.numpy()
        played = self._distribution.to_game(action).numpy() if self._bounded else chosen
        return Choice(played, chosen, log_prob.numpy())


def get_weights(network: torch.nn.Module) -> Weights:
    """A copy of all parameters as one vector."""
    weights: Weights = torch.nn.utils.parameters_to_vector(network.parameters()).detach().numpy()
    return weights


@torch.no_grad()
def set_weights(network: torch.nn.Module, weights: Weights) -> None:
    """Copy a vector of parameters into a network: it shares no memory with it afterwards."""
    size = sum(parameter.numel() for parameter in network.parameters())
    if size != len(weights):
        raise ValueError(f"the network has {size} parameters, the weights are {len(weights)}")
    vector, start = torch.from_numpy(weights), 0
    for parameter in network.parameters():
        parameter.copy_(vector[start : start + parameter.numel()].view_as(parameter))
        start += parameter.numel()
