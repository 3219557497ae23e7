"""Exploration and replay of action values: golden numbers, and chances counted one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.distributions import Categorical
from agents.q_targets import (
    epsilon_greedy_log_probs,
    epsilons,
    importance_weights,
    sampling_probabilities,
    sequence_priority,
)
from tests.agents import golden_checks as golden


@pytest.mark.parametrize("precision", [golden.FLOAT64, golden.FLOAT32], ids=["float64", "float32"])
def test_golden(precision: golden.Precision) -> None:
    golden.sequence_priority(sequence_priority, precision)
    golden.sampling_probabilities(sampling_probabilities, precision)
    golden.importance_weights(importance_weights, precision)
    golden.epsilons(epsilons)


@settings(deadline=None)
@given(seed=st.integers(0, 2**32), steps=st.integers(1, 9), columns=st.integers(1, 4))
def test_priority_is_over_decisions_only(seed: int, steps: int, columns: int) -> None:
    generator = np.random.default_rng(seed)
    errors = torch.from_numpy(generator.normal(size=(steps, columns)))
    decided = torch.from_numpy(generator.random((steps, columns)) > 0.4)
    got = sequence_priority(errors.masked_fill(~decided, torch.nan), 0.9, decided)
    for b in range(columns):
        sizes = [abs(float(errors[t, b])) for t in range(steps) if decided[t, b]]
        expected = 0.9 * max(sizes) + 0.1 * sum(sizes) / len(sizes) if sizes else 0.0
        assert float(got[b]) == pytest.approx(expected)
    everything = torch.ones_like(decided)
    torch.testing.assert_close(sequence_priority(errors, 0.9), sequence_priority(errors, 0.9, everything))


def test_sampling_probabilities_at_extremes() -> None:
    for priorities in (torch.zeros(4), torch.full((4,), 1e38), torch.full((4,), 1e-38)):
        for exponent in (0.0, 0.9, 1.0):
            got = sampling_probabilities(priorities=priorities, priority_exponent=exponent)
            torch.testing.assert_close(got, torch.full((4,), 0.25))
    one = sampling_probabilities(priorities=torch.tensor([0.0, 3.0]), priority_exponent=0.6)
    assert one.tolist() == [0.0, 1.0]


def test_importance_weights_are_those_of_the_paper() -> None:
    generator = np.random.default_rng(8)
    p = torch.from_numpy(generator.dirichlet(np.ones(12)))
    drawn, beta = torch.tensor([3, 3, 7, 1]), 0.4
    as_written = (1 / (12 * p)) ** beta
    given = {"probabilities": p[drawn], "is_exponent": beta}
    torch.testing.assert_close(importance_weights(**given), as_written[drawn] / as_written[drawn].max())
    of_all = importance_weights(**given, least_probability=float(p.min()))
    torch.testing.assert_close(of_all, as_written[drawn] / as_written.max())


def test_epsilons_fall_from_the_first_actor_to_the_last() -> None:
    assert epsilons(1) == (0.4,)
    assert epsilons(0) == ()
    assert epsilons(3, base=0.5, exponent=2.0) == (0.5, 0.25, 0.125)
    assert sorted(epsilons(9), reverse=True) == list(epsilons(9))


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**32),
    choices=st.integers(1, 6),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_exploration_has_the_chances_that_it_should(seed: int, choices: int, dtype: torch.dtype) -> None:
    generator = np.random.default_rng(seed)
    q = torch.from_numpy(generator.integers(-2, 3, (8, choices))).to(dtype)  # Equal ones occur.
    mask = torch.from_numpy(generator.random((8, choices)) > 0.3)
    mask[:, -1] |= ~mask.any(-1)
    epsilon = torch.from_numpy(generator.choice([0.0, 1e-8, 0.1, 1.0], 8))
    log_probs = epsilon_greedy_log_probs(q.masked_fill(~mask, torch.nan), mask, epsilon)
    assert log_probs.dtype == dtype
    assert log_probs.isfinite().all()
    for row in range(8):
        legal = [a for a in range(choices) if mask[row, a]]
        best = max(legal, key=lambda a: (float(q[row, a]), -a))
        share = float(epsilon[row]) / len(legal)
        expected = [share * (a in legal) + (1 - float(epsilon[row])) * (a == best) for a in range(choices)]
        torch.testing.assert_close(log_probs[row].exp(), torch.tensor(expected).to(dtype), rtol=1e-5, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("epsilon", [0.0, 1e-6, 0.3, 1.0])
def test_as_logits_they_are_what_they_say(epsilon: float, dtype: torch.dtype) -> None:
    """Drawn, evaluated and normalised as any policy's parameters, by C and by PyTorch."""
    generator = torch.Generator().manual_seed(3)
    q = torch.randn(2000, 5, generator=generator, dtype=torch.float64).to(dtype)
    mask = torch.tensor([True, True, False, True, True]).expand(2000, 5)
    log_probs = epsilon_greedy_log_probs(q, mask, torch.tensor(epsilon))
    policy = Categorical(5)
    normalised = policy.log_policies(log_probs, mask)
    torch.testing.assert_close(normalised[mask], log_probs[mask], rtol=1e-6, atol=1e-6)

    action, log_prob = policy.sample(log_probs, mask, generator)
    chosen = golden.taken(log_probs, action)
    assert (chosen > -20).all()
    torch.testing.assert_close(log_prob, chosen, rtol=1e-6, atol=1e-6)
    greedy = q.masked_fill(~mask, -torch.inf).argmax(-1)
    if epsilon < 1:
        assert torch.equal(policy.mode(log_probs, mask), greedy)
    share = float((action == greedy).double().mean())
    assert share == pytest.approx(1 - 0.75 * epsilon, abs=0.05 if epsilon else 0)

    evaluated, entropy = policy.evaluate(log_probs, action, mask)
    torch.testing.assert_close(evaluated, chosen, rtol=1e-6, atol=1e-6)
    chances = log_probs.double().exp()
    expected = -torch.special.xlogy(chances, chances).sum(-1).to(dtype)
    torch.testing.assert_close(entropy, expected, rtol=1e-4, atol=1e-6)


def test_exploration_without_legal_choices_is_finite() -> None:
    mask = torch.zeros(2, 3, dtype=torch.bool)
    log_probs = epsilon_greedy_log_probs(torch.zeros(2, 3), mask, torch.tensor([0.0, 0.5]))
    assert log_probs.isfinite().all()
    assert Categorical(3).evaluate(log_probs, torch.zeros(2, dtype=torch.int64), mask)[0].isfinite().all()
