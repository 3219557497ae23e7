"""Losses that hold a ratio of policies within a clip, so that a batch can be gone over several times.

    ppo      pi / mu, mu being the policy that acted (Schulman et al. 2017, equation 7); with V-trace targets
             this is APPO, with `dual_clip` JueWu's (Ye et al. 2020, equation 4)
    impact   pi / max(pi_target, mu / rho), around a target network; advantages by V-trace from mu to the
             target (Luo et al. 2020, section 3)

`kl_cost` weighs a divergence beside that: KL(mu, pi) as far as the actions that were drawn tell (Schulman
2020, "Approximating KL divergence", k3), or KL(target, pi) exactly.
"""

from __future__ import annotations

import torch
from torch import Tensor

from agents.algorithms.advantages import Batch, Gradient, Losses, advantages, unless_all, with_bootstrap_row
from agents.algorithms.config import AlgorithmConfig, PolicyLoss
from agents.distributions import Distribution
from agents.losses import Reduction, baseline_loss, reduce, weigh
from agents.surrogates import approx_kl_k3, impact_surrogate, ppo_surrogate


@torch.no_grad()
def clipped(
    config: AlgorithmConfig,
    distribution: Distribution,
    parameters: Tensor,
    values: Tensor,
    earlier: Tensor | None,
    batch: Batch,
    entropy_cost: float,
    kl_cost: float,
) -> tuple[Losses, Gradient]:
    """The loss of one batch, and its gradient for what the networks gave; arguments as in `impala`.

    earlier: [T+1, B, S, P] of the target network for impact; of the magnet, or None, for ppo.
    """
    decided = unless_all(batch.acting[:-1])
    leaf = parameters.detach().requires_grad_()
    actions, mask, logp_worker = batch.action[:-1], batch.mask[:-1], batch.log_prob[:-1]
    with torch.enable_grad():
        log_probs, entropies = distribution.evaluate(leaf[:-1], actions, mask)
    log_rhos = log_probs.detach() - logp_worker
    if config.policy_loss is PolicyLoss.IMPACT:
        assert earlier is not None, "impact has a target network"
        logp_target = distribution.log_prob(earlier[:-1], actions, mask)
        log_rhos = logp_target - logp_worker
    if decided is not None:
        log_rhos = log_rhos.masked_fill(~decided, 0.0)
    targets = advantages(config, log_rhos, values, batch)
    with torch.enable_grad():
        if config.policy_loss is PolicyLoss.IMPACT:
            assert earlier is not None
            objective = impact_surrogate(
                logp_current=log_probs,
                logp_target=logp_target,
                logp_worker=logp_worker,
                advantages=targets.policy,
                clip_eps=config.clip,
                target_worker_clip=config.target_clip,
                ratio=config.ratio,
            ).surrogate
            divergences = distribution.divergence(earlier[:-1], leaf[:-1], mask)
        else:
            objective = ppo_surrogate(
                new_logp=log_probs,
                old_logp=logp_worker,
                advantages=targets.policy,
                clip_eps=config.clip,
                dual_c=config.dual_clip or None,
            ).objective
            divergences = approx_kl_k3(new_logp=log_probs, old_logp=logp_worker)
        policy = reduce(-objective, Reduction.MEAN, decided)
        entropy = reduce(entropies, Reduction.MEAN, decided)
        divergence = reduce(divergences, Reduction.MEAN, decided)
        total = policy - entropy_cost * entropy
        if kl_cost:
            total = total + kl_cost * divergence
        if config.magnet_cost and earlier is not None:
            pulled = distribution.divergence(leaf[:-1], earlier[:-1], mask)
            total = total + config.magnet_cost * reduce(pulled, Reduction.MEAN, decided)
    (for_parameters,) = torch.autograd.grad(total, leaf)
    value = reduce(baseline_loss(vs=targets.vs, values=values[:-1]), Reduction.MEAN, targets.decided)
    for_values = weigh(config.baseline_cost * (values[:-1] - targets.vs), Reduction.MEAN, targets.decided)
    losses = Losses(
        total=total.detach() + config.baseline_cost * value,
        policy=policy.detach(),
        value=value,
        entropy=entropy.detach(),
        rho=reduce(log_rhos.exp().clamp(max=config.rho_bar), Reduction.MEAN, decided),
        divergence=divergence.detach(),
    )
    return losses, Gradient(for_parameters, with_bootstrap_row(for_values))
