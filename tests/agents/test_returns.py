"""V-trace and GAE against golden numbers, against the papers' sums written out, and against typical bugs."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from agents.returns import VTrace, gae, vtrace

GOLDEN = Path(__file__).parents[1] / "golden"
PRECISIONS = [(torch.float64, 1e-9, 1e-12), (torch.float32, 1e-4, 1e-5)]
VTRACE_ARRAYS = ("log_rhos", "discounts", "rewards", "values", "bootstrap_value")
VTRACE_NUMBERS = ("rho_bar", "c_bar", "pg_rho_bar", "lam")


def load(name: str) -> dict[str, dict[str, np.ndarray]]:
    cases: dict[str, dict[str, np.ndarray]] = {}
    with np.load(GOLDEN / name) as file:
        for key in file.files:
            case, _, field = key.rpartition("/")
            if case:
                cases.setdefault(case, {})[field] = file[key]
    return cases


VTRACE_CASES = load("vtrace.npz")
GAE_CASES = load("gae.npz")


def vtrace_arguments(case: str, dtype: torch.dtype) -> dict[str, Any]:
    fields = VTRACE_CASES[case]
    arrays = {name: torch.as_tensor(fields[name], dtype=dtype) for name in VTRACE_ARRAYS}
    return arrays | {name: float(fields[name]) for name in VTRACE_NUMBERS}


def agrees(got: Tensor, expected: np.ndarray, rtol: float, atol: float) -> bool:
    return np.allclose(got.numpy(), expected, rtol=rtol, atol=atol)


def random_vtrace_arguments(seed: int, steps: int, columns: int) -> dict[str, Any]:
    """Arguments in float64 with ends here and there, and now and then without a clip."""
    generator = np.random.default_rng(seed)
    shape = (steps, columns)
    arrays = {
        "log_rhos": generator.normal(0, 1, shape),
        "discounts": 0.97 * (generator.random(shape) > 0.2),
        "rewards": generator.normal(0, 1, shape),
        "values": generator.normal(0, 1, shape),
        "bootstrap_value": generator.normal(0, 1, columns),
    }
    c_bar, rho_bar = np.sort(generator.choice([0.5, 0.9, 1.0, 1.7, np.inf], 2))
    numbers = {
        "rho_bar": float(rho_bar),
        "c_bar": float(c_bar),
        "pg_rho_bar": float(generator.choice([0.7, 1.0, 2.0, np.inf])),
        "lam": float(generator.choice([0.0, 0.5, 0.9, 1.0])),
    }
    return {name: torch.from_numpy(array) for name, array in arrays.items()} | numbers


def vtrace_as_in_the_paper(
    log_rhos: Tensor,
    discounts: Tensor,
    rewards: Tensor,
    values: Tensor,
    bootstrap_value: Tensor,
    rho_bar: float,
    c_bar: float,
    pg_rho_bar: float,
    lam: float,
) -> VTrace:
    """Equation 1: v_s = V(x_s) + sum_t gamma^{t-s} (prod_{i=s}^{t-1} c_i) delta_t V, as a double sum."""
    steps, columns = rewards.shape
    vs, pg_advantages = torch.zeros_like(rewards), torch.zeros_like(rewards)
    for b in range(columns):
        ratio = [math.exp(log_rhos[t, b]) for t in range(steps)]
        discount, reward = discounts[:, b].tolist(), rewards[:, b].tolist()
        value = [*values[:, b].tolist(), float(bootstrap_value[b])]
        target = [*value]
        for s in range(steps):
            for t in range(s, steps):
                delta = min(rho_bar, ratio[t]) * (reward[t] + discount[t] * value[t + 1] - value[t])
                weight = math.prod(discount[i] * lam * min(c_bar, ratio[i]) for i in range(s, t))
                target[s] += weight * delta
        for s in range(steps):
            vs[s, b] = target[s]
            q = reward[s] + discount[s] * target[s + 1]
            pg_advantages[s, b] = min(pg_rho_bar, ratio[s]) * (q - value[s])
    return VTrace(vs, pg_advantages)


def gae_as_in_the_paper(
    rewards: Tensor,
    values: Tensor,
    next_values: Tensor,
    terminated: Tensor,
    truncated: Tensor,
    gamma: float,
    lam: float,
) -> Tensor:
    """Equation 16: A_t = sum_l (gamma lambda)^l delta_{t+l}, up to where the episode ends."""
    advantages = torch.zeros_like(rewards)
    steps, columns = rewards.shape
    for b in range(columns):
        for t in range(steps):
            for later in range(t, steps):
                bootstrap = 0.0 if terminated[later, b] else gamma * next_values[later, b]
                delta = rewards[later, b] + bootstrap - values[later, b]
                advantages[t, b] += (gamma * lam) ** (later - t) * delta
                if terminated[later, b] or truncated[later, b]:
                    break
    return advantages


@pytest.mark.parametrize(("dtype", "rtol", "atol"), PRECISIONS, ids=["float64", "float32"])
@pytest.mark.parametrize("case", VTRACE_CASES)
def test_vtrace_is_golden(case: str, dtype: torch.dtype, rtol: float, atol: float) -> None:
    got = vtrace(**vtrace_arguments(case, dtype))
    assert got.vs.dtype == got.pg_advantages.dtype == dtype
    assert agrees(got.vs, VTRACE_CASES[case]["vs"], rtol, atol)
    assert agrees(got.pg_advantages, VTRACE_CASES[case]["pg_advantages"], rtol, atol)


@settings(deadline=None)
@given(seed=st.integers(0, 2**32), steps=st.integers(1, 9), columns=st.integers(1, 4))
def test_vtrace_is_the_double_sum_of_the_paper(seed: int, steps: int, columns: int) -> None:
    arguments = random_vtrace_arguments(seed, steps, columns)
    got, expected = vtrace(**arguments), vtrace_as_in_the_paper(**arguments)
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9)


@settings(deadline=None)
@given(seed=st.integers(0, 2**32), steps=st.integers(2, 9), cut=st.integers(0, 8))
def test_a_row_without_decision_is_as_if_the_column_were_cut_there(seed: int, steps: int, cut: int) -> None:
    """What lies before is bootstrapped from the row's value, what lies behind starts anew."""
    cut %= steps
    arguments = random_vtrace_arguments(seed, steps, columns=2)
    decisions = torch.ones(steps, 2, dtype=torch.bool)
    decisions[cut] = False
    arguments["log_rhos"][cut] = torch.nan  # What was stored there means nothing.
    got = vtrace(**arguments, decisions=decisions)

    arrays = {name: arguments.pop(name) for name in VTRACE_ARRAYS}
    bootstrap_value = arrays.pop("bootstrap_value")
    before = {name: array[:cut] for name, array in arrays.items()}
    behind = {name: array[cut + 1 :] for name, array in arrays.items()}
    value = arrays["values"][cut]
    for part, rows, bootstrap in (
        (before, slice(0, cut), value),
        (behind, slice(cut + 1, None), bootstrap_value),
    ):
        if len(part["values"]):
            expected = vtrace(**part, bootstrap_value=bootstrap, **arguments)
            torch.testing.assert_close((got.vs[rows], got.pg_advantages[rows]), tuple(expected))
    torch.testing.assert_close(got.vs[cut], value)
    assert not got.pg_advantages[cut].any()


def test_no_gradient_flows_through_targets() -> None:
    arguments = vtrace_arguments("default", torch.float64)
    for name in VTRACE_ARRAYS:
        arguments[name].requires_grad_()
    got = vtrace(**arguments)
    assert not got.vs.requires_grad
    assert not got.pg_advantages.requires_grad


def test_inputs_are_left_as_they_were() -> None:
    arguments = vtrace_arguments("default", torch.float64)
    before = {name: arguments[name].clone() for name in VTRACE_ARRAYS}
    vtrace(**arguments, decisions=torch.zeros(arguments["values"].shape, dtype=torch.bool))
    for name, array in before.items():
        assert torch.equal(arguments[name], array), name


def recursion(deltas: Tensor, weights: Tensor, start: Tensor | float = 0.0, shift: bool = False) -> Tensor:
    """x_t = delta_t + weight_t x_{t+1}, for the bugs below; `shift` takes the weight of the next step."""
    later: Tensor | float = start
    rows = []
    for t in reversed(range(len(deltas))):
        weight = weights[min(t + 1, len(weights) - 1)] if shift else weights[t]
        later = deltas[t] + weight * later
        rows.append(later)
    return torch.stack(rows[::-1])


def broken(bug: str) -> Callable[..., VTrace]:
    """V-trace written anew, with one bug of the kind that people write; none where `bug` is empty."""

    def compute(
        log_rhos: Tensor,
        discounts: Tensor,
        rewards: Tensor,
        values: Tensor,
        bootstrap_value: Tensor,
        rho_bar: float,
        c_bar: float,
        pg_rho_bar: float,
        lam: float,
    ) -> VTrace:
        rhos = (-log_rhos if bug == "rho inverted" else log_rhos).exp()
        if bug == "discounts shifted":
            discounts = torch.cat([discounts[1:], discounts[-1:]])
        if bug == "terminals ignored":
            discounts = discounts.max().expand_as(discounts)
        clipped = rhos.clamp(max=rho_bar)
        traces = rhos.clamp(max=rho_bar if bug == "c clipped at rho_bar" else c_bar)
        traces = traces if bug == "c without lambda" else lam * traces
        next_values = torch.cat([values[1:], bootstrap_value[None]])
        if bug == "rho on the reward only":
            deltas = clipped * rewards + discounts * next_values - values
        else:
            deltas = clipped * (rewards + discounts * next_values - values)
        start = bootstrap_value if bug == "accumulator starts at the bootstrap value" else 0.0
        vs = values + recursion(deltas, discounts * traces, start, shift=bug == "c of the next step")
        next_vs = torch.cat([vs[1:], bootstrap_value[None]])
        if bug == "advantage from V of the next step":
            next_vs = next_values
        if bug == "advantage with lambda mixed in":
            next_vs = lam * next_vs + (1 - lam) * next_values
        pg_rhos = torch.ones_like(rhos) if bug == "advantage without rho" else rhos.clamp(max=pg_rho_bar)
        advantages = pg_rhos * (rewards + discounts * next_vs - values)
        return VTrace(vs, vs - values if bug == "advantage is vs - V" else advantages)

    return compute


def caught(bug: str) -> int:
    """How many golden cases tell the bug from the truth."""
    count = 0
    for case, fields in VTRACE_CASES.items():
        got = broken(bug)(**vtrace_arguments(case, torch.float64))
        count += not (
            agrees(got[0], fields["vs"], 1e-9, 1e-12) and agrees(got[1], fields["pg_advantages"], 1e-9, 1e-12)
        )
    return count


@pytest.mark.parametrize(
    ("bug", "least"),
    [
        ("c without lambda", 3),
        ("c clipped at rho_bar", 5),
        ("rho inverted", 13),
        ("terminals ignored", 5),
        ("discounts shifted", 5),
        ("rho on the reward only", 13),
        ("c of the next step", 8),
        ("accumulator starts at the bootstrap value", 9),
        ("advantage from V of the next step", 9),
        ("advantage with lambda mixed in", 3),
        ("advantage without rho", 13),
        ("advantage is vs - V", 6),
    ],
)
def test_golden_numbers_catch_typical_bugs(bug: str, least: int) -> None:
    assert caught("") == 0
    assert caught(bug) >= least


@pytest.mark.parametrize(("dtype", "rtol", "atol"), PRECISIONS, ids=["float64", "float32"])
@pytest.mark.parametrize("as_bool", [True, False])
@pytest.mark.parametrize("case", GAE_CASES)
def test_gae_is_golden(case: str, as_bool: bool, dtype: torch.dtype, rtol: float, atol: float) -> None:
    fields = {name: torch.as_tensor(array, dtype=dtype) for name, array in GAE_CASES[case].items()}
    gamma, lam = float(GAE_CASES[case]["gamma"]), float(GAE_CASES[case]["lam"])
    ends = {n: fields[n].bool() if as_bool else fields[n] for n in ("terminated", "truncated")}
    rewards, values = fields["rewards"], fields["values"]
    got = gae(rewards=rewards, values=values, next_values=fields["next_values"], gamma=gamma, lam=lam, **ends)
    assert got.advantages.dtype == got.returns.dtype == dtype
    assert agrees(got.advantages, GAE_CASES[case]["advantages"], rtol, atol)
    assert agrees(got.returns, GAE_CASES[case]["returns"], rtol, atol)

    tail = fields["values_tp1"]
    ends["truncated"] = torch.zeros_like(rewards)
    got = gae(rewards=rewards, values=tail[:-1], next_values=tail[1:], gamma=gamma, lam=lam, **ends)
    assert agrees(got.advantages, GAE_CASES[case]["advantages_notrunc"], rtol, atol)


@settings(deadline=None)
@given(seed=st.integers(0, 2**32), steps=st.integers(1, 9), columns=st.integers(1, 4))
def test_gae_is_the_sum_of_the_paper(seed: int, steps: int, columns: int) -> None:
    generator = np.random.default_rng(seed)
    shape = (steps, columns)
    arrays = {n: torch.from_numpy(generator.normal(size=shape)) for n in ("rewards", "values", "next_values")}
    ends = {n: torch.from_numpy(generator.random(shape) < 0.2) for n in ("terminated", "truncated")}
    gamma, lam = float(generator.choice([0.9, 1.0])), float(generator.choice([0.0, 0.95, 1.0]))
    got = gae(**arrays, **ends, gamma=gamma, lam=lam)
    expected = gae_as_in_the_paper(**arrays, **ends, gamma=gamma, lam=lam)
    torch.testing.assert_close(got.advantages, expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(got.returns, expected + arrays["values"], rtol=1e-9, atol=1e-9)
