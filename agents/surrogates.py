"""Clipped surrogates of the policy gradient and what goes with them. Pure functions, a number a row.

Conventions. Rows of any shape [...]; `losses.reduce` makes one number of them, over decisions alone. A
log-probability is that of the action that was taken, by the masked distribution. Gradient flows through
the newest policy's log-probability and the newest value, and through nothing else. The surrogates are to
be maximised.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from agents.algorithms.config import Ratio
from agents.returns import vtrace


class PpoSurrogate(NamedTuple):
    """PPO's objective, with gradient."""

    ratio: Tensor
    """[...] pi_new / pi_old."""
    objective: Tensor
    """[...] to be maximised."""


class ImpactAdvantages(NamedTuple):
    """What IMPACT's V-trace gives a learner."""

    advantages: Tensor
    """[T, B] A_t, factors of the surrogate."""
    value_targets: Tensor
    """[T, B] targets of the value function: advantages + values."""


class ImpactSurrogate(NamedTuple):
    """IMPACT's objective, with gradient."""

    ratio: Tensor
    """[...] before it is clipped to 1 - clip_eps .. 1 + clip_eps."""
    surrogate: Tensor
    """[...] to be maximised."""


def importance_ratio(*, new_logp: Tensor, old_logp: Tensor) -> Tensor:
    """pi_new / pi_old: [...], with gradient for new_logp.

    Where it would be more than the root of the largest number it is that, without gradient, so that
    products with it stay finite.
    """
    log_ratio = new_logp - old_logp.detach()
    return log_ratio.clamp(max=math.log(torch.finfo(log_ratio.dtype).max) / 2).exp()


def ppo_surrogate(
    *,
    new_logp: Tensor,
    old_logp: Tensor,
    advantages: Tensor,
    clip_eps: float,
    dual_c: float | None = None,
) -> PpoSurrogate:
    """PPO's objective min(r A, clip(r, 1 - eps, 1 + eps) A) (Schulman et al. 2017, equation 7): [...].

    dual_c: where A < 0, the objective is at least dual_c A (Ye et al. 2020, "dual-clip PPO"), for r A
        has no bound there. More than 1; None for plain PPO.
    """
    advantages = advantages.detach()
    ratio = importance_ratio(new_logp=new_logp, old_logp=old_logp)
    objective = _clipped(ratio, advantages, clip_eps)
    if dual_c is not None:
        objective = torch.where(advantages < 0, torch.max(objective, dual_c * advantages), objective)
    return PpoSurrogate(ratio, objective)


def clipped_value_loss(
    *,
    v_new: Tensor,
    v_old: Tensor,
    returns: Tensor,
    clip_eps: float,
    huber_delta: float | None = None,
) -> Tensor:
    """The greater of the losses of v_new and of v_new clipped to v_old +- clip_eps, as PPO2 has it: [...].

    A loss is e^2 / 2, or Huber's where there is a huber_delta: linear beyond it, as MAPPO has it.
    v_old: the value when the batch was new.
    """
    v_old, returns = v_old.detach(), returns.detach()

    def loss(values: Tensor) -> Tensor:
        if huber_delta is None:
            return 0.5 * (returns - values).square()
        return functional.huber_loss(values, returns, reduction="none", delta=huber_delta)

    return torch.max(loss(v_new), loss(v_old + (v_new - v_old).clamp(-clip_eps, clip_eps)))


def approx_kl_k1(*, new_logp: Tensor, old_logp: Tensor) -> Tensor:
    """log(pi_old / pi_new), whose mean over actions of the old policy is KL(old, new): [...], of either sign.

    Schulman 2020, "Approximating KL divergence", k1: a figure, no loss: its gradient is 0 on average.
    """
    return old_logp.detach() - new_logp


def approx_kl_k3(*, new_logp: Tensor, old_logp: Tensor) -> Tensor:
    """r - 1 - log r, r = pi_new / pi_old: [...], never negative, of the same mean as k1 (k3 there)."""
    ratio = importance_ratio(new_logp=new_logp, old_logp=old_logp)
    return ratio - 1 - (new_logp - old_logp.detach())


def clip_fraction(*, ratio: Tensor, clip_eps: float) -> Tensor:
    """1 where the ratio is further than clip_eps from 1, else 0: [...], the mean of which is the fraction."""
    return ((ratio.detach() - 1).abs() > clip_eps).to(ratio.dtype)


def impact_advantages(
    *,
    logp_target: Tensor,
    logp_worker: Tensor,
    discounts: Tensor,
    rewards: Tensor,
    values: Tensor,
    bootstrap_value: Tensor,
    lam: float,
    rho_bar: float = 1.0,
    c_bar: float = 1.0,
    decisions: Tensor | None = None,
) -> ImpactAdvantages:
    """V-trace's GAE(lambda) of the target policy, from what a worker did (Luo et al. 2020, section 3.1).

        rho_t = min(rho_bar, pi_target/pi_worker)    c_t = lam min(c_bar, pi_target/pi_worker)
        A_t = sum_{i>=t} (prod_{t<=j<i} discount_j c_j) rho_i (r_i + discount_i V_{i+1} - V_i)

    That is how far the targets of V-trace lie above the values. Arguments as of `returns.vtrace`.
    """
    vs, _ = vtrace(
        log_rhos=logp_target - logp_worker,
        discounts=discounts,
        rewards=rewards,
        values=values,
        bootstrap_value=bootstrap_value,
        rho_bar=rho_bar,
        c_bar=c_bar,
        lam=lam,
        decisions=decisions,
    )
    return ImpactAdvantages(vs - values.detach(), vs)


def impact_surrogate(
    *,
    logp_current: Tensor,
    logp_target: Tensor,
    logp_worker: Tensor,
    advantages: Tensor,
    clip_eps: float,
    target_worker_clip: float,
    ratio: Ratio = Ratio.BOTH,
) -> ImpactSurrogate:
    """IMPACT's objective min(r A, clip(r, 1 - eps, 1 + eps) A) (Luo et al. 2020, section 3.1).

        r = min(pi_worker/pi_target, target_worker_clip) pi/pi_worker
          = pi / max(pi_target, pi_worker/target_worker_clip)

    In this order: the worker's ratio is clipped first, the product after. Where that clip does nothing, r is
    pi/pi_target, 1 where the target is up to date.

    logp_current, logp_target, logp_worker: [...] log-probabilities of the policy that learns, of its older
        copy, and of the one that acted.
    ratio: which r: the one above, or one of the simpler two that the paper compares it with.
    """
    match ratio:
        case Ratio.WORKER:
            old_logp = logp_worker
        case Ratio.TARGET:
            old_logp = logp_target
        case Ratio.BOTH:
            old_logp = torch.max(logp_target, logp_worker - math.log(target_worker_clip))
    r = importance_ratio(new_logp=logp_current, old_logp=old_logp)
    return ImpactSurrogate(r, _clipped(r, advantages.detach(), clip_eps))


def adapted_kl_cost(cost: float, kl: float, target: float) -> float:
    """What the KL penalty should cost after an update that moved by `kl` (Schulman et al. 2017, section 4).

    By RLlib's constants: half as much again beyond twice the target, half below half of it.
    """
    if kl > 2 * target:
        return 1.5 * cost
    return 0.5 * cost if kl < 0.5 * target else cost


def _clipped(ratio: Tensor, advantages: Tensor, clip_eps: float) -> Tensor:
    """min(r A, clip(r, 1 - eps, 1 + eps) A): nothing is won by moving further than the clip."""
    return torch.min(ratio * advantages, ratio.clamp(1 - clip_eps, 1 + clip_eps) * advantages)
