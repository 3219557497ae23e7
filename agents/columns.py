"""Cuts the streams of one player into columns, while the games go on.

Every stream has a cursor: the row that its next decision is written to. A row stays *pending* until the
stream's next decision or the end of its episode; rewards go to the pending row. When row T is written
its column is full: it is copied out, and row T becomes row 0 of the stream's next column.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt

from agents.trajectory import Records, Trajectory, allocate
from envs.game import Array, Bools, GameSpec

Index = npt.NDArray[np.intp]


class Columns:
    """The unfinished columns of one player's streams, and the full ones until a batch is taken."""

    def __init__(
        self, spec: GameSpec, *, places: Index, unroll: int, batch: int, state: bool, core: int
    ) -> None:
        """places: [streams, S] place of every stream's seats within their team."""
        streams, seats = places.shape
        self.unroll = unroll
        self.seats = seats
        self.batch = batch
        self._allocate = partial(allocate, spec, rows=unroll + 1, seats=seats, state=state, core=core)
        self._open = self._allocate(columns=streams)
        self._open_rows = _as_blocks(self._open.rows)
        self._written = np.zeros(streams, self._open.rows.dtype)
        self._cursor = np.zeros(streams, np.intp)
        self._open.place[:] = places
        self._pending = np.zeros(streams, np.bool_)
        self._fresh = np.ones(streams, np.bool_)
        """Whether the stream's next row begins an episode."""
        self._next_core = np.zeros((streams, seats, 2, core), np.float32)
        self._full = self._new_batch()
        self._fill = 0
        self._ready: list[Trajectory] = []

    def begin_row(
        self, streams: Index, version: int | Array, state: Array | None = None, core: Array | None = None
    ) -> Index:
        """Open the next row of every stream in `streams` (each at most once); returns the rows, [n].

        version: of the weights that act: one number, or [n].
        state: [n, *state] global state. core: [n, S, 2, H] recurrent state before this row.
        """
        rows = self._cursor[streams]
        table = self._open
        table.first[rows, streams] = self._fresh[streams]
        table.terminated[rows, streams] = False
        table.version[rows, streams] = version
        table.reward[rows, streams] = 0.0
        if self.seats > 1:
            self._leave_idle(rows, streams)
        if table.state is not None and state is not None:
            table.state[rows, streams] = state
        if table.core is not None and core is not None:
            self._keep_core(rows, streams, core)
        self._fresh[streams] = False
        self._pending[streams] = True
        return rows

    def add(
        self,
        streams: Index,
        version: int,
        observation: Array,
        mask: Array,
        action: Array,
        log_prob: Array,
        state: Array | None = None,
        core: Array | None = None,
    ) -> None:
        """One decision of every stream in `streams` (each at most once), where a stream is a single seat.

        The same as `begin_row`, `write` and `end_row`, with each row put together first and written once.
        Arrays are [n, ...], `core` [n, 1, 2, H].
        """
        rows = self._cursor[streams]
        written = self._written[: len(streams)]
        written["first"] = self._fresh[streams]
        written["version"] = version
        written["acting"] = True
        for name, values in (
            ("observation", observation), ("mask", mask), ("action", action), ("log_prob", log_prob)
        ):  # fmt: skip
            written[name][:, 0] = values
        if self._open.state is not None and state is not None:
            written["state"] = state
        if self._open.core is not None and core is not None:
            self._keep_core(rows, streams, core)
        self._open_rows[rows, streams] = _as_blocks(written)
        self._fresh[streams] = False
        self._pending[streams] = True
        self.end_row(rows, streams)

    def write(
        self,
        rows: Index,
        streams: Index,
        seats: Index | int,
        observation: Array,
        mask: Array,
        action: Array,
        log_prob: Array,
    ) -> None:
        """Write one decision a row. `seats` is the seat's place within its stream; arrays are [n, ...]."""
        table = self._open
        table.observation[rows, streams, seats] = observation
        table.mask[rows, streams, seats] = mask
        table.action[rows, streams, seats] = action
        table.log_prob[rows, streams, seats] = log_prob
        table.acting[rows, streams, seats] = True

    def end_row(self, rows: Index, streams: Index) -> None:
        """Close the rows that `begin_row` opened: full columns leave, cursors move on."""
        full = rows == self.unroll
        if full.any():
            self._emit(streams[full])
        self._cursor[streams] = np.where(full, 1, rows + 1)

    def reward(self, streams: Index, seats: Index | int, reward: Array) -> None:
        """Add to the pending rows; a stream that awaits nothing (it has not acted yet) drops it.

        Every (stream, seat) at most once a call. reward: [n].
        """
        pending = self._pending[streams]
        rows = self._cursor[streams] - 1
        if not pending.all():
            streams, rows, reward = streams[pending], rows[pending], reward[pending]
            seats = seats if isinstance(seats, int) else seats[pending]
        self._open.reward[rows, streams, seats] += reward

    def terminate(self, streams: Index) -> None:
        """The episode of these streams is over: their pending decisions led nowhere further."""
        ended = streams[self._pending[streams]]
        self._open.terminated[self._cursor[ended] - 1, ended] = True
        self._pending[ended] = False
        self._fresh[streams] = True

    def truncate(
        self, streams: Index, observation: Array, seen: Bools, state: Array | None, core: Array | None = None
    ) -> None:
        """The episode was cut short: append the final observation as a row that nobody acts in.

        observation: [n, S, *obs] of every seat of each stream. seen: [n, S] where it is one; a seat whose
        part had ended before still shows what it last saw. state, core: as in `begin_row`.
        """
        cut = self._pending[streams]
        ended = streams[cut]
        if ended.size:
            rows = self.begin_row(
                ended,
                self._open.version[self._cursor[ended] - 1, ended],
                None if state is None else state[cut],
                None if core is None else core[cut],
            )
            self._leave_idle(rows, ended)
            at, seat = np.nonzero(seen[cut])
            self._open.observation[rows[at], ended[at], seat] = observation[cut][at, seat]
            self._open.terminated[rows, ended] = True
            self.end_row(rows, ended)
        self._pending[streams] = False
        self._fresh[streams] = True

    def forget(self) -> None:
        """Drop everything: the games begin anew."""
        self._cursor[:] = 0
        self._pending[:] = False
        self._fresh[:] = True
        self._fill = 0
        self._ready = []

    def take(self) -> list[Trajectory]:
        """Full batches of exactly `batch` columns since the last call; they share no memory with this."""
        ready, self._ready = self._ready, []
        return ready

    def _new_batch(self) -> Trajectory:
        return self._allocate(columns=self.batch)

    def _emit(self, streams: Index) -> None:
        while streams.size:
            room = self.batch - self._fill
            now, streams = streams[:room], streams[room:]
            target = slice(self._fill, self._fill + now.size)
            # `clip` writes straight to `out`; the default would copy it first.
            np.take(self._open_rows, now, axis=1, out=_as_blocks(self._full.rows)[:, target], mode="clip")
            self._open_rows[0, now] = self._open_rows[self.unroll, now]
            self._full.place[target] = self._open.place[now]
            if self._open.core is not None and self._full.core is not None:
                self._full.core[target] = self._open.core[now]
                self._open.core[now] = self._next_core[now]
            self._fill += now.size
            if self._fill == self.batch:
                self._ready.append(self._full)
                self._full, self._fill = self._new_batch(), 0

    def _keep_core(self, rows: Index, streams: Index, core: Array) -> None:
        """The state before row 0 goes with the column; that before row T waits for the next column."""
        assert self._open.core is not None
        at_start, at_end = rows == 0, rows == self.unroll
        self._open.core[streams[at_start]] = core[at_start]
        self._next_core[streams[at_end]] = core[at_end]

    def _leave_idle(self, rows: Index, streams: Index) -> None:
        """Rows in which no seat acts, unless `write` follows.

        A seat that need not act shows what it last saw in this episode, for a critic of the whole team.
        """
        table = self._open
        last_seen = table.observation[rows - 1, streams]
        last_seen[table.first[rows, streams]] = 0
        table.observation[rows, streams] = last_seen
        table.mask[rows, streams] = True
        table.action[rows, streams] = 0
        table.log_prob[rows, streams] = 0.0
        table.acting[rows, streams] = False


def _as_blocks(rows: Records) -> Records:
    """The same memory as plain blocks of bytes: numpy copies those whole, and records field by field."""
    return rows.view(f"V{rows.dtype.itemsize}")
