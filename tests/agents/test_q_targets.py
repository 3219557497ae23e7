"""Targets of action values: golden numbers, and the papers' sums written out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from agents.q_targets import (
    dueling,
    n_step_targets,
    rescale,
    retrace,
    unrescale,
)
from tests.agents import golden_checks as golden

PRECISIONS = pytest.mark.parametrize(
    "precision", [golden.FLOAT64, golden.FLOAT32], ids=["float64", "float32"]
)
ANY = {"seed": st.integers(0, 2**32), "steps": st.integers(1, 9), "columns": st.integers(1, 4)}


@PRECISIONS
def test_golden(precision: golden.Precision) -> None:
    golden.rescale(rescale, precision)
    golden.unrescale(unrescale, precision)
    golden.dueling(dueling, precision)
    golden.n_step_targets(n_step_targets, precision)
    golden.retrace(retrace, precision)


# Rescaling.


@pytest.mark.parametrize("eps", [1e-2, 1e-3, 1e-6])
def test_unrescale_undoes_rescale_in_float32(eps: float) -> None:
    sizes = torch.logspace(-30, 12, 200, dtype=torch.float64)
    exact = torch.cat([-sizes, torch.zeros(1, dtype=torch.float64), sizes])
    torch.testing.assert_close(unrescale(rescale(exact, eps), eps), exact, rtol=1e-13, atol=0)
    values = exact.float()
    torch.testing.assert_close(unrescale(rescale(values, eps), eps), values, rtol=2e-6, atol=0)
    torch.testing.assert_close(
        rescale(values, eps).double(), rescale(values.double(), eps), rtol=1e-6, atol=0
    )
    as_written = values.double().sign() * ((values.double().abs() + 1).sqrt() - 1) + eps * values.double()
    torch.testing.assert_close(rescale(values, eps).double(), as_written, rtol=1e-6, atol=1e-14)


def test_without_eps_nothing_is_rescaled() -> None:
    values = torch.tensor([-3.0, 0.0, 5.0])
    assert rescale(values, 0.0) is values
    assert unrescale(values, 0.0) is values


# n-step targets.


def drawn_q(seed: int, steps: int, columns: int, choices: int = 3) -> dict[str, Any]:
    """Arguments of `n_step_targets` in float64; what must not be read is NaN or tempting."""
    generator = np.random.default_rng(seed)
    shape = (steps + 1, columns)
    q_online, q_target = (torch.from_numpy(3 * generator.normal(size=(*shape, choices))) for _ in range(2))
    decisions = torch.from_numpy(generator.random(shape) > 0.2)
    mask = torch.from_numpy(generator.random((*shape, choices)) > 0.4)
    mask[..., -1] |= ~mask.any(-1)
    mask |= ~decisions[..., None]
    rewards = torch.from_numpy(generator.normal(size=(steps, columns)))
    return {
        "q_online": q_online.masked_fill(~mask, 1e6),
        "q_target": q_target.masked_fill(~mask, torch.nan if seed % 2 else 1e6),
        "rewards": rewards.masked_fill(~decisions[:-1], torch.nan),
        "dones": torch.from_numpy(generator.random((steps, columns)) < 0.15) & decisions[:-1],
        "gamma": float(generator.choice([0.9, 0.997, 1.0])),
        "n": int(generator.integers(1, 7)),
        "eps": float(generator.choice([0.0, 1e-3, 1e-2])),
        "double": bool(generator.random() < 0.7),
        "mask": mask,
        "decisions": decisions,
    }


def h(x: float, eps: float) -> float:
    return math.copysign(math.sqrt(abs(x) + 1) - 1, x) + eps * x if eps else x


def h_inverse(x: float, eps: float) -> float:
    """As the paper writes it."""
    if not eps:
        return x
    root = (math.sqrt(1 + 4 * eps * (abs(x) + 1 + eps)) - 1) / (2 * eps)
    return math.copysign(root**2 - 1, x)


def n_step_target_as_in_the_paper(given: dict[str, Any], t: int, b: int) -> float:
    """Step after step until n, an end, the last row, or a row without decision."""
    total, weight, steps = 0.0, 1.0, len(given["rewards"])
    for k in range(given["n"]):
        if t + k == steps or (k and not given["decisions"][t + k, b]):
            break
        total += weight * float(given["rewards"][t + k, b])
        weight *= given["gamma"]
        if given["dones"][t + k, b]:
            return h(total, given["eps"])
    else:
        k = given["n"]
    judge = given["q_online" if given["double"] else "q_target"][t + k, b].tolist()
    legal = [a for a in range(len(judge)) if given["mask"][t + k, b, a]]
    best = max(legal, key=lambda a: judge[a])
    return h(total + weight * h_inverse(float(given["q_target"][t + k, b, best]), given["eps"]), given["eps"])


@settings(deadline=None)
@given(**ANY)
def test_targets_are_the_sum_of_the_paper(seed: int, steps: int, columns: int) -> None:
    arguments = drawn_q(seed, steps, columns)
    got = n_step_targets(**arguments)
    assert got.isfinite().all()
    for t in range(steps):
        for b in range(columns):
            if arguments["decisions"][t, b]:
                expected = n_step_target_as_in_the_paper(arguments, t, b)
                assert float(got[t, b]) == pytest.approx(expected, rel=1e-7, abs=1e-7), (t, b)


def test_masks_and_decisions_of_everything_change_nothing() -> None:
    arguments = drawn_q(seed=2, steps=6, columns=3)
    arguments["rewards"] = arguments["rewards"].nan_to_num(1.0)
    for name in ("mask", "decisions"):
        arguments[name] = torch.ones_like(arguments[name])
    got = n_step_targets(**arguments)
    del arguments["mask"], arguments["decisions"]
    assert torch.equal(n_step_targets(**arguments), got)
    arguments["dones"] = arguments["dones"].double()
    assert torch.equal(n_step_targets(**arguments), got)


def test_further_axes_are_more_columns_and_no_gradient_flows() -> None:
    arguments = drawn_q(seed=4, steps=5, columns=6)
    arguments["q_online"].requires_grad_()
    arguments["q_target"].requires_grad_()
    got = n_step_targets(**arguments)
    assert not got.requires_grad
    deep = {
        name: x.view(len(x), 2, 3, *x.shape[2:]) if isinstance(x, Tensor) else x
        for name, x in arguments.items()
    }
    assert torch.equal(n_step_targets(**deep).flatten(1), got)


def test_a_row_without_legal_choices_is_finite() -> None:
    arguments = drawn_q(seed=6, steps=3, columns=1)
    arguments |= {
        "mask": torch.zeros_like(arguments["mask"]),
        "q_target": torch.ones_like(arguments["q_target"]),
    }
    arguments["decisions"] = torch.zeros_like(arguments["decisions"])
    assert n_step_targets(**arguments).isfinite().all()


# Retrace.


def retrace_as_in_the_paper(given: dict[str, Any], decided: Tensor, t: int, b: int) -> float:
    """Equation 3: Q(s_t, a_t) + sum_s gamma^{s-t} (prod_{i=t+1}^s c_i) delta_s."""
    q, pi, mu, actions = (given[name][:, b] for name in ("q", "pi", "mu", "actions"))
    rewards, discounts = given["rewards"][:, b].tolist(), given["discounts"][:, b].tolist()
    total, weight = float(q[t, actions[t]]), 1.0
    for s in range(t, len(rewards)):
        if s > t:
            c = (
                given["lam"] * min(1.0, float(pi[s, actions[s]] / mu[s, actions[s]]))
                if decided[s, b]
                else 0.0
            )
            weight *= discounts[s - 1] * c
        if weight == 0:
            break
        value = float((pi[s + 1] * q[s + 1]).sum())
        total += weight * (rewards[s] + discounts[s] * value - float(q[s, actions[s]]))
    return total


@settings(deadline=None)
@given(**ANY)
def test_retrace_is_the_sum_of_the_paper(seed: int, steps: int, columns: int) -> None:
    generator = np.random.default_rng(seed)
    shape = (steps + 1, columns)
    decided = torch.from_numpy(generator.random(shape) > 0.2)
    rewards = torch.from_numpy(generator.normal(size=(steps, columns)))
    pi, mu = (torch.from_numpy(generator.normal(size=(*shape, 3))).softmax(-1) for _ in range(2))
    pi[~decided] = torch.tensor([0.0, 0.5, 0.5], dtype=torch.float64)  # 0 / 0 with mu where the action is 0.
    arguments = {
        "q": torch.from_numpy(generator.normal(size=(*shape, 3))),
        "pi": pi,
        "mu": mu.masked_fill(~decided[..., None], 0.0),
        "actions": torch.from_numpy(generator.integers(0, 3, shape)),
        "rewards": rewards.masked_fill(~decided[:-1], torch.nan),
        "discounts": torch.from_numpy(0.9 * (generator.random((steps, columns)) > 0.2)),
        "lam": float(generator.choice([0.0, 0.7, 1.0])),
    }
    got = retrace(**arguments, decisions=decided)
    assert got.targets.isfinite().all()
    for t in range(steps):
        for b in range(columns):
            if decided[t, b]:
                expected = retrace_as_in_the_paper(arguments, decided, t, b)
                assert float(got.targets[t, b]) == pytest.approx(expected, rel=1e-9, abs=1e-9), (t, b)
    assert not got.td_errors[~decided[:-1]].any()


# Dueling heads.


def test_dueling_ignores_what_is_illegal() -> None:
    v, a = torch.tensor([[2.0], [5.0]]), torch.tensor([[1.0, 3.0, torch.nan], [4.0, 4.0, 4.0]])
    legal = torch.tensor([[True, True, False], [False, False, False]])
    got = dueling(v, a, legal)
    assert got[0, :2].tolist() == [1.0, 3.0]
    assert got[1].isfinite().all()
