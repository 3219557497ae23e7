"""The policy gradient of an actor-critic: IMPALA's with V-trace (Espeholt et al. 2018, section 4), A2C's and
A3C's with plain returns (Mnih et al. 2016)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from agents.algorithms.advantages import Batch, Gradient, Losses, advantages, unless_all, with_bootstrap_row
from agents.algorithms.config import AlgorithmConfig
from agents.distributions import Distribution
from agents.losses import ImpalaGradient, Reduction, impala_gradient, impala_loss, reduce


@torch.no_grad()
def impala(
    config: AlgorithmConfig,
    distribution: Distribution,
    parameters: Tensor,
    values: Tensor,
    magnet: Tensor | None,
    batch: Batch,
    entropy_cost: float,
) -> tuple[Losses, Gradient]:
    """The loss of one batch, and its gradient for what the networks gave.

    parameters: [T+1, B, S, P] of the current policy. values: [T+1, B, S], or [T+1, B, 1] where the team
    learns jointly from one central value. magnet: [T+1, B, S, P] of the policy that pulls, by KL(pi, magnet);
    None for none.
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
    divergence, total = torch.zeros(()), loss.total
    if magnet is not None:
        with torch.enable_grad():
            pulled = distribution.divergence(leaf, magnet, batch.mask)[:-1]
            divergence = reduce(pulled, Reduction.MEAN, decided)
        for_parameters += config.magnet_cost * torch.autograd.grad(divergence, leaf)[0]
        divergence = divergence.detach()
        total = total + config.magnet_cost * divergence
    losses = Losses(total, loss.pg_loss, loss.baseline_loss, loss.entropy, rho, divergence)
    return losses, Gradient(for_parameters, slopes.values)
