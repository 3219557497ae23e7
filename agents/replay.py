"""Prioritized replay: columns are kept for long, and those from which most is to be learnt are drawn most.

    chance of entry i     P_i = p_i^alpha / sum_j p_j^alpha             (Schaul et al. 2016, equation 1)
    importance weight     w_i = (N P_i)^-beta / largest w of the sample (section 3.4)

An *entry* is a whole column, as sequences in R2D2 (Kapturowski et al. 2019), or a *window* of some rows of
one, as transitions of n steps in Ape-X (Horgan et al. 2018). Columns are numbered as they come; number n lies
in slot n mod capacity, so that the newest takes the place of the oldest, and its number tells whether a
column is still there. A sample's `index` is n * windows + t, for the window of column n that begins at row t.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from agents.buffers import Buffer, Sample, Tensors, as_bytes, describe, described
from agents.errors import AgentError
from agents.sum_tree import SumTree
from agents.trajectory import Records, Trajectory, as_blocks

LEAST_PRIORITY = 1e-6
"""Nothing that can be learnt from is quite without a chance."""

Initial = Callable[[Trajectory], npt.NDArray[np.float32]]
"""Batch -> priorities of its entries: [B], or [B, windows]."""


class Replay(Buffer):
    """Columns of one player, drawn by priority."""

    def __init__(
        self,
        *,
        capacity: int,
        least: int,
        batch: int,
        ratio: float,
        window: int | None = None,
        burn_in: int = 0,
        priority_exponent: float,
        importance_exponent: float,
        initial: Initial | None = None,
    ) -> None:
        """capacity: columns that are kept. least: columns that come before any is drawn.

        batch: entries in a sample.
        ratio: entries drawn for every one that came after those columns, and has a decision to train on.
        window: n; an entry is n + 1 rows, the first of which is trained. For every decision to be in one,
            columns must overlap by n - 1 and go on across the ends of episodes. None: an entry is a column,
            whose rows from `burn_in` to T-1 are trained.
        priority_exponent: alpha; 0 draws all alike. importance_exponent: beta; 0 weighs all alike.
        initial: first priorities; None for the largest that `reprioritize` was told of, 1 before that.
        """
        self._capacity = capacity
        self._least = least
        self._batch = batch
        self._ratio = ratio
        self._window = window
        self._burn_in = burn_in
        self._alpha = priority_exponent
        self._beta = importance_exponent
        self._initial = initial
        self._arrived = 0
        """Columns that ever came: the number of the next one."""
        self._forgotten = 0
        """Columns that had come when all was forgotten."""
        self._owed = 0.0
        """Entries that are to be drawn."""
        self._largest = 1.0
        self._kept: _Kept | None = None

    def put(self, batch: Trajectory) -> None:
        """Keep a copy of the columns. Raises ValueError where there are no such windows in them."""
        kept = self._kept = self._kept or _Kept.like(batch, self._capacity, self._window)
        weights = self._first_weights(batch, kept.windows)
        counted = weights[max(0, self._least - (self._arrived - self._forgotten)) :]
        self._owed += self._ratio * np.count_nonzero(counted)
        numbers = np.arange(self._arrived, self._arrived + batch.columns)
        kept.write(numbers % self._capacity, batch, weights)
        self._arrived += batch.columns

    def take(self, generator: np.random.Generator) -> Iterator[Sample]:
        """As many samples as are owed."""
        while self._kept is not None and self._owed >= self._batch and self._kept.tree.total > 0.0:
            self._owed -= self._batch
            yield self._draw(self._kept, generator)

    def reprioritize(self, index: npt.NDArray[np.int64], priorities: npt.NDArray[np.float32]) -> None:
        """See `Buffer`. Passes over columns that are gone by now, and numbers that are not finite."""
        if self._kept is None:
            return
        oldest = max(self._forgotten, self._arrived - self._capacity)
        good = (index >= oldest * self._kept.windows) & np.isfinite(priorities)
        entries = index[good] % (self._capacity * self._kept.windows)
        if entries.size:
            self._largest = max(self._largest, float(priorities[good].max()))
            self._kept.tree.set(entries, self._weights(priorities[good]))

    def clear(self) -> None:
        if self._kept is not None:
            self._kept.tree.clear()
        self._forgotten = self._arrived
        self._owed, self._largest = 0.0, 1.0

    def state(self) -> Tensors:
        counters = np.array([self._capacity, self._arrived, self._forgotten])
        tensors: Tensors = {"counters": counters, "figures": np.array([self._owed, self._largest])}
        if self._kept is not None:
            tensors |= self._kept.state(min(self._arrived, self._capacity))
        return tensors

    def load_state(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """See `Buffer`. Raises AgentError where it was made by another configuration."""
        capacity, self._arrived, self._forgotten = state["counters"].tolist()
        if capacity != self._capacity:
            raise AgentError(
                f"the checkpoint's replay keeps {capacity} columns, but this configuration's {self._capacity}"
            )
        self._owed, self._largest = state["figures"].tolist()
        if "rows" in state:
            self._kept = _Kept.load(state, self._capacity, self._window)

    def _first_weights(self, batch: Trajectory, windows: int) -> npt.NDArray[np.float64]:
        """[B, windows] of entries that come; 0 where there is no decision to train on."""
        acting: npt.NDArray[np.bool_] = np.any(batch.acting, 2)
        whole = self._window is None
        trains = np.any(acting[self._burn_in : -1], 0)[:, None] if whole else acting[:windows].T
        priorities = np.full(trains.shape, self._largest)
        if self._initial is not None:
            given = self._initial(batch).reshape(trains.shape)
            priorities = np.where(np.isfinite(given), given, priorities)
        return np.where(trains, self._weights(priorities), 0.0)

    def _weights(self, priorities: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """p^alpha"""
        weights: npt.NDArray[np.float64] = np.maximum(priorities, LEAST_PRIORITY, dtype=float) ** self._alpha
        return weights

    def _draw(self, kept: _Kept, generator: np.random.Generator) -> Sample:
        """The sum of all weights in as many equal parts, and one entry out of each (appendix B.2.1)."""
        parts = np.arange(self._batch) + generator.random(self._batch)
        entries = kept.tree.find(parts * (kept.tree.total / self._batch))
        weights = None
        if self._alpha and self._beta:
            # The sum of all, and N, are gone once the weights are divided by their largest.
            chances = kept.tree.weights(entries)
            weights = ((chances.min() / chances) ** self._beta).astype(np.float32)
        slots, first_rows = np.divmod(entries, kept.windows)
        newest = self._arrived - 1
        numbers = newest - (newest - slots) % self._capacity
        batch = kept.read(slots, first_rows, self._window)
        return Sample(batch, weights, numbers * kept.windows + first_rows)


@dataclass
class _Kept:
    """Slots with a column in each, and the weights of their entries, p^alpha, in the same order."""

    rows: Records
    """[capacity, T+1]"""
    place: npt.NDArray[np.int64]
    """[capacity, S]"""
    core: npt.NDArray[np.float32] | None
    """[capacity, S, 2, H]"""
    windows: int
    """Entries in a column."""
    tree: SumTree

    @classmethod
    def like(cls, batch: Trajectory, capacity: int, window: int | None) -> _Kept:
        """Empty, for columns like these."""
        windows, core = _windows(batch.unroll, window), None
        if batch.core is not None:
            if window is not None:
                raise ValueError("windows of columns whose recurrent state is kept before row 0 only")
            core = _reserve((capacity, *batch.core.shape[1:]), batch.core.dtype)
        return cls(
            rows=_reserve((capacity, batch.unroll + 1), batch.rows.dtype),
            place=_reserve((capacity, batch.place.shape[1]), batch.place.dtype),
            core=core,
            windows=windows,
            tree=SumTree(capacity * windows),
        )

    def write(
        self, slots: npt.NDArray[np.int64], batch: Trajectory, weights: npt.NDArray[np.float64]
    ) -> None:
        """Put columns into slots; of several for one, the last stays. weights: [B, windows]"""
        as_blocks(self.rows)[slots] = as_blocks(batch.rows).T
        self.place[slots] = batch.place
        if self.core is not None:
            self.core[slots] = batch.core
        entries = slots[:, None] * self.windows + np.arange(self.windows)
        self.tree.set(entries.ravel(), weights.ravel())

    def read(
        self, slots: npt.NDArray[np.int64], first_rows: npt.NDArray[np.int64], window: int | None
    ) -> Trajectory:
        """A copy of columns, or of windows of them that begin at these rows."""
        length = self.rows.shape[1]
        count = length if window is None else window + 1
        at = slots * length + first_rows + np.arange(count)[:, None]
        rows = as_blocks(self.rows).reshape(-1)[at].view(self.rows.dtype)
        return Trajectory(rows, self.place[slots], None if self.core is None else self.core[slots])

    def state(self, used: int) -> Tensors:
        """Of the first `used` slots."""
        tensors: Tensors = {
            "fields": describe(self.rows.dtype),
            "rows": as_bytes(self.rows[:used]),
            "place": self.place[:used],
            "weights": self.tree.weights(slice(0, used * self.windows)),
        }
        if self.core is not None:
            tensors["core"] = self.core[:used]
        return tensors

    @classmethod
    def load(cls, state: Mapping[str, npt.NDArray[Any]], capacity: int, window: int | None) -> _Kept:
        """The inverse of `state`. Raises AgentError where windows had another length."""
        rows = state["rows"].view(described(state["fields"]))
        batch = Trajectory(rows.T, state["place"], state.get("core"))
        kept = cls.like(batch, capacity, window)
        if len(state["weights"]) != len(rows) * kept.windows:
            raise AgentError(
                f"the checkpoint's replay has {len(state['weights'])} entries in {len(rows)} columns, but "
                f"this configuration's has {kept.windows} in each"
            )
        kept.write(np.arange(len(rows)), batch, state["weights"].reshape(-1, kept.windows))
        return kept


def memory(*, capacity: int, column_bytes: int, unroll: int, window: int | None) -> int:
    """Bytes that a replay takes once it is full, of columns of T = `unroll`."""
    return capacity * column_bytes + SumTree.memory(capacity * _windows(unroll, window))


def _windows(unroll: int, window: int | None) -> int:
    """Entries in a column."""
    if window is None:
        return 1
    if window > unroll:
        raise ValueError(f"windows of {window} steps do not fit into columns of {unroll}")
    return unroll - window + 1


def _reserve(shape: tuple[int, ...], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Zeros that take no memory until they are written to, whatever malloc does with what is large."""
    size = max(1, int(np.prod(shape)) * dtype.itemsize)
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return np.ndarray(shape, dtype, memory)
