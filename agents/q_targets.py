"""What learning from action values needs: targets, priorities, exploration. Pure functions.

Conventions as in `agents.returns`; here A choices are the last axis of everything that has one number for
each, and a bool mask is True where a choice is legal. A row without decision stops every sum: the steps
before it bootstrap from it, and its own target is finite but means nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from agents.returns import accumulate


class Retrace(NamedTuple):
    """What Retrace gives a learner."""

    targets: Tensor
    """[T, B] targets of Q(s_t, a_t)."""
    td_errors: Tensor
    """[T, B] targets - Q(s_t, a_t); 0 in rows without decision."""


def rescale(x: Tensor, eps: float) -> Tensor:
    """h(x) = sign(x) (sqrt(|x| + 1) - 1) + eps x (Pohlen et al. 2018, section 3.2): large ones shrink.

    eps: 1e-2 there, 1e-3 in R2D2; 0 for no rescaling at all: x, also of `unrescale`.
    """
    if not eps:
        return x
    # Without the subtraction, of which nothing would be left near 0.
    return x / ((x.abs() + 1).sqrt() + 1) + eps * x


def unrescale(x: Tensor, eps: float) -> Tensor:
    """The inverse of `rescale` (Pohlen et al. 2018, proposition A.2).

    With u = sqrt(|y| + 1) - 1 the equation h(|y|) = |x| is eps u^2 + (1 + 2 eps) u = |x|, and |y| is
    u (u + 2). The root is written without a subtraction, unlike in the paper: float32 is exact enough.
    """
    if not eps:
        return x
    slope = 1 + 2 * eps
    u = 2 * x.abs() / (slope + (slope**2 + 4 * eps * x.abs()).sqrt())
    return x.sign() * u * (u + 2)


def dueling(v: Tensor, a: Tensor, legal: Tensor | None = None) -> Tensor:
    """Action values of a value and of advantages: v + a - mean(a) (Wang et al. 2016, equation 9).

    v: [..., 1]. a: [..., A]. legal: bool [..., A], over which the mean is taken; None for all.
    Returns [..., A]; what stands where a choice is illegal means nothing.
    """
    if legal is None:
        return v + a - a.mean(-1, keepdim=True)
    total = a.where(legal, 0).sum(-1, keepdim=True)
    return v + a - total / legal.sum(-1, keepdim=True).clamp(min=1)


@torch.no_grad()
def n_step_targets(
    *,
    q_online: Tensor,
    q_target: Tensor,
    rewards: Tensor,
    dones: Tensor,
    gamma: float,
    n: int,
    eps: float,
    double: bool = True,
    mask: Tensor | None = None,
    decisions: Tensor | None = None,
) -> Tensor:
    """Targets [T, B] of Q(s_t, a_t), n steps ahead, rescaled (Kapturowski et al. 2019, section 2.3).

        target_t = h(sum_{k<m} gamma^k r_{t+k} + gamma^m h^-1(Q_target(s_{t+m}, a*)))
        a* = argmax_a Q_online(s_{t+m}, a), over legal choices

    m is n, or less where the column ends or a row without decision comes before; nothing is added after
    the end of an episode.

    q_online, q_target: [T+1, B, A] of the network that learns and of its older copy.
    rewards: [T, B]. dones: [T, B] bool or 0/1 numbers, whether the step ended the episode: not by truncation.
    n: at least 1. eps: of `rescale`, which Q is learned in.
    double: False lets q_target choose a* as well (Mnih et al. 2015), which overestimates.
    mask: bool [T+1, B, A]; None where all choices are legal. decisions: bool [T+1, B]; None for all.
    """
    choosing = q_online if double else q_target
    if mask is not None:
        choosing = choosing.where(mask, -torch.inf)
    greedy = choosing.argmax(-1, keepdim=True)
    values = unrescale(q_target.gather(-1, greedy).squeeze(-1), eps)
    discounts = gamma * (1 - dones.to(values.dtype))
    returns = values
    for _ in range(n):  # Every round looks one step further.
        returns = torch.cat([rewards + discounts * returns[1:], values[-1:]])
        if decisions is not None:
            returns = returns.where(decisions, values)
    return rescale(returns[:-1], eps)


@torch.no_grad()
def retrace(
    *,
    q: Tensor,
    pi: Tensor,
    mu: Tensor,
    actions: Tensor,
    rewards: Tensor,
    discounts: Tensor,
    lam: float,
    decisions: Tensor | None = None,
) -> Retrace:
    """Retrace(lambda) targets of Q(s_t, a_t) (Munos et al. 2016, equation 3).

        V_t = sum_a pi(a | s_t) Q(s_t, a)    c_t = lam min(1, pi/mu)
        G_t = r_t + discount_t (V_{t+1} + c_{t+1} (G_{t+1} - Q(s_{t+1}, a_{t+1})))
        G_{T-1} = r_{T-1} + discount_{T-1} V_T

    q: [T+1, B, A]. pi, mu: [T+1, B, A] probabilities of the policy to evaluate and of the one that acted.
    actions: int64 [T+1, B]; the last is not read, and neither is mu there. rewards, discounts: [T, B].
    decisions: bool [T+1, B]; None for all.
    """
    values = (pi * q).sum(-1)
    chosen = actions[:-1, ..., None]
    taken, pi_taken, mu_taken = (x[:-1].gather(-1, chosen).squeeze(-1) for x in (q, pi, mu))
    traces = lam * (pi_taken / mu_taken).clamp(max=1.0)
    # From here on this holds G_t - Q(s_t, a_t), once the recursion has passed t from behind.
    errors = rewards + discounts * values[1:] - taken
    if decisions is not None:
        errors, traces = errors.where(decisions[:-1], 0), traces.where(decisions[:-1], 0)
        discounts = discounts.where(decisions[:-1], 0)
    # The trace of the next step; what comes round to the last one is not read.
    accumulate(errors, discounts * traces.roll(-1, 0))
    return Retrace(errors + taken, errors)


@torch.no_grad()
def sequence_priority(td_errors: Tensor, eta: float, decisions: Tensor | None = None) -> Tensor:
    """eta max_t |td_t| + (1 - eta) mean_t |td_t| (Kapturowski et al. 2019, section 2.3): [T, ...] -> [...].

    decisions: bool [T, ...], over which maximum and mean are taken; a sequence without one has priority 0.
    """
    sizes = td_errors.abs()
    if decisions is None:
        return eta * sizes.amax(0) + (1 - eta) * sizes.mean(0)
    sizes = sizes.where(decisions, 0)
    return eta * sizes.amax(0) + (1 - eta) * sizes.sum(0) / decisions.sum(0).clamp(min=1)


@torch.no_grad()
def sampling_probabilities(*, priorities: Tensor, priority_exponent: float) -> Tensor:
    """p_i^alpha / sum_j p_j^alpha (Schaul et al. 2016, equation 1): [N] -> [N]; uniform where all are 0."""
    largest = priorities.max()
    if largest == 0:
        return torch.full_like(priorities, 1 / len(priorities))
    weights = (priorities / largest) ** priority_exponent  # No power of a large number may overflow.
    return weights / weights.sum()


@torch.no_grad()
def importance_weights(
    *, probabilities: Tensor, is_exponent: float, least_probability: Tensor | float | None = None
) -> Tensor:
    """(1 / (N P_i))^beta over its largest (Schaul et al. 2016, section 3.4): [K] -> [K], at most 1.

    N cancels: what remains is (P_least / P_i)^beta.

    probabilities: [K] positive, of the drawn, among all that could be drawn.
    least_probability: of those over which the largest weight is taken: of all in the buffer, as the paper
        has it; None for that of the drawn, as SEED RL has it.
    """
    least = probabilities.min() if least_probability is None else least_probability
    return (least / probabilities) ** is_exponent


def epsilons(count: int, base: float = 0.4, exponent: float = 7.0) -> tuple[float, ...]:
    """Chance of a random move of each of `count` actors (Horgan et al. 2018, section 4.1).

        epsilon_i = base^(1 + exponent i / (count - 1))

    The first explores most. One alone has `base`.
    """
    return tuple(base ** (1 + exponent * i / max(1, count - 1)) for i in range(count))


@torch.no_grad()
def epsilon_greedy_log_probs(q: Tensor, mask: Tensor, epsilon: Tensor) -> Tensor:
    """Log-probabilities [..., A] of the epsilon-greedy policy, which are also logits of it.

    The greedy choice has 1 - epsilon + epsilon / L, every other of the L legal ones epsilon / L. Of equal
    ones the first is greedy. A choice with no chance, illegal ones among them, has half the lowest number
    in place of minus infinity: the probability is exactly 0, and sums and differences stay finite.

    q: [..., A]; what stands where a choice is illegal is not read. mask: bool [..., A].
    epsilon: [...], in [0, 1].
    """
    lowest = torch.finfo(q.dtype).min / 2
    epsilon = epsilon.to(q)[..., None]
    legal = mask.sum(-1, keepdim=True).clamp(min=1).to(q.dtype)
    others = (epsilon / legal).log().clamp(min=lowest)
    greedy = q.where(mask, -torch.inf).argmax(-1, keepdim=True)
    best = torch.log1p(-epsilon * (1 - 1 / legal))
    return others.expand_as(q).scatter(-1, greedy, best.expand_as(greedy).to(q)).where(mask, lowest)
