"""What happens to batches between their arrival and an update.

    put(batch) ──> take ──> sample ──> update ──> reprioritize ──> the next sample ──> ...

    Queue      every batch once, in order
    Circular   every batch several times, a few batches in turn
    Replay     columns are kept for long, and drawn by chance: see agents/replay.py

A buffer holds no random generator: what it does follows from its state, what is put, and the one that it is
given.
"""

from __future__ import annotations

from ast import literal_eval
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from agents.trajectory import Trajectory, as_blocks

Tensors = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Sample:
    """What one update is made of."""

    batch: Trajectory
    weights: npt.NDArray[np.float32] | None = None
    """[B] importance weights of its columns; None where all are 1."""
    index: npt.NDArray[np.int64] | None = None
    """[B] where they lie in a replay, for `reprioritize`; None where they lie in none."""


class Buffer(Protocol):
    """Takes batches in, and says what to train on."""

    def put(self, batch: Trajectory) -> None:
        """A batch arrived. It may be overwritten once the `take` that follows was gone through."""

    def take(self, generator: np.random.Generator) -> Iterator[Sample]:
        """All that is to be trained on now: one sample, and the next one only when it is asked for."""

    def reprioritize(self, index: npt.NDArray[np.int64], priorities: npt.NDArray[np.float32]) -> None:
        """How much there was to learn from a sample: [B], not negative. Most buffers do not ask."""
        return

    def clear(self) -> None:
        """Forget all that was put."""

    def state(self) -> Tensors:
        """Everything, between two calls of `take`: plain arrays, which may share memory with the buffer."""

    def load_state(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """The inverse of `state`, into a buffer to which nothing was put yet."""


class Queue(Buffer):
    """Every batch once, in the order of arrival."""

    def __init__(self) -> None:
        self._waiting: deque[Trajectory] = deque()

    def put(self, batch: Trajectory) -> None:
        self._waiting.append(batch)

    def take(self, generator: np.random.Generator) -> Iterator[Sample]:
        while self._waiting:
            yield Sample(self._waiting.popleft())

    def clear(self) -> None:
        self._waiting.clear()

    def state(self) -> Tensors:
        return _pack("waiting", enumerate(self._waiting))

    def load_state(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        self._waiting.extend(_unpack("waiting", state).values())


@dataclass
class _Slot:
    """A batch that is held, and how often it is still to be gone over."""

    batch: Trajectory
    left: int


class Circular(Buffer):
    """IMPACT's circular buffer (Luo et al. 2020, section 3.2): N batches in turn, each of them K times.

    A batch that was gone over K times makes room for a new one when its turn comes, and all wait until that
    is there: nothing is dropped. One slot and M minibatches are the epochs of PPO (Schulman et al. 2017).
    """

    def __init__(self, batches: int, passes: int, minibatches: int = 1, *, ramp_up: bool = False) -> None:
        """batches: N. passes: K. minibatches: M, samples of a pass, each of other columns at random; 1 leaves
        the batch as it is.

        ramp_up: whether the first K batches are gone over 1, 2, ... K times, as in RLlib.
        """
        self._slots: list[_Slot | None] = [None] * batches
        self._passes = passes
        self._minibatches = minibatches
        self._ramp_up = ramp_up
        self._turn = 0
        """Slot to go over next."""
        self._placed = 0
        """Batches that came into a slot so far."""
        self._waiting: deque[Trajectory] = deque()

    def put(self, batch: Trajectory) -> None:
        outlives_take = len(self._slots) > 1
        self._waiting.append(batch.select(np.arange(batch.columns)) if outlives_take else batch)

    def take(self, generator: np.random.Generator) -> Iterator[Sample]:
        while (slot := self._filled(self._turn)) is not None:
            slot.left -= 1
            self._turn = (self._turn + 1) % len(self._slots)
            if self._minibatches == 1:
                yield Sample(slot.batch)
                continue
            order = generator.permutation(slot.batch.columns)
            for part in np.array_split(order, min(self._minibatches, len(order))):
                yield Sample(slot.batch.select(part))

    def clear(self) -> None:
        self._slots = [None] * len(self._slots)
        self._waiting.clear()
        self._turn = self._placed = 0

    def state(self) -> Tensors:
        held = [(at, slot.batch) for at, slot in enumerate(self._slots) if slot is not None and slot.left]
        left = [0 if slot is None else slot.left for slot in self._slots]
        counters = np.array([self._turn, self._placed, *left])
        return {"counters": counters, **_pack("held", held), **_pack("waiting", enumerate(self._waiting))}

    def load_state(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        self._turn, self._placed, *left = state["counters"].tolist()
        for at, batch in _unpack("held", state).items():
            self._slots[at] = _Slot(batch, left[at])
        self._waiting.extend(_unpack("waiting", state).values())

    def _filled(self, at: int) -> _Slot | None:
        """The slot, with a new batch where its own was gone over often enough; None where none arrived."""
        slot = self._slots[at]
        if slot is None or not slot.left:
            if not self._waiting:
                return None
            self._placed += 1
            passes = min(self._placed, self._passes) if self._ramp_up else self._passes
            slot = self._slots[at] = _Slot(self._waiting.popleft(), passes)
        return slot


def as_bytes(rows: npt.NDArray[np.void]) -> npt.NDArray[np.uint8]:
    """[..., n] records as [..., n * their size], since files know no records; where it can be, a view."""
    return np.ascontiguousarray(as_blocks(rows)).view(np.uint8)


def describe(dtype: np.dtype[np.void]) -> npt.NDArray[np.uint8]:
    """A record's fields, as bytes; `described` reads them."""
    return np.frombuffer(repr(np.lib.format.dtype_to_descr(dtype)).encode(), np.uint8)


def described(text: npt.NDArray[np.uint8]) -> np.dtype[np.void]:
    """The inverse of `describe`."""
    return np.lib.format.descr_to_dtype(literal_eval(text.tobytes().decode()))


def _pack(name: str, batches: Iterable[tuple[int, Trajectory]]) -> Tensors:
    """Numbered batches as plain arrays."""
    tensors: Tensors = {}
    for number, batch in batches:
        tensors[f"{name}.{number}.fields"] = describe(batch.rows.dtype)
        tensors[f"{name}.{number}.rows"] = as_bytes(batch.rows)
        tensors[f"{name}.{number}.place"] = batch.place
        if batch.core is not None:
            tensors[f"{name}.{number}.core"] = batch.core
    return tensors


def _unpack(name: str, tensors: Mapping[str, npt.NDArray[Any]]) -> dict[int, Trajectory]:
    """The inverse of `_pack`, in the order of the numbers."""
    batches = {}
    rows_of = [key for key in tensors if key.startswith(f"{name}.") and key.endswith(".rows")]
    for number in sorted(int(key.split(".")[1]) for key in rows_of):
        at = f"{name}.{number}"
        rows = tensors[f"{at}.rows"].view(described(tensors[f"{at}.fields"]))
        batches[number] = Trajectory(rows, tensors[f"{at}.place"], tensors.get(f"{at}.core"))
    return batches
