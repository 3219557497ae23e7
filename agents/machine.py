"""What this process makes of the machine: threads, memory, number formats."""

from __future__ import annotations

import ctypes
import warnings
from functools import cache

import torch
from torch import Tensor

FEW_ROWS = 512
"""Batches below this compute in float32, at their own size."""
ROUNDED_TO = 128
"""Larger batches are filled up to a multiple of this."""

_M_MMAP_MAX, _M_TRIM_THRESHOLD = -4, -1
"""glibc's names for what mallopt sets."""


def settle() -> None:
    """Make this process one that computes. Call it once, before the first tensor.

    One thread: the processes of a run fill the cores by themselves, and two threads that wait for each
    other collapse as soon as somebody else wants a core. And malloc keeps large buffers: by default it
    gives each back to the kernel and faults its pages in again, which halves the rate of large batches.
    And torch is not to warn that what comes out of shared memory is read-only: nobody writes to it.
    """
    warnings.filterwarnings("ignore", "The given NumPy array is not writable")
    torch.set_num_threads(1)
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


@cache
def bfloat16_pays() -> bool:
    """Whether the processor multiplies bfloat16 matrices in hardware; elsewhere they are emulated, slowly."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def autocast(rows: int) -> torch.autocast:
    """Matrix products in bfloat16 where that pays: the processor has it, and there are rows enough.

    Weights, losses and sums stay float32. Below `FEW_ROWS` casting the weights costs more than it saves.
    """
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=rows >= FEW_ROWS and bfloat16_pays())


def round_rows(rows: int) -> int:
    """How many rows to compute where `rows` are wanted.

    The library behind bfloat16 products compiles and keeps code for every shape that it meets: with a
    shape of its own for every batch it spends 1 GB and half of its time on that.
    """
    return rows if rows < FEW_ROWS else -(-rows // ROUNDED_TO) * ROUNDED_TO


def pad(x: Tensor, rows: int) -> Tensor:
    """`x` with its first rows repeated at the end, until there are `rows`."""
    return x if len(x) == rows else torch.cat([x, x[: rows - len(x)]])
