"""What this process makes of the machine: threads, memory, number formats."""

from __future__ import annotations

import ctypes
import os
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from itertools import count
from queue import SimpleQueue
from threading import Semaphore, Thread
from typing import Any, TypeVar

import torch
from torch import Tensor

from agents.config import Precision

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


def keep_to(core: int | None) -> None:
    """Let the calling thread run on this core alone, where the system can do that; None for any core.

    Where there are as many busy threads as cores, moving between them costs more than it can win: what a
    thread had in its caches is lost.
    """
    if core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})


class Crew:
    """Threads of this process that compute side by side.

    Nobody is given a share: whoever is free takes the next item. So a thread that the system lets wait,
    because other processes have the cores, holds nobody up: the caller does its part as well.
    """

    def __init__(self, threads: int) -> None:
        """threads: the caller's own among them, so that 1 is nobody else."""
        self.threads = threads
        self._jobs: list[SimpleQueue[_Job]] = [SimpleQueue() for _ in range(threads - 1)]
        for jobs in self._jobs:
            Thread(target=_help, args=(jobs,), name="crew", daemon=True).start()

    def map(self, work: Callable[[Item], Done], items: Sequence[Item]) -> list[Done]:
        """`work` of every item, in their order. Raises what the first of them raised."""
        if not self._jobs or len(items) < 2:
            return [work(item) for item in items]
        job = _Job(work, items)
        for jobs in self._jobs:
            jobs.put(job)
        return job.finish()


class _Job:
    """Items that several threads take one after the other."""

    def __init__(self, work: Callable[[Any], Any], items: Sequence[Any]) -> None:
        self._work = work
        self._items = items
        self._next = count()
        self._done: dict[int, Any] = {}
        self._ended = Semaphore(0)
        """Counts the items that others have ended."""

    def take_part(self) -> int:
        """Work until no item is left; how many it were."""
        worked = 0
        while (index := next(self._next)) < len(self._items):
            try:
                self._done[index] = self._work(self._items[index])
            except BaseException as error:  # raised by `finish`, in the caller's thread
                self._done[index] = error
            worked += 1
        return worked

    def help(self) -> None:
        """Take part, and tell whoever waits."""
        if worked := self.take_part():
            self._ended.release(worked)

    def finish(self) -> list[Any]:
        """Take part, and wait for what others have taken."""
        for _ in range(len(self._items) - self.take_part()):
            self._ended.acquire()
        done = [self._done[index] for index in range(len(self._items))]
        for result in done:
            if isinstance(result, BaseException):
                raise result
        return done


def _help(jobs: SimpleQueue[_Job]) -> None:
    torch.set_num_threads(1)
    while True:
        jobs.get().help()


ALONE = Crew(1)
"""The caller's thread, and no other."""


@cache
def bfloat16_pays() -> bool:
    """Whether the processor multiplies bfloat16 matrices in hardware; elsewhere they are emulated, slowly."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def autocast(rows: int, few: int = FEW_ROWS, *, precision: Precision = Precision.AUTO) -> torch.autocast:
    """Matrix products in bfloat16 where that pays: the processor has it, and there are rows enough.

    precision: float32 forbids it. Weights, losses and sums stay float32.
    """
    # No cache of cast weights: it would be shared by all threads, and cleared by whoever leaves first.
    enabled = precision is not Precision.FLOAT32 and rows >= few and bfloat16_pays()
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
