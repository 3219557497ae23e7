"""The V-trace actor-critic of IMPALA (Espeholt et al. 2018, section 4), for one seat or a whole team.

    independent   every seat is a stream: V(o), its own rewards, its own importance weights
    joint         the team is a stream: V(state), the mean of its seats' rewards, one value target from the
                  joint importance weight prod_i pi_i / mu_i; every seat's policy gradient has its own weight

With one seat a team the two differ in nothing but what the critic sees.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from agents.config import ImpalaConfig
from agents.distributions import Distribution
from agents.losses import ImpalaGradient, Reduction, impala_gradient, impala_loss, reduce
from agents.returns import vtrace


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


class Gradient(NamedTuple):
    """Derivatives of `Losses.total`."""

    parameters: Tensor
    """[T+1, B, S, P], as the policy's parameters."""
    values: Tensor
    """[T+1, B, V], as the values."""


class Advantages(NamedTuple):
    """What V-trace makes of a batch."""

    vs: Tensor
    """[T, B, V] value targets; V is 1 where the team has one critic, else S."""
    policy: Tensor
    """[T, B, S] factors of every seat's policy gradient."""
    decided: Tensor | None
    """[T, B, V] bool: rows whose value is trained; None for all."""


@torch.no_grad()
def impala(
    config: ImpalaConfig,
    distribution: Distribution,
    parameters: Tensor,
    values: Tensor,
    batch: Batch,
    entropy_cost: float,
) -> tuple[Losses, Gradient]:
    """The loss of one batch, and its gradient for what the networks gave.

    parameters: [T+1, B, S, P] of the current policy. values: [T+1, B, S], or [T+1, B, 1] where the team
    learns jointly from one central value.
    """
    decided = unless_all(batch.acting[:-1])
    leaf = parameters.detach().requires_grad_()
    with torch.enable_grad():
        log_probs, entropies = distribution.evaluate(leaf, batch.action, batch.mask)
    log_rhos = (log_probs - batch.log_prob)[:-1]
    if decided is not None:
        log_rhos = log_rhos.masked_fill(~decided, 0.0)
    targets = advantages(config, log_rhos, values, batch)
    terms: dict[str, Any] = {
        "values": values[:-1],
        "vs": targets.vs,
        "pg_advantages": targets.policy,
        "entropy_cost": entropy_cost,
        "baseline_cost": config.baseline_cost,
        "decisions": decided,
        "value_decisions": targets.decided,
    }
    loss = impala_loss(log_probs=log_probs[:-1], entropies=entropies[:-1], **terms)
    slopes = ImpalaGradient(*map(with_bootstrap_row, impala_gradient(**terms)))
    (for_parameters,) = torch.autograd.grad(
        [log_probs, entropies], leaf, [slopes.log_probs, slopes.entropies]
    )
    rho = reduce(log_rhos.exp().clamp(max=config.rho_bar), Reduction.MEAN, decided)
    losses = Losses(loss.total, loss.pg_loss, loss.baseline_loss, loss.entropy, rho)
    return losses, Gradient(for_parameters, slopes.values)


@torch.no_grad()
def advantages(config: ImpalaConfig, log_rhos: Tensor, values: Tensor, batch: Batch) -> Advantages:
    """Value targets and policy-gradient factors. log_rhos: [T, B, S]; values as in `impala`."""
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
    traced = vtrace(
        log_rhos=shared_rhos.flatten(1),
        discounts=discounts.flatten(1),
        rewards=rewards.flatten(1),
        values=values[:-1].flatten(1),
        bootstrap_value=values[-1].flatten(),
        rho_bar=config.rho_bar,
        c_bar=config.c_bar,
        pg_rho_bar=config.pg_rho_bar,
        lam=config.trace_decay,
        decisions=None if decided is None else decided.flatten(1),
    )
    vs = traced.vs.view_as(rewards)
    if not central:
        return Advantages(vs, traced.pg_advantages.view_as(rewards), decided)
    shared = rewards + discounts * torch.cat([vs[1:], values[-1:]]) - values[:-1]
    return Advantages(vs, shared * log_rhos.exp().clamp(max=config.pg_rho_bar), decided)


def unless_all(decided: Tensor) -> Tensor | None:
    """None where all rows are decisions: nothing is to be masked."""
    return None if bool(decided.all()) else decided


def with_bootstrap_row(slopes: Tensor) -> Tensor:
    """[T, ...] -> [T+1, ...]: what bootstraps is a constant."""
    return torch.cat([slopes, slopes.new_zeros(1, *slopes.shape[1:])])
