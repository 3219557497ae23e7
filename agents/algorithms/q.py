"""Learning the values of actions: DQN with what Ape-X and R2D2 added (Horgan 2018, Kapturowski 2019).

    Q(s, a) = V(s) + A(s, a) - mean over legal b of A(s, b)          where it is dueling, else A(s, a)
    target  = h( r_t + ... + gamma^(n-1) r_{t+n-1} + gamma^n h^-1( Q_target(s_{t+n}, a*) ) )
    a*      = argmax over legal a of Q(s_{t+n}, a)
    loss    = w / 2 (target - Q(s_t, a_t))^2

A network's policy head says A, its value head V, so that the same network serves every other loss as well.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from agents.algorithms.advantages import Batch, Gradient, Losses
from agents.algorithms.config import AlgorithmConfig, QConfig
from agents.losses import Reduction, reduce
from agents.q_targets import dueling, n_step_targets
from agents.trajectory import Trajectory


class Judged(NamedTuple):
    """What an update says of the decisions that it was made of."""

    losses: Losses
    gradient: Gradient
    errors: Tensor
    """[trained, B, S] target - Q(s_t, a_t), without gradient; 0 where nobody decided."""


def action_values(config: QConfig, parameters: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    """[..., A], [...], bool [..., A] -> Q(s, .) [..., A]; what it says of illegal actions means nothing."""
    return dueling(values[..., None], parameters, mask) if config.dueling else parameters


@torch.no_grad()
def q_learning(
    config: AlgorithmConfig,
    q: QConfig,
    parameters: Tensor,
    values: Tensor,
    target: tuple[Tensor, Tensor],
    batch: Batch,
    weights: Tensor | None,
    *,
    trained: int,
) -> Judged:
    """The loss of one batch, and its gradient for what the network gave.

    parameters: [T+1, B, S, A]. values: [T+1, B, S]. target: the same two of the target network.
    weights: [B] importance weights of the columns; None for 1. trained: how many rows to learn from, from
    the first; the others say what came after.
    """
    (rows, columns, seats), steps = batch.acting.shape, len(batch.acting) - 1
    rewards, decided = batch.reward[:-1], batch.acting[:trained]
    if config.reward_clip:
        rewards = rewards.clamp(-config.reward_clip, config.reward_clip)
    heads = parameters.detach().requires_grad_(), values.detach().requires_grad_()
    with torch.enable_grad():
        online = action_values(q, *heads, batch.mask)
        chosen = online[:trained].gather(-1, batch.action[:trained][..., None]).squeeze(-1)
    flat = (rows, columns * seats)
    targets = n_step_targets(
        q_online=online.detach().view(*flat, -1),
        q_target=action_values(q, *target, batch.mask).view(*flat, -1),
        rewards=rewards.reshape(steps, -1),
        dones=batch.terminated[:-1, :, None].expand_as(rewards).reshape(steps, -1).to(values.dtype),
        gamma=config.discount,
        n=q.steps,
        eps=q.rescaling,
        mask=batch.mask.view(*flat, -1),
        decisions=batch.acting.view(flat),
        double=q.double,
    ).view_as(rewards)
    with torch.enable_grad():
        errors = targets[:trained] - chosen
        squares = 0.5 * errors.square()
        if weights is not None:
            squares = squares * weights[:, None]
        loss = reduce(squares, Reduction.MEAN, decided)
    slopes = torch.autograd.grad(loss, heads, allow_unused=True)
    for_parameters, for_values = (
        torch.zeros_like(head) if slope is None else slope for head, slope in zip(heads, slopes, strict=True)
    )
    errors = errors.detach().where(decided, 0.0)
    zero = torch.zeros(())
    losses = Losses(loss.detach(), zero, loss.detach(), zero, torch.ones(()), zero)
    return Judged(losses, Gradient(for_parameters, for_values), errors)


@torch.no_grad()
def first_errors(config: AlgorithmConfig, q: QConfig, batch: Trajectory) -> npt.NDArray[np.float32]:
    """[T, B, S] errors of all decisions, by the values that the actor saw: a first guess at priorities.

    The actor's network stands for the target network too. 0 where nobody decided. Raises ValueError where the
    batch holds no such values.
    """
    if batch.q is None:
        raise ValueError("the columns were cut without the actor's values of actions")
    taken, best = (torch.from_numpy(np.ascontiguousarray(batch.q[..., at])) for at in range(2))
    rewards = torch.from_numpy(np.ascontiguousarray(batch.reward[:-1]))
    if config.reward_clip:
        rewards = rewards.clamp(-config.reward_clip, config.reward_clip)
    acting = torch.from_numpy(np.ascontiguousarray(batch.acting))
    ended = torch.from_numpy(np.ascontiguousarray(batch.terminated[:-1]))[..., None].expand_as(rewards)
    targets = n_step_targets(
        q_online=best.flatten(1)[..., None],
        q_target=best.flatten(1)[..., None],
        rewards=rewards.flatten(1),
        dones=ended.flatten(1),
        gamma=config.discount,
        n=q.steps,
        eps=q.rescaling,
        decisions=acting.flatten(1),
    ).view_as(rewards)
    errors: npt.NDArray[np.float32] = (targets - taken[:-1]).where(acting[:-1], 0.0).numpy()
    return errors
