"""Parameters side by side: they are the same numbers as before, and what is done to all is done to each."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from agents.flat import Flat


def a_network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


def test_parameters_keep_their_numbers_in_order() -> None:
    network, same = a_network(), a_network()
    flat = Flat([*network.parameters()])
    assert torch.equal(flat.values, nn.utils.parameters_to_vector(same.parameters()))
    x = torch.randn(5, 3)
    assert torch.equal(network(x), same(x))


def test_parameters_and_their_gradients_are_views() -> None:
    network = a_network()
    flat = Flat([*network.parameters()])
    flat.values.copy_(torch.arange(len(flat.values)))
    flat.gradient.copy_(-torch.arange(len(flat.values)))
    start = 0
    for parameter in network.parameters():
        end = start + parameter.numel()
        assert parameter.flatten().tolist() == list(range(start, end))
        assert parameter.grad is not None
        assert parameter.grad.shape == parameter.shape
        assert parameter.grad.flatten().tolist() == [-number for number in range(start, end)]
        start = end
    assert start == len(flat.values)


def test_autograd_adds_to_the_gradient_and_an_optimizer_moves_the_values() -> None:
    network, same = a_network(), a_network()
    flat, x = Flat([*network.parameters()]), torch.randn(5, 3)
    for net in (network, same):
        net(x).square().sum().backward()
        torch.optim.SGD(net.parameters(), lr=0.1).step()
    expected = torch.cat([parameter.grad.flatten() for parameter in same.parameters()])
    torch.testing.assert_close(flat.gradient, expected)
    assert flat.gradient.any()
    torch.testing.assert_close(flat.values, nn.utils.parameters_to_vector(same.parameters()))


def test_loading_a_state_reaches_the_values() -> None:
    network, other = a_network(), a_network()
    flat = Flat([*network.parameters()])
    nn.init.constant_(other[0].weight, 7.0)
    network.load_state_dict(other.state_dict())
    assert flat.values[:12].tolist() == [7.0] * 12


@pytest.mark.parametrize(("most", "norm"), [(10.0, 5.0), (5.0, 5.0), (2.0, 2.0)])
def test_a_gradient_is_scaled_down_to_the_norm_and_never_up(most: float, norm: float) -> None:
    parameter = nn.Parameter(torch.zeros(2))
    flat = Flat([parameter])
    flat.gradient.copy_(torch.tensor([3.0, -4.0]))
    assert flat.clip(most) == 5.0
    assert float(flat.gradient.norm()) == pytest.approx(norm, rel=1e-6)
    assert parameter.grad is not None
    torch.testing.assert_close(parameter.grad, norm / 5 * torch.tensor([3.0, -4.0]))


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_norm_that_is_no_number_is_told(value: float) -> None:
    flat = Flat([nn.Parameter(torch.zeros(2))])
    flat.gradient[1] = value
    assert not torch.tensor(flat.clip(1.0)).isfinite()
