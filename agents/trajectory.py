"""What a learner is fed: the table of fields of a trajectory.

A *stream* is a group of seats that learn as one: a single seat where a player's cooperation is
`independent`, its whole team where it is `joint`. A *column* is T consecutive rows of one stream and one
more row to bootstrap from, which is also the first row of the stream's next column, or one of its first
rows where columns overlap by more. A row is written whenever a seat of the stream must act, so a turn-based
stream holds its own decisions only, and rewards given between two of them belong to the earlier one.

Time-major, T+1 rows, B columns, S seats in the stream, A choices:

    field        shape               dtype     meaning of row t
    observation  [T+1, B, S, *obs]   the game's  what each seat saw
    mask         [T+1, B, S, A]      bool      its legal choices
    action       [T+1, B, S, *D]     the game's  what it did
    log_prob     [T+1, B, S]         float32   log mu(action | observation): of the policy that chose it
    q            [T+1, B, S, 2]      float32   value of the action and of the best legal one, as the network
                                               that acted saw them; None where they are not kept
    acting       [T+1, B, S]         bool      whether it had to act; False in a row that only bootstraps
    reward       [T+1, B, S]         float32   what it was given from this decision until its next
    terminated   [T+1, B]            bool      the episode ended before the next row: nothing to bootstrap
    first        [T+1, B]            bool      an episode begins here: recurrent state is zero before it
    version      [T+1, B]            int32     of the weights that acted
    place        [B, S]              int64     of every seat within its team
    state        [T+1, B, *state]    the game's  global state; None where the game has none
    core         [B, S, 2, H]        float32   recurrent state before row 0; None without one

An episode that was truncated has one row more than decisions: it holds the final observation, nobody
acts in it (`acting` False), and row t before it is not `terminated`, so it bootstraps from what the seat
would have seen next and never from the episode that follows.

A row that only fills a column, before its first decision or after the end of an episode, is *idle*: nobody
acts in it, it is `terminated` and not `first`, every choice is legal and all else is zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from envs.game import Array, GameSpec

Records = npt.NDArray[np.void]
"""An array of records, each with the fields of one row."""
TIMED = (
    "action", "log_prob", "q", "reward", "version", "observation", "state", "mask", "acting", "terminated",
    "first",
)  # fmt: skip
"""Fields with a row for every time step, in the order in which they lie in memory."""


@dataclass(slots=True)
class Trajectory:
    """A batch of columns; see the table above.

    All that belongs to one row lies together: writing a row, or moving it, touches two or three lines of the
    processor's cache and not one for every field. The fields are views into `rows`.
    """

    rows: Records
    """[T+1, B] of `row_dtype`."""
    place: npt.NDArray[np.int64]
    core: npt.NDArray[np.float32] | None = None

    @property
    def observation(self) -> Array:
        return self._field("observation")

    @property
    def mask(self) -> npt.NDArray[np.bool_]:
        return self._field("mask")

    @property
    def action(self) -> Array:
        return self._field("action")

    @property
    def log_prob(self) -> npt.NDArray[np.float32]:
        return self._field("log_prob")

    @property
    def q(self) -> npt.NDArray[np.float32] | None:
        return self._field("q") if "q" in (self.rows.dtype.names or ()) else None

    @property
    def acting(self) -> npt.NDArray[np.bool_]:
        return self._field("acting")

    @property
    def reward(self) -> npt.NDArray[np.float32]:
        return self._field("reward")

    @property
    def terminated(self) -> npt.NDArray[np.bool_]:
        return self._field("terminated")

    @property
    def first(self) -> npt.NDArray[np.bool_]:
        return self._field("first")

    @property
    def version(self) -> npt.NDArray[np.int32]:
        return self._field("version")

    @property
    def state(self) -> Array | None:
        return self._field("state") if "state" in (self.rows.dtype.names or ()) else None

    @property
    def unroll(self) -> int:
        """T"""
        return int(self.rows.shape[0]) - 1

    @property
    def columns(self) -> int:
        """B"""
        return int(self.rows.shape[1])

    @property
    def decisions(self) -> int:
        """Decisions that training on this takes into account: those of rows 0 to T-1."""
        return int(np.count_nonzero(self.acting[:-1]))

    def select(self, columns: npt.NDArray[np.bool_] | npt.NDArray[np.intp] | slice) -> Trajectory:
        """The columns where `columns` [B] is True, or those of these numbers, copied; or those of a slice,
        sharing memory."""
        core = None if self.core is None else self.core[columns]
        rows = as_blocks(self.rows)[:, columns].view(self.rows.dtype)
        return Trajectory(rows, self.place[columns], core)

    def _field(self, name: str) -> npt.NDArray[Any]:
        return self.rows[name]


def as_blocks(rows: Records) -> Records:
    """The same memory as plain blocks of bytes: numpy copies those whole, and records field by field."""
    return rows.view(f"V{rows.dtype.itemsize}")


def row_dtype(spec: GameSpec, *, seats: int, state: bool, values: bool = False) -> np.dtype[np.void]:
    """What lies in one row of one column of `seats` seats.

    state: whether to keep the global state. values: whether to keep `q`.
    """
    kinds: dict[str, tuple[Any, tuple[int, ...]]] = {
        "action": (spec.action_dtype, (seats, *spec.action_shape)),
        "log_prob": (np.float32, (seats,)),
        "reward": (np.float32, (seats,)),
        "version": (np.int32, ()),
        "observation": (spec.observation.dtype, (seats, *spec.observation.shape)),
        "mask": (np.bool_, (seats, spec.choices)),
        "acting": (np.bool_, (seats,)),
        "terminated": (np.bool_, ()),
        "first": (np.bool_, ()),
    }
    if values:
        kinds["q"] = (np.float32, (seats, 2))
    if state and spec.state:
        kinds["state"] = (spec.state.dtype, spec.state.shape)
    return np.dtype([(name, *kinds[name]) for name in TIMED if name in kinds], align=True)


def allocate(
    spec: GameSpec, *, rows: int, columns: int, seats: int, state: bool, core: int, values: bool = False
) -> Trajectory:
    """Zeros of the right shapes for `rows` rows of `columns` columns of `seats` seats.

    state: whether to keep the global state. core: width H of the recurrent state, 0 for none.
    values: whether to keep `q`.
    """
    return Trajectory(
        rows=np.zeros((rows, columns), row_dtype(spec, seats=seats, state=state, values=values)),
        place=np.zeros((columns, seats), np.int64),
        core=np.zeros((columns, seats, 2, core), np.float32) if core else None,
    )


def joined(batches: Sequence[Trajectory]) -> Trajectory:
    """The columns of all of them, of one unroll, side by side; a copy, but of a single one."""
    if len(batches) == 1:
        return batches[0]
    cores = [batch.core for batch in batches if batch.core is not None]
    return Trajectory(
        np.concatenate([batch.rows for batch in batches], 1),
        np.concatenate([batch.place for batch in batches]),
        np.concatenate(cores) if cores else None,
    )


def team_seats(spec: GameSpec, team: str | None) -> int:
    """Seats of the team that a player holds. All teams of a symmetric game have equally many."""
    return len(spec.teams[team] if team else next(iter(spec.teams.values())))


def seat_places(spec: GameSpec) -> npt.NDArray[np.int64]:
    """[S] place of every seat within its team."""
    places = np.zeros(len(spec.seats), np.int64)
    for seats in spec.teams.values():
        places[list(seats)] = np.arange(len(seats))
    return places
