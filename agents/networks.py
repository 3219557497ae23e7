"""What a player thinks with: observation to policy parameters and value.

Shapes below use T steps, B columns, N rows, P numbers of the policy, H width of the recurrent state,
and S seats in the team. Weights are float32; observations come in the game's dtype and are cast here.
Outputs are float32 under autocast as well, because log-probabilities need the digits.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from agents.config import NetworkConfig, Precision, Torso
from agents.dense import Cast, Dense, Layer, computed_in, dense, prepare
from agents.distributions import distribution_for
from agents.kernels.dense import Packed
from agents.memory import Memory
from agents.torsos import Flat, make_torso
from envs.game import ArraySpec, Box, GameSpec


class Output(NamedTuple):
    """What the network says about T x B observations."""

    parameters: Tensor
    """[T, B, P] of the policy, for `distributions.distribution_for(spec.actions)`."""
    value: Tensor | None
    """[T, B] of the observation; None where a central critic says it."""
    core: Tensor | None
    """[B, 2, H] recurrent state after the last row; None without an LSTM."""


class Features(nn.Module):
    """Observation and seat to features: torso, then dense layers. Rows only, no time.

    Where a network plays several seats, a one-hot of the seat within the team joins what the torso
    gives, so that one set of weights can play them differently.
    """

    def __init__(
        self, config: NetworkConfig, observation: ArraySpec, seats: int, precision: Precision
    ) -> None:
        super().__init__()
        self.seats = seats
        self.torso, width = make_torso(config.torso, observation, config.channels, precision)
        self.dense = Dense(width + (seats if seats > 1 else 0), config.hidden)

    def encode(self, observation: Tensor, seat: Tensor | None) -> Tensor:
        """What goes into the dense layers: [N, *observation] of any dtype, [N] int64 or None -> [N, F]."""
        features: Tensor = self.torso(observation)
        if self.seats > 1:
            if seat is None:
                raise ValueError(f"a network for {self.seats} seats must be told the seat of every row")
            features = torch.cat([features, nn.functional.one_hot(seat, self.seats).to(features.dtype)], -1)
        return features


class PolicyNetwork(nn.Module):
    """A player's policy and, unless its team learns as one, its value.

    seats_in_team: seats that these weights play.
    joint: the team has a `CentralCritic`, and this network no value head.

    Raises AgentError where the torso does not fit the game's observations.
    """

    def __init__(
        self,
        config: NetworkConfig,
        spec: GameSpec,
        seats_in_team: int,
        joint: bool,
        precision: Precision = Precision.AUTO,
    ) -> None:
        super().__init__()
        self.features = Features(config, spec.observation, seats_in_team, precision)
        self.lstm = Memory(self.features.dense.width, config.lstm) if config.lstm else None
        width = config.lstm or self.features.dense.width
        self.parameters_width = distribution_for(spec.actions).width
        box = isinstance(spec.actions, Box)
        self.policy = nn.Linear(width, self.parameters_width // 2 if box else self.parameters_width)
        self.log_std = nn.Parameter(torch.zeros(self.parameters_width // 2)) if box else None
        self.value = None if joint else nn.Linear(width, 1)
        self._ready: dict[torch.dtype, list[Packed | Cast]] = {}
        initialise(self)
        nn.init.orthogonal_(self.policy.weight, 0.01)
        if self.value is not None:
            nn.init.orthogonal_(self.value.weight, 1.0)

    def matrices(self) -> list[nn.Parameter]:
        """Weights between hidden layers: what Muon is for. Neither biases nor heads."""
        inner = [self.features] if self.lstm is None else [self.features, self.lstm]
        return [p for module in inner for p in module.parameters() if p.ndim > 1]

    def initial_core(self, rows: int) -> Tensor | None:
        """[rows, 2, H] recurrent state at the start of an episode: zeros; None without an LSTM."""
        if self.lstm is None:
            return None
        return self.policy.weight.new_zeros(rows, 2, self.lstm.hidden_size)

    def forward(
        self,
        observation: Tensor,
        seat: Tensor | None,
        first: Tensor,
        core: Tensor | None,
        acting: Tensor | None = None,
    ) -> Output:
        """Policy and value of whole columns.

        observation: [T, B, *observation] of any dtype.
        seat: [T, B] int64, within the team; None where it has one seat.
        first: [T, B] bool. The recurrent state becomes zero before such a row is consumed.
        core: [B, 2, H] hidden and cell state before row 0; None without an LSTM.
        acting: [T, B] bool. Other rows leave the recurrent state as it is, as they did when the game was
            played; None where all rows act.
        """
        steps, columns = first.shape
        observation, seats = observation.flatten(0, 1), None if seat is None else seat.flatten(0, 1)
        encoded, hidden, heads = self.features.encode(observation, seats), self._hidden(), self._heads()
        if self.lstm is None:
            given = dense(encoded, [*hidden, heads], relu_last=False)
        else:
            features = dense(encoded, hidden, relu_last=True).view(steps, columns, -1)
            features, core = self.lstm.over_columns(features, first, core, acting)
            given = dense(features, [heads], relu_last=False)
        parameters, value = self._split(given)
        value = None if value is None else value.view(steps, columns)
        return Output(parameters.view(steps, columns, -1), value, core)

    def act_parameters(
        self, observation: Tensor, seat: Tensor | None, core: Tensor | None
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Policy parameters [N, P] and values [N] of single observations, and the recurrent state after them.

        observation: [N, *observation]; seat: [N] int64 or None; core: [N, 2, H] or None, zero in rows
            that begin an episode.
        """
        encoded = self.features.encode(observation, seat)
        prepared = self.prepared(encoded)
        given = prepared[0].forward(encoded, keep=False)[0]
        if self.lstm is not None:
            core = self.lstm.over_rows(given, core)
            given = prepared[1].forward(core[:, 0], keep=False)[0]
        return *self._split(given), core

    def packed(self) -> Packed | None:
        """All of it, made ready to act in bfloat16, policy parameters first.

        None where there is more to it than dense layers over the observation, or the machine cannot do it.
        """
        if not self.only_dense or self.features.seats > 1 or self.log_std is not None:
            return None
        layers = [*self._hidden(), self._heads()]
        return Packed(layers, relu_last=False) if Packed.fits(self.policy.weight, layers) else None

    @property
    def only_dense(self) -> bool:
        """Whether dense layers are all there is."""
        return self.lstm is None and isinstance(self.features.torso, Flat)

    def renew(self) -> None:
        """To be called after the weights were changed, before `act_parameters`."""
        self._ready.clear()

    def prepared(self, x: Tensor) -> list[Packed | Cast]:
        """All dense layers, or those before and after the memory; once for all the steps that they act in."""
        dtype = computed_in(x)
        if dtype not in self._ready:
            hidden, heads = self._hidden(), self._heads()
            parts = [(hidden, True), ([heads], False)] if self.lstm else [([*hidden, heads], False)]
            self._ready[dtype] = [prepare(x, layers, relu_last=relu) for layers, relu in parts]
        return self._ready[dtype]

    def _hidden(self) -> list[Layer]:
        return self.features.dense.layers()

    def _heads(self) -> Layer:
        """Policy and value as one layer: as quick as either."""
        if self.value is None:
            return self.policy.weight, self.policy.bias
        weight, bias = (self.policy.weight, self.value.weight), (self.policy.bias, self.value.bias)
        return torch.cat(weight), torch.cat(bias)

    def _split(self, heads: Tensor) -> tuple[Tensor, Tensor | None]:
        """What the heads give, float32 [N, ...] -> parameters [N, P] and value [N]."""
        value = None
        if self.value is not None:
            heads, value = heads[:, :-1], heads[:, -1]
        if self.log_std is not None:
            heads = torch.cat([heads, self.log_std.expand_as(heads)], -1)
        return heads, value


class CentralCritic(nn.Module):
    """Value of a team that learns as one: of the game's global state, or of what all its seats see.

    Where the game has no global state, one torso looks through every seat's eyes and the dense layers see all
    of it. There is no memory: a state needs none, and joint observations do without.

    Raises AgentError where the torso does not fit what the seats see.
    """

    def __init__(
        self,
        config: NetworkConfig,
        spec: GameSpec,
        seats_in_team: int,
        precision: Precision = Precision.AUTO,
    ) -> None:
        super().__init__()
        self.seats = None if spec.state is not None else seats_in_team
        seen = spec.state or spec.observation
        # A state is often a plain vector, even where the seats see boards.
        torso = Torso.MLP if spec.state is not None and len(seen.shape) not in (2, 3) else config.torso
        self.torso, width = make_torso(torso, seen, config.channels, precision)
        self.dense = Dense(width * (self.seats or 1), config.hidden)
        self.value = nn.Linear(self.dense.width, 1)
        initialise(self)
        nn.init.orthogonal_(self.value.weight, 1.0)

    @property
    def only_dense(self) -> bool:
        """Whether dense layers over a state, or over what a single seat sees, are all there is."""
        return isinstance(self.torso, Flat) and (self.seats or 1) == 1

    def prepared(self, x: Tensor) -> list[Packed | Cast]:
        """All layers made ready for inputs like x, once."""
        return [prepare(x, self._layers(), relu_last=False)]

    def matrices(self) -> list[nn.Parameter]:
        """Weights between hidden layers: what Muon is for. Neither biases nor the head."""
        return [p for module in (self.torso, self.dense) for p in module.parameters() if p.ndim > 1]

    def forward(self, seen: Tensor) -> Tensor:
        """[T, B, *state], or [T, B, S, *observation] where the game has no global state -> [T, B]."""
        steps, columns = seen.shape[:2]
        features = self.torso(seen.flatten(0, 1 if self.seats is None else 2))
        return dense(features.view(steps * columns, -1), self._layers(), relu_last=False).view(steps, columns)

    def _layers(self) -> list[Layer]:
        return [*self.dense.layers(), (self.value.weight, self.value.bias)]


def initialise(network: nn.Module) -> None:
    """Orthogonal weights, scaled so that a ReLU keeps the variance (He et al. 2015), and zero biases."""
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.orthogonal_(module.weight, math.sqrt(2))
        elif isinstance(module, nn.LSTMCell):
            for gate in (*module.weight_ih.chunk(4), *module.weight_hh.chunk(4)):
                nn.init.orthogonal_(gate)
    for name, parameter in network.named_parameters():
        if name.rpartition(".")[2].startswith("bias"):
            nn.init.zeros_(parameter)
