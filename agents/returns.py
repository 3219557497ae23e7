"""Targets and advantages: pure functions of time-major arrays.

Conventions. T steps, B columns; axes behind those are as good as more columns. `rewards[t]` and
`discounts[t]` are the consequence of the action taken at step t, where the value was `values[t]`; a
discount already holds gamma and is 0 where the episode ended. Any float dtype goes in, the same comes
out, and no gradient flows through the results.

`decisions` is bool [T, B], False in rows where nothing was decided: padding, or the final observation of
a truncated episode, which is there to be bootstrapped from. There the return is the value, the advantage
is 0, and no trace passes; rewards, discounts and importance weights of such rows mean nothing. None where
all rows are decisions.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from agents.kernels import rows as kernels


class VTrace(NamedTuple):
    """What V-trace gives a learner."""

    vs: Tensor
    """[T, B] targets of the value function."""
    pg_advantages: Tensor
    """[T, B] factors of the policy gradient, importance weights included."""


class GAE(NamedTuple):
    """What generalised advantage estimation gives a learner."""

    advantages: Tensor
    """[T, B] factors of the policy gradient."""
    returns: Tensor
    """[T, B] targets of the value function: advantages + values."""


class Upgo(NamedTuple):
    """What upgoing policy updates give a learner."""

    upgo_returns: Tensor
    """[T, B] returns that follow the trajectory for as long as it does better than expected."""
    upgo_advantages: Tensor
    """[T, B] factors of the policy gradient, importance weights included."""


@torch.no_grad()
def vtrace(
    *,
    log_rhos: Tensor,
    discounts: Tensor,
    rewards: Tensor,
    values: Tensor,
    bootstrap_value: Tensor,
    rho_bar: float = 1.0,
    c_bar: float = 1.0,
    pg_rho_bar: float = 1.0,
    lam: float = 1.0,
    decisions: Tensor | None = None,
) -> VTrace:
    """V-trace targets and policy-gradient advantages (Espeholt et al. 2018, eq. 1, remark 2, section 4.2).

        rho_t = min(rho_bar, pi/mu)    c_t = lam min(c_bar, pi/mu)
        delta_t = rho_t (r_t + discount_t V_{t+1} - V_t)
        vs_t = V_t + delta_t + discount_t c_t (vs_{t+1} - V_{t+1})
        pg_advantage_t = min(pg_rho_bar, pi/mu) (r_t + discount_t vs_{t+1} - V_t)

    log_rhos: [T, B] log pi(a) - log mu(a), of the masked distributions that were sampled from.
    discounts, rewards, values: [T, B] as above.
    bootstrap_value: [B] value of the observation after the last step.
    rho_bar, c_bar, pg_rho_bar: clips of the importance weight; `inf` for none.
    decisions: [T, B] bool as above: where nothing was decided every weight is 0.
    """
    if kernels.serve(log_rhos, discounts, rewards, values, bootstrap_value):
        given = log_rhos.flatten(1), discounts.flatten(1), rewards.flatten(1), values.flatten(1)
        decided = None if decisions is None else decisions.flatten(1)
        bars = rho_bar, c_bar, pg_rho_bar, lam
        vs, pg_advantages = kernels.vtrace(*given, bootstrap_value.flatten(), decided, *bars)
        return VTrace(vs.view_as(values), pg_advantages.view_as(values))
    if decisions is not None:
        log_rhos = log_rhos.masked_fill(~decisions, -torch.inf)
    rhos = log_rhos.exp()
    clipped_rhos = rhos.clamp(max=rho_bar)
    next_values = torch.cat([values[1:], bootstrap_value[None]])
    # From here on this holds vs_t - V_t, once the recursion has passed t from behind.
    errors = clipped_rhos * (rewards + discounts * next_values - values)
    traces = discounts * rhos.clamp(max=c_bar) * lam
    accumulate(errors, traces)
    vs = values + errors
    next_vs = torch.cat([vs[1:], bootstrap_value[None]])
    pg_rhos = clipped_rhos if pg_rho_bar == rho_bar else rhos.clamp(max=pg_rho_bar)
    return VTrace(vs, pg_rhos * (rewards + discounts * next_vs - values))


@torch.no_grad()
def gae(
    *,
    rewards: Tensor,
    values: Tensor,
    next_values: Tensor,
    terminated: Tensor,
    truncated: Tensor,
    gamma: float,
    lam: float,
) -> GAE:
    """Generalised advantage estimation (Schulman et al. 2016, equation 16) that keeps truncation apart.

        delta_t = r_t + gamma (1 - terminated_t) next_value_t - V_t
        A_t = delta_t + gamma lam (1 - terminated_t) (1 - truncated_t) A_{t+1}

    rewards, values: [T, B].
    next_values: [T, B] value of what really came next: where a step was truncated, of the final
        observation of that episode and not of the first one of the next.
    terminated, truncated: [T, B] bool or 0/1 numbers.
    """
    discounts = gamma * (1 - terminated.to(values.dtype))
    advantages = rewards + discounts * next_values - values
    accumulate(advantages, lam * discounts * (1 - truncated.to(values.dtype)))
    return GAE(advantages, advantages + values)


@torch.no_grad()
def gae_columns(
    *,
    discounts: Tensor,
    rewards: Tensor,
    values: Tensor,
    bootstrap_value: Tensor,
    lam: float,
    decisions: Tensor | None = None,
) -> GAE:
    """`gae` of columns in which the final observation of a truncated episode has a row of its own.

        delta_t = r_t + discount_t V_{t+1} - V_t
        A_t = delta_t + discount_t lam A_{t+1}

    discounts, rewards, values: [T, B].
    bootstrap_value: [B] value of the observation after the last step.
    decisions: [T, B] bool as above.
    """
    next_values = torch.cat([values[1:], bootstrap_value[None]])
    advantages = rewards + discounts * next_values - values
    traces = lam * discounts
    if decisions is not None:
        advantages = advantages.where(decisions, 0)
        traces = traces.where(decisions, 0)
    accumulate(advantages, traces)
    return GAE(advantages, advantages + values)


@torch.no_grad()
def td_lambda(
    *, rewards: Tensor, discounts: Tensor, values: Tensor, lam: float, decisions: Tensor | None = None
) -> Tensor:
    """TD(lambda) returns [T, B] (Sutton, Barto 2018, equation 12.18), AlphaStar's value targets with lam 0.8.

        G_t = r_t + discount_t ((1 - lam) V_{t+1} + lam G_{t+1})    G_T = V_T

    They are what `gae_columns` adds up to: its advantages are G_t - V_t.

    rewards, discounts: [T, B]. values: [T+1, B], the last to bootstrap from.
    decisions: [T, B] bool as above.
    """
    return gae_columns(
        discounts=discounts,
        rewards=rewards,
        values=values[:-1],
        bootstrap_value=values[-1],
        lam=lam,
        decisions=decisions,
    ).returns


@torch.no_grad()
def upgo(
    *,
    rewards: Tensor,
    discounts: Tensor,
    values: Tensor,
    log_rhos: Tensor,
    decisions: Tensor | None = None,
) -> Upgo:
    """Upgoing returns and policy-gradient advantages (Vinyals et al. 2019, methods, "UPGO").

        G_t = r_t + discount_t (G_{t+1} if r_{t+1} + discount_{t+1} V_{t+2} >= V_{t+1} else V_{t+1})
        G_{T-1} = r_{T-1} + discount_{T-1} V_T
        upgo_advantage_t = min(1, pi/mu) (G_t - V_t)

    rewards, discounts: [T, B]. values: [T+1, B], the last to bootstrap from.
    log_rhos: [T, B] log pi(a) - log mu(a), of the masked distributions that were sampled from.
    decisions: [T, B] bool as above.
    """
    # From here on this holds G_t - V_t, once the recursion has passed t from behind.
    errors = rewards + discounts * values[1:] - values[:-1]
    rhos = log_rhos.exp().clamp(max=1.0)
    # Of the next step; what comes round to the last one is not read.
    traces = discounts * (errors.roll(-1, 0) >= 0)
    if decisions is not None:
        errors, rhos, traces = (rows.where(decisions, 0) for rows in (errors, rhos, traces))
    accumulate(errors, traces)
    return Upgo(errors + values[:-1], rhos * errors)


def accumulate(deltas: Tensor, weights: Tensor) -> None:
    """x_t = delta_t + weight_t x_{t+1}, backwards and in place: one operation a step.

    deltas, weights: [T, ...]; the last weight is not read.
    """
    rows = deltas.unbind(0)
    for row, weight, later in zip(rows[-2::-1], weights.unbind(0)[-2::-1], rows[:0:-1], strict=True):
        row.addcmul_(weight, later)
