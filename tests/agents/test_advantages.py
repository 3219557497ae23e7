"""All that advantages may be made of, against the papers' sums written out slowly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from agents.algorithms.advantages import Advantages, advantages
from agents.algorithms.config import AlgorithmConfig, PolicyLoss, Targets
from tests.agents.advantage_oracle import literally
from tests.agents.test_impala import CLIPPED, a_problem, ratios_of
from tests.agents.test_mutations import mutant

CONFIGS = {
    "vtrace": CLIPPED,
    "gae": replace(CLIPPED, targets=Targets.GAE),
    "returns": replace(CLIPPED, targets=Targets.GAE, trace_decay=1.0, reward_clip=0.0),
    "one step": replace(CLIPPED, targets=Targets.GAE, trace_decay=0.0),
    "td_lambda": replace(CLIPPED, targets=Targets.TD_LAMBDA),
    "upgo": replace(CLIPPED, upgo_cost=0.6),
    "alphastar": replace(CLIPPED, targets=Targets.TD_LAMBDA, upgo_cost=1.0, normalise_advantages=True),
    "normalised": replace(CLIPPED, normalise_advantages=True),
    "gae, normalised": replace(CLIPPED, targets=Targets.GAE, normalise_advantages=True),
    "appo": replace(CLIPPED, policy_loss=PolicyLoss.PPO, normalise_advantages=True),
    "appo, td_lambda": replace(CLIPPED, policy_loss=PolicyLoss.PPO, targets=Targets.TD_LAMBDA),
    "ppo": replace(CLIPPED, policy_loss=PolicyLoss.PPO, targets=Targets.GAE),
    "impact": replace(CLIPPED, policy_loss=PolicyLoss.IMPACT),
    "neurd": replace(CLIPPED, policy_loss=PolicyLoss.NEURD),
}
TEAMS = [(1, False), (3, False), (3, True)]
"""Seats, and whether they have one critic."""
Function = Callable[..., Advantages]


def check(name: str, function: Function) -> None:
    """It finds what the equations say."""
    config = CONFIGS[name]
    for seed, (seats, central) in enumerate(TEAMS):
        problem = a_problem(seed, seats, central)
        ratios, acting = ratios_of(problem), problem.batch.acting[:-1].numpy()
        expected = literally(config, problem, ratios)
        log_rhos = torch.from_numpy(np.log(ratios[:-1]))
        got = function(config, log_rhos, problem.values.detach(), problem.batch)
        np.testing.assert_array_equal(got.decided, expected.decided)
        np.testing.assert_allclose(got.vs, expected.vs, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(got.policy[acting], expected.factors[acting], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", CONFIGS)
def test_targets_and_advantages_are_the_papers_sums(name: str) -> None:
    check(name, advantages)


BUGS = {
    "the weight of all in everybody's upgoing return": (
        "upgo",
        "own_rhos = log_rhos.",
        "own_rhos = shared_rhos.",
    ),
    "upgoing returns not weighed": ("upgo", "config.upgo_cost *", ""),
    "targets of the policy's for the value": ("td_lambda", "vs = td_lambda(", "_ = td_lambda("),
    "advantages of the value's targets": ("td_lambda", "config.policy_loss is PolicyLoss.IMPACT", "True"),
    "gae corrected": ("gae", "factors.expand_as(log_rhos)", "factors * log_rhos.exp()"),
    "gae without lambda": ("gae", "lam=config.trace_decay)\n        vs", "lam=1.0)\n        vs"),
    "a clipped loss weighed twice": (
        "appo",
        "or config.policy_loss is PolicyLoss.PPO",
        "",
    ),
    "a team's clipped loss weighed twice": ("appo", "and not config.policy_loss.is_clipped", ""),
    "impact's of one step": ("impact", "is PolicyLoss.IMPACT", "is PolicyLoss.Q"),
    "rewards not clipped": ("vtrace", "if config.reward_clip:", "if False:"),
    "a team's rewards added up": ("vtrace", "rewards.mean(2", "rewards.sum(2"),
}  # fmt: skip


@pytest.mark.parametrize("bug", BUGS)
def test_the_sums_notice(bug: str) -> None:
    name, snippet, replacement = BUGS[bug]
    check(name, mutant(advantages, snippet, snippet))
    with pytest.raises(AssertionError):
        check(name, mutant(advantages, snippet, replacement))


@pytest.mark.parametrize("name", ["normalised", "gae, normalised", "appo"])
@pytest.mark.parametrize(("seats", "central"), TEAMS)
def test_normalised_advantages_have_mean_0_and_deviation_1(name: str, seats: int, central: bool) -> None:
    problem = a_problem(7, seats, central)
    log_rhos = torch.from_numpy(np.log(ratios_of(problem)[:-1]))
    got = advantages(CONFIGS[name], log_rhos, problem.values.detach(), problem.batch)
    of_decisions = got.policy[problem.batch.acting[:-1]]
    assert of_decisions.mean().item() == pytest.approx(0.0, abs=1e-12)
    assert of_decisions.std().item() == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_decisions_are_not_normalised(count: int) -> None:
    """The deviation of one number is no number."""
    problem = a_problem(8, 1, central=False)
    acting = torch.zeros_like(problem.batch.acting)
    acting[:count, 0] = True
    batch = problem.batch._replace(acting=acting)
    log_rhos, values = torch.zeros(acting[:-1].shape, dtype=torch.float64), problem.values.detach()
    plain, normalised = (
        advantages(CONFIGS[name], log_rhos, values, batch) for name in ("vtrace", "normalised")
    )
    assert torch.equal(plain.policy, normalised.policy)


@pytest.mark.parametrize("name", ["gae", "td_lambda", "upgo", "ppo", "impact"])
@pytest.mark.parametrize("central", [False, True])
def test_what_rows_without_a_decision_hold_changes_nothing(name: str, central: bool) -> None:
    """Neither their importance weights nor their rewards."""
    problem = a_problem(3, 2, central)
    config, acting = replace(CONFIGS[name], reward_clip=0.0), problem.batch.acting
    log_rhos = torch.from_numpy(np.log(ratios_of(problem)[:-1]))
    strange_rewards = problem.batch.reward.where(acting.any(2, keepdim=True), 1e6)
    strange = problem.batch._replace(reward=strange_rewards)
    given = problem.values.detach()
    one, other = (advantages(config, log_rhos, given, batch) for batch in (problem.batch, strange))
    decided = acting[:-1]
    assert torch.equal(one.policy[decided], other.policy[decided])
    assert one.decided is not None
    assert torch.equal(one.vs[one.decided], other.vs[one.decided])


def test_upgoing_returns_go_with_corrected_targets_only() -> None:
    with pytest.raises(ValueError, match=r"upgo_cost is 0\.5, but must be 0 with targets gae.*vtrace or td_"):
        AlgorithmConfig(targets=Targets.GAE, upgo_cost=0.5)


@pytest.mark.parametrize("loss", [PolicyLoss.NEURD, PolicyLoss.IMPACT])
@pytest.mark.parametrize("targets", [Targets.GAE, Targets.TD_LAMBDA])
def test_losses_of_older_policies_take_corrected_targets_only(loss: PolicyLoss, targets: Targets) -> None:
    given: dict[str, Any] = {"policy_loss": loss, "targets": targets}
    with pytest.raises(
        ValueError, match=rf"targets is {targets}, but must be vtrace with policy_loss {loss}"
    ):
        AlgorithmConfig(**given)
