"""Value targets and advantages of a batch as the papers have them, one column and seat after the other.

Rows that are no decision have weight 0, and what comes before them bootstraps from their value.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from agents.algorithms.config import AlgorithmConfig, PolicyLoss, Targets
from tests.agents.test_impala import Doubles, Problem

Bools = npt.NDArray[np.bool_]


class Column(NamedTuple):
    """One column for one critic: rows 0 to T-1, and the values up to row T."""

    ratio: list[float]
    decided: list[bool]
    reward: list[float]
    discount: list[float]
    value: list[float]


class Found(NamedTuple):
    vs: Doubles
    """[T, B, V]"""
    factors: Doubles
    """[T, B, S]; what stands where nobody decided means nothing."""
    decided: Bools
    """[T, B, V]"""


def literally(config: AlgorithmConfig, problem: Problem, ratios: Doubles) -> Found:
    """ratios: [T+1, B, S] of the policy that is corrected for and the one that acted."""
    batch, values = problem.batch, problem.values.detach().numpy()
    acting, clip = batch.acting[:-1].numpy(), config.reward_clip or np.inf
    reward = np.clip(batch.reward[:-1].numpy(), -clip, clip)
    discount = config.discount * (1.0 - batch.terminated[:-1].numpy())
    (steps, columns, seats), critics = acting.shape, values.shape[2]
    vs, decided = np.zeros((steps, columns, critics)), np.zeros((steps, columns, critics), bool)
    factors = np.zeros((steps, columns, seats))
    for b in range(columns):
        for v in range(critics):
            own = list(range(seats)) if critics < seats else [v]
            column = Column(
                ratio=ratios[:-1, b, own].prod(axis=1).tolist(),
                decided=acting[:, b, own].any(axis=1).tolist(),
                reward=reward[:, b, own].mean(axis=1).tolist(),
                discount=discount[:, b].tolist(),
                value=values[:, b, v].tolist(),
            )
            decided[:, b, v] = column.decided
            vs[:, b, v] = targets(config, column)[:steps]
            for seat in own:
                for t in range(steps):
                    factors[t, b, seat] = advantage(config, column, t, float(ratios[t, b, seat]))
    if config.normalise_advantages:
        factors = (factors - factors[acting].mean()) / (factors[acting].std(ddof=1) + 1e-8)
    return Found(vs, factors, decided)


def targets(config: AlgorithmConfig, column: Column) -> list[float]:
    """[T+1] what the value is trained towards."""
    match config.targets:
        case Targets.VTRACE:
            return vtrace(config, column)
        case Targets.GAE:
            returns = [v + a for v, a in zip(column.value, gae(config, column), strict=False)]
            return [*returns, column.value[-1]]
        case Targets.TD_LAMBDA:
            return lambda_returns(config.trace_decay, column)


def advantage(config: AlgorithmConfig, column: Column, t: int, own_ratio: float) -> float:
    """The factor of the policy's gradient in row t, for a seat whose own importance weight is this."""
    if config.targets is Targets.GAE:
        return gae(config, column)[t]
    vs = vtrace(config, column)
    found = column.reward[t] + column.discount[t] * vs[t + 1] - column.value[t]
    if config.policy_loss is PolicyLoss.IMPACT:
        return vs[t] - column.value[t]
    if config.policy_loss is PolicyLoss.PPO:
        return found
    upgoing = min(1.0, own_ratio) * (upgo(column, t) - column.value[t])
    return min(config.pg_rho_bar, own_ratio) * found + config.upgo_cost * upgoing


def difference(column: Column, t: int) -> float:
    """r_t + discount_t V_{t+1} - V_t"""
    return column.reward[t] + column.discount[t] * column.value[t + 1] - column.value[t]


def vtrace(config: AlgorithmConfig, column: Column) -> list[float]:
    """Espeholt et al. 2018, equation 1: [T+1], the sum over all later rows of each."""
    steps, vs = len(column.reward), list(column.value)
    rho = [min(config.rho_bar, r) * d for r, d in zip(column.ratio, column.decided, strict=True)]
    c = [
        config.trace_decay * min(config.c_bar, r) * d
        for r, d in zip(column.ratio, column.decided, strict=True)
    ]
    for s in range(steps):
        for t in range(s, steps):
            weight = math.prod(column.discount[i] * c[i] for i in range(s, t))
            vs[s] += weight * rho[t] * difference(column, t)
    return vs


def gae(config: AlgorithmConfig, column: Column) -> list[float]:
    """Schulman et al. 2016, equation 16: [T]."""
    steps, found = len(column.reward), []
    for s in range(steps):
        total = 0.0
        for t in range(s, steps):
            if not column.decided[t]:
                break
            weight = math.prod(config.trace_decay * column.discount[i] for i in range(s, t))
            total += weight * difference(column, t)
        found.append(total)
    return found


def lambda_returns(lam: float, column: Column) -> list[float]:
    """Sutton, Barto 2018, equation 12.18: [T+1]; a row that is no decision is its value."""
    found = [column.value[-1]]
    for t in reversed(range(len(column.reward))):
        later = (1 - lam) * column.value[t + 1] + lam * found[0]
        own = column.reward[t] + column.discount[t] * later
        found.insert(0, own if column.decided[t] else column.value[t])
    return found


def upgo(column: Column, t: int) -> float:
    """Vinyals et al. 2019: the return of row t, for as long as it goes better than was expected."""
    if not column.decided[t]:
        return column.value[t]
    last = t + 1 == len(column.reward)
    follows = not last and column.decided[t + 1] and difference(column, t + 1) >= 0
    later = upgo(column, t + 1) if follows else column.value[t + 1]
    return column.reward[t] + column.discount[t] * later
