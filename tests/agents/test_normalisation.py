"""Normalisation of values: golden numbers, and the running means written out as sums."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from agents.normalisation import Moments, PopArt, ValueNorm, popart
from tests.agents import golden_checks as golden

PRECISIONS = pytest.mark.parametrize(
    "precision", [golden.FLOAT64, golden.FLOAT32], ids=["float64", "float32"]
)


def normal(generator: np.random.Generator, *shape: int) -> Tensor:
    return torch.from_numpy(generator.normal(size=shape))


@PRECISIONS
def test_golden(precision: golden.Precision) -> None:
    golden.value_norm(ValueNorm, precision)
    golden.popart(popart, precision)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32), batches=st.integers(1, 6), beta=st.sampled_from([0.5, 0.99, 0.99999]))
def test_statistics_are_a_weighted_mean_over_batches(seed: int, batches: int, beta: float) -> None:
    """Batch i of N weighs beta^(N - i), and weights are divided by their sum."""
    generator = np.random.default_rng(seed)
    seen = [3 + 2 * generator.normal(size=generator.integers(1, 20)) for _ in range(batches)]
    norm = ValueNorm(beta=beta, eps=0.0, min_var=0.0)
    moments = norm.start()
    for batch in seen:
        moments = norm.update(moments, torch.from_numpy(batch))
    weights = np.array([beta ** (batches - 1 - i) for i in range(batches)])
    weights /= weights.sum()
    mean = sum(w * batch.mean() for w, batch in zip(weights, seen, strict=True))
    square = sum(w * (batch**2).mean() for w, batch in zip(weights, seen, strict=True))
    got_mean, got_var = norm.statistics(moments)
    np.testing.assert_allclose(got_mean, mean, rtol=1e-7)
    np.testing.assert_allclose(got_var, max(0.0, square - mean**2), rtol=1e-6, atol=1e-9)


def test_normalised_returns_have_mean_0_and_variance_1_and_come_back() -> None:
    returns = 1e4 + 50 * normal(np.random.default_rng(1), 8, 4, 2).float()
    norm = ValueNorm()
    moments = norm.update(norm.start(), returns)
    normalised = norm.normalise(moments, returns)
    assert normalised.dtype == torch.float32
    assert normalised.shape == returns.shape
    torch.testing.assert_close(normalised.mean(), torch.tensor(0.0), rtol=0, atol=1e-3)
    torch.testing.assert_close(normalised.std(correction=0), torch.tensor(1.0), rtol=1e-3, atol=0)
    torch.testing.assert_close(norm.denormalise(moments, normalised), returns, rtol=1e-6, atol=0)


def test_many_small_steps_are_not_lost() -> None:
    """At beta 0.99999 a running mean in float32 would lose digits, and the variance more of them."""
    norm = ValueNorm()
    moments = norm.start()
    for _ in range(2000):
        moments = norm.update(moments, torch.tensor([9.0, 11.0]))
    mean, var = norm.statistics(moments)
    np.testing.assert_allclose([mean, var], [10.0, 1.0], rtol=1e-9)


def test_nothing_seen_and_nothing_to_see() -> None:
    norm = ValueNorm()
    start = norm.start()
    mean, var = norm.statistics(start)
    assert (mean, var) == (0, norm.min_var)
    assert norm.update(start, torch.zeros(0)) is start
    for constant in (0.0, 1e8):  # No variance at all.
        moments = norm.update(start, torch.full((4,), constant))
        assert norm.normalise(moments, torch.full((4,), constant)).abs().max() < 1e-3


def test_an_update_leaves_the_old_moments_as_they_were() -> None:
    norm = ValueNorm(beta=0.5)
    first = norm.update(norm.start(), torch.tensor([1.0, 3.0]))
    kept = Moments(*(x.clone() for x in first))
    second = norm.update(first, torch.tensor([100.0]))
    assert torch.equal(torch.stack(first), torch.stack(kept))
    assert norm.statistics(second)[0] > norm.statistics(first)[0]
    assert all(not x.requires_grad for x in norm.update(first, torch.ones(2, requires_grad=True)))


def test_gradient_passes_through_what_is_normalised() -> None:
    norm = ValueNorm(beta=0.0)
    moments = norm.update(norm.start(), torch.tensor([-2.0, 2.0]))
    values = torch.zeros(3, requires_grad=True)
    norm.denormalise(moments, values).sum().backward()
    assert values.grad is not None
    torch.testing.assert_close(values.grad, torch.full((3,), 2.0))


def popart_as_in_the_paper(
    mu: Tensor, nu: Tensor, W: Tensor, b: Tensor, targets: Tensor, indices: Tensor, step_size: float
) -> PopArt:
    """Sample after sample, every change by the statistics that were before the batch."""
    new_mu, new_nu = mu.clone(), nu.clone()
    for target, head in zip(targets.tolist(), indices.tolist(), strict=True):
        new_mu[head] += step_size * (target - mu[head])
        new_nu[head] += step_size * (target**2 - nu[head])
    sigma, new_sigma = (nu - mu**2).sqrt(), (new_nu - new_mu**2).sqrt()
    new_W, new_b = W.clone(), b.clone()
    for head in range(len(mu)):
        new_W[:, head] = W[:, head] * sigma[head] / new_sigma[head]
        new_b[head] = (sigma[head] * b[head] + mu[head] - new_mu[head]) / new_sigma[head]
    return PopArt(new_mu, new_nu, new_sigma, new_W, new_b)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32), heads=st.integers(1, 3), samples=st.integers(0, 12))
def test_popart_moves_statistics_and_preserves_outputs(seed: int, heads: int, samples: int) -> None:
    generator = np.random.default_rng(seed)
    mu = normal(generator, heads)
    given = {
        "mu": mu,
        "nu": mu**2 + 1 + normal(generator, heads).abs(),
        "W": normal(generator, 5, heads),
        "b": normal(generator, heads),
        "targets": 3 * normal(generator, samples),
        "indices": torch.from_numpy(generator.integers(0, heads, samples)),
    }
    got = popart(**given, step_size=0.02)
    torch.testing.assert_close(got, popart_as_in_the_paper(**given, step_size=0.02), rtol=1e-9, atol=1e-9)

    features, sigma = normal(generator, 7, 5), (given["nu"] - mu**2).sqrt()
    before = sigma * (features @ given["W"] + given["b"]) + mu
    after = got.new_sigma * (features @ got.new_W + got.new_b) + got.new_mu
    torch.testing.assert_close(after, before, rtol=1e-9, atol=1e-9)


def test_popart_of_any_shape_of_targets() -> None:
    generator = np.random.default_rng(2)
    layer = {"W": normal(generator, 3, 2), "b": normal(generator, 2)}
    start = {"mu": torch.zeros(2).double(), "nu": torch.ones(2).double()}
    targets, indices = normal(generator, 4, 3), torch.tensor([0, 1, 1]).expand(4, 3)
    got = popart(**start, **layer, targets=targets, indices=indices, step_size=0.01)
    flat = popart(**start, **layer, targets=targets.flatten(), indices=indices.flatten(), step_size=0.01)
    torch.testing.assert_close(got, flat)


@pytest.mark.parametrize("target", [0.0, 5.0, 1e6])
def test_popart_keeps_within_bounds_where_targets_do_not_vary(target: float) -> None:
    """The last steps find a variance of 0, or below it by rounding."""
    zero, one = torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    state = PopArt(new_mu=zero, new_nu=one, new_sigma=one, new_W=one[None], new_b=zero)
    for _ in range(200):
        state = popart(
            mu=state.new_mu,
            nu=state.new_nu,
            W=state.new_W,
            b=state.new_b,
            targets=torch.full((4,), target, dtype=torch.float64),
            indices=torch.zeros(4, dtype=torch.int64),
            step_size=0.2,
        )
    assert all(x.isfinite().all() for x in state)
    assert 1e-4 <= float(state.new_sigma) <= 1e6
    torch.testing.assert_close(state.new_mu, zero + target)
