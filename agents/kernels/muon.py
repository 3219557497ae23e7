"""A step of Muon in one call, its products in bfloat16: see muon.c."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from agents.kernels.compiled import FLOAT, INTEGER, LIBRARY, POINTER
from agents.kernels.dense import WORKS


class _Step(ctypes.Structure):
    """`Step` of muon.c."""

    _fields_ = [
        *[(name, POINTER) for name in ("parameter", "momentum", "gradient")],
        *[(name, INTEGER) for name in ("rows", "width", "rounds")],
        *[(name, FLOAT) for name in ("keep", "a", "b", "c", "rate")],
    ]


if LIBRARY is not None:
    LIBRARY.muon_step.argtypes, LIBRARY.muon_step.restype = [ctypes.POINTER(_Step)], ctypes.c_int


def serves(*tensors: Tensor) -> bool:
    """Whether `step` can work on these: float32 in one piece in this machine's memory."""
    return WORKS and all(t.is_cpu and t.dtype is torch.float32 and t.is_contiguous() for t in tensors)


def step(
    parameter: Tensor,
    gradient: Tensor,
    momentum: Tensor,
    *,
    keep: float,
    coefficients: tuple[float, float, float],
    rounds: int,
    rate: float,
) -> None:
    """What `agents.optimizer.muon` does, in place. All are [rows, ...], the axes after the first as one.

    keep: of the momentum. coefficients, rounds: of Newton-Schulz. rate: learning rate times scale.
    """
    rows = len(parameter)
    places = parameter.data_ptr(), momentum.data_ptr(), gradient.data_ptr()
    call = _Step(*places, rows, parameter.numel() // rows, rounds, keep, *coefficients, rate)
    if LIBRARY is None or LIBRARY.muon_step(call):
        raise MemoryError("no memory for a step of Muon")
