"""Values in units of their own spread, so that one learning rate serves rewards of any size.

`ValueNorm` measures all returns seen so far, and a critic predicts them normalised. PopArt measures them
for every head of a critic and moves the head's weights so that no prediction changes. Both give new
statistics and leave the old ones as they were.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


class Moments(NamedTuple):
    """What a `ValueNorm` has seen: scalars in float64, for they move by very little at a time."""

    mean: Tensor
    """Running mean of returns, from 0: too small by the factor `weight`."""
    square: Tensor
    """The same of squared returns."""
    weight: Tensor
    """The same of ones: 0 before anything was seen, near 1 in the end."""


@dataclass(frozen=True)
class ValueNorm:
    """MAPPO's running normalisation of returns (Yu et al. 2022, and their code).

    Used in this order: returns are computed from denormalised values, then `update` sees them, then the
    loss compares the critic with them normalised. It holds no tensors.
    """

    beta: float = 0.99999
    """What is kept of the running means at every update."""
    eps: float = 1e-5
    """Least weight that they are divided by."""
    min_var: float = 1e-2
    """Least variance, that of the very start included."""

    def start(self) -> Moments:
        """Before anything was seen."""
        zero = torch.zeros((), dtype=torch.float64)
        return Moments(zero, zero, zero)

    @torch.no_grad()
    def update(self, moments: Moments, returns: Tensor) -> Moments:
        """After a batch of returns, as they are and of decisions alone, of any shape; none change nothing."""
        if not returns.numel():
            return moments
        seen = returns.to(moments.mean)
        means = seen.mean(), seen.square().mean(), torch.ones_like(moments.weight)
        return Moments(*(old.lerp(new, 1 - self.beta) for old, new in zip(moments, means, strict=True)))

    def statistics(self, moments: Moments) -> tuple[Tensor, Tensor]:
        """Mean and variance of the returns seen: scalars in float64."""
        weight = moments.weight.clamp(min=self.eps)
        mean = moments.mean / weight
        return mean, (moments.square / weight - mean.square()).clamp(min=self.min_var)

    def normalise(self, moments: Moments, returns: Tensor) -> Tensor:
        """(returns - mean) / deviation: any shape and float dtype in, the same out."""
        mean, var = self.statistics(moments)
        return (returns - mean.to(returns)) / var.sqrt().to(returns)

    def denormalise(self, moments: Moments, values: Tensor) -> Tensor:
        """The inverse of `normalise`."""
        mean, var = self.statistics(moments)
        return values * var.sqrt().to(values) + mean.to(values)


class PopArt(NamedTuple):
    """Statistics of H heads and their weights, after a batch."""

    new_mu: Tensor
    """[H] mean of targets."""
    new_nu: Tensor
    """[H] mean of squared targets."""
    new_sigma: Tensor
    """[H] their deviation."""
    new_W: Tensor  # noqa: N815 - the paper's
    """[F, H] of the last layer."""
    new_b: Tensor
    """[H] of the last layer."""


@torch.no_grad()
def popart(
    *,
    mu: Tensor,
    nu: Tensor,
    W: Tensor,
    b: Tensor,
    targets: Tensor,
    indices: Tensor,
    step_size: float,
    min_sigma: float = 1e-4,
    max_sigma: float = 1e6,
) -> PopArt:
    """Statistics moved towards a batch of targets, outputs preserved (van Hasselt et al. 2016, algorithm 1).

        mu'_i = mu_i + sum_k step_size (x_k - mu_i)    nu' the same of x^2    sigma = sqrt(nu - mu^2)
        W'_i = W_i sigma_i / sigma'_i    b'_i = (sigma_i b_i + mu_i - mu'_i) / sigma'_i

    The sums are over the targets of head i, so step_size times their number has to stay well below 1. The
    value of features f is sigma (f W + b) + mu before and after.

    mu, nu: [H]; 0 and 1 at the start. W: [F, H], a linear layer's weight transposed. b: [H].
    targets: [...] of the value, as they are and of decisions alone. indices: int64 [...], the head of each.
    min_sigma, max_sigma: bounds of sigma (Hessel et al. 2019).
    """
    heads, seen = indices.flatten(), targets.flatten()

    def moved(old: Tensor, samples: Tensor) -> Tensor:
        return old.index_add(0, heads, step_size * (samples - old[heads]))

    def deviation(mean: Tensor, square: Tensor) -> Tensor:
        return (square - mean.square()).clamp(min=0).sqrt().clamp(min_sigma, max_sigma)

    new_mu, new_nu = moved(mu, seen), moved(nu, seen.square())
    sigma, new_sigma = deviation(mu, nu), deviation(new_mu, new_nu)
    new_b = (sigma * b + mu - new_mu) / new_sigma
    return PopArt(new_mu, new_nu, new_sigma, W * (sigma / new_sigma), new_b)
