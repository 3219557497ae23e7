"""The networks of one player, and which of them follows which."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from agents.algorithms.config import OptimizerKind, PolicyLoss
from agents.config import BufferKind, Cooperation, LearnerConfig
from agents.networks import CentralCritic, PolicyNetwork
from agents.optimizer import Optimizer
from agents.trajectory import team_seats
from envs.game import GameSpec

TARGET_UPDATES = 200
"""Updates between two copies to a target network of q, where nothing else is said."""


class Modules(NamedTuple):
    """All networks of a player. Those that are copies of `network` have no gradient."""

    network: PolicyNetwork
    """Acts, and is trained."""
    critic: CentralCritic | None
    """The value, for a team that learns as one."""
    magnet: PolicyNetwork | None
    """The policy that pulls: the mean of the weights, as it was some time ago."""
    target: PolicyNetwork | None
    """The network as it was some updates ago, which targets or ratios are made of."""

    def together(self) -> nn.ModuleDict:
        """All of them by the names that checkpoints give them."""
        return nn.ModuleDict({name: module for name, module in self._asdict().items() if module is not None})

    def learning(self) -> list[nn.Parameter]:
        """The parameters that have a gradient, in their order."""
        return [p for p in self.together().parameters() if p.requires_grad]

    @property
    def earlier(self) -> PolicyNetwork | None:
        """The one that the loss looks back to; no loss looks back to both."""
        return self.magnet if self.target is None else self.target


def first_modules(config: LearnerConfig, spec: GameSpec, team: str | None, seed: int) -> Modules:
    """As they are before any training: the same for the same seed."""
    torch.manual_seed(seed)
    seats, joint = team_seats(spec, team), config.cooperation is Cooperation.JOINT
    network = PolicyNetwork(config.network, spec, seats, joint, config.precision)
    critic = CentralCritic(config.network, spec, seats, config.precision) if joint else None
    algorithm = config.algorithm
    magnet = deepcopy(network).requires_grad_(False) if algorithm.magnet_cost else None
    follows = algorithm.policy_loss in (PolicyLoss.IMPACT, PolicyLoss.Q)
    target = deepcopy(network).requires_grad_(False) if follows else None
    return Modules(network, critic, magnet, target)


def target_updates(config: LearnerConfig) -> int:
    """Updates between two copies to the target network."""
    if given := config.algorithm.target_updates:
        return given
    buffer = config.buffer
    if config.algorithm.policy_loss is PolicyLoss.Q:
        return TARGET_UPDATES
    held = buffer.batches * buffer.passes * buffer.minibatches
    return held if buffer.kind is BufferKind.CIRCULAR else 1


def make_optimizer(config: LearnerConfig, modules: Modules) -> Optimizer:
    """Of all parameters that have a gradient."""
    algorithm, matrices = config.algorithm, list[nn.Parameter]()
    if algorithm.optimizer is OptimizerKind.MUON:
        learning = (module for module in (modules.network, modules.critic) if module is not None)
        matrices = [p for module in learning for p in module.matrices()]
    inner = {id(p) for p in matrices}
    return Optimizer(
        matrices=matrices,
        others=[p for p in modules.learning() if id(p) not in inner],
        momentum=algorithm.momentum,
        precision=config.precision,
        epsilon=algorithm.epsilon,
        rmsprop=algorithm.optimizer is OptimizerKind.RMSPROP,
    )


def named(name: str, tensors: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors of a state whose names begin so, without that."""
    prefix = f"{name}."
    return {k.removeprefix(prefix): torch.tensor(v) for k, v in tensors.items() if k.startswith(prefix)}


def copied(value: Tensor) -> np.ndarray[Any, np.dtype[Any]]:
    """As an array that shares no memory with it."""
    copy: np.ndarray[Any, np.dtype[Any]] = value.detach().cpu().numpy().copy()
    return copy
