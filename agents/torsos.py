"""What turns an observation into features: dense layers, a small net for boards, a deep one for frames.

Every torso takes rows [N, *observation] of any dtype and gives [N, F], float32 or the observation's own
dtype.

Pictures are [planes, height, width], [height, width, planes] or [height, width]. Which of the outer axes
holds the planes is read off the shape: it is the shorter one, the first if they are equal.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from agents.config import Precision, Torso
from agents.errors import AgentError
from agents.machine import autocast
from envs.game import ArraySpec


def make_torso(
    kind: Torso,
    observation: ArraySpec,
    channels: tuple[int, ...],
    precision: Precision = Precision.AUTO,
) -> tuple[nn.Module, int]:
    """The torso and F, the width of its features.

    channels: of the convolutions, or of the residual sections; nothing to MLP.
    precision: of the products of the residual net, which has rows enough where others have not.

    Raises AgentError where the observation is no picture and the torso wants one.
    """
    if kind is Torso.MLP:
        return Flat(), observation.size
    if len(observation.shape) not in (2, 3):
        raise AgentError(
            f"torso {kind.value!r} needs an observation with 2 or 3 axes, not of shape {observation.shape};"
            f" allowed here: {Torso.MLP.value!r}"
        )
    if not channels:
        raise AgentError(f"torso {kind.value!r} needs at least one number of channels")
    if kind is Torso.CONV:
        board = BoardNet(observation, channels)
        return board, board.width
    net = ResidualNet(observation, channels, precision)
    return net, net.width


class Flat(nn.Module):
    """The observation as it is, in one row."""

    def forward(self, observation: Tensor) -> Tensor:
        return observation.flatten(1)


class BoardNet(nn.Module):
    """3x3 convolutions that keep the board's size, each with a ReLU. Values are taken as they are."""

    def __init__(self, observation: ArraySpec, channels: tuple[int, ...]) -> None:
        super().__init__()
        planes, height, width = picture_size(observation.shape)
        layers: list[nn.Module] = []
        for wide in channels:
            layers += [nn.Conv2d(planes, wide, 3, padding=1), nn.ReLU()]
            planes = wide
        self.layers = nn.Sequential(*layers)
        self.width = planes * height * width

    def forward(self, observation: Tensor) -> Tensor:
        features: Tensor = self.layers(as_planes(observation).float())
        return features.flatten(1)


class ResidualNet(nn.Module):
    """IMPALA's deep net without its LSTM (Espeholt et al. 2018, figure 3, right).

    A section of each number of channels: convolution, max-pooling that halves the frame, two
    residual blocks. Frames of uint8 are read as 0 to 255 and divided by 255; boards of 0 and 1 belong into
    `BoardNet`. Any frame is large enough: halves are rounded up.
    """

    def __init__(
        self, observation: ArraySpec, channels: tuple[int, ...], precision: Precision = Precision.AUTO
    ) -> None:
        super().__init__()
        self.precision = precision
        self.scale = 1 / 255 if observation.dtype == "uint8" else 1.0
        planes, height, width = picture_size(observation.shape)
        layers: list[nn.Module] = []
        for wide in channels:
            layers += [nn.Conv2d(planes, wide, 3, padding=1), nn.MaxPool2d(3, stride=2, padding=1)]
            layers += [ResidualBlock(wide), ResidualBlock(wide)]
            planes, height, width = wide, math.ceil(height / 2), math.ceil(width / 2)
        self.layers = nn.Sequential(*layers)
        self.width = planes * height * width

    def forward(self, observation: Tensor) -> Tensor:
        # Planes innermost is the layout of the quick kernels, whichever way the game lays out its frames.
        planes = as_planes(observation).to(torch.float32, memory_format=torch.channels_last)
        rows, _, height, width = planes.shape
        # A convolution is a matrix product with a row for every pixel.
        with autocast(rows * height * width, precision=self.precision):
            features: Tensor = self.layers(planes * self.scale)
        return nn.functional.relu(features).flatten(1).float()


class ResidualBlock(nn.Module):
    """x + conv(relu(conv(relu(x))))."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        residual: Tensor = self.second(nn.functional.relu_(self.first(nn.functional.relu(x))))
        return residual.add_(x)


def picture_size(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Planes, height and width of an observation of 2 or 3 axes."""
    if len(shape) == 2:
        return 1, shape[0], shape[1]
    planes, height, width = shape
    return (width, planes, height) if _planes_last(shape) else (planes, height, width)


def as_planes(observation: Tensor) -> Tensor:
    """[N, *observation] -> [N, planes, height, width]."""
    if observation.ndim == 3:
        return observation[:, None]
    return observation.movedim(-1, 1) if _planes_last(observation.shape[1:]) else observation


def _planes_last(shape: tuple[int, ...]) -> bool:
    return shape[-1] < shape[0]
