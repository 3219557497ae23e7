"""What a learner is fed: the table of fields of a trajectory.

A *stream* is a group of seats that learn as one: a single seat where a player's cooperation is
`independent`, its whole team where it is `joint`. A *column* is T consecutive rows of one stream and one
more row to bootstrap from, which is also the first row of the stream's next column. A row is written
whenever a seat of the stream must act, so a turn-based stream holds its own decisions only, and rewards
given between two of them belong to the earlier one.

Time-major, T+1 rows, B columns, S seats in the stream, A choices:

    field        shape               dtype     meaning of row t
    observation  [T+1, B, S, *obs]   the game's  what each seat saw
    mask         [T+1, B, S, A]      bool      its legal choices
    action       [T+1, B, S, *D]     the game's  what it did
    log_prob     [T+1, B, S]         float32   log mu(action | observation): of the policy that chose it
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
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from envs.game import Array, GameSpec


@dataclass(slots=True)
class Trajectory:
    """A batch of columns; see the table above."""

    observation: Array
    mask: npt.NDArray[np.bool_]
    action: Array
    log_prob: npt.NDArray[np.float32]
    acting: npt.NDArray[np.bool_]
    reward: npt.NDArray[np.float32]
    terminated: npt.NDArray[np.bool_]
    first: npt.NDArray[np.bool_]
    version: npt.NDArray[np.int32]
    place: npt.NDArray[np.int64]
    state: Array | None = None
    core: npt.NDArray[np.float32] | None = None

    @property
    def unroll(self) -> int:
        """T"""
        return int(self.first.shape[0]) - 1

    @property
    def columns(self) -> int:
        """B"""
        return int(self.first.shape[1])

    @property
    def decisions(self) -> int:
        """Decisions that training on this takes into account: those of rows 0 to T-1."""
        return int(np.count_nonzero(self.acting[:-1]))

    def select(self, columns: npt.NDArray[np.bool_]) -> Trajectory:
        """The columns where `columns` [B] is True."""
        chosen: dict[str, Any] = {}
        for name in (*TIMED, *UNTIMED):
            array = getattr(self, name)
            if array is not None:
                chosen[name] = array[:, columns] if name in TIMED else array[columns]
        return replace(self, **chosen)


UNTIMED = ("place", "core")
"""Fields with one entry a column."""
TIMED = tuple(field.name for field in fields(Trajectory) if field.name not in UNTIMED)
"""Fields with a row for every time step."""


def allocate(spec: GameSpec, *, rows: int, columns: int, seats: int, state: bool, core: int) -> Trajectory:
    """Zeros of the right shapes for `rows` rows of `columns` columns of `seats` seats.

    state: whether to keep the global state. core: width H of the recurrent state, 0 for none.
    """
    lead = (rows, columns)
    return Trajectory(
        observation=np.zeros((*lead, seats, *spec.observation.shape), spec.observation.dtype),
        mask=np.zeros((*lead, seats, spec.choices), np.bool_),
        action=np.zeros((*lead, seats, *spec.action_shape), spec.action_dtype),
        log_prob=np.zeros((*lead, seats), np.float32),
        acting=np.zeros((*lead, seats), np.bool_),
        reward=np.zeros((*lead, seats), np.float32),
        terminated=np.zeros(lead, np.bool_),
        first=np.zeros(lead, np.bool_),
        version=np.zeros(lead, np.int32),
        place=np.zeros((columns, seats), np.int64),
        state=np.zeros((*lead, *spec.state.shape), spec.state.dtype) if state and spec.state else None,
        core=np.zeros((columns, seats, 2, core), np.float32) if core else None,
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
