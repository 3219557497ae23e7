"""Cuts the streams of one player into columns, while the games go on.

Every stream has a cursor: the row that its next decision is written to. A row stays *pending* until the
stream's next decision or the end of its episode; rewards go to the pending row. When row T is written
its column is full: it is copied out, and row T becomes row 0 of the stream's next column. Where columns
overlap by o rows more, rows T-o to T become its rows 0 to o.

A column that continues nothing begins with o idle rows, so that every decision lies in rows o to T-1 of one
column, and of no other. That is a stream's first column; where columns are episodic, the first one of every
episode, whose last one is filled with idle rows when it ends.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt

from agents.trajectory import Trajectory, allocate, as_blocks
from envs.game import Array, Bools, GameSpec

Index = npt.NDArray[np.intp]


class Columns:
    """The unfinished columns of one player's streams, and the full ones until a batch is taken."""

    def __init__(
        self,
        spec: GameSpec,
        *,
        places: Index,
        unroll: int,
        batch: int,
        state: bool,
        core: int,
        overlap: int = 0,
        episodic: bool = False,
        values: bool = False,
    ) -> None:
        """places: [streams, S] place of every stream's seats within their team.

        overlap: o, below `unroll`. episodic: whether no column crosses the end of an episode.
        state, core, values: what is kept, see `allocate`.
        """
        streams, seats = places.shape
        self.unroll = unroll
        self.seats = seats
        self.batch = batch
        self._overlap = overlap
        self._episodic = episodic
        self._stride = unroll - overlap
        """Rows from where a column begins to where the next one does."""
        allocated = partial(allocate, spec, rows=unroll + 1, seats=seats, state=state, values=values)
        self._new_batch = partial(allocated, columns=batch, core=core)
        self._open = allocated(columns=streams, core=0)
        self._open.place[:] = places
        self._open_rows, self._keeps_q = as_blocks(self._open.rows), values
        begun = 1 + unroll // self._stride
        self._cores = np.zeros((begun, streams, seats, 2, core), np.float32) if core else None
        """State before row 0 of a stream's column, and of those that will begin before it is full."""
        self._written = np.zeros(streams, self._open.rows.dtype)
        self._idle = np.zeros((), self._open.rows.dtype)
        self._idle["mask"] = self._idle["terminated"] = True
        self._cursor = np.full(streams, overlap, np.intp)
        self._pending = np.zeros(streams, np.bool_)
        self._fresh = np.ones(streams, np.bool_)
        """Whether the stream's next row begins an episode."""
        self._blank = np.ones(streams, np.bool_)
        """Whether the stream's column continues nothing and has no row yet."""
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
        if self._overlap:
            self._lead_in(streams, version)
        table = self._open
        table.first[rows, streams] = self._fresh[streams]
        table.terminated[rows, streams] = False
        table.version[rows, streams] = version
        table.reward[rows, streams] = 0.0
        if self.seats > 1:
            self._leave_idle(rows, streams)
        if table.state is not None and state is not None:
            table.state[rows, streams] = state
        if self._cores is not None and core is not None:
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
        q: Array | None = None,
    ) -> None:
        """One decision of every stream in `streams` (each at most once), where a stream is a single seat.

        The same as `begin_row`, `write` and `end_row`, with each row put together first and written once.
        Arrays are [n, ...], `core` [n, 1, 2, H], `q` [n, 2].
        """
        rows = self._cursor[streams]
        if self._overlap:
            self._lead_in(streams, version)
        written = self._written[: len(streams)]
        written["first"] = self._fresh[streams]
        written["version"] = version
        written["acting"] = True
        for name, values in (
            ("observation", observation), ("mask", mask), ("action", action), ("log_prob", log_prob)
        ):  # fmt: skip
            written[name][:, 0] = values
        if self._keeps_q:
            written["q"][:, 0] = 0.0 if q is None else q
        if self._open.state is not None and state is not None:
            written["state"] = state
        if self._cores is not None and core is not None:
            self._keep_core(rows, streams, core)
        self._open_rows[rows, streams] = as_blocks(written)
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
        q: Array | None = None,
    ) -> None:
        """Write one decision a row. `seats` is the seat's place within its stream; arrays are [n, ...]."""
        table = self._open
        table.observation[rows, streams, seats] = observation
        table.mask[rows, streams, seats] = mask
        table.action[rows, streams, seats] = action
        table.log_prob[rows, streams, seats] = log_prob
        table.acting[rows, streams, seats] = True
        if table.q is not None:
            table.q[rows, streams, seats] = 0.0 if q is None else q

    def end_row(self, rows: Index, streams: Index) -> None:
        """Close the rows that `begin_row` opened: full columns leave, cursors move on."""
        full = rows == self.unroll
        if full.any():
            self._emit(streams[full])
            self._continue(streams[full])
        self._cursor[streams] = np.where(full, self._overlap + 1, rows + 1)

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
        if self._episodic and ended.size:
            self._close(ended)

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
            if self._episodic:
                self._cursor[ended] += 1
                self._close(ended)
            else:
                self.end_row(rows, ended)
        self._pending[streams] = False
        self._fresh[streams] = True

    def forget(self) -> None:
        """Drop everything: the games begin anew."""
        self._cursor[:] = self._overlap
        self._pending[:] = False
        self._fresh[:] = True
        self._blank[:] = True
        self._fill = 0
        self._ready = []

    def take(self) -> list[Trajectory]:
        """Full batches of exactly `batch` columns since the last call; they share no memory with this."""
        ready, self._ready = self._ready, []
        return ready

    def _emit(self, streams: Index) -> None:
        """Copy out the columns of these streams, which are full."""
        while streams.size:
            room = self.batch - self._fill
            now, streams = streams[:room], streams[room:]
            target = slice(self._fill, self._fill + now.size)
            # `clip` writes straight to `out`; the default would copy it first.
            np.take(self._open_rows, now, axis=1, out=as_blocks(self._full.rows)[:, target], mode="clip")
            self._full.place[target] = self._open.place[now]
            if self._cores is not None and self._full.core is not None:
                self._full.core[target] = self._cores[0, now]
            self._fill += now.size
            if self._fill == self.batch:
                self._ready.append(self._full)
                self._full, self._fill = self._new_batch(), 0

    def _continue(self, streams: Index) -> None:
        """The next columns of these streams begin with the last rows of those that just left."""
        self._open_rows[: self._overlap + 1, streams] = self._open_rows[self._stride :, streams]
        if self._cores is not None:
            self._cores[:-1, streams] = self._cores[1:, streams]

    def _close(self, streams: Index) -> None:
        """No column crosses the end of an episode: fill these with idle rows, let them leave, begin anew."""
        rows, at = np.nonzero(np.arange(self.unroll + 1)[:, None] >= self._cursor[streams])
        self._leave_blank(rows, streams[at], self._open.version[self._cursor[streams] - 1, streams][at])
        self._emit(streams)
        self._cursor[streams] = self._overlap
        self._blank[streams] = True

    def _lead_in(self, streams: Index, version: int | Array) -> None:
        """Before the first row of a column that continues nothing come idle rows."""
        blank = self._blank[streams]
        if not blank.any():
            return
        begun, versions = streams[blank], np.broadcast_to(version, streams.shape)[blank]
        self._leave_blank(np.arange(self._overlap)[:, None], begun, versions)
        if self._cores is not None:
            self._cores[:, begun] = 0.0
        self._blank[begun] = False

    def _leave_blank(self, rows: Index, streams: Index, version: Array) -> None:
        """Idle rows; their version is one that acted in the same column."""
        self._open_rows[rows, streams] = as_blocks(self._idle)
        self._open.version[rows, streams] = version

    def _keep_core(self, rows: Index, streams: Index, core: Array) -> None:
        """The state before row 0 goes with the column; those before rows that will be row 0 wait."""
        assert self._cores is not None
        begins = np.flatnonzero(rows % self._stride == 0)
        self._cores[rows[begins] // self._stride, streams[begins]] = core[begins]

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
        if table.q is not None:
            table.q[rows, streams] = 0.0
