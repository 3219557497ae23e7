"""Value targets and advantages of a batch, for one seat or a whole team.

    independent   every seat is a stream: V(o), its own rewards, its own importance weights
    joint         the team is a stream: V(state), the mean of its seats' rewards, one value target from the
                  joint importance weight prod_i pi_i / mu_i; every seat's policy gradient has its own weight

With one seat a team the two differ in nothing but what the critic sees.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from agents.algorithms.config import AlgorithmConfig, PolicyLoss, Targets
from agents.returns import gae_columns, td_lambda, upgo, vtrace


class Batch(NamedTuple):
    """What the loss reads of a trajectory, as tensors; shapes and meaning as in agents/trajectory.py."""

    mask: Tensor
    action: Tensor
    log_prob: Tensor
    acting: Tensor
    reward: Tensor
    terminated: Tensor


class Losses(NamedTuple):
    """Scalars; means over the decisions of the batch."""

    total: Tensor
    policy: Tensor
    value: Tensor
    entropy: Tensor
    """Over legal choices, in nats, before its cost."""
    rho: Tensor
    """Clipped importance weight: 1 where the policy is the one that acted."""
    divergence: Tensor
    """KL from the policy that acted, or from the target, in nats; 0 where the loss does not ask for it."""


class Gradient(NamedTuple):
    """Derivatives of `Losses.total`."""

    parameters: Tensor
    """[T+1, B, S, P], as the policy's parameters."""
    values: Tensor
    """[T+1, B, V], as the values."""


class Advantages(NamedTuple):
    """What is made of a batch."""

    vs: Tensor
    """[T, B, V] value targets; V is 1 where the team has one critic, else S."""
    policy: Tensor
    """[T, B, S] factors of every seat's policy gradient."""
    decided: Tensor | None
    """[T, B, V] bool: rows whose value is trained; None for all."""


@torch.no_grad()
def advantages(config: AlgorithmConfig, log_rhos: Tensor, values: Tensor, batch: Batch) -> Advantages:
    """Value targets and policy-gradient factors.

    The factors hold the importance weight only where the loss is the policy gradient: a clipped loss has a
    ratio of its own. Impact's are V-trace's errors, vs - V (Luo et al. 2020, equation 5).

    log_rhos: [T, B, S] of the policy that is to be corrected for. values: [T+1, B, V].
    """
    rewards, seats = batch.reward[:-1], log_rhos.shape[2]
    decided = unless_all(batch.acting[:-1])
    if config.reward_clip:
        rewards = rewards.clamp(-config.reward_clip, config.reward_clip)
    central, shared_rhos = values.shape[2] != seats, log_rhos
    if central:
        decided = None if decided is None else decided.any(2, keepdim=True)
        shared_rhos, rewards = log_rhos.sum(2, keepdim=True), rewards.mean(2, keepdim=True)
    discounts = config.discount * (~batch.terminated[:-1]).to(values.dtype)
    discounts = discounts[..., None].expand_as(rewards)
    flat_decided = None if decided is None else decided.flatten(1)
    rows: dict[str, Any] = {
        "discounts": discounts.flatten(1),
        "rewards": rewards.flatten(1),
        "decisions": flat_decided,
    }
    ends: dict[str, Any] = {"values": values[:-1].flatten(1), "bootstrap_value": values[-1].flatten()}
    if config.targets is Targets.GAE:
        found = gae_columns(**rows, **ends, lam=config.trace_decay)
        vs, factors = found.returns.view_as(rewards), found.advantages.view_as(rewards)
        return Advantages(vs, _normalised(config, factors.expand_as(log_rhos), batch), decided)
    traced = vtrace(
        **rows,
        **ends,
        log_rhos=shared_rhos.flatten(1),
        rho_bar=config.rho_bar,
        c_bar=config.c_bar,
        pg_rho_bar=config.pg_rho_bar,
        lam=config.trace_decay,
    )
    vs = traced.vs.view_as(rewards)
    if config.policy_loss is PolicyLoss.IMPACT:
        factors = (vs - values[:-1]).expand_as(log_rhos)
    elif central or config.policy_loss is PolicyLoss.PPO:
        factors = (rewards + discounts * torch.cat([vs[1:], values[-1:]]) - values[:-1]).expand_as(log_rhos)
    else:
        factors = traced.pg_advantages.view_as(rewards)
    if central and not config.policy_loss.is_clipped:
        factors = factors * log_rhos.exp().clamp(max=config.pg_rho_bar)
    if config.upgo_cost:
        better = upgo(**rows, values=values.flatten(1), log_rhos=shared_rhos.flatten(1)).upgo_returns
        own_rhos = log_rhos.exp().clamp(max=1.0)
        factors = factors + config.upgo_cost * own_rhos * (better.view_as(rewards) - values[:-1])
    if config.targets is Targets.TD_LAMBDA:
        vs = td_lambda(**rows, values=values.flatten(1), lam=config.trace_decay).view_as(rewards)
    return Advantages(vs, _normalised(config, factors, batch), decided)


def _normalised(config: AlgorithmConfig, factors: Tensor, batch: Batch) -> Tensor:
    """[T, B, S] shifted and scaled by mean and deviation over the decisions, if that is wanted."""
    if not config.normalise_advantages:
        return factors
    of_decisions = factors[batch.acting[:-1]]
    if len(of_decisions) < 2:
        return factors
    return (factors - of_decisions.mean()) / (of_decisions.std() + 1e-8)


def unless_all(decided: Tensor) -> Tensor | None:
    """None where all rows are decisions: nothing is to be masked."""
    return None if bool(decided.all()) else decided


def with_bootstrap_row(slopes: Tensor) -> Tensor:
    """[T, ...] -> [T+1, ...]: what bootstraps is a constant."""
    return torch.cat([slopes, slopes.new_zeros(1, *slopes.shape[1:])])
