"""Regularised neural replicator dynamics, against the papers' equations written out slowly."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from agents.algorithms.config import AlgorithmConfig, PolicyLoss
from agents.algorithms.impala import Gradient, Losses
from agents.algorithms.neurd import neurd
from agents.config import Cooperation, LearnerConfig, NetworkConfig
from agents.distributions import Categorical
from agents.errors import AgentError
from agents.learner import Learner
from agents.losses import neurd_direction, neurd_gradient, neurd_loss
from agents.policy import get_weights
from agents.trajectory import Trajectory
from envs.game import Box, MultiDiscrete
from tests.agents.batches import a_batch, a_spec
from tests.agents.test_impala import CLIPPED, Doubles, Problem, a_problem, literally, log_policy

N, A = 40, 5
COST, PULL, LARGEST = 0.3, 0.7, 4.0
NEURD = replace(CLIPPED, policy_loss=PolicyLoss.NEURD, largest_weight=LARGEST, magnet_cost=PULL)


def some_rows(seed: int) -> dict[str, Tensor]:
    """Of random policies and magnets, float64; choices have chances on both sides of 1 / LARGEST."""
    generator = torch.Generator().manual_seed(seed)
    mask = torch.rand(N, A, generator=generator) < 0.6
    actions = torch.randint(A, (N,), generator=generator)
    mask.scatter_(-1, actions[:, None], True)
    logits, magnets = torch.randn(2, N, A, generator=generator, dtype=torch.float64).unbind()
    legal = [(2 * z).masked_fill(~mask, -torch.inf).log_softmax(-1) for z in (logits, magnets)]
    return {
        "advantages": torch.randn(N, generator=generator, dtype=torch.float64),
        "actions": actions,
        "mask": mask,
        "log_policies": legal[0],
        "log_magnets": legal[1],
    }


def direction(row: dict[str, Tensor], entropy_cost: float, magnet_cost: float) -> list[float]:
    """g of one decision, term by term."""
    legal = [a for a in range(A) if row["mask"][a]]
    log_pi = {a: float(row["log_policies"][a]) for a in legal}
    distance = {a: log_pi[a] - float(row["log_magnets"][a]) for a in legal}
    entropy = -sum(math.exp(log_pi[a]) * log_pi[a] for a in legal)
    divergence = sum(math.exp(log_pi[a]) * distance[a] for a in legal)
    taken = int(row["actions"])
    g = [0.0] * A
    for a in legal:
        if a == taken:
            g[a] += min(1 / math.exp(log_pi[a]), LARGEST) * float(row["advantages"])
        g[a] -= entropy_cost * (log_pi[a] + entropy)
        g[a] -= magnet_cost * (distance[a] - divergence)
    return g


@pytest.mark.parametrize(
    ("entropy_cost", "magnet_cost"), [(0.0, 0.0), (COST, 0.0), (0.0, PULL), (COST, PULL)]
)
def test_a_direction_is_the_equation(entropy_cost: float, magnet_cost: float) -> None:
    rows = some_rows(0)
    given = rows if magnet_cost else {**rows, "log_magnets": None}
    got = neurd_direction(**given, entropy_cost=entropy_cost, largest_weight=LARGEST, magnet_cost=magnet_cost)
    each = [{name: field[n] for name, field in rows.items()} for n in range(N)]
    expected = [direction(row, entropy_cost, magnet_cost) for row in each]
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-12, atol=1e-12)


def test_on_average_over_draws_a_choice_moves_by_its_own_advantage() -> None:
    """However rarely it is made, as long as that is more often than one time in `largest_weight`."""
    chances = torch.tensor([0.9, 0.07, 0.03, 0.0], dtype=torch.float64)
    mask, advantages = chances > 0, torch.tensor([1.0, -2.0, 3.0, 9.0], dtype=torch.float64)
    mean = torch.zeros(4, dtype=torch.float64)
    for action in range(3):
        mean += chances[action] * neurd_direction(
            advantages=advantages[action],
            actions=torch.tensor(action),
            log_policies=chances.log(),
            mask=mask,
            entropy_cost=0.0,
            largest_weight=40.0,
        )
    np.testing.assert_allclose(mean.numpy(), [1.0, -2.0, 3.0, 0.0], atol=1e-12)


def test_at_the_magnet_nothing_pulls_and_far_from_it_the_policy_comes_back() -> None:
    rows = some_rows(1)
    still = {"advantages": torch.zeros(N), "actions": rows["actions"], "mask": rows["mask"]}
    costs = {"entropy_cost": 0.0, "largest_weight": LARGEST, "magnet_cost": 1.0}
    magnets = rows["log_magnets"]
    assert not neurd_direction(**still, **costs, log_policies=magnets, log_magnets=magnets).any()
    logits = rows["log_policies"]
    for _ in range(200):
        logits = logits + 0.1 * neurd_direction(
            **still, **costs, log_policies=logits.log_softmax(-1), log_magnets=magnets
        ).masked_fill(~rows["mask"], 0.0)
    np.testing.assert_allclose(logits.softmax(-1).numpy(), magnets.exp().numpy(), atol=1e-6)


def test_the_gradient_is_that_of_the_loss() -> None:
    """Logits less their mean over legal choices, times a constant."""
    rows = some_rows(2)
    mask = rows["mask"]
    directions = neurd_direction(**rows, entropy_cost=COST, largest_weight=LARGEST, magnet_cost=PULL)
    logits = torch.randn(
        N, A, dtype=torch.float64, generator=torch.Generator().manual_seed(3)
    ).requires_grad_()
    total = torch.zeros((), dtype=torch.float64)
    for n in range(N):
        legal = logits[n][mask[n]]
        total = total - ((legal - legal.mean()) * directions[n][mask[n]]).sum()
    (expected,) = torch.autograd.grad(total, logits)
    got = neurd_gradient(directions=directions, mask=mask)
    np.testing.assert_allclose(got.numpy(), expected.numpy(), rtol=1e-12, atol=1e-12)
    assert neurd_loss(logits=logits, directions=directions, mask=mask).sum().item() == pytest.approx(
        total.item()
    )


def loss_and_gradient(
    problem: Problem, magnet: Tensor | None, entropy_cost: float
) -> tuple[Losses, Gradient]:
    return neurd(
        NEURD, Categorical(A), problem.parameters, problem.values, magnet, problem.batch, entropy_cost
    )


@pytest.mark.parametrize("pulled", [False, True])
@pytest.mark.parametrize(("seats", "central"), [(1, False), (3, False), (3, True), (1, True)])
def test_loss_and_its_gradient_are_those_of_the_written_out_sum(
    seats: int, central: bool, pulled: bool
) -> None:
    problem = a_problem(5, seats, central)
    batch = problem.batch
    vs, factors, decided = (torch.from_numpy(array) for array in literally(NEURD, problem))
    log_policies = log_policy(problem).detach()
    magnet = torch.randn(log_policies.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(6))
    log_magnets = magnet.masked_fill(~batch.mask, -torch.inf).log_softmax(-1)
    acting = batch.acting[:-1]
    policy = value = entropy = torch.zeros((), dtype=torch.float64)
    for t, b, i in torch.nonzero(acting).tolist():
        legal = batch.mask[t, b, i]
        row = {
            "advantages": factors[t, b, i],
            "actions": batch.action[t, b, i],
            "mask": legal,
            "log_policies": log_policies[t, b, i],
            "log_magnets": log_magnets[t, b, i],
        }
        g = torch.tensor(direction(row, COST, PULL if pulled else 0.0), dtype=torch.float64)[legal]
        y = problem.parameters[t, b, i][legal]
        policy = policy - ((y - y.mean()) * g).sum()
        chances = log_policies[t, b, i][legal]
        entropy = entropy - (chances.exp() * chances).sum()
    for t, b, v in torch.nonzero(decided).tolist():
        value = value + (vs[t, b, v] - problem.values[t, b, v]) ** 2 / 2
    policy, entropy, value = policy / acting.sum(), entropy / acting.sum(), value / decided.sum()
    total = policy + NEURD.baseline_cost * value
    got, got_gradients = loss_and_gradient(problem, magnet if pulled else None, COST)
    for name, wanted in (("policy", policy), ("value", value), ("entropy", entropy), ("total", total)):
        assert getattr(got, name).item() == pytest.approx(wanted.item(), rel=1e-10), name
    wanted_gradients = torch.autograd.grad(total, [problem.parameters, problem.values])
    for mine, theirs in zip(got_gradients, wanted_gradients, strict=True):
        np.testing.assert_allclose(mine.numpy(), theirs.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("central", [False, True])
def test_what_rows_without_a_decision_hold_changes_nothing(central: bool) -> None:
    problem = a_problem(3, 3, central)
    batch = problem.batch
    strange = batch._replace(
        mask=batch.mask & batch.acting[..., None],
        action=batch.action.where(batch.acting, A - 1),
        log_prob=batch.log_prob.where(batch.acting, 3.0),
    )
    parameters = problem.parameters.detach().where(batch.acting[..., None], 7.0)
    other = problem._replace(batch=strange, parameters=parameters)
    wanted, _ = loss_and_gradient(problem, problem.parameters.detach(), COST)
    got, (gradient, _) = loss_and_gradient(other, problem.parameters.detach(), COST)
    for left, right in zip(wanted, got, strict=True):
        assert left.item() == pytest.approx(right.item(), rel=1e-12)
    assert not gradient[~batch.acting].any()
    assert not gradient[-1].any()
    assert gradient[:-1][batch.acting[:-1]].any()


# --- the magnet -------------------------------------------------------------------------------------

PULLED = LearnerConfig(
    NetworkConfig(hidden=(8,)),
    AlgorithmConfig(
        policy_loss=PolicyLoss.NEURD, magnet_cost=0.5, magnet_updates=3, averaging=0.9, momentum=0.0, batch=4
    ),
)


def a_learner(config: LearnerConfig = PULLED, seed: int = 0, seats: int = 1) -> Learner:
    return Learner(config, a_spec(seats=seats), team=None, seed=seed)


def magnet_of(learner: Learner) -> Doubles:
    assert learner._magnet is not None
    return get_weights(learner._magnet).astype(np.float64)


def batches(count: int, config: LearnerConfig = PULLED, seats: int = 1) -> list[Trajectory]:
    core = config.network.lstm
    return [a_batch(a_spec(seats=seats), 4, 6, core=core, seed=seed) for seed in range(count)]


def fresh(learner: Learner, batch: Trajectory) -> Trajectory:
    """As if the newest weights had acted."""
    batch.version[:] = learner.version
    return batch


def test_the_magnet_moves_to_the_mean_of_the_weights_every_so_many_updates() -> None:
    learner = a_learner()
    np.testing.assert_array_equal(magnet_of(learner), learner.weights())
    where = magnet_of(learner)
    for update, batch in enumerate(batches(7), start=1):
        learner.update(fresh(learner, batch))
        if update % 3 == 0:
            where = learner.mean_weights()
        np.testing.assert_array_equal(magnet_of(learner), where)
    assert not np.array_equal(where, learner.mean_weights())


def test_weights_of_somebody_else_bring_their_magnet() -> None:
    learner, other = a_learner(), a_learner(seed=1)
    learner.update(fresh(learner, batches(1)[0]))
    learner.set_weights(other.weights())
    np.testing.assert_array_equal(magnet_of(learner), other.weights())


def test_the_magnet_pulls() -> None:
    """The same batch leads elsewhere, once the policy is not where the magnet is."""
    free = replace(PULLED, algorithm=replace(PULLED.algorithm, magnet_cost=0.0))
    learners = [a_learner(), a_learner(free)]
    first, second = batches(2)
    for learner in learners:
        learner.update(fresh(learner, first))
    np.testing.assert_array_equal(*(learner.weights() for learner in learners))
    for learner in learners:
        learner.update(fresh(learner, second))
    assert not np.array_equal(*(learner.weights() for learner in learners))


@pytest.mark.parametrize("lstm", [0, 5])
@pytest.mark.parametrize(("cooperation", "seats"), [(Cooperation.INDEPENDENT, 1), (Cooperation.JOINT, 2)])
def test_after_a_checkpoint_all_updates_are_the_same_to_the_last_bit(
    cooperation: Cooperation, seats: int, lstm: int
) -> None:
    config = replace(PULLED, network=NetworkConfig(hidden=(8,), lstm=lstm), cooperation=cooperation)
    learner, resumed = a_learner(config, 0, seats), a_learner(config, 5, seats)
    given = batches(8, config, seats)
    for batch in given[:4]:
        learner.update(fresh(learner, batch))
    resumed.load_state(*learner.state())
    for batch in given[4:]:
        assert learner.update(fresh(learner, batch)) == resumed.update(batch)
    for name, array in learner.state()[0].items():
        np.testing.assert_array_equal(array, resumed.state()[0][name], err_msg=name)


def test_a_reset_and_a_copy_bring_their_magnet() -> None:
    learner, other = a_learner(), a_learner(seed=1)
    first = magnet_of(learner)
    for each in (learner, other):
        for batch in batches(4):
            each.update(fresh(each, batch))
    assert not np.array_equal(magnet_of(learner), first)
    learner.copy(other)
    np.testing.assert_array_equal(magnet_of(learner), magnet_of(other))
    learner.reset()
    np.testing.assert_array_equal(magnet_of(learner), first)


def test_a_checkpoint_without_a_magnet_is_refused_in_one_line() -> None:
    other = a_learner(replace(PULLED, algorithm=replace(PULLED.algorithm, magnet_cost=0.0)))
    with pytest.raises(AgentError, match=r"^the checkpoint is of another network .*magnet") as refused:
        a_learner().load_state(*other.state())
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("actions", [MultiDiscrete((3, 4)), Box((-1.0,), (1.0,))])
def test_a_game_with_other_actions_is_refused(actions: MultiDiscrete | Box) -> None:
    with pytest.raises(
        AgentError, match=r"policy_loss is neurd, but must be gradient, ppo or impact in drawn"
    ):
        Learner(PULLED, a_spec(actions=actions), team=None, seed=0)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"magnet_cost": 0.5, "policy_loss": PolicyLoss.IMPACT},
            "magnet_cost is 0.5, but must be 0 with policy_loss impact",
        ),
        ({"magnet_cost": -1.0, "policy_loss": PolicyLoss.NEURD}, "magnet_cost is -1.0"),
        ({"largest_weight": 0.5}, "largest_weight is 0.5, but must be at least 1"),
        ({"magnet_updates": -1}, "magnet_updates is -1, but must be at least 0"),
        ({"momentum": 1.0}, r"momentum is 1.0, but must lie in \[0, 1\)"),
    ],
)
def test_what_contradicts_itself_is_refused_with_the_number(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AlgorithmConfig(**fields)
