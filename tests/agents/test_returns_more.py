"""Lambda-returns, upgoing returns, and GAE of columns: golden numbers, and the papers' sums written out."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from agents.returns import gae_columns, td_lambda, upgo, vtrace
from tests.agents import golden_checks as golden

PRECISIONS = pytest.mark.parametrize(
    "precision", [golden.FLOAT64, golden.FLOAT32], ids=["float64", "float32"]
)
ANY = {"seed": st.integers(0, 2**32), "steps": st.integers(1, 9), "columns": st.integers(1, 4)}


def drawn(seed: int, steps: int, columns: int) -> dict[str, Any]:
    """Rows in float64 with ends here and there; values has one row more, as upgo and td_lambda take it."""
    generator = np.random.default_rng(seed)
    shape = (steps, columns)
    arrays = {
        "rewards": generator.normal(0, 1, shape),
        "discounts": generator.choice([0.9, 1.0]) * (generator.random(shape) > 0.2),
        "values": generator.normal(0, 1, (steps + 1, columns)),
        "log_rhos": generator.normal(0, 1, shape),
        "decisions": generator.random(shape) > 0.25,
    }
    tensors: dict[str, Any] = {name: torch.from_numpy(array) for name, array in arrays.items()}
    for name in ("rewards", "discounts", "log_rhos"):  # Of rows without decision, they mean nothing.
        tensors[name][~tensors["decisions"]] = torch.nan
    return tensors | {"lam": float(generator.choice([0.0, 0.5, 0.95, 1.0]))}


def some(arguments: dict[str, Any], names: str) -> dict[str, Any]:
    return {name: arguments[name] for name in names.split()}


def as_columns(arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `gae_columns`."""
    ends = {"values": arguments["values"][:-1], "bootstrap_value": arguments["values"][-1]}
    return some(arguments, "rewards discounts lam decisions") | ends


def cut_after(decisions: list[bool], t: int) -> int:
    """The first row after t that is only there to bootstrap from."""
    return next((s for s in range(t + 1, len(decisions)) if not decisions[s]), len(decisions))


def lambda_return_as_in_the_book(
    rewards: list[float],
    discounts: list[float],
    values: list[float],
    decisions: list[bool],
    lam: float,
    t: int,
) -> float:
    """Sutton, Barto 2018, equation 12.3: the weighted mean of n-step returns, the last with all the rest."""
    if not decisions[t]:
        return values[t]
    longest = cut_after(decisions, t) - t
    n_step = []
    for n in range(1, longest + 1):
        total = sum(math.prod(discounts[t:s]) * rewards[s] for s in range(t, t + n))
        n_step.append(total + math.prod(discounts[t : t + n]) * values[t + n])
    weighted = sum((1 - lam) * lam ** (n - 1) * n_step[n - 1] for n in range(1, longest))
    return weighted + lam ** (longest - 1) * n_step[-1]


def upgoing_return_as_in_the_paper(
    rewards: list[float], discounts: list[float], values: list[float], decisions: list[bool], t: int
) -> float:
    """Vinyals et al. 2019: along the trajectory for as long as the next step does no worse than its value."""
    if not decisions[t]:
        return values[t]
    total, weight, end = 0.0, 1.0, cut_after(decisions, t)
    while True:
        total += weight * rewards[t]
        weight *= discounts[t]
        t += 1
        if t == end or rewards[t] + discounts[t] * values[t + 1] < values[t]:
            return total + weight * values[t]


def by_step(arguments: dict[str, Any], oracle: Callable[..., float], **numbers: float) -> Tensor:
    """The oracle at every step of every column."""
    steps, columns = arguments["rewards"].shape
    rows = some(arguments, "rewards discounts values decisions")
    result = torch.zeros(steps, columns, dtype=torch.float64)
    for b in range(columns):
        column = {name: x[:, b].tolist() for name, x in rows.items()}
        for t in range(steps):
            result[t, b] = oracle(**column, **numbers, t=t)
    return result


@PRECISIONS
def test_golden(precision: golden.Precision) -> None:
    golden.td_lambda(td_lambda, precision)
    golden.upgo(upgo, precision)
    golden.gae_columns(gae_columns, precision)


@settings(deadline=None)
@given(**ANY)
def test_lambda_returns_are_the_mean_of_n_step_returns(seed: int, steps: int, columns: int) -> None:
    arguments = drawn(seed, steps, columns)
    expected = by_step(arguments, lambda_return_as_in_the_book, lam=arguments["lam"])
    got = td_lambda(**some(arguments, "rewards discounts values lam decisions"))
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9)
    gae = gae_columns(**as_columns(arguments))
    torch.testing.assert_close(gae.returns, expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(gae.advantages, expected - arguments["values"][:-1], rtol=1e-9, atol=1e-9)


@settings(deadline=None)
@given(**ANY)
def test_upgoing_returns_follow_what_goes_well(seed: int, steps: int, columns: int) -> None:
    arguments = drawn(seed, steps, columns)
    del arguments["lam"]
    got = upgo(**arguments)
    expected = by_step(arguments, upgoing_return_as_in_the_paper)
    torch.testing.assert_close(got.upgo_returns, expected, rtol=1e-9, atol=1e-9)
    weights = arguments["log_rhos"].exp().clamp(max=1).nan_to_num(0.0)
    factors = weights * (expected - arguments["values"][:-1])
    torch.testing.assert_close(got.upgo_advantages, factors, rtol=1e-9, atol=1e-9)


@settings(deadline=None)
@given(**ANY)
def test_gae_is_vtrace_on_policy(seed: int, steps: int, columns: int) -> None:
    arguments = as_columns(drawn(seed, steps, columns))
    arguments |= {n: arguments[n].where(arguments["decisions"], 0.0) for n in ("rewards", "discounts")}
    traced = vtrace(**arguments, log_rhos=torch.zeros(steps, columns, dtype=torch.float64))
    torch.testing.assert_close(gae_columns(**arguments).returns, traced.vs, rtol=1e-9, atol=1e-9)


def test_a_terminal_row_before_a_final_observation_does_not_bootstrap() -> None:
    """Where the discount is 0, what stands in the next row makes no difference."""
    rewards, values = torch.tensor([[1.0], [2.0]]), torch.tensor([[0.0], [100.0], [50.0]])
    got = td_lambda(rewards=rewards, discounts=torch.tensor([[0.0], [1.0]]), values=values, lam=1.0)
    assert got.flatten().tolist() == [1.0, 52.0]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_further_axes_are_more_columns(dtype: torch.dtype) -> None:
    flat = drawn(seed=3, steps=5, columns=6)
    flat |= {n: x.to(dtype) for n, x in flat.items() if n in ("rewards", "discounts", "values", "log_rhos")}
    deep = {n: x.view(-1, 2, 3) if isinstance(x, Tensor) else x for n, x in flat.items()}
    names = "rewards discounts values log_rhos decisions"
    for got, expected in [
        *zip(upgo(**some(deep, names)), upgo(**some(flat, names)), strict=True),
        *zip(gae_columns(**as_columns(deep)), gae_columns(**as_columns(flat)), strict=True),
        *zip(
            vtrace(**as_columns(deep), log_rhos=deep["log_rhos"]),
            vtrace(**as_columns(flat), log_rhos=flat["log_rhos"]),
            strict=True,
        ),
    ]:
        assert got.dtype == dtype
        assert got.shape == (5, 2, 3)
        torch.testing.assert_close(got.flatten(1), expected, equal_nan=True)


def test_no_gradient_flows_and_inputs_are_left_as_they_were() -> None:
    arguments = drawn(seed=5, steps=4, columns=2)
    for name in ("rewards", "discounts", "values", "log_rhos"):
        arguments[name].requires_grad_()
    before = {n: x.detach().clone() for n, x in arguments.items() if isinstance(x, Tensor)}
    results = [
        td_lambda(**some(arguments, "rewards discounts values lam decisions")),
        *gae_columns(**as_columns(arguments)),
        *upgo(**some(arguments, "rewards discounts values log_rhos decisions")),
    ]
    assert not any(result.requires_grad for result in results)
    for name, tensor in before.items():
        torch.testing.assert_close(arguments[name].detach(), tensor, rtol=0, atol=0, equal_nan=True)


def test_extreme_ratios_and_values_stay_finite() -> None:
    big = torch.tensor([[1e30], [-1e30], [1e30]])
    got = upgo(
        rewards=torch.zeros(2, 1),
        discounts=torch.ones(2, 1),
        values=big,
        log_rhos=torch.tensor([[1e30], [-1e30]]),
    )
    assert all(x.isfinite().all() for x in got)
    assert got.upgo_advantages[1] == 0
