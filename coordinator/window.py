"""Memory that one actor shares with the learner process on the same machine.

    slots    the actor copies a batch into a free slot and sends only where it lies; the learner reads it
             there, and frees the slot once it has trained on it
    board    the learner writes every new version of the weights; the actor looks whenever it likes

Nobody locks and nobody waits. A slot's state is one byte that either side writes in turn. A version on the
board goes with a checksum: a reader that meets a half-written one leaves it for the next time. The file's
name is gone as soon as both have opened it, so that nothing is left when they are killed; what is left where
one was killed before that goes when the next learner process starts.
"""

from __future__ import annotations

import mmap
import os
import tempfile
import time
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from agents.policy import Weights
from agents.trajectory import Trajectory

MOST_SLOTS = 24
MOST_BYTES = 256 * 2**20
"""Of all slots together: batches that are larger than a few of these travel another way."""
FEWEST_SLOTS = 4
_LINE = 64
FREE, TAKEN = 0, 1
_PREFIX = "league-window-"
OFFER_SECONDS = 60.0
"""A window has a name for less than this: half of it is as long as its maker waits for an answer."""


@dataclass(frozen=True)
class WindowLayout:
    """Where things lie in a window."""

    slots: int
    slot_bytes: int
    boards: tuple[tuple[str, int], ...]
    """Players and the numbers in their weights."""

    @property
    def size(self) -> int:
        """Bytes in all."""
        return self.offset(self.slots)

    def board(self, player: str) -> tuple[int, int]:
        """Where a player's board begins, and how many numbers its weights have."""
        at = _lines(self.slots)
        for name, numbers in self.boards:
            if name == player:
                return at, numbers
            at += _lines(16 + 4 * numbers)
        raise KeyError(player)

    def offset(self, slot: int) -> int:
        """Where a slot begins."""
        boards = sum(_lines(16 + 4 * numbers) for _, numbers in self.boards)
        return _lines(self.slots) + boards + slot * self.slot_bytes


class Parcel(NamedTuple):
    """A batch that lies in a slot."""

    slot: int
    shape: tuple[int, ...]
    dtype: np.dtype[np.void]
    place: tuple[int, ...]
    core: tuple[int, ...] | None


def layout_for(batch: Trajectory, weights: Mapping[str, int]) -> WindowLayout | None:
    """Room for many batches like this one; None where it is too large for that."""
    size = _lines(batch.rows.nbytes) + _lines(batch.place.nbytes)
    size += _lines(0 if batch.core is None else batch.core.nbytes)
    slots = min(MOST_SLOTS, MOST_BYTES // size)
    return None if slots < FEWEST_SLOTS else WindowLayout(slots, size, tuple(weights.items()))


class Window:
    """Either side's view of the memory."""

    def __init__(self, path: Path, layout: WindowLayout, *, create: bool) -> None:
        """Raises OSError where there is no such file, or no room for one."""
        flags = os.O_RDWR | (os.O_CREAT | os.O_EXCL if create else 0)
        file = os.open(path, flags, 0o600)
        try:
            if create:  # a full file system says so here, and not by a signal when memory is touched
                os.posix_fallocate(file, 0, layout.size)
            memory = mmap.mmap(file, layout.size)
        except (OSError, ValueError):
            if create:
                path.unlink(missing_ok=True)
            raise
        finally:
            os.close(file)
        self._layout = layout
        self._bytes: npt.NDArray[np.uint8] = np.frombuffer(memory, np.uint8)
        self._states = self._bytes[: layout.slots]

    def put(self, batch: Trajectory) -> Parcel | None:
        """Copy a batch into a free slot; None where none is free, or it is larger than a slot."""
        free = np.flatnonzero(self._states == FREE)
        parts = [batch.rows, batch.place, *([] if batch.core is None else [batch.core])]
        if not free.size or sum(_lines(part.nbytes) for part in parts) > self._layout.slot_bytes:
            return None
        slot = int(free[0])
        at = self._layout.offset(slot)
        for part in parts:
            # As bytes: numpy copies records field by field.
            self._bytes[at : at + part.nbytes] = np.ascontiguousarray(part).reshape(-1).view(np.uint8)
            at += _lines(part.nbytes)
        self._states[slot] = TAKEN
        core = None if batch.core is None else batch.core.shape
        return Parcel(slot, batch.rows.shape, batch.rows.dtype, batch.place.shape, core)

    def look(self, parcel: Parcel) -> Trajectory:
        """The batch where it lies; it is good until `free`."""
        at = self._layout.offset(parcel.slot)
        rows = self._array(at, parcel.shape, parcel.dtype)
        at += _lines(rows.nbytes)
        place = self._array(at, parcel.place, np.dtype(np.int64))
        at += _lines(place.nbytes)
        core = None if parcel.core is None else self._array(at, parcel.core, np.dtype(np.float32))
        return Trajectory(rows, place, core)

    def free(self, parcel: Parcel) -> None:
        """Nobody reads the batch any more."""
        self._states[parcel.slot] = FREE

    def write(self, player: str, weights: Weights, version: int) -> None:
        """Put a new version on the board."""
        at, numbers = self._layout.board(player)
        heading = self._array(at, (2,), np.dtype(np.int64))
        self._array(at + 16, (numbers,), np.dtype(np.float32))[:] = weights
        heading[:] = version, zlib.crc32(weights.data, version & 0xFFFFFFFF)

    def read(self, player: str, known: int | None) -> tuple[Weights, int] | None:
        """The version on the board, where it is whole and another than the known one."""
        at, numbers = self._layout.board(player)
        version, checksum = self._array(at, (2,), np.dtype(np.int64)).tolist()
        if version == known:
            return None
        weights: Weights = self._array(at + 16, (numbers,), np.dtype(np.float32)).copy()
        whole = zlib.crc32(weights.data, version & 0xFFFFFFFF) == checksum
        return (weights, version) if whole else None

    def _array(self, at: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
        return np.ndarray(shape, dtype, self._bytes.data, at)


def new_path() -> Path:
    """A name for a window that nobody has."""
    return _memory() / f"{_PREFIX}{os.urandom(12).hex()}"


def clear_leftovers() -> None:
    """Delete the windows of processes that were killed before the other side had opened theirs.

    By their age: whose process lives cannot be seen from within a container. What is another user's stays.
    """
    for path in _memory().glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > OFFER_SECONDS:
                path.unlink()


def _memory() -> Path:
    """A folder in memory, where the system has one for everybody."""
    memory = Path("/dev/shm")
    return memory if os.access(memory, os.W_OK) else Path(tempfile.gettempdir())


def _lines(size: int) -> int:
    """Bytes up to a whole line of the processor's cache."""
    return -(-size // _LINE) * _LINE
