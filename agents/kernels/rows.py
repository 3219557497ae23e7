"""Policies and returns, a few numbers a row: see rows.c."""

from __future__ import annotations

import torch
from torch import Tensor

from agents.kernels.compiled import FLOAT, INTEGER, LIBRARY, POINTER, function

_ROWS = (POINTER, INTEGER, POINTER, INTEGER)
"""Logits and mask, each with the numbers from one row to the next."""
_sample = function("categorical_sample", *_ROWS, POINTER, INTEGER, INTEGER, POINTER, POINTER)
_evaluate = function("categorical_evaluate", *_ROWS, POINTER, INTEGER, INTEGER, INTEGER, POINTER, POINTER)
_evaluate_gradient = function(
    "categorical_gradient", *_ROWS, *[POINTER, INTEGER, POINTER, POINTER, INTEGER, INTEGER, POINTER]
)
_vtrace = function("vtrace", *[POINTER] * 6, *[FLOAT] * 4, INTEGER, INTEGER, POINTER, POINTER)
MOST_CHOICES = 1 << 14
"""Sixteen rows of them lie on the stack, twice, and take 2 MB of the usual 8 then."""


def serve(*tensors: Tensor) -> bool:
    """Whether the functions below can work on these: float32 in this machine's memory, and C was compiled."""
    return LIBRARY is not None and all(t.dtype is torch.float32 and t.is_cpu for t in tensors)


def serve_choices(logits: Tensor) -> bool:
    """The same of logits [..., A]; there are no more than `MOST_CHOICES`."""
    return serve(logits) and logits.shape[-1] <= MOST_CHOICES


def sample(logits: Tensor, mask: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
    """Choices drawn by inverting the cumulative distribution, and their log-probabilities.

    logits: [N, A]; mask: bool [N, A]; uniform: [N] in [0, 1). Returns int64 [N], float32 [N].
    """
    n, choices = logits.shape
    action, log_prob = torch.empty(n, dtype=torch.int64), torch.empty(n)
    rows, _kept = _pointers(logits, mask)
    _sample(*rows, uniform.data_ptr(), n, choices, action.data_ptr(), log_prob.data_ptr())
    return action, log_prob


def evaluate(logits: Tensor, mask: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probability [N] of int64 actions [N], and entropy [N] in nats; logits, mask as in `sample`."""
    n, choices = logits.shape
    log_prob, entropy = torch.empty(n), torch.empty(n)
    rows, _kept = _pointers(logits, mask)
    _evaluate(*rows, action.data_ptr(), action.stride(0), n, choices, log_prob.data_ptr(), entropy.data_ptr())
    return log_prob, entropy


def evaluate_gradient(
    logits: Tensor, mask: Tensor, action: Tensor, for_log_prob: Tensor, for_entropy: Tensor
) -> Tensor:
    """Gradient [N, A] for the logits of `evaluate`, from that for its results, [N] each.

    d log p_a / d z_k = 1[k = a] - p_k and d H / d z_k = -p_k (log p_k + H); 0 for illegal choices.
    """
    n, choices = logits.shape
    gradient = torch.empty(n, choices)
    for_log_prob, for_entropy = for_log_prob.contiguous(), for_entropy.contiguous()
    rows, _kept = _pointers(logits, mask)
    _evaluate_gradient(
        *rows, action.data_ptr(), action.stride(0), for_log_prob.data_ptr(), for_entropy.data_ptr(),
        n, choices, gradient.data_ptr(),
    )  # fmt: skip
    return gradient


def vtrace(
    log_rhos: Tensor,
    discounts: Tensor,
    rewards: Tensor,
    values: Tensor,
    bootstrap_value: Tensor,
    decisions: Tensor | None,
    rho_bar: float,
    c_bar: float,
    pg_rho_bar: float,
    lam: float,
) -> tuple[Tensor, Tensor]:
    """Targets and advantages, [T, B] each, of arguments as in `returns.vtrace`."""
    steps, columns = values.shape
    given = [t.contiguous() for t in (log_rhos, discounts, rewards, values, bootstrap_value)]
    decided = None if decisions is None else decisions.contiguous()
    vs, advantages = torch.empty(steps, columns), torch.empty(steps, columns)
    _vtrace(
        *(t.data_ptr() for t in given), None if decided is None else decided.data_ptr(),
        rho_bar, c_bar, pg_rho_bar, lam, steps, columns, vs.data_ptr(), advantages.data_ptr(),
    )  # fmt: skip
    return vs, advantages


def _pointers(logits: Tensor, mask: Tensor) -> tuple[tuple[int, int, int, int], tuple[Tensor, Tensor]]:
    """Addresses and row strides, and what must stay alive during the call: rows must be dense."""
    if logits.stride(1) != 1:
        logits = logits.contiguous()
    if mask.stride(1) != 1:
        mask = mask.contiguous()
    return (logits.data_ptr(), logits.stride(0), mask.data_ptr(), mask.stride(0)), (logits, mask)
