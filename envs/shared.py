"""The arrays of a `Step` in memory that several processes share."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Iterator

import numpy as np

from envs.game import Array, GameSpec, Step

_ALIGNED = 64
"""Bytes: every array begins on a cache line of its own."""


def new_file() -> int:
    """A descriptor of an empty file without a name, in memory where the system offers that."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("step")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


class SharedStep:
    """What all copies show, and the actions to play, in a file that every process maps."""

    def __init__(self, file: int, spec: GameSpec, copies: int) -> None:
        """file: from `new_file`, perhaps by way of another process; it may be closed afterwards."""
        fields = list(_fields(spec, copies))
        offsets, end = [], 0
        for _, shape, dtype in fields:
            offsets.append(end)
            size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
            end += -(-size // _ALIGNED) * _ALIGNED
        os.ftruncate(file, end)
        memory = mmap.mmap(file, end)
        self._arrays: dict[str, Array] = {
            name: np.ndarray(shape, dtype, memory, offset)
            for (name, shape, dtype), offset in zip(fields, offsets, strict=True)
        }

    @property
    def actions(self) -> Array:
        """[C, K, ...] what is to be played."""
        return self._arrays["actions"]

    def publish(self, step: Step, copies: slice) -> None:
        """Write a step of these copies alone into their rows."""
        for name, array in self._arrays.items():
            rows = getattr(step, name, None)
            if rows is not None:
                array[copies] = rows

    def collect(self, step: Step, copies: slice) -> None:
        """Read the rows of these copies into a step of all."""
        for name, array in self._arrays.items():
            rows = getattr(step, name, None)
            if rows is not None:
                rows[copies] = array[copies]


def _fields(spec: GameSpec, copies: int) -> Iterator[tuple[str, tuple[int, ...], str]]:
    """Name, shape and dtype of every array; the names are those of `Step`, but for the actions."""
    slots, seats = (copies, spec.slots), (copies, len(spec.seats))
    row = spec.observation
    yield "actions", (*slots, *spec.action_shape), spec.action_dtype
    yield "seat", slots, "int64"
    yield "acting", slots, "bool"
    yield "observation", (*slots, *row.shape), row.dtype
    yield "mask", (*slots, spec.choices), "bool"
    yield "reward", seats, "float32"
    yield "terminated", seats, "bool"
    yield "truncated", seats, "bool"
    yield "over", (copies,), "bool"
    yield "final_observation", (*seats, *row.shape), row.dtype
    if spec.state is not None:
        yield "state", (copies, *spec.state.shape), spec.state.dtype
        yield "final_state", (copies, *spec.state.shape), spec.state.dtype
