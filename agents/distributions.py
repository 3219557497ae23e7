"""What a network's numbers mean as a policy: pure functions of parameters, masks and actions.

A distribution holds no tensors. Shapes below use

    P numbers that describe one distribution    A choices, the width of the mask    D numbers of an action

and `...` for any leading axes. Masks are bool, True where legal. An illegal choice has probability 0
and gets no gradient; a row without a legal choice is read as if all were legal, so that padding
never becomes NaN.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import starmap
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from agents.kernels import rows as kernels
from envs.game import ActionSpace, Box, Discrete, MultiDiscrete


class Distribution(ABC):
    """A policy's distribution over the actions of one space."""

    @property
    @abstractmethod
    def width(self) -> int:
        """P: how many numbers describe it."""

    @abstractmethod
    def evaluate(self, parameters: Tensor, action: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probability (density) of the action, and entropy, of each row: [...], [...].

        One pass for both, which is what a learner wants.
        """

    @abstractmethod
    def entropy(self, parameters: Tensor, mask: Tensor) -> Tensor:
        """Entropy in nats, over legal choices: [...]."""

    @abstractmethod
    def divergence(self, ones: Tensor, others: Tensor, mask: Tensor) -> Tensor:
        """KL(one, other) in nats, over legal choices: [..., P], [..., P] -> [...]."""

    @abstractmethod
    def sample(
        self, parameters: Tensor, mask: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """An action for each row and its log-probability: [...] or [..., D], [...]. No gradient."""

    @abstractmethod
    def mode(self, parameters: Tensor, mask: Tensor) -> Tensor:
        """The most likely action: [...] or [..., D]."""

    def log_prob(self, parameters: Tensor, action: Tensor, mask: Tensor) -> Tensor:
        """Log-probability (density) of the action: [...]."""
        return self.evaluate(parameters, action, mask)[0]

    def to_game(self, action: Tensor) -> Tensor:
        """The action as the game understands it. The one that was sampled is the one to learn from."""
        return action


def distribution_for(space: ActionSpace) -> Distribution:
    """The distribution that plays a game's action space."""
    match space:
        case Discrete(n):
            return Categorical(n)
        case MultiDiscrete(sizes):
            return MultiCategorical(sizes)
        case Box(low, high):
            return Gaussian(low, high)


@dataclass(frozen=True)
class Categorical(Distribution):
    """One of `n` choices; parameters are logits, P = A = n; an action is int64 [...]."""

    n: int

    @property
    def width(self) -> int:
        return self.n

    def evaluate(self, parameters: Tensor, action: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        if kernels.serve_choices(parameters):
            rows = parameters.reshape(-1, self.n), mask.expand_as(parameters).reshape(-1, self.n)
            log_prob, entropy = _Evaluate.apply(*rows, action.reshape(-1))  # type: ignore[no-untyped-call]
            return log_prob.view(action.shape), entropy.view(action.shape)
        log_probs = _log_softmax(_masked(parameters, mask))
        chosen = log_probs.gather(-1, action[..., None]).squeeze(-1)
        return chosen, _entropy(log_probs)

    def log_policies(self, logits: Tensor, mask: Tensor) -> Tensor:
        """Log-probabilities of all choices, [..., A] in and out; 0 where illegal."""
        return _log_softmax(_masked(logits, mask)).masked_fill(~mask, 0.0)

    def entropy(self, parameters: Tensor, mask: Tensor) -> Tensor:
        return _entropy(_log_softmax(_masked(parameters, mask)))

    def divergence(self, ones: Tensor, others: Tensor, mask: Tensor) -> Tensor:
        # What is illegal for both differs by nothing: as it stands, half the lowest number would overflow.
        one, other = (_log_softmax(_masked(each, mask)).clamp(min=-1e4) for each in (ones, others))
        return (one.exp() * (one - other)).sum(-1)

    @torch.no_grad()
    def sample(
        self, parameters: Tensor, mask: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """An action for each row by inverting the cumulative distribution, on the CPU.

        It never draws an illegal choice: that has weight 0, so the sum after it equals the sum before it,
        and no threshold falls between. This holds because a CPU adds in order; an accelerator does not, so
        there choices race.
        """
        leading = parameters.shape[:-1]
        rows, legal = parameters.reshape(-1, self.n), mask.expand_as(parameters).reshape(-1, self.n)
        if kernels.serve_choices(parameters):
            action, log_prob = kernels.sample(rows, legal, torch.rand(rows.shape[:1], generator=generator))
            return action.view(leading), log_prob.view(leading)
        # Choices first: short rows are slow to reduce, long columns are quick.
        logits = _masked(rows, legal).t().contiguous()
        weights = (logits - logits.amax(0)).exp_()
        draw = _invert if weights.is_cpu else _race
        action, total = draw(weights, generator)
        log_prob = (weights.gather(0, action[None]).squeeze(0) / total).log_()
        return action.view(leading), log_prob.view(leading)

    def mode(self, parameters: Tensor, mask: Tensor) -> Tensor:
        return _masked(parameters, mask).argmax(-1)


@dataclass(frozen=True)
class MultiCategorical(Distribution):
    """Independent choices side by side; P = A = sum(sizes); an action is int64 [..., D]."""

    sizes: tuple[int, ...]

    @property
    def width(self) -> int:
        return sum(self.sizes)

    def evaluate(self, parameters: Tensor, action: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        both = [
            part.evaluate(p, a, m)
            for (part, p, m), a in zip(self._parts(parameters, mask), action.unbind(-1), strict=True)
        ]
        return torch.stack([b[0] for b in both]).sum(0), torch.stack([b[1] for b in both]).sum(0)

    def entropy(self, parameters: Tensor, mask: Tensor) -> Tensor:
        return torch.stack([part.entropy(p, m) for part, p, m in self._parts(parameters, mask)]).sum(0)

    def divergence(self, ones: Tensor, others: Tensor, mask: Tensor) -> Tensor:
        pairs = zip(self._parts(ones, mask), self._parts(others, mask), strict=True)
        return torch.stack([part.divergence(p, q, m) for (part, p, m), (_, q, _) in pairs]).sum(0)

    @torch.no_grad()
    def sample(
        self, parameters: Tensor, mask: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        drawn = [part.sample(p, m, generator) for part, p, m in self._parts(parameters, mask)]
        return torch.stack([d[0] for d in drawn], -1), torch.stack([d[1] for d in drawn]).sum(0)

    def mode(self, parameters: Tensor, mask: Tensor) -> Tensor:
        return torch.stack([part.mode(p, m) for part, p, m in self._parts(parameters, mask)], -1)

    def _parts(self, parameters: Tensor, mask: Tensor) -> list[tuple[Categorical, Tensor, Tensor]]:
        sizes = list(self.sizes)
        parts = map(Categorical, sizes)
        return list(zip(parts, torch.split(parameters, sizes, -1), torch.split(mask, sizes, -1), strict=True))


@dataclass(frozen=True)
class Gaussian(Distribution):
    """Independent normal numbers; parameters are [mean, log standard deviation], P = 2 D.

    An action is float [..., D] and unbounded, and its density is that of the unbounded normal. It is in
    units in which a bounded dimension of the game reaches from -1 to 1; `to_game` scales and
    clips. Masks mean nothing here.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]

    @property
    def width(self) -> int:
        return 2 * len(self.low)

    def evaluate(self, parameters: Tensor, action: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = parameters.chunk(2, -1)
        z = (action - mean) * (-log_std).exp()
        log_prob = -(0.5 * z.square() + log_std + 0.5 * math.log(2 * math.pi)).sum(-1)
        return log_prob, self.entropy(parameters, mask)

    def entropy(self, parameters: Tensor, mask: Tensor) -> Tensor:
        log_std = parameters.chunk(2, -1)[1]
        return (log_std + 0.5 * math.log(2 * math.pi * math.e)).sum(-1)

    def divergence(self, ones: Tensor, others: Tensor, mask: Tensor) -> Tensor:
        (mean, log_std), (other_mean, other_log_std) = ones.chunk(2, -1), others.chunk(2, -1)
        spread = ((2 * log_std).exp() + (mean - other_mean).square()) * (-2 * other_log_std).exp()
        return (other_log_std - log_std + 0.5 * (spread - 1)).sum(-1)

    @torch.no_grad()
    def sample(
        self, parameters: Tensor, mask: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        mean, log_std = parameters.chunk(2, -1)
        noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device=mean.device)
        action = mean + log_std.exp() * noise
        return action, self.log_prob(parameters, action, mask)

    def mode(self, parameters: Tensor, mask: Tensor) -> Tensor:
        return parameters.chunk(2, -1)[0].clone()

    def to_game(self, action: Tensor) -> Tensor:
        low, high = action.new_tensor(self.low), action.new_tensor(self.high)
        centre, half = zip(*starmap(_centre_and_half, zip(self.low, self.high, strict=True)), strict=True)
        return (action.new_tensor(centre) + action.new_tensor(half) * action).clamp(low, high)


def _centre_and_half(low: float, high: float) -> tuple[float, float]:
    """Middle and half width of one dimension; 0 and 1 where it is not bounded on both sides."""
    bounded = math.isfinite(low) and math.isfinite(high)
    return ((low + high) / 2, (high - low) / 2) if bounded else (0.0, 1.0)


class _Evaluate(torch.autograd.Function):
    """`Categorical.evaluate` of rows, by the kernels: it keeps nothing but its arguments for the way back."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, mask: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(logits, mask, action)
        return kernels.evaluate(logits, mask, action)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        saved: tuple[Tensor, Tensor, Tensor] = ctx.saved_tensors
        return kernels.evaluate_gradient(*saved, *gradients), None, None


def _masked(logits: Tensor, mask: Tensor) -> Tensor:
    """Logits with the illegal ones so low that their probability is exactly 0.

    Half the lowest number, so that subtracting the greatest logit stays finite, and 0 log 0 is 0.
    """
    return torch.where(mask, logits, torch.finfo(logits.dtype).min / 2)


def _log_softmax(logits: Tensor) -> Tensor:
    """torch.log_softmax, three times as quick on rows of a few choices."""
    shifted = logits - logits.detach().amax(-1, keepdim=True)
    return shifted - shifted.exp().sum(-1, keepdim=True).log()


def _entropy(log_probs: Tensor) -> Tensor:
    # Where the probability is 0 anyway: times a slope, half the lowest number would overflow.
    return -(log_probs.exp() * log_probs.clamp(min=-1e4)).sum(-1)


def _invert(weights: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
    """Drawn choices [N] and sums [N] of weights [A, N], by one uniform number a column."""
    cumulative = weights.cumsum(0)
    total = cumulative[-1]
    # A uniform number is at most 1 - eps/2, and so the threshold stays below the total when rounded.
    threshold = total * torch.rand(total.shape, generator=generator, dtype=total.dtype, device=total.device)
    return (cumulative <= threshold).sum(0), total


def _race(weights: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
    """As `_invert`, by an exponential race: argmax of weight over exponential noise. Sums in any order."""
    noise = torch.empty_like(weights).exponential_(generator=generator)
    return (weights / noise).argmax(0), weights.sum(0)
