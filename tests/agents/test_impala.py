"""The loss of the V-trace actor-critic, against the paper's sums written out slowly."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from agents.algorithms.advantages import Advantages, Batch, Gradient, Losses, advantages
from agents.algorithms.config import AlgorithmConfig
from agents.algorithms.impala import impala
from agents.distributions import Categorical

T, B, A = 6, 4, 5
CLIPPED = AlgorithmConfig(
    discount=0.9, rho_bar=1.4, c_bar=1.1, pg_rho_bar=1.2, trace_decay=0.8, reward_clip=0.75
)
Doubles = npt.NDArray[np.float64]


class Problem(NamedTuple):
    """A random batch in float64, the policy's logits and the values."""

    batch: Batch
    parameters: Tensor
    values: Tensor


def a_problem(seed: int, seats: int, central: bool) -> Problem:
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    def chance(probability: float, *shape: int) -> Tensor:
        return torch.rand(shape, generator=generator) < probability

    lead = (T + 1, B, seats)
    mask = chance(0.6, *lead, A)
    action = torch.randint(A, lead, generator=generator)
    mask.scatter_(-1, action[..., None], True)
    batch = Batch(
        mask=mask,
        action=action,
        log_prob=-normal(*lead).abs(),
        acting=chance(0.7, *lead),
        reward=normal(*lead),
        terminated=chance(0.2, *lead[:2]),
    )
    values = normal(T + 1, B, 1 if central else seats)
    return Problem(batch, normal(*lead, A).requires_grad_(), values.requires_grad_())


def log_policy(problem: Problem) -> Tensor:
    """[T+1, B, S, A] with -inf where illegal."""
    return problem.parameters.masked_fill(~problem.batch.mask, -torch.inf).log_softmax(-1)


def ratios_of(problem: Problem) -> Doubles:
    """[T+1, B, S] pi(a | o) / mu(a | o); 1 where nobody acts."""
    chosen = log_policy(problem).gather(-1, problem.batch.action[..., None]).squeeze(-1)
    ratios = (chosen - problem.batch.log_prob).exp().where(problem.batch.acting, 1.0)
    return ratios.detach().numpy()


class Column(NamedTuple):
    """One column for one critic: rows 0 to T-1, and the values up to row T."""

    ratio: Doubles
    decided: npt.NDArray[np.bool_]
    reward: Doubles
    discount: Doubles
    value: Doubles


def targets(config: AlgorithmConfig, column: Column) -> Doubles:
    """[T+1] vs: equation 1, term by term. A row without a decision has weight 0."""
    rho = np.where(column.decided, np.minimum(config.rho_bar, column.ratio), 0.0)
    c = np.where(column.decided, config.trace_decay * np.minimum(config.c_bar, column.ratio), 0.0)
    vs = column.value.copy()
    for s in range(T):
        for t in range(s, T):
            weight = math.prod(column.discount[i] * c[i] for i in range(s, t))
            difference = column.reward[t] + column.discount[t] * column.value[t + 1] - column.value[t]
            vs[s] += weight * rho[t] * difference
    return vs


def literally(config: AlgorithmConfig, problem: Problem) -> tuple[Doubles, Doubles, npt.NDArray[np.bool_]]:
    """vs [T, B, V], advantages [T, B, S], decided [T, B, V], one column and seat after the other."""
    batch, values = problem.batch, problem.values.detach().numpy()
    ratios, acting = ratios_of(problem)[:-1], batch.acting[:-1].numpy()
    clip = config.reward_clip or np.inf
    reward = np.clip(batch.reward[:-1].numpy(), -clip, clip)
    discount = config.discount * (1.0 - batch.terminated[:-1].numpy())
    critics, seats = values.shape[2], acting.shape[2]
    vs, decided = np.zeros((T, B, critics)), np.zeros((T, B, critics), bool)
    factors = np.zeros((T, B, seats))
    for b in range(B):
        for v in range(critics):
            own = list(range(seats)) if critics < seats else [v]
            column = Column(
                ratio=ratios[:, b, own].prod(axis=1),
                decided=acting[:, b, own].any(axis=1),
                reward=reward[:, b, own].mean(axis=1),
                discount=discount[:, b],
                value=values[:, b, v],
            )
            target = targets(config, column)
            vs[:, b, v], decided[:, b, v] = target[:T], column.decided
            for seat in own:
                for t in range(T):
                    advantage = column.reward[t] + discount[t, b] * target[t + 1] - values[t, b, v]
                    factors[t, b, seat] = min(config.pg_rho_bar, ratios[t, b, seat]) * advantage
    return vs, factors, decided


def solved(config: AlgorithmConfig, problem: Problem) -> Advantages:
    log_rhos = torch.from_numpy(np.log(ratios_of(problem)[:-1]))
    return advantages(config, log_rhos, problem.values.detach(), problem.batch)


def loss_and_gradient(
    config: AlgorithmConfig, problem: Problem, entropy_cost: float = 0.03
) -> tuple[Losses, Gradient]:
    return impala(
        config, Categorical(A), problem.parameters, problem.values, None, problem.batch, entropy_cost
    )


def losses(config: AlgorithmConfig, problem: Problem) -> Losses:
    return loss_and_gradient(config, problem)[0]


@pytest.mark.parametrize("config", [AlgorithmConfig(), CLIPPED], ids=["plain", "clipped"])
@pytest.mark.parametrize(("seats", "central"), [(1, False), (3, False), (3, True), (2, True)])
@pytest.mark.parametrize("seed", range(3))
def test_targets_are_the_papers_sums(config: AlgorithmConfig, seats: int, central: bool, seed: int) -> None:
    """Independent: one critic a seat. Joint: one for all, with the product of the seats' weights."""
    problem = a_problem(seed, seats, central)
    vs, factors, decided = literally(config, problem)
    got = solved(config, problem)
    acting = problem.batch.acting[:-1].numpy()
    np.testing.assert_array_equal(got.decided.numpy(), decided)
    np.testing.assert_allclose(got.vs.numpy(), vs, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(got.policy.numpy()[acting], factors[acting], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("seats", "central"), [(1, False), (3, False), (3, True)])
def test_loss_and_its_gradient_are_those_of_the_written_out_sum(seats: int, central: bool) -> None:
    problem = a_problem(5, seats, central)
    config = replace(CLIPPED, baseline_cost=0.3)
    vs, factors, decided = (torch.from_numpy(array) for array in literally(config, problem))
    log_policies = log_policy(problem)[:-1]
    probabilities = log_policies.exp()
    policy = value = entropy = torch.zeros((), dtype=torch.float64)
    acting = problem.batch.acting[:-1]
    for t, b, i in torch.nonzero(acting).tolist():
        chosen = log_policies[t, b, i, problem.batch.action[t, b, i]]
        policy = policy - factors[t, b, i] * chosen
        legal = problem.batch.mask[t, b, i]
        entropy = entropy - (probabilities[t, b, i][legal] * log_policies[t, b, i][legal]).sum()
    for t, b, v in torch.nonzero(decided).tolist():
        value = value + (vs[t, b, v] - problem.values[t, b, v]) ** 2 / 2
    policy, entropy, value = policy / acting.sum(), entropy / acting.sum(), value / decided.sum()
    total = policy + 0.3 * value - 0.03 * entropy
    got, got_gradients = loss_and_gradient(config, problem)
    for name, wanted in (("policy", policy), ("value", value), ("entropy", entropy), ("total", total)):
        assert getattr(got, name).item() == pytest.approx(wanted.item(), rel=1e-10), name
    wanted_gradients = torch.autograd.grad(total, [problem.parameters, problem.values])
    for mine, theirs in zip(got_gradients, wanted_gradients, strict=True):
        np.testing.assert_allclose(mine.numpy(), theirs.nan_to_num(0.0).numpy(), rtol=1e-9, atol=1e-12)


def test_with_one_seat_a_team_independent_and_joint_are_the_same() -> None:
    alone, team = a_problem(1, 1, central=False), a_problem(1, 1, central=True)
    for left, right in zip(losses(CLIPPED, alone), losses(CLIPPED, team), strict=True):
        assert torch.equal(left, right)


def test_rho_is_one_where_the_policy_is_the_one_that_acted() -> None:
    problem = a_problem(2, 2, central=False)
    chosen = log_policy(problem).gather(-1, problem.batch.action[..., None]).squeeze(-1).detach()
    on_policy = problem._replace(batch=problem.batch._replace(log_prob=chosen))
    assert losses(AlgorithmConfig(), on_policy).rho.item() == pytest.approx(1.0)
    assert losses(AlgorithmConfig(), problem).rho.item() < 0.99


@pytest.mark.parametrize("central", [False, True])
def test_what_rows_without_a_decision_hold_changes_nothing(central: bool) -> None:
    """Neither does a reward after the last row's decision, nor an action that the mask forbids."""
    problem = a_problem(3, 3, central)
    batch = problem.batch
    idle = ~batch.acting
    strange = batch._replace(
        mask=batch.mask & batch.acting[..., None],
        action=batch.action.where(batch.acting, A - 1),
        log_prob=batch.log_prob.where(batch.acting, 3.0),
    )
    parameters = problem.parameters.detach().where(~idle[..., None], 7.0).requires_grad_()
    other = problem._replace(batch=strange, parameters=parameters)
    wanted, (got, (gradient, _)) = losses(CLIPPED, problem), loss_and_gradient(CLIPPED, other)
    for left, right in zip(wanted, got, strict=True):
        assert left.item() == pytest.approx(right.item(), rel=1e-12)
    assert not gradient[idle].any()
    assert not gradient[-1].any()
    assert gradient[:-1][batch.acting[:-1]].any()


def test_a_batch_without_a_decision_has_no_loss() -> None:
    problem = a_problem(4, 2, central=True)
    nobody = problem._replace(batch=problem.batch._replace(acting=torch.zeros_like(problem.batch.acting)))
    assert [term.item() for term in losses(CLIPPED, nobody)] == [0.0] * 6


def test_nothing_passes_the_end_of_an_episode() -> None:
    """Neither a row that ended nor one that was cut short learns from what follows; the latter bootstraps."""
    problem = a_problem(6, 1, central=False)
    acting = torch.ones_like(problem.batch.acting)
    terminated = torch.zeros_like(problem.batch.terminated)
    terminated[2, 0] = True  # column 0 ends with row 2
    acting[3, 1], terminated[3, 1] = False, True  # column 1 is cut short: row 3 shows its last observation
    batch = problem.batch._replace(acting=acting, terminated=terminated)
    before = solved(AlgorithmConfig(), problem._replace(batch=batch))
    values, reward = problem.values.detach().clone(), batch.reward.clone()
    values[3, 0], values[4:, :2], reward[3:, :2] = 50.0, 50.0, 50.0
    after = solved(AlgorithmConfig(), problem._replace(values=values, batch=batch._replace(reward=reward)))
    assert torch.equal(before.vs[:3, :2], after.vs[:3, :2])
    assert torch.equal(before.policy[:3, :2], after.policy[:3, :2])
    assert after.vs[3, 1] == values[3, 1]
    values[3, 1] = 50.0
    bootstrapped = solved(AlgorithmConfig(), problem._replace(values=values, batch=batch))
    assert not torch.equal(before.vs[:3, 1], bootstrapped.vs[:3, 1])


def test_a_magnet_adds_how_far_the_policy_is_from_it() -> None:
    """eta KL(pi, magnet), of decisions alone."""
    problem, config = a_problem(8, 3, central=True), replace(CLIPPED, magnet_cost=0.4)
    magnet = torch.randn(problem.parameters.shape, generator=torch.Generator().manual_seed(2)).double()
    pi, other = (log_policy(each)[:-1] for each in (problem, problem._replace(parameters=magnet)))
    terms = []
    for t, b, i in torch.nonzero(problem.batch.acting[:-1]).tolist():
        legal = problem.batch.mask[t, b, i]
        p, q = pi[t, b, i][legal], other[t, b, i][legal]
        terms.append((p.exp() * (p - q)).sum())
    apart = torch.stack(terms).mean()
    (pull,) = torch.autograd.grad(0.4 * apart, problem.parameters)
    given = problem.parameters, problem.values, magnet, problem.batch, 0.03
    got, gradient = impala(config, Categorical(A), *given)
    plain, plain_gradient = loss_and_gradient(CLIPPED, problem)
    assert got.divergence.item() == pytest.approx(apart.item(), rel=1e-10)
    assert got.total.item() == pytest.approx((plain.total + 0.4 * apart).item(), rel=1e-10)
    torch.testing.assert_close(gradient.parameters, plain_gradient.parameters + pull.nan_to_num(0.0))
    torch.testing.assert_close(gradient.values, plain_gradient.values)
