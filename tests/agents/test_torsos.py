"""The residual net for frames: what it computes does not hang on how it is computed quickly."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from agents.machine import bfloat16_pays
from agents.torsos import ResidualNet
from envs.game import ArraySpec

FRAMES = ArraySpec((20, 18, 4), "uint8")


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def literal(net: ResidualNet, frames: Tensor) -> Tensor:
    """Figure 3 of Espeholt et al. 2018, written out in float32: [N, H, W, planes] -> [N, F]."""
    x = frames.permute(0, 3, 1, 2).contiguous() / 255
    for layer in net.layers.children():
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
            x = layer(x)
        else:
            x = x + layer.second(torch.relu(layer.first(torch.relu(x))))
    return torch.relu(x).flatten(1)


@pytest.mark.parametrize(("rows", "half"), [(1, False), (2, True), (40, True)])
def test_it_is_the_net_of_the_paper_in_bfloat16_where_there_are_pixels_enough(rows: int, half: bool) -> None:
    net = ResidualNet(FRAMES, (8, 8))
    frames = torch.randint(256, (rows, *FRAMES.shape), dtype=torch.uint8)
    inside: list[torch.dtype] = []
    net.layers.register_forward_hook(lambda *call: inside.append(call[2].dtype))
    got = net(frames)
    half = half and bfloat16_pays()
    assert inside == [torch.bfloat16 if half else torch.float32]
    assert got.dtype == torch.float32
    assert got.shape == (rows, net.width)
    torch.testing.assert_close(got, literal(net, frames), atol=0.02 if half else 1e-4, rtol=0.02)


def test_frames_with_their_planes_first_are_computed_planes_last() -> None:
    first = ResidualNet(ArraySpec((4, 20, 18), "uint8"), (8, 8))
    last = ResidualNet(FRAMES, (8, 8))
    last.load_state_dict(first.state_dict())
    frames = torch.randint(256, (5, 4, 20, 18), dtype=torch.uint8)
    seen: list[bool] = []
    first.layers.register_forward_pre_hook(
        lambda _, x: seen.append(x[0].is_contiguous(memory_format=torch.channels_last))
    )
    assert torch.equal(first(frames), last(frames.permute(0, 2, 3, 1).contiguous()))
    assert seen == [True]
