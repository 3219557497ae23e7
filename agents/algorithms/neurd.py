"""The V-trace actor-critic whose policy moves by neural replicator dynamics, regularised: R-NaD.

V-trace gives value targets and advantages as in `impala`; what is done with an advantage differs. The policy
gradient moves a choice by pi(a) A(a), so one that is rarely made hardly comes back. NeuRD moves its logit
by A(a) (Hennes et al. 2020), as replicator dynamics and Hedge do. Two players that follow it run around an
equilibrium; pulled towards a fixed policy, the magnet, they meet; and from one magnet to the next, each where
the last one led, they come to the equilibrium itself (Perolat et al. 2022, "Mastering the game of Stratego").
"""

from __future__ import annotations

import torch
from torch import Tensor

from agents.algorithms.advantages import Batch, Gradient, Losses, advantages, unless_all, with_bootstrap_row
from agents.algorithms.config import AlgorithmConfig
from agents.distributions import Categorical
from agents.losses import Reduction, baseline_loss, neurd_direction, neurd_gradient, neurd_loss, reduce, weigh


@torch.no_grad()
def neurd(
    config: AlgorithmConfig,
    distribution: Categorical,
    parameters: Tensor,
    values: Tensor,
    magnet: Tensor | None,
    batch: Batch,
    entropy_cost: float,
) -> tuple[Losses, Gradient]:
    """The loss of one batch, and its gradient for what the networks gave; arguments as in `impala`.

    magnet: [T+1, B, S, A] logits of the policy that pulls; None for none.
    The policy's part of the loss holds what entropy and magnet add to it.
    """
    decided, mask, actions = unless_all(batch.acting[:-1]), batch.mask[:-1], batch.action[:-1]
    log_policies = distribution.log_policies(parameters[:-1], mask)
    log_rhos = log_policies.gather(-1, actions[..., None]).squeeze(-1) - batch.log_prob[:-1]
    if decided is not None:
        log_rhos = log_rhos.masked_fill(~decided, 0.0)
    targets = advantages(config, log_rhos, values, batch)
    directions = neurd_direction(
        advantages=targets.policy,
        actions=actions,
        log_policies=log_policies,
        mask=mask,
        entropy_cost=entropy_cost,
        largest_weight=config.largest_weight,
        log_magnets=None if magnet is None else distribution.log_policies(magnet[:-1], mask),
        magnet_cost=config.magnet_cost,
    )
    policy = neurd_loss(logits=parameters[:-1], directions=directions, mask=mask)
    shares = weigh(torch.ones_like(policy), Reduction.MEAN, decided)
    value = reduce(baseline_loss(vs=targets.vs, values=values[:-1]), Reduction.MEAN, targets.decided)
    for_values = weigh(config.baseline_cost * (values[:-1] - targets.vs), Reduction.MEAN, targets.decided)
    policy = reduce(policy, Reduction.MEAN, decided)
    losses = Losses(
        total=policy + config.baseline_cost * value,
        policy=policy,
        value=value,
        entropy=reduce(-(log_policies.exp() * log_policies).sum(-1), Reduction.MEAN, decided),
        rho=reduce(log_rhos.exp().clamp(max=config.rho_bar), Reduction.MEAN, decided),
        divergence=torch.zeros(()),
    )
    for_parameters = shares[..., None] * neurd_gradient(directions=directions, mask=mask)
    return losses, Gradient(with_bootstrap_row(for_parameters), with_bootstrap_row(for_values))
