"""How somebody at a table acts: a network with weights, or a script."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from agents.config import Cooperation, LearnerConfig
from agents.distributions import distribution_for
from agents.machine import VERY_FEW_ROWS, autocast, pad, round_rows
from agents.networks import PolicyNetwork
from agents.scripted.base import Rows, Scripted
from agents.trajectory import seat_places, team_seats
from envs.game import Array, GameSpec

Weights = npt.NDArray[np.float32]
"""All parameters of a network, one after the other in the order of its modules."""


class Chance(NamedTuple):
    """Where random numbers come from; both are seeded by the rollout."""

    numpy: np.random.Generator
    torch: torch.Generator


class Considered(NamedTuple):
    """What a network says of n rows."""

    parameters: Tensor
    """[n, P] of the distribution."""
    core: npt.NDArray[np.float32] | None
    """[n, 2, H] recurrent state after these rows."""


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


class Behaviour(Protocol):
    """How an identity acts."""

    version: int
    """Of its weights; 0 where it has none."""
    core: int
    """Width of its recurrent state; 0 for none."""
    needs_history: bool
    """Whether it must know all actions of the episode so far."""

    def act(self, rows: Rows, core: npt.NDArray[np.float32] | None, chance: Chance) -> Choice:
        """Decide for every row. core: [n, 2, H] state before them."""
        ...


class NetworkPolicy:
    """A player's network, live or frozen."""

    needs_history = False

    def __init__(
        self, config: LearnerConfig, spec: GameSpec, *, team: str | None, greedy: bool = False
    ) -> None:
        """team: the one that the player is bound to; None where it plays any. greedy: no sampling."""
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

    def load(self, weights: Weights, version: int) -> None:
        """Act by these weights from now on."""
        set_weights(self._network, weights)
        self._network.renew()
        self.version = version

    def act(self, rows: Rows, core: npt.NDArray[np.float32] | None, chance: Chance) -> Choice:
        parameters, after = self.consider(rows, core)
        return self.draw(parameters, torch.from_numpy(rows.mask), chance)._replace(core=after)

    @torch.inference_mode()
    def consider(self, rows: Rows, core: npt.NDArray[np.float32] | None) -> Considered:
        """What the network says of every row; `draw` makes choices of it."""
        count = len(rows.seat)
        computed = count if self._network.only_dense else round_rows(count)
        observation = pad(torch.from_numpy(rows.observation), computed)
        place = pad(self._place[torch.from_numpy(rows.seat)], computed) if self._seats > 1 else None
        before = None if core is None else pad(torch.from_numpy(core), computed)
        with autocast(computed, VERY_FEW_ROWS, precision=self._precision):
            parameters, after = self._network.act_parameters(observation, place, before)
        return Considered(parameters[:count], None if after is None else after[:count].numpy())

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


class ScriptedPolicy:
    """A scripted player at a table."""

    version = 0
    core = 0

    def __init__(self, script: Scripted) -> None:
        self._script = script
        self.needs_history = script.needs_history

    def act(self, rows: Rows, core: npt.NDArray[np.float32] | None, chance: Chance) -> Choice:
        action = self._script.act(rows, chance.numpy)
        return Choice(action, action, np.zeros(len(action), np.float32))


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
