"""The loss on values of actions, against the papers' equations, one decision after the other."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from agents.algorithms.advantages import Batch
from agents.algorithms.config import AlgorithmConfig, PolicyLoss, QConfig
from agents.algorithms.q import Judged, first_errors, q_learning
from agents.trajectory import allocate
from tests.agents.batches import a_spec
from tests.agents.test_impala import A, B, T, a_problem
from tests.agents.test_mutations import mutant

ALGORITHM = AlgorithmConfig(policy_loss=PolicyLoss.Q, discount=0.9)
CONFIGS = {
    "dqn": QConfig(steps=1, double=False, dueling=False),
    "double": QConfig(steps=1, double=True, dueling=False),
    "dueling": QConfig(steps=1, double=False, dueling=True),
    "ape_x": QConfig(steps=3),
    "r2d2": QConfig(steps=5, rescaling=1e-3),
    "longer than a column": QConfig(steps=T + 2),
}


class Setting(NamedTuple):
    """A random batch in float64, what the networks gave, and importance weights."""

    batch: Batch
    parameters: Tensor
    values: Tensor
    target: tuple[Tensor, Tensor]
    weights: Tensor | None


def a_setting(seed: int, seats: int, *, weighed: bool) -> Setting:
    problem, other = a_problem(seed, seats, central=False), a_problem(seed + 100, seats, central=False)
    weights = torch.rand(B, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return Setting(
        batch=problem.batch._replace(reward=3 * problem.batch.reward),
        parameters=problem.parameters,
        values=problem.values,
        target=(other.parameters.detach(), other.values.detach()),
        weights=weights if weighed else None,
    )


def h(x: float, eps: float) -> float:
    return math.copysign(math.sqrt(abs(x) + 1) - 1, x) + eps * x if eps else x


def unh(x: float, eps: float) -> float:
    """Pohlen et al. 2018, proposition A.2."""
    if not eps:
        return x
    root = (math.sqrt(1 + 4 * eps * (abs(x) + 1 + eps)) - 1) / (2 * eps)
    return math.copysign(root**2 - 1, x)


def value(q: QConfig, v: Tensor, a: Tensor, legal: Tensor, action: int) -> Tensor:
    """Q(s, a) of one state; v [], a [A], legal [A]."""
    return v + a[action] - a[legal].mean() if q.dueling else a[action]


class Column(NamedTuple):
    """What one seat did in one column, and what both networks think of it."""

    q: QConfig
    reward: list[float]
    discount: list[float]
    acting: list[bool]
    legal: list[list[int]]
    online: list[list[float]]
    """[T+1][A]"""
    target: list[list[float]]

    def bootstrap(self, t: int) -> float:
        """What state t is worth by the target network."""
        chooses = self.online[t] if self.q.double else self.target[t]
        best = max(self.legal[t], key=lambda a: chooses[a])
        return unh(self.target[t][best], self.q.rescaling)

    def goal(self, t: int) -> float:
        """Of Q(s_t, a_t): n rewards, or as many as there are, then the value."""
        total, weight, at = 0.0, 1.0, t
        while at < len(self.reward) and at < t + self.q.steps and self.acting[at]:
            total += weight * self.reward[at]
            weight *= self.discount[at]
            at += 1
        return h(total + weight * self.bootstrap(at), self.q.rescaling)


def columns_of(algorithm: AlgorithmConfig, q: QConfig, setting: Setting) -> dict[tuple[int, int], Column]:
    batch, clip = setting.batch, algorithm.reward_clip or np.inf
    seats = batch.acting.shape[2]

    def all_values(parameters: Tensor, values: Tensor, b: int, s: int) -> list[list[float]]:
        return [
            [value(q, values[t, b, s], parameters[t, b, s], batch.mask[t, b, s], a).item() for a in range(A)]
            for t in range(T + 1)
        ]

    return {
        (b, s): Column(
            q=q,
            reward=batch.reward[:-1, b, s].clamp(-clip, clip).tolist(),
            discount=(algorithm.discount * (~batch.terminated[:-1, b]).double()).tolist(),
            acting=batch.acting[:, b, s].tolist(),
            legal=[torch.nonzero(batch.mask[t, b, s]).flatten().tolist() for t in range(T + 1)],
            online=all_values(setting.parameters.detach(), setting.values.detach(), b, s),
            target=all_values(*setting.target, b, s),
        )
        for b in range(B)
        for s in range(seats)
    }


def check(
    function: Callable[..., Judged], algorithm: AlgorithmConfig, q: QConfig, setting: Setting, trained: int
) -> None:
    """Loss, errors and gradients are the written out sum's."""
    batch, columns = setting.batch, columns_of(algorithm, q, setting)
    loss, count = torch.zeros((), dtype=torch.float64), 0
    errors = np.zeros((trained, *batch.acting.shape[1:]))
    for t, b, s in torch.nonzero(batch.acting[:trained]).tolist():
        given = setting.values[t, b, s], setting.parameters[t, b, s], batch.mask[t, b, s]
        error = columns[b, s].goal(t) - value(q, *given, int(batch.action[t, b, s]))
        weight = 1.0 if setting.weights is None else setting.weights[b]
        loss, count = loss + weight * error**2 / 2, count + 1
        errors[t, b, s] = error.item()
    loss = loss / count
    got = function(
        algorithm,
        q,
        setting.parameters,
        setting.values,
        setting.target,
        batch,
        setting.weights,
        trained=trained,
    )
    assert got.losses.total.item() == got.losses.value.item() == pytest.approx(loss.item(), rel=1e-10)
    np.testing.assert_allclose(got.errors, errors, rtol=1e-9, atol=1e-12)
    wanted = torch.autograd.grad(loss, [setting.parameters, setting.values], allow_unused=True)
    for mine, right in zip(got.gradient, wanted, strict=True):
        np.testing.assert_allclose(mine, 0 * mine if right is None else right, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("weighed", [False, True])
@pytest.mark.parametrize("trained", [1, T])
@pytest.mark.parametrize("seats", [1, 2])
@pytest.mark.parametrize("name", CONFIGS)
def test_loss_and_gradient_are_those_of_the_written_out_sum(
    name: str, seats: int, trained: int, weighed: bool
) -> None:
    setting = a_setting(3, seats, weighed=weighed)
    for clip in (0.0, 1.0):
        check(q_learning, replace(ALGORITHM, reward_clip=clip), CONFIGS[name], setting, trained)


BUGS = {
    "always double": ("dqn", "double=q.double", "double=True"),
    "the mean over illegal advantages": (
        "dueling",
        "(q, *heads, batch.mask)",
        "(q, *heads, batch.mask | True)",
    ),
    "illegal actions are best": ("ape_x", "        mask=batch.mask.view(*flat, -1),\n", ""),
    "the online network values": ("ape_x", "action_values(q, *target,", "action_values(q, *heads,"),
    "one step": ("ape_x", "n=q.steps", "n=1"),
    "no rescaling": ("r2d2", "eps=q.rescaling", "eps=0.0"),
    "ends ignored": ("dqn", "dones=batch.terminated", "dones=0 * batch.terminated"),
    "what follows a row without decision counts": ("ape_x", "decisions=batch.acting.view(flat),", ""),
    "weights ignored": ("dqn", "squares * weights[:, None]", "squares"),
    "rows without decision are trained": ("dqn", "Reduction.MEAN, decided)", "Reduction.MEAN)"),
}


@pytest.mark.parametrize("bug", BUGS)
def test_the_sums_notice(bug: str) -> None:
    name, snippet, replacement = BUGS[bug]
    setting = a_setting(4, 2, weighed=True)
    check(mutant(q_learning, snippet, snippet), ALGORITHM, CONFIGS[name], setting, T)
    with pytest.raises(AssertionError):
        check(mutant(q_learning, snippet, replacement), ALGORITHM, CONFIGS[name], setting, T)


def test_nothing_passes_the_end_of_an_episode() -> None:
    """Neither what ended nor what was cut short learns from what follows; the latter bootstraps."""
    setting, q = a_setting(6, 1, weighed=False), CONFIGS["r2d2"]
    acting, terminated = torch.ones_like(setting.batch.acting), torch.zeros_like(setting.batch.terminated)
    terminated[2, 0] = True  # column 0 ends with row 2
    acting[3, 1], terminated[3, 1] = False, True  # column 1 is cut short: row 3 shows its last observation
    batch = setting.batch._replace(acting=acting, terminated=terminated)
    reward = batch.reward.clone()
    reward[3:, :2] = 50.0

    def errors(values: Tensor, target_values: Tensor, reward: Tensor) -> Tensor:
        target = setting.target[0], target_values
        given = setting.parameters, values, target, batch._replace(reward=reward), None
        return q_learning(ALGORITHM, q, *given, trained=T).errors

    before = errors(setting.values, setting.target[1], batch.reward)
    later = setting.target[1].clone()
    later[3, 0], later[4:, :2] = 50.0, 50.0
    assert torch.equal(before[:3, :2], errors(setting.values, later, reward)[:3, :2])
    later[3, 1] = 50.0
    assert not torch.equal(before[:3, 1], errors(setting.values, later, reward)[:3, 1])
    assert before[3, 1] == 0


def test_a_batch_without_a_decision_has_no_loss() -> None:
    setting = a_setting(5, 2, weighed=True)
    nobody = setting.batch._replace(acting=torch.zeros_like(setting.batch.acting))
    given = setting.parameters, setting.values, setting.target, nobody, setting.weights
    got = q_learning(ALGORITHM, CONFIGS["ape_x"], *given, trained=T)
    assert got.losses.total.item() == 0.0
    assert not any(slopes.any() for slopes in (*got.gradient, got.errors))


@pytest.mark.parametrize("clip", [0.0, 1.0])
@pytest.mark.parametrize("name", CONFIGS)
def test_first_errors_are_those_of_a_network_that_is_its_own_target(name: str, clip: float) -> None:
    """What an actor noted of its values is enough for them: of what it did, and of what it thought best."""
    algorithm, q = replace(ALGORITHM, reward_clip=clip), CONFIGS[name]
    setting = a_setting(7, 1, weighed=False)
    own = setting._replace(target=(setting.parameters.detach(), setting.values.detach()))
    given = own.parameters, own.values, own.target, own.batch, None
    expected = q_learning(algorithm, q, *given, trained=T).errors
    columns = columns_of(algorithm, q, own)
    batch = allocate(a_spec(), rows=T + 1, columns=B, seats=1, state=False, core=0, values=True)
    for name_of, tensor in own.batch._asdict().items():
        if name_of not in ("mask", "action"):
            getattr(batch, name_of)[:] = tensor.numpy()
    assert batch.q is not None
    for t in range(T + 1):
        for b in range(B):
            column = columns[b, 0]
            best = max(column.online[t][a] for a in column.legal[t])
            batch.q[t, b, 0] = column.online[t][int(own.batch.action[t, b, 0])], best
    got = first_errors(algorithm, q, batch)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)
    assert not got[~batch.acting[:-1]].any()


def test_first_errors_take_what_the_actor_noted() -> None:
    batch = allocate(a_spec(), rows=3, columns=2, seats=1, state=False, core=0)
    with pytest.raises(ValueError, match="without the actor's values"):
        first_errors(ALGORITHM, CONFIGS["ape_x"], batch)
