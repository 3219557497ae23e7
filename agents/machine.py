"""What this process makes of the machine: threads, memory, number formats."""

from __future__ import annotations

import ctypes
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import torch
from torch import Tensor

Item = TypeVar("Item")
Done = TypeVar("Done")

FEW_ROWS = 512
"""Batches to learn from that are below this compute in float32: casting the weights would cost more."""
VERY_FEW_ROWS = 64
"""Rows to act in below this compute in float32, at their own number; weights are cast already."""

_M_MMAP_MAX, _M_TRIM_THRESHOLD, _M_ARENA_MAX = -4, -1, -8
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
        libc.mallopt(_M_ARENA_MAX, 1)  # those of other threads would give their memory back all the same


class Crew:
    """Threads of this process that compute side by side, each on a core of its own."""

    def __init__(self, threads: int) -> None:
        """threads: the caller's own among them, so that 1 is nobody else."""
        self._others = ThreadPoolExecutor(threads - 1, thread_name_prefix="crew") if threads > 1 else None

    def map(self, work: Callable[[Item], Done], items: Sequence[Item]) -> list[Done]:
        """`work` of every item, in their order."""
        if self._others is None or len(items) < 2:
            return [work(item) for item in items]
        begun = [self._others.submit(work, item) for item in items[1:]]
        return [work(items[0]), *(done.result() for done in begun)]


ALONE = Crew(1)
"""The caller's thread, and no other."""


@cache
def bfloat16_pays() -> bool:
    """Whether the processor multiplies bfloat16 matrices in hardware; elsewhere they are emulated, slowly."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def autocast(rows: int, few: int = FEW_ROWS) -> torch.autocast:
    """Matrix products in bfloat16 where that pays: the processor has it, and there are rows enough.

    Weights, losses and sums stay float32.
    """
    # No cache of cast weights: it would be shared by all threads, and cleared by whoever leaves first.
    enabled = rows >= few and bfloat16_pays()
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled, cache_enabled=False)


def round_rows(rows: int) -> int:
    """How many rows to compute where `rows` are wanted to act in.

    The library behind bfloat16 products compiles and keeps code for every shape that it meets: with a
    shape of its own for every batch it spends 1 GB and half of its time on that.
    """
    if rows < VERY_FEW_ROWS:
        return rows
    step = 32 if rows < FEW_ROWS else 128
    return -(-rows // step) * step


def pad(x: Tensor, rows: int) -> Tensor:
    """`x` with its first rows repeated at the end, until there are `rows`."""
    return x if len(x) == rows else torch.cat([x, x[: rows - len(x)]])
