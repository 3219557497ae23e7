"""The loops in C against their twins in PyTorch, which compute in float64 what C computes in float32."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from agents.distributions import Categorical
from agents.kernels import rows as kernels
from agents.kernels.compiled import LIBRARY
from agents.machine import Crew
from agents.returns import vtrace

pytestmark = pytest.mark.skipif(LIBRARY is None, reason="agents/kernels was not compiled")

SIZES = [(1, 1), (1, 7), (15, 2), (16, 7), (17, 1), (37, 9), (100, 40)]
"""Rows and choices: C works on sixteen rows at a time."""
ALMOST_ONE = 1 - 2**-24
"""The greatest float32 below 1."""
Scale = Callable[[Tensor], Tensor]


def moderate(noise: Tensor) -> Tensor:
    return 3 * noise


def extreme(noise: Tensor) -> Tensor:
    """Near -10^4, 0 and 10^4, with near-ties."""
    return 1e4 * noise.round().clamp(-1, 1) + noise


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def some_logits(rows: int, choices: int, scale: Scale = moderate, seed: int = 0) -> Tensor:
    return scale(torch.randn(rows, choices, generator=seeded(seed)))


def some_mask(rows: int, choices: int) -> Tensor:
    """Any choices legal; none in every fifth row."""
    mask = torch.rand(rows, choices, generator=seeded(1)) < 0.6
    mask |= torch.eye(choices, dtype=torch.bool)[torch.arange(rows) % choices]
    mask[4::5] = False
    return mask


def allowed(mask: Tensor) -> Tensor:
    """What may be drawn: where nothing is legal, anything."""
    return mask | ~mask.any(1, keepdim=True)


def some_action(mask: Tensor) -> Tensor:
    return allowed(mask).float().multinomial(1, generator=seeded(2)).squeeze(1)


def close(got: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(got.double(), expected, rtol=3e-6, atol=3e-6)


@pytest.mark.parametrize("scale", [moderate, extreme])
@pytest.mark.parametrize(("rows", "choices"), SIZES)
def test_log_probabilities_entropies_and_their_gradients(rows: int, choices: int, scale: Scale) -> None:
    logits, mask = some_logits(rows, choices, scale), some_mask(rows, choices)
    action = some_action(mask)
    for_log_prob, for_entropy = torch.rand(2, rows, generator=seeded(3)) - 0.5
    exact = logits.double().requires_grad_()
    expected = Categorical(choices).evaluate(exact, action, mask)
    log_prob, entropy = kernels.evaluate(logits, mask, action)
    close(log_prob, expected[0].detach())
    close(entropy, expected[1].detach())
    torch.autograd.backward(expected, [for_log_prob.double(), for_entropy.double()])
    assert exact.grad is not None
    gradient = kernels.evaluate_gradient(logits, mask, action, for_log_prob, for_entropy)
    assert not gradient[~mask].any()
    close(gradient, exact.grad)


@pytest.mark.parametrize("scale", [moderate, extreme])
@pytest.mark.parametrize(("rows", "choices"), SIZES)
def test_a_draw_inverts_the_cumulative_distribution(rows: int, choices: int, scale: Scale) -> None:
    logits, mask = some_logits(rows, choices, scale), some_mask(rows, choices)
    uniform = torch.rand(rows, generator=seeded(4))
    uniform[::3], uniform[1::3] = 0.0, ALMOST_ONE
    action, log_prob = kernels.sample(logits, mask, uniform)
    assert allowed(mask).gather(1, action[:, None]).all()
    log_probs = torch.where(allowed(mask), torch.where(mask, logits, 0).double(), -torch.inf).log_softmax(1)
    close(log_prob, log_probs.gather(1, action[:, None]).squeeze(1))
    below = torch.nn.functional.pad(log_probs.exp().cumsum(1), (1, 0)).gather(1, action[:, None]).squeeze(1)
    assert (below <= uniform + 1e-6).all()
    assert (uniform <= below + log_prob.double().exp() + 1e-6).all()


@pytest.mark.parametrize(("uniform", "place"), [(0.0, 0), (ALMOST_ONE, -1)])
def test_the_outermost_uniform_numbers_draw_the_outermost_legal_choices(uniform: float, place: int) -> None:
    logits, mask = some_logits(1000, 7, torch.sin), some_mask(1000, 7)
    action, _ = kernels.sample(logits, mask, torch.full((1000,), uniform))
    assert action.tolist() == [row.nonzero().flatten().tolist()[place] for row in allowed(mask)]


def test_choices_come_as_often_as_their_probability() -> None:
    rows, mask = 40_000, torch.tensor([True, False, True, True, False, True])
    logits = torch.tensor([0.5, 9.0, -1.0, 1.5, 3.0, 0.0])
    uniform = torch.rand(rows, generator=seeded(0))
    action, _ = kernels.sample(logits.expand(rows, 6), mask.expand(rows, 6), uniform)
    expected = logits.masked_fill(~mask, -torch.inf).softmax(0)
    frequency = action.bincount(minlength=6) / rows
    # Five standard deviations of a frequency.
    assert ((frequency - expected).abs() <= 5 * (expected * (1 - expected) / rows).sqrt()).all()


def part_of_wider_rows(x: Tensor) -> Tensor:
    rows, choices = x.shape
    wider = x.new_zeros(rows, choices + 5)
    wider[:, 2:-3] = x
    return wider[:, 2:-3]


def every_second_number(x: Tensor) -> Tensor:
    return x.repeat_interleave(2, 1)[:, ::2]


def columns_first(x: Tensor) -> Tensor:
    return x.t().contiguous().t()


@pytest.mark.parametrize("laid_out", [part_of_wider_rows, every_second_number, columns_first])
def test_it_does_not_matter_how_rows_lie_in_memory(laid_out: Callable[[Tensor], Tensor]) -> None:
    logits, mask = some_logits(37, 7), some_mask(37, 7)
    action, uniform = some_action(mask), torch.rand(37, generator=seeded(5))
    slopes = torch.randn(37, 2, generator=seeded(6)).unbind(1)
    strided = laid_out(logits), laid_out(mask)
    spread = action.repeat_interleave(3)[::3]
    assert not strided[0].is_contiguous()
    for got, expected in zip(
        [*kernels.sample(*strided, uniform), *kernels.evaluate(*strided, spread)],
        [*kernels.sample(logits, mask, uniform), *kernels.evaluate(logits, mask, action)],
        strict=True,
    ):
        assert torch.equal(got, expected)
    dense = kernels.evaluate_gradient(logits, mask, action, *(slope.clone() for slope in slopes))
    assert torch.equal(kernels.evaluate_gradient(*strided, spread, *slopes), dense)


def test_no_rows_are_no_work() -> None:
    logits, mask, none = torch.empty(0, 7), torch.empty(0, 7, dtype=torch.bool), torch.empty(0)
    assert [len(part) for part in kernels.sample(logits, mask, none)] == [0, 0]
    assert [len(part) for part in kernels.evaluate(logits, mask, none.long())] == [0, 0]


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_other_dtypes_are_for_the_twins(dtype: torch.dtype) -> None:
    assert kernels.serve(torch.zeros(1), torch.zeros(2))
    assert not kernels.serve(torch.zeros(1), torch.zeros(2, dtype=dtype))


@pytest.mark.parametrize("choices", [kernels.MOST_CHOICES, kernels.MOST_CHOICES + 1, 200_000])
def test_more_choices_than_the_stack_holds_are_for_the_twins(choices: int) -> None:
    """On a helper's thread too."""
    logits, mask = torch.zeros(2, choices), torch.ones(2, choices, dtype=torch.bool)
    assert kernels.serve_choices(logits) is (choices == kernels.MOST_CHOICES)
    policy = Categorical(choices)
    drawn = Crew(2).map(lambda seed: policy.sample(logits, mask, seeded(seed)), [0, 1])
    for action, log_prob in drawn:
        torch.testing.assert_close(log_prob, torch.full((2,), -math.log(choices)), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(policy.log_prob(logits, action, mask), log_prob)


@pytest.mark.parametrize("broken", [torch.nan, torch.inf])
def test_a_number_that_is_none_makes_the_whole_row_none(broken: float) -> None:
    """As in the twins: nobody is to learn from such a row, whichever of its choices was taken."""
    logits, mask = torch.zeros(20, 4), torch.ones(20, 4, dtype=torch.bool)
    logits[3, 2] = logits[17, 0] = broken
    ill = ~logits.isfinite().all(1)
    _, log_prob = kernels.sample(logits, mask, torch.full((20,), 0.4))
    assert torch.equal(log_prob.isnan(), ill)
    for choice in range(4):
        action = torch.full((20,), choice)
        log_prob, entropy = kernels.evaluate(logits, mask, action)
        assert torch.equal(log_prob.isnan(), ill)
        assert torch.equal(entropy.isnan(), ill)
        gradient = kernels.evaluate_gradient(logits, mask, action, torch.ones(20), torch.zeros(20))
        assert torch.equal(gradient.isnan().any(1), ill)


@pytest.mark.parametrize("action", [-1, 7, 10**9, -(2**62)])
def test_an_action_that_there_is_not_has_no_probability(action: int) -> None:
    logits, mask = some_logits(17, 7), some_mask(17, 7)
    log_prob, entropy = kernels.evaluate(logits, mask, torch.full((17,), action))
    assert log_prob.isnan().all()
    assert entropy.isfinite().all()


CLIPS = [
    {"rho_bar": 1.0, "c_bar": 1.0, "pg_rho_bar": 1.0, "lam": 1.0},
    {"rho_bar": 2.0, "c_bar": 0.9, "pg_rho_bar": 1.3, "lam": 0.8},
    {"rho_bar": torch.inf, "c_bar": 1.5, "pg_rho_bar": torch.inf, "lam": 0.5},
]


@pytest.mark.parametrize("some_decide", [False, True])
@pytest.mark.parametrize("clips", CLIPS)
@pytest.mark.parametrize(("steps", "columns"), [(1, 1), (5, 15), (16, 16), (7, 17), (3, 37)])
def test_vtrace(steps: int, columns: int, clips: dict[str, float], some_decide: bool) -> None:
    log_rhos, rewards, values = torch.randn(3, steps, columns, generator=seeded(0))
    bootstrap = torch.randn(columns, generator=seeded(1))
    uniform = torch.rand(2, steps, columns, generator=seeded(2))
    arguments = {
        "log_rhos": log_rhos,
        "discounts": 0.97 * (uniform[0] > 0.2),
        "rewards": rewards,
        "values": values,
        "bootstrap_value": bootstrap,
    }
    decisions = uniform[1] > 0.3 if some_decide else None
    got = kernels.vtrace(*arguments.values(), decisions, *clips.values())
    exact = {name: each.double() for name, each in arguments.items()}
    expected = vtrace(**exact, **clips, decisions=decisions)  # type: ignore[arg-type]
    for mine, twin in zip(got, expected, strict=True):
        torch.testing.assert_close(mine.double(), twin, rtol=2e-5, atol=2e-5)


def test_importance_weights_beyond_all_numbers_are_clipped() -> None:
    log_rhos = torch.tensor([[1e4, -1e4, 100.0, -100.0, torch.inf, -torch.inf]]).repeat(3, 1)
    others = torch.randn(3, 3, 6, generator=seeded(0)).unbind()
    bootstrap, clips = torch.randn(6, generator=seeded(1)), (2.0, 1.0, 1.5, 0.9)
    got = kernels.vtrace(log_rhos, *others, bootstrap, None, *clips)
    within = log_rhos.double().clamp(-700, 700)
    names = ("discounts", "rewards", "values")
    expected = vtrace(
        log_rhos=within,
        bootstrap_value=bootstrap.double(),
        **{name: each.double() for name, each in zip(names, others, strict=True)},
        **dict(zip(("rho_bar", "c_bar", "pg_rho_bar", "lam"), clips, strict=True)),  # type: ignore[arg-type]
    )
    for mine, twin in zip(got, expected, strict=True):
        torch.testing.assert_close(mine.double(), twin, rtol=1e-5, atol=1e-5)
