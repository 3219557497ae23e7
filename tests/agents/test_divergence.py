"""How far one policy is from another: PyTorch's own, over legal choices, and finite at the extremes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.distributions import kl_divergence

from agents.distributions import Categorical, Distribution, Gaussian, MultiCategorical
from tests.agents.test_distributions import SEEDS, generator, reference, some_mask

SIZES = (2, 4, 3)
KINDS: dict[str, Distribution] = {
    "categorical": Categorical(7),
    "multi": MultiCategorical(SIZES),
    "gaussian": Gaussian((-1.0, -1.0), (1.0, 1.0)),
}


def masks(kind: str, rows: int, seed: int) -> Tensor:
    """With a legal choice in every part."""
    sizes = {"categorical": (7,), "multi": SIZES, "gaussian": ()}[kind]
    parts = [some_mask((rows, n), seed) for n in sizes]
    return torch.cat(parts, -1) if parts else torch.ones(rows, 0, dtype=torch.bool)


def two(kind: str, rows: int, seed: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    shape = (2, rows, KINDS[kind].width)
    ones, others = torch.randn(shape, generator=generator(seed), dtype=torch.float64).to(dtype)
    return ones, others


def torchs(kind: str, ones: Tensor, others: Tensor, mask: Tensor) -> Tensor:
    if kind == "gaussian":
        (m, s), (n, r) = ones.chunk(2, -1), others.chunk(2, -1)
        return kl_divergence(
            torch.distributions.Normal(m, s.exp()), torch.distributions.Normal(n, r.exp())
        ).sum(-1)
    sizes = SIZES if kind == "multi" else (7,)
    split = [tensor.split(sizes, -1) for tensor in (ones, others, mask)]
    return torch.stack(
        [kl_divergence(reference(p, m), reference(q, m)) for p, q, m in zip(*split, strict=True)]
    ).sum(0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", SEEDS)
def test_it_is_pytorchs(kind: str, seed: int) -> None:
    ones, others = two(kind, 12, seed)
    mask = masks(kind, 12, seed)
    got = KINDS[kind].divergence(ones, others, mask)
    torch.testing.assert_close(got, torchs(kind, ones, others, mask))
    assert (got > 0).all() or kind == "categorical"  # where one choice is legal nothing differs
    assert KINDS[kind].divergence(ones, ones, mask).abs().max() < 1e-12


@pytest.mark.parametrize("kind", KINDS)
def test_its_order_matters_and_its_gradient_is_autograds(kind: str) -> None:
    ones, others = (each.requires_grad_() for each in two(kind, 8, 1))
    mask = masks(kind, 8, 1)
    got = KINDS[kind].divergence(ones, others, mask)
    assert not torch.allclose(got, KINDS[kind].divergence(others, ones, mask))
    mine = torch.autograd.grad(got.sum(), [ones, others])
    right = torch.autograd.grad(torchs(kind, ones, others, mask).sum(), [ones, others])
    for left, wanted in zip(mine, right, strict=True):
        torch.testing.assert_close(left, wanted)
        if kind != "gaussian":
            assert not left[~mask].any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", ["categorical", "multi"])
def test_it_is_the_mean_of_the_log_ratio_over_draws(kind: str, dtype: torch.dtype) -> None:
    rows = 40_000
    one, other = (each[0] for each in two(kind, 1, 5, dtype))
    mask = masks(kind, 1, 5)[0].expand(rows, -1)
    ones, others = one.expand(rows, -1), other.expand(rows, -1)
    policy = KINDS[kind]
    action, log_prob = policy.sample(ones, mask, generator(6))
    drawn = log_prob - policy.log_prob(others, action, mask)
    exact = policy.divergence(ones[:1], others[:1], mask[:1])
    assert abs(drawn.mean() - exact).item() < 5 * (drawn.std() / rows**0.5).item() + 1e-6


@pytest.mark.parametrize("kind", ["categorical", "multi"])
@pytest.mark.parametrize("size", [0.0, 1e2, 1e4, 1e30])
def test_it_and_its_gradient_are_finite_at_the_extremes(kind: str, size: float) -> None:
    """Policies that are sure of different things, also rows in which nothing is legal."""
    ones, others = ((size * each).requires_grad_() for each in two(kind, 20, 2, torch.float32))
    mask = masks(kind, 20, 2)
    mask[:3] = False
    got = KINDS[kind].divergence(ones, others, mask)
    assert got.isfinite().all()
    assert (got >= -1e-6).all()
    for slopes in torch.autograd.grad(got.sum(), [ones, others]):
        assert slopes.isfinite().all()


@pytest.mark.parametrize("spread", [-20.0, 20.0])
def test_of_numbers_it_is_finite_within_reason(spread: float) -> None:
    """Deviations from e^-20 to e^20."""
    ones = torch.tensor([[1.0, 2.0, 0.0, spread]], requires_grad=True)
    others = torch.tensor([[-1.0, 2.0, 0.0, 0.0]], requires_grad=True)
    got = KINDS["gaussian"].divergence(ones, others, torch.ones(1, 0, dtype=torch.bool))
    assert got.isfinite().all()
    assert all(slopes.isfinite().all() for slopes in torch.autograd.grad(got.sum(), [ones, others]))
