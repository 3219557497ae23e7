"""What this process makes of the machine: threads, memory, number formats."""

from __future__ import annotations

import ctypes
from functools import cache

import torch

_M_MMAP_MAX, _M_TRIM_THRESHOLD = -4, -1
"""glibc's names for what mallopt sets."""


def settle() -> None:
    """Make this process one that computes. Call it once, before the first tensor.

    One thread: the processes of a run fill the cores by themselves, and two threads that wait for each
    other collapse as soon as somebody else wants a core. And malloc keeps large buffers: by default it
    gives each back to the kernel and faults its pages in again, which halves the rate of large batches.
    """
    torch.set_num_threads(1)
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


@cache
def bfloat16_pays() -> bool:
    """Whether the processor multiplies bfloat16 matrices in hardware; elsewhere they are emulated, slowly."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def autocast() -> torch.autocast:
    """Matrix products in bfloat16 where that pays; weights, losses and sums stay float32."""
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16_pays())
