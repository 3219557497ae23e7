"""Clipped surrogates: golden numbers, and the equations written out, in probabilities and not logarithms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from agents.algorithms.config import Ratio
from agents.surrogates import (
    adapted_kl_cost,
    approx_kl_k1,
    approx_kl_k3,
    clip_fraction,
    clipped_value_loss,
    impact_advantages,
    impact_surrogate,
    importance_ratio,
    ppo_surrogate,
)
from tests.agents import golden_checks as golden

PRECISIONS = pytest.mark.parametrize(
    "precision", [golden.FLOAT64, golden.FLOAT32], ids=["float64", "float32"]
)
LOWEST = torch.finfo(torch.float32).min / 2
"""What a log-probability may be where there is no chance."""


@PRECISIONS
def test_golden(precision: golden.Precision) -> None:
    golden.ppo_surrogate(ppo_surrogate, precision)
    golden.clipped_value_loss(clipped_value_loss, precision)
    golden.approx_kl_k1(approx_kl_k1, precision)
    golden.approx_kl_k3(approx_kl_k3, precision)
    golden.clip_fraction(clip_fraction, precision)
    golden.impact_advantages(impact_advantages, precision)
    golden.impact_surrogate(impact_surrogate, precision)


def drawn(seed: int, *names: str, shape: tuple[int, ...] = (20,)) -> dict[str, Tensor]:
    generator = np.random.default_rng(seed)
    return {name: torch.from_numpy(generator.normal(size=shape)) for name in names}


# PPO.


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**32), clip_eps=st.sampled_from([0.1, 0.3]), dual_c=st.sampled_from([None, 1.5, 3.0])
)
def test_ppo_moves_no_further_than_the_clip(seed: int, clip_eps: float, dual_c: float | None) -> None:
    given = drawn(seed, "new_logp", "old_logp", "advantages")
    new_logp = given["new_logp"].requires_grad_()
    got = ppo_surrogate(**given, clip_eps=clip_eps, dual_c=dual_c)
    (slopes,) = torch.autograd.grad(got.objective.sum(), new_logp)
    for i in range(20):
        new, old, a = (given[name][i].item() for name in ("new_logp", "old_logp", "advantages"))
        r = math.exp(new) / math.exp(old)
        expected = min(r * a, min(max(r, 1 - clip_eps), 1 + clip_eps) * a)
        clipped = r > 1 + clip_eps if a > 0 else r < 1 - clip_eps
        if dual_c is not None and a < 0:
            expected, clipped = max(expected, dual_c * a), clipped or r > dual_c
        assert got.ratio[i].item() == pytest.approx(r)
        assert got.objective[i].item() == pytest.approx(expected)
        assert float(slopes[i]) == pytest.approx(0.0 if clipped else r * a)


@settings(deadline=None)
@given(seed=st.integers(0, 2**32), huber_delta=st.sampled_from([None, 0.4, 10.0]))
def test_the_value_loss_is_the_greater_of_two(seed: int, huber_delta: float | None) -> None:
    given = drawn(seed, "v_new", "v_old", "returns")
    got = clipped_value_loss(**given, clip_eps=0.2, huber_delta=huber_delta)
    for i in range(20):
        new, old, target = (float(given[name][i]) for name in ("v_new", "v_old", "returns"))
        losses = []
        for value in (new, old + min(max(new - old, -0.2), 0.2)):
            e = abs(target - value)
            straight = huber_delta is not None and e > huber_delta
            losses.append(huber_delta * (e - huber_delta / 2) if straight else e**2 / 2)
        assert float(got[i]) == pytest.approx(max(losses))


def test_both_estimates_have_the_divergence_as_their_mean() -> None:
    """Weighed by the chances of the old policy, not drawn from it, so that the mean is exact."""
    generator = np.random.default_rng(4)
    old, new = (torch.from_numpy(generator.normal(size=(6, 5))).log_softmax(-1) for _ in range(2))
    divergence = (old.exp() * (old - new)).sum(-1)
    for estimate in (approx_kl_k1, approx_kl_k3):
        torch.testing.assert_close((old.exp() * estimate(new_logp=new, old_logp=old)).sum(-1), divergence)
    assert (approx_kl_k3(new_logp=new, old_logp=old) >= 0).all()
    assert approx_kl_k1(new_logp=new, old_logp=old).min() < 0


def test_the_kl_cost_follows_the_divergence() -> None:
    assert adapted_kl_cost(2.0, kl=0.09, target=0.04) == 3.0
    assert adapted_kl_cost(2.0, kl=0.01, target=0.04) == 1.0
    for kl in (0.02, 0.04, 0.08):
        assert adapted_kl_cost(2.0, kl=kl, target=0.04) == 2.0


# IMPACT.


def impact_advantage_as_in_the_paper(given: dict[str, Any], t: int, b: int) -> float:
    """sum_i (prod_{j<i} lam discount_j c_j) delta_i, up to the first row without decision."""
    if not given["decisions"][t, b]:
        return 0.0
    values = [*given["values"][:, b].tolist(), float(given["bootstrap_value"][b])]
    rewards, discounts = given["rewards"][:, b].tolist(), given["discounts"][:, b].tolist()
    total, weight = 0.0, 1.0
    for i in range(t, len(rewards)):
        if not given["decisions"][i, b]:
            break
        ratio = math.exp(given["logp_target"][i, b]) / math.exp(given["logp_worker"][i, b])
        error = rewards[i] + discounts[i] * values[i + 1] - values[i]
        total += weight * min(given["rho_bar"], ratio) * error
        weight *= given["lam"] * discounts[i] * min(given["c_bar"], ratio)
    return total


@settings(deadline=None)
@given(seed=st.integers(0, 2**32), steps=st.integers(1, 8), columns=st.integers(1, 3))
def test_impact_advantages_are_the_sum_of_the_paper(seed: int, steps: int, columns: int) -> None:
    generator = np.random.default_rng(seed)
    names = ("logp_target", "logp_worker", "rewards", "values")
    arguments: dict[str, Any] = drawn(seed, *names, shape=(steps, columns))
    arguments |= drawn(seed + 1, "bootstrap_value", shape=(columns,)) | {
        "discounts": torch.from_numpy(0.95 * (generator.random((steps, columns)) > 0.2)),
        "decisions": torch.from_numpy(generator.random((steps, columns)) > 0.2),
        "lam": float(generator.choice([0.5, 0.95, 1.0])),
        "rho_bar": float(generator.choice([1.0, 2.0])),
        "c_bar": float(generator.choice([0.7, 1.0])),
    }
    arguments["values"].requires_grad_()
    got = impact_advantages(**arguments)
    for t in range(steps):
        for b in range(columns):
            expected = impact_advantage_as_in_the_paper(arguments, t, b)
            assert float(got.advantages[t, b]) == pytest.approx(expected, rel=1e-9, abs=1e-9), (t, b)
    torch.testing.assert_close(got.value_targets, got.advantages + arguments["values"].detach())
    assert not got.advantages.requires_grad


@pytest.mark.parametrize("ratio", Ratio)
@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32), clip=st.sampled_from([1.0, 2.0, 4.0]))
def test_impact_clips_the_worker_before_it_multiplies(ratio: Ratio, seed: int, clip: float) -> None:
    given = drawn(seed, "logp_current", "logp_target", "logp_worker", "advantages")
    for name in ("logp_current", "logp_target", "logp_worker"):
        given[name].requires_grad_()
    got = impact_surrogate(**given, clip_eps=0.4, target_worker_clip=clip, ratio=ratio)
    got.surrogate.sum().backward()
    assert given["logp_target"].grad is given["logp_worker"].grad is None
    slopes = given["logp_current"].grad
    assert slopes is not None
    for i in range(20):
        pi, pi_target, pi_worker = (
            math.exp(given[f"logp_{name}"][i].item()) for name in ("current", "target", "worker")
        )
        r = {
            Ratio.WORKER: pi / pi_worker,
            Ratio.TARGET: pi / pi_target,
            Ratio.BOTH: min(pi_worker / pi_target, clip) * pi / pi_worker,
        }[ratio]
        a = float(given["advantages"][i])
        assert got.ratio[i].item() == pytest.approx(r)
        assert got.surrogate[i].item() == pytest.approx(min(r * a, min(max(r, 0.6), 1.4) * a))
        clipped = r > 1.4 if a > 0 else r < 0.6
        assert float(slopes[i]) == pytest.approx(0.0 if clipped else r * a)


def test_without_a_clip_impact_is_ppo_around_its_target() -> None:
    given = drawn(7, "logp_current", "logp_target", "logp_worker", "advantages")
    got = impact_surrogate(**given, clip_eps=0.2, target_worker_clip=math.inf)
    around = {"new_logp": given["logp_current"], "old_logp": given["logp_target"]}
    expected = ppo_surrogate(**around, advantages=given["advantages"], clip_eps=0.2)
    torch.testing.assert_close(tuple(got), tuple(expected))
    torch.testing.assert_close(got.ratio, importance_ratio(**around))


# What must never become NaN.


@pytest.mark.parametrize("new", [0.0, -200.0, LOWEST])
@pytest.mark.parametrize("old", [0.0, -200.0, LOWEST])
def test_extreme_ratios_stay_finite(new: float, old: float) -> None:
    advantages = torch.tensor([-10.0, 0.0, 10.0])
    new_logp, old_logp = torch.full((3,), new, requires_grad=True), torch.full((3,), old)
    target = {"logp_target": old_logp, "logp_worker": torch.full((3,), -1.0)}
    for objective in (
        ppo_surrogate(new_logp=new_logp, old_logp=old_logp, advantages=advantages, clip_eps=0.2).objective,
        ppo_surrogate(
            new_logp=new_logp, old_logp=old_logp, advantages=advantages, clip_eps=0.2, dual_c=3.0
        ).objective,
        approx_kl_k3(new_logp=new_logp, old_logp=old_logp),
        *(
            impact_surrogate(
                logp_current=new_logp,
                **target,
                advantages=advantages,
                clip_eps=0.4,
                target_worker_clip=2.0,
                ratio=ratio,
            ).surrogate
            for ratio in Ratio
        ),
    ):
        assert objective.isfinite().all()
        assert torch.autograd.grad(objective.sum(), new_logp)[0].isfinite().all()
