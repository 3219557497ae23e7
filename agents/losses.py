"""Losses: pure functions of what the network gave and of the targets, which carry no gradient."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import torch
from torch import Tensor


class Reduction(StrEnum):
    """How the losses of single decisions become one number."""

    SUM = "sum"
    """As scalable_agent and torchbeast: step size grows with the batch, and costs are tuned to that."""
    MEAN = "mean"
    """As seed_rl: over the decisions, rows that are none left out."""


class ImpalaLoss(NamedTuple):
    """The loss of the V-trace actor-critic and its parts, each a scalar before its cost is applied."""

    total: Tensor
    """pg_loss + baseline_cost baseline_loss - entropy_cost entropy."""
    pg_loss: Tensor
    baseline_loss: Tensor
    entropy: Tensor


class ImpalaGradient(NamedTuple):
    """Derivatives of `ImpalaLoss.total`, each of the shape of what it is for."""

    log_probs: Tensor
    entropies: Tensor
    values: Tensor


def policy_gradient_loss(*, log_probs: Tensor, pg_advantages: Tensor) -> Tensor:
    """-A_t log pi(a_t), for every decision: any shape in, the same out."""
    return -pg_advantages.detach() * log_probs


def baseline_loss(*, vs: Tensor, values: Tensor) -> Tensor:
    """(vs_t - V_t)^2 / 2, for every decision: any shape in, the same out."""
    return 0.5 * (vs.detach() - values).square()


def reduce(losses: Tensor, reduction: Reduction, decisions: Tensor | None = None) -> Tensor:
    """One number of the losses of all rows; rows that are not `decisions` (bool, same shape) count nothing.

    A batch without any decision has the mean 0.
    """
    if decisions is not None:
        losses = losses.where(decisions, 0)
    total = losses.sum()
    match reduction:
        case Reduction.SUM:
            return total
        case Reduction.MEAN:
            return total / (losses.numel() if decisions is None else decisions.sum().clamp(min=1))


def impala_loss(
    *,
    log_probs: Tensor,
    entropies: Tensor,
    values: Tensor,
    vs: Tensor,
    pg_advantages: Tensor,
    entropy_cost: float,
    baseline_cost: float,
    reduction: Reduction = Reduction.MEAN,
    decisions: Tensor | None = None,
    value_decisions: Tensor | None = None,
) -> ImpalaLoss:
    """Loss of the V-trace actor-critic (Espeholt et al. 2018, section 4.2).

    log_probs: [T, B] log pi(a_t) of the learner's policy, with gradient.
    entropies: [T, B] of that policy, over legal choices, with gradient.
    values: [T, B] of the learner's network, with gradient.
    vs, pg_advantages: [T, B] from `returns.vtrace`.
    decisions: [T, B] bool; None where all rows are decisions.
    value_decisions: the same for values, where a team has one value for several seats; None: as `decisions`.
    """
    if value_decisions is None:
        value_decisions = decisions
    pg = reduce(policy_gradient_loss(log_probs=log_probs, pg_advantages=pg_advantages), reduction, decisions)
    baseline = reduce(baseline_loss(vs=vs, values=values), reduction, value_decisions)
    entropy = reduce(entropies, reduction, decisions)
    return ImpalaLoss(pg + baseline_cost * baseline - entropy_cost * entropy, pg, baseline, entropy)


def impala_gradient(
    *,
    values: Tensor,
    vs: Tensor,
    pg_advantages: Tensor,
    entropy_cost: float,
    baseline_cost: float,
    reduction: Reduction = Reduction.MEAN,
    decisions: Tensor | None = None,
    value_decisions: Tensor | None = None,
) -> ImpalaGradient:
    """Derivatives of `impala_loss` for its first three arguments; arguments as there.

    Written down because it is so short: differentiating takes an operation and its inverse for every term.
    """
    if value_decisions is None:
        value_decisions = decisions
    return ImpalaGradient(
        log_probs=weigh(-pg_advantages, reduction, decisions),
        entropies=weigh(torch.full_like(pg_advantages, -entropy_cost), reduction, decisions),
        values=weigh(baseline_cost * (values - vs), reduction, value_decisions),
    )


def neurd_direction(
    *,
    advantages: Tensor,
    actions: Tensor,
    log_policies: Tensor,
    mask: Tensor,
    entropy_cost: float,
    largest_weight: float,
    log_magnets: Tensor | None = None,
    magnet_cost: float = 0.0,
) -> Tensor:
    """Where neural replicator dynamics want every logit to go (Hennes et al. 2020, equation 11), regularised.

        g(a) = 1[a = a_t] min(1 / pi(a_t), c) A_t - alpha (log pi(a) + H(pi)) - eta (d(a) - sum_b pi(b) d(b))
        d(a) = log pi(a) - log pi_magnet(a)

    Drawn by pi, the first term is on average the advantage A(a) of every choice, which no factor pi(a) makes
    small. The others are the advantages of -alpha log pi(a) and -eta d(a) as rewards (Perolat et al. 2022,
    equation 3), of the present decision alone: without what they add to later returns, as magnetic mirror
    descent has them (Sokota et al. 2023, section 4).

    advantages: [...] A_t. actions: int64 [...]. mask: bool [..., A].
    log_policies: [..., A] of the policy over legal choices; log_magnets: the same of the magnet. What they
        hold where a choice is illegal is not read.
    entropy_cost: alpha. largest_weight: c. magnet_cost: eta.
    Returns [..., A] without gradient, 0 where illegal.
    """
    log_policies = log_policies.detach().masked_fill(~mask, 0.0)
    policies = log_policies.exp() * mask
    pulled = entropy_cost * log_policies
    if log_magnets is not None:
        pulled = pulled + magnet_cost * (log_policies - log_magnets.detach().masked_fill(~mask, 0.0))
    pulled = pulled - (policies * pulled).sum(-1, keepdim=True)
    chosen = log_policies.gather(-1, actions[..., None])
    weighed = advantages.detach()[..., None] * (-chosen).exp().clamp(max=largest_weight)
    return (-pulled).scatter_add(-1, actions[..., None], weighed) * mask


def neurd_loss(*, logits: Tensor, directions: Tensor, mask: Tensor) -> Tensor:
    """-sum_a y(a) g(a), y being the logits less their mean over legal choices: [..., A] -> [...].

    directions: from `neurd_direction`.
    """
    return -(logits * _centred(directions, mask)).sum(-1)


def neurd_gradient(*, directions: Tensor, mask: Tensor) -> Tensor:
    """Derivative [..., A] of `neurd_loss` for the logits."""
    return -_centred(directions, mask)


def _centred(directions: Tensor, mask: Tensor) -> Tensor:
    """Less their mean over legal choices, which is the same as centring what they are multiplied with."""
    mean = directions.sum(-1, keepdim=True) / mask.sum(-1, keepdim=True).clamp(min=1)
    return (directions - mean) * mask


def weigh(terms: Tensor, reduction: Reduction, decisions: Tensor | None) -> Tensor:
    """What `reduce` passes back where its inputs' derivatives are `terms`."""
    if decisions is not None:
        terms = terms.where(decisions, 0)
    if reduction is Reduction.MEAN:
        terms = terms / (terms.numel() if decisions is None else decisions.sum().clamp(min=1))
    return terms
