"""Losses with a clipped ratio, against the papers' equations, one decision after the other, by autograd."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from agents.algorithms.advantages import Gradient, Losses
from agents.algorithms.clipped import clipped
from agents.algorithms.config import AlgorithmConfig, PolicyLoss, Ratio, Targets
from agents.config import LearnerConfig, NetworkConfig
from agents.distributions import Categorical
from agents.learner import Learner
from agents.schedule import next_kl_cost
from tests.agents.advantage_oracle import literally
from tests.agents.batches import a_batch, a_spec
from tests.agents.test_impala import CLIPPED, A, Doubles, Problem, a_problem, log_policy, loss_and_gradient
from tests.agents.test_mutations import mutant

ENTROPY_COST = 0.03
PPO = replace(CLIPPED, policy_loss=PolicyLoss.PPO, targets=Targets.GAE, baseline_cost=0.3)
IMPACT = replace(CLIPPED, policy_loss=PolicyLoss.IMPACT, clip=0.4, target_clip=1.3, baseline_cost=0.3)
CONFIGS = {
    "ppo": PPO,
    "appo": replace(PPO, targets=Targets.VTRACE),
    "dual clip": replace(PPO, dual_clip=1.5),
    "kl": replace(PPO, kl_cost=0.7),
    "magnet": replace(PPO, magnet_cost=0.4),
    "all": replace(PPO, dual_clip=3.0, kl_cost=0.7, magnet_cost=0.4, normalise_advantages=True),
    "dppo": replace(PPO, clip=1e6, kl_cost=1.0),
    **{f"impact, {ratio}": replace(IMPACT, ratio=ratio) for ratio in Ratio},
    "impact, kl": replace(IMPACT, kl_cost=0.7),
    "impact, normalised": replace(IMPACT, normalise_advantages=True),
}
TEAMS = [(1, False), (3, False), (3, True)]
"""Seats, and whether they have one critic."""
Function = Callable[..., tuple[Losses, Gradient]]


class Setting(NamedTuple):
    problem: Problem
    earlier: Tensor
    """[T+1, B, S, A] logits of the target network, or of the magnet."""


def a_setting(seed: int, seats: int, central: bool) -> Setting:
    """Policies that are near enough to one another for ratios on both sides of every clip."""
    problem = a_problem(seed, seats, central)
    generator = torch.Generator().manual_seed(seed)
    shape = problem.parameters.shape

    def near(logits: Tensor) -> Tensor:
        return logits + 0.4 * torch.randn(shape, generator=generator, dtype=torch.float64)

    worker, earlier = (near(problem.parameters.detach()) for _ in range(2))
    chosen = taken(log_policy(problem._replace(parameters=worker)), problem)
    return Setting(problem._replace(batch=problem.batch._replace(log_prob=chosen)), earlier)


def taken(log_policies: Tensor, problem: Problem) -> Tensor:
    return log_policies.gather(-1, problem.batch.action[..., None]).squeeze(-1)


def surrogate(config: AlgorithmConfig, pi: Tensor, target: float, worker: float, advantage: float) -> Tensor:
    """What is to be maximised, of one decision, by the probabilities of what was done."""
    if config.policy_loss is PolicyLoss.PPO or config.ratio is Ratio.WORKER:
        ratio = pi / worker
    elif config.ratio is Ratio.TARGET:
        ratio = pi / target
    else:
        ratio = min(worker / target, config.target_clip) * pi / worker
    bounded = min(max(ratio, pi.new_tensor(1 - config.clip)), pi.new_tensor(1 + config.clip))
    value = min(ratio * advantage, bounded * advantage)
    if config.dual_clip and advantage < 0:
        value = max(value, pi.new_tensor(config.dual_clip * advantage))
    return value


def kl(ones: Tensor, others: Tensor, legal: Tensor) -> Tensor:
    """sum over legal a of p(a) log(p(a) / q(a)); both are log-probabilities [A]."""
    p, q = ones[legal], others[legal]
    return (p.exp() * (p - q)).sum()


def expected(config: AlgorithmConfig, setting: Setting) -> Losses:
    """The loss and its parts, with gradient for the problem's parameters and values."""
    problem, batch = setting.problem, setting.problem.batch
    current, mu = log_policy(problem), batch.log_prob
    earlier = log_policy(problem._replace(parameters=setting.earlier))
    corrected = earlier if config.policy_loss is PolicyLoss.IMPACT else current.detach()
    ratios: Doubles = (taken(corrected, problem) - mu).exp().where(batch.acting, 1.0).numpy()
    found = literally(config, problem, ratios)
    zero = torch.zeros((), dtype=torch.float64)
    policy = value = entropy = divergence = pull = rho = zero
    decisions = torch.nonzero(batch.acting[:-1]).tolist()
    for t, b, s in decisions:
        action, legal, pi = batch.action[t, b, s], batch.mask[t, b, s], current[t, b, s]
        target, worker = earlier[t, b, s, action].exp(), mu[t, b, s].exp()
        factor = float(found.factors[t, b, s])
        policy = policy - surrogate(config, pi[action].exp(), float(target), float(worker), factor)
        entropy = entropy - (pi[legal].exp() * pi[legal]).sum()
        if config.policy_loss is PolicyLoss.IMPACT:
            divergence = divergence + kl(earlier[t, b, s], pi, legal)
        else:
            divergence = divergence + pi[action].exp() / worker - 1 - (pi[action] - worker.log())
        pull = pull + kl(pi, earlier[t, b, s], legal)
        rho = rho + min(float(ratios[t, b, s]), config.rho_bar)
    valued = np.argwhere(found.decided).tolist()
    for t, b, v in valued:
        value = value + (float(found.vs[t, b, v]) - problem.values[t, b, v]) ** 2 / 2
    count = len(decisions)
    policy, entropy, divergence, rho = policy / count, entropy / count, divergence / count, rho / count
    value = value / len(valued)
    total = policy + config.baseline_cost * value - ENTROPY_COST * entropy
    total = total + config.kl_cost * divergence + config.magnet_cost * pull / count
    return Losses(total, policy, value, entropy, rho, divergence)


def found_by(function: Function, config: AlgorithmConfig, setting: Setting) -> tuple[Losses, Gradient]:
    problem = setting.problem
    given = problem.parameters, problem.values, setting.earlier, problem.batch, ENTROPY_COST, config.kl_cost
    return function(config, Categorical(A), *given)


def check(name: str, function: Function) -> None:
    """Losses and gradients are the written out sum's."""
    config = CONFIGS[name]
    for seed, (seats, central) in enumerate(TEAMS):
        setting = a_setting(seed, seats, central)
        losses, gradient = found_by(function, config, setting)
        wanted = expected(config, setting)
        for part, got, right in zip(Losses._fields, losses, wanted, strict=True):
            assert got.item() == pytest.approx(right.item(), rel=1e-9, abs=1e-12), part
        leaves = [setting.problem.parameters, setting.problem.values]
        for mine, right in zip(gradient, torch.autograd.grad(wanted.total, leaves), strict=True):
            # An illegal choice's log-probability is minus infinity, times a slope of 0.
            np.testing.assert_allclose(mine, right.nan_to_num(0.0), rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("name", CONFIGS)
def test_loss_and_gradient_are_those_of_the_written_out_sum(name: str) -> None:
    check(name, clipped)


def test_all_clips_are_met() -> None:
    """Else the sums would not show that there are any."""
    setting = a_setting(1, 3, False)
    now, earlier = (
        taken(log_policy(setting.problem._replace(parameters=logits)), setting.problem).detach()
        for logits in (setting.problem.parameters, setting.earlier)
    )
    mu, decided = setting.problem.batch.log_prob, setting.problem.batch.acting
    ratio, of_target = (now - mu).exp()[decided], (mu - earlier).exp()[decided]
    assert (ratio < 1 - PPO.clip).any()
    assert (ratio > 1 + PPO.clip).any()
    assert (ratio > CONFIGS["dual clip"].dual_clip).any()
    assert (of_target > IMPACT.target_clip).any()
    assert (of_target < 1).any()


BUGS = {
    "advantages of pi, not of the target": ("impact, both", "log_rhos = logp_target - logp_worker", "pass"),
    "advantages of the target to the worker": (
        "impact, both",
        "logp_target - logp_worker",
        "logp_worker - logp_target",
    ),
    "no clip of the target": ("impact, both", "worker_clip=config.target_clip", "worker_clip=1e9"),
    "always R3": ("impact, worker", "ratio=config.ratio,", ""),
    "divergence from the policy, not to it": (
        "impact, kl",
        "distribution.divergence(earlier[:-1], leaf[:-1], mask)",
        "distribution.divergence(leaf[:-1], earlier[:-1], mask)",
    ),
    "divergence without its cost": ("kl", "total = total + kl_cost * divergence", "pass"),
    "divergence of the other order": (
        "kl",
        "approx_kl_k3(new_logp=log_probs, old_logp=logp_worker)",
        "approx_kl_k3(new_logp=2 * logp_worker - log_probs, old_logp=logp_worker)",
    ),
    "no dual clip": ("dual clip", "dual_c=config.dual_clip or None,", ""),
    "a magnet that is pulled": (
        "magnet",
        "distribution.divergence(leaf[:-1], earlier[:-1], mask)",
        "distribution.divergence(earlier[:-1], leaf[:-1], mask)",
    ),
    "entropy is a cost": ("ppo", "policy - entropy_cost * entropy", "policy + entropy_cost * entropy"),
    "values without their cost": ("ppo", "weigh(config.baseline_cost * (", "weigh(1.0 * ("),
    "values of all rows": ("ppo", "targets.decided)\n    losses", "None)\n    losses"),
    "a team's weight of who did not decide": ("appo", "log_rhos.masked_fill(~decided, 0.0)", "log_rhos"),
}


@pytest.mark.parametrize("bug", BUGS)
def test_the_sums_notice(bug: str) -> None:
    name, snippet, replacement = BUGS[bug]
    check(name, mutant(clipped, snippet, snippet))
    with pytest.raises(AssertionError):
        check(name, mutant(clipped, snippet, replacement))


@pytest.mark.parametrize("name", ["all", "appo", "impact, kl"])
@pytest.mark.parametrize("central", [False, True])
def test_what_rows_without_a_decision_hold_changes_nothing(name: str, central: bool) -> None:
    config, setting = CONFIGS[name], a_setting(3, 3, central)
    problem, batch = setting.problem, setting.problem.batch
    idle = ~batch.acting
    strange = batch._replace(
        mask=batch.mask & batch.acting[..., None],
        action=batch.action.where(batch.acting, A - 1),
        log_prob=batch.log_prob.where(batch.acting, -800.0),
    )
    logits = problem.parameters.detach().where(~idle[..., None], 7.0).requires_grad_()
    other = Setting(problem._replace(batch=strange, parameters=logits), setting.earlier)
    wanted, (got, gradient) = found_by(clipped, config, setting)[0], found_by(clipped, config, other)
    for left, right in zip(wanted, got, strict=True):
        assert left.item() == pytest.approx(right.item(), rel=1e-12)
    assert not gradient.parameters[idle].any()
    assert not gradient.parameters[-1].any()
    assert not gradient.values[-1].any()
    assert gradient.parameters[:-1][batch.acting[:-1]].any()


@pytest.mark.parametrize("name", CONFIGS)
def test_a_batch_without_a_decision_has_no_loss(name: str) -> None:
    setting = a_setting(4, 2, central=True)
    batch = setting.problem.batch
    nobody = batch._replace(acting=torch.zeros_like(batch.acting))
    losses, gradient = found_by(
        clipped, CONFIGS[name], setting._replace(problem=setting.problem._replace(batch=nobody))
    )
    assert [term.item() for term in losses] == [0.0] * len(losses)
    assert not any(slopes.any() for slopes in gradient)


def test_of_the_policy_that_acted_the_gradient_is_that_of_the_policy_gradient() -> None:
    """All ratios are 1: no clip is met, and nothing diverges."""
    problem = a_problem(6, 2, central=False)
    chosen = taken(log_policy(problem), problem).detach()
    setting = Setting(problem._replace(batch=problem.batch._replace(log_prob=chosen)), problem.parameters)
    losses, gradient = found_by(clipped, replace(CONFIGS["appo"], kl_cost=0.7), setting)
    plain, plain_gradient = loss_and_gradient(CLIPPED, setting.problem, ENTROPY_COST)
    torch.testing.assert_close(gradient.parameters, plain_gradient.parameters)
    assert losses.rho.item() == plain.rho.item() == pytest.approx(1.0)
    assert losses.divergence.item() == pytest.approx(0.0, abs=1e-12)


def test_the_cost_of_divergence_follows_it_within_bounds() -> None:
    config = AlgorithmConfig(policy_loss=PolicyLoss.PPO, kl_cost=0.5, kl_target=0.01)
    assert next_kl_cost(config, 0.5, 0.021) == 0.75
    assert next_kl_cost(config, 0.5, 0.015) == 0.5
    assert next_kl_cost(config, 0.5, 0.004) == 0.25
    assert next_kl_cost(replace(config, kl_target=0.0), 0.5, 9.0) == 0.5
    for divergence, last in ((0.0, 0.5e-4), (1.0, 0.5e4)):
        cost = 0.5
        for _ in range(2000):
            cost = next_kl_cost(config, cost, divergence)
        assert cost == pytest.approx(last)


@pytest.mark.parametrize("loss", [PolicyLoss.PPO, PolicyLoss.IMPACT])
def test_a_learner_and_its_checkpoints_know_that_cost(loss: PolicyLoss) -> None:
    costs = {"kl_cost": 0.5, "kl_target": 1e-6, "learning_rate": 1e-2}
    algorithm = AlgorithmConfig(policy_loss=loss, target_updates=50, **costs)
    config = LearnerConfig(NetworkConfig(hidden=(8,)), algorithm)
    learner, resumed = (Learner(config, a_spec("float32"), team=None, seed=seed) for seed in (0, 1))
    divergences = []
    for seed in range(4):
        cost, before = learner.state()[1]["kl_cost"], learner.weights()
        divergences.append(learner.update(a_batch(a_spec("float32"), 5, 6, seed=seed)).divergence)
        assert learner.state()[1]["kl_cost"] == next_kl_cost(algorithm, cost, divergences[-1])
        assert (learner.weights() != before).any()
    assert max(divergences) > 2e-6
    resumed.load_state(*learner.state())
    batch = a_batch(a_spec("float32"), 5, 6, seed=9)
    assert learner.update(batch) == resumed.update(batch)
    assert np.array_equal(learner.weights(), resumed.weights())
    learner.reset()
    assert learner.state()[1]["kl_cost"] == 0.5
