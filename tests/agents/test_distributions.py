"""Distributions against torch's own, over legal choices only, and sampled until the frequencies speak."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from agents.distributions import (
    Categorical,
    Distribution,
    Gaussian,
    MultiCategorical,
    _invert,
    _race,
    distribution_for,
)
from envs.game import Box, Discrete, MultiDiscrete

SEEDS = range(4)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def some_mask(shape: tuple[int, ...], seed: int) -> Tensor:
    """At least one legal choice in each row, at any place."""
    uniform = torch.rand(shape, generator=generator(seed))
    return (uniform < 0.5) | (uniform == uniform.amax(-1, keepdim=True))


def reference(logits: Tensor, mask: Tensor) -> torch.distributions.Categorical:
    """torch's own over the same logits; probabilities of illegal choices are cut out by hand."""
    probabilities = torch.where(mask, logits, -torch.inf).softmax(-1)
    return torch.distributions.Categorical(probs=probabilities)


@pytest.mark.parametrize(
    ("space", "kind", "width"),
    [
        (Discrete(7), Categorical, 7),
        (MultiDiscrete((2, 3)), MultiCategorical, 5),
        (Box((-1.0, 0.0), (1.0, 2.0)), Gaussian, 4),
    ],
)
def test_every_space_has_its_distribution(
    space: Discrete | MultiDiscrete | Box, kind: type[Distribution], width: int
) -> None:
    distribution = distribution_for(space)
    assert isinstance(distribution, kind)
    assert distribution.width == width


@pytest.mark.parametrize("seed", SEEDS)
def test_categorical_is_torchs_over_legal_choices(seed: int) -> None:
    logits = 3 * torch.randn(5, 11, 7, generator=generator(seed), dtype=torch.float64)
    mask = some_mask(logits.shape, seed)
    categorical = Categorical(7)
    action, log_prob = categorical.sample(logits, mask, generator(seed))
    expected = reference(logits, mask)
    assert action.shape == log_prob.shape == (5, 11)
    assert mask.gather(-1, action[..., None]).all()
    torch.testing.assert_close(log_prob, expected.log_prob(action))
    torch.testing.assert_close(categorical.log_prob(logits, action, mask), expected.log_prob(action))
    torch.testing.assert_close(categorical.entropy(logits, mask), expected.entropy())
    assert torch.equal(categorical.mode(logits, mask), expected.probs.argmax(-1))


@pytest.mark.parametrize("seed", SEEDS)
def test_gradients_are_those_of_torch_and_zero_for_illegal_choices(seed: int) -> None:
    logits = torch.randn(6, 5, generator=generator(seed), dtype=torch.float64)
    mask = some_mask(logits.shape, seed)
    action = Categorical(5).sample(logits, mask, generator(seed))[0]
    mine, torchs = (logits.clone().requires_grad_() for _ in range(2))
    log_prob, entropy = Categorical(5).evaluate(mine, action, mask)
    (log_prob + 0.3 * entropy).sum().backward()
    for row in range(6):  # Only the legal choices, so that nothing has to be masked.
        legal = mask[row].nonzero().squeeze(-1)
        expected = torch.distributions.Categorical(logits=torchs[row, legal])
        place = (legal == action[row]).nonzero().squeeze()
        (expected.log_prob(place) + 0.3 * expected.entropy()).backward()
    torch.testing.assert_close(mine.grad, torchs.grad)
    assert not mine.grad[~mask].any()


def test_rows_without_a_legal_choice_are_uniform() -> None:
    logits = torch.tensor([[1.0, -2.0, 50.0]]).requires_grad_()
    mask = torch.zeros(1, 3, dtype=torch.bool)
    log_prob, entropy = Categorical(3).evaluate(logits, torch.tensor([1]), mask)
    assert log_prob.item() == pytest.approx(-math.log(3))
    assert entropy.item() == pytest.approx(math.log(3))
    (log_prob + entropy).sum().backward()
    assert not logits.grad.any()
    action, log_prob = Categorical(3).sample(logits.expand(3000, 3), mask.expand(3000, 3), generator(0))
    assert action.bincount(minlength=3).min() > 900
    torch.testing.assert_close(log_prob, torch.full((3000,), -math.log(3)))


def test_huge_logits_leave_everything_finite() -> None:
    logits = torch.tensor([[1e36, -1e36, 0.0], [-1e36, -2e36, 1e37]]).requires_grad_()
    mask = torch.tensor([[True, True, False], [True, True, False]])
    log_prob, entropy = Categorical(3).evaluate(logits, torch.tensor([0, 0]), mask)
    assert log_prob.tolist() == entropy.tolist() == [0, 0]
    (log_prob + entropy).sum().backward()
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("seed", SEEDS)
def test_samples_come_as_often_as_their_probability(seed: int) -> None:
    rows = 40_000
    logits = 2 * torch.randn(7, generator=generator(seed))
    mask = some_mask((7,), seed)
    action, log_prob = Categorical(7).sample(logits.expand(rows, 7), mask.expand(rows, 7), generator(seed))
    expected = reference(logits, mask).probs
    frequency = action.bincount(minlength=7) / rows
    # Five standard deviations of a frequency.
    assert ((frequency - expected).abs() <= 5 * (expected * (1 - expected) / rows).sqrt() + 1e-9).all()
    torch.testing.assert_close(log_prob, expected[action].log())


@pytest.mark.parametrize("draw", [_invert, _race])
def test_an_illegal_choice_is_never_drawn(draw: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """A million rows with logits from -10^30 to 10^30 and near-ties, whichever way they are drawn."""
    monkeypatch.setattr("agents.distributions._invert", draw)
    rows = 1_000_000
    scale = 10 ** (60 * torch.rand(rows, 1, generator=generator(0)) - 30)
    logits = scale * torch.randn(rows, 7, generator=generator(1))
    mask = some_mask((rows, 7), 2)
    action, log_prob = Categorical(7).sample(logits, mask, generator(3))
    assert mask.gather(-1, action[:, None]).all()
    assert log_prob.isfinite().all()
    assert (log_prob <= 0).all()


@pytest.mark.parametrize("uniform", [0.0, 1 - 2**-24])
def test_the_outermost_uniform_numbers_draw_legal_choices(
    uniform: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    logits = torch.randn(100_000, 7, generator=generator(0))
    mask = some_mask(logits.shape, 1)
    monkeypatch.setattr(torch, "rand", lambda shape, **_: torch.full(shape, uniform))
    action, _ = Categorical(7).sample(logits, mask)
    assert mask.gather(-1, action[:, None]).all()


def test_the_same_seed_gives_the_same_actions() -> None:
    logits, mask = torch.zeros(50, 7), torch.ones(50, 7, dtype=torch.bool)
    first, second, other = (Categorical(7).sample(logits, mask, generator(seed))[0] for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("seed", SEEDS)
def test_choices_side_by_side_are_independent_choices(seed: int) -> None:
    sizes = (2, 4, 3)
    logits = torch.randn(10, 9, generator=generator(seed), dtype=torch.float64)
    mask = torch.cat([some_mask((10, n), seed) for n in sizes], -1)
    multi = MultiCategorical(sizes)
    action, log_prob = multi.sample(logits, mask, generator(seed))
    assert action.shape == (10, 3)
    parts = [reference(p, m) for p, m in zip(logits.split(sizes, -1), mask.split(sizes, -1), strict=True)]
    expected = sum(part.log_prob(a) for part, a in zip(parts, action.unbind(-1), strict=True))
    torch.testing.assert_close(log_prob, expected)
    got = multi.evaluate(logits, action, mask)
    entropy = sum(part.entropy() for part in parts)
    torch.testing.assert_close(got, (expected, entropy))
    torch.testing.assert_close(multi.entropy(logits, mask), entropy)
    assert torch.equal(multi.mode(logits, mask), torch.stack([part.probs.argmax(-1) for part in parts], -1))


@pytest.mark.parametrize("seed", SEEDS)
def test_gaussian_is_torchs(seed: int) -> None:
    parameters = torch.randn(6, 2, 4, generator=generator(seed), dtype=torch.float64)
    mean, log_std = parameters.chunk(2, -1)
    expected = torch.distributions.Normal(mean, log_std.exp())
    gaussian = Gaussian((-1.0, -1.0), (1.0, 1.0))
    mask = torch.ones(6, 2, 0, dtype=torch.bool)
    action, log_prob = gaussian.sample(parameters, mask, generator(seed))
    assert action.shape == (6, 2, 2)
    torch.testing.assert_close(log_prob, expected.log_prob(action).sum(-1))
    got = gaussian.evaluate(parameters, action, mask)
    torch.testing.assert_close(got, (log_prob, expected.entropy().sum(-1)))
    assert torch.equal(gaussian.mode(parameters, mask), mean)


def test_gaussian_samples_have_its_mean_and_deviation() -> None:
    parameters = torch.tensor([2.0, -1.0, math.log(0.5), math.log(3.0)]).expand(40_000, 4)
    mask = torch.ones(40_000, 0, dtype=torch.bool)
    action, _ = Gaussian((0.0, 0.0), (1.0, 1.0)).sample(parameters, mask, generator(0))
    torch.testing.assert_close(action.mean(0), torch.tensor([2.0, -1.0]), atol=0.08, rtol=0)
    torch.testing.assert_close(action.std(0), torch.tensor([0.5, 3.0]), atol=0.08, rtol=0)


def test_actions_reach_the_game_scaled_and_clipped() -> None:
    gaussian = Gaussian((0.0, -4.0, -math.inf, 1.0), (10.0, -2.0, math.inf, math.inf))
    actions = torch.tensor([[0.0, 0.0, 0.0, 3.0], [1.0, -0.5, 70.0, 0.0], [-9.0, 9.0, -70.0, 9.0]])
    expected = torch.tensor([[5.0, -3.0, 0.0, 3.0], [10.0, -3.5, 70.0, 1.0], [0.0, -2.0, -70.0, 9.0]])
    assert torch.equal(gaussian.to_game(actions), expected)
    choice = torch.tensor([3])
    assert Categorical(7).to_game(choice) is choice
