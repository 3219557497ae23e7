"""Which seats of which copies make up one player's streams, and what happens to them in a tick."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from agents.columns import Columns, Index
from agents.config import Cooperation
from agents.trajectory import Trajectory, row_dtype, seat_places
from envs.game import Array, Bools, GameSpec, Step


@dataclass(frozen=True)
class StreamConfig:
    """How the decisions of one learning player are cut."""

    unroll: int
    """T: decisions in a column."""
    batch: int
    """Columns that leave together."""
    cooperation: Cooperation = Cooperation.INDEPENDENT
    """Whether a stream is one seat or the whole team."""
    team: str | None = None
    """The team that the player is bound to; None where it plays any."""
    core: int = 0
    """Width of its recurrent state; 0 for none."""
    overlap: int = 0
    """o: decisions at the start of a column that are also in the one before, beside the one that ends it."""
    episodic: bool = False
    """Whether columns end with their episode, however short they are then."""
    values: bool = False
    """Whether what the network thought of its choices is kept: `q` of a trajectory."""

    def __post_init__(self) -> None:
        if not 0 <= self.overlap < self.unroll:
            raise ValueError(
                f"overlap is {self.overlap} and unroll {self.unroll}, but columns that overlap by all that "
                "they hold would never move on; overlap must be at least 0 and below unroll"
            )

    def groups(self, spec: GameSpec) -> tuple[tuple[int, ...], ...]:
        """The seats of every stream that one copy of the game can hold."""
        teams = [seats for name, seats in spec.teams.items() if self.team in (None, name)]
        if self.cooperation is Cooperation.JOINT:
            return tuple(teams)
        return tuple((seat,) for seats in teams for seat in seats)

    def column_bytes(self, spec: GameSpec) -> int:
        """Bytes of one column."""
        seats, joint = len(self.groups(spec)[0]), self.cooperation is Cooperation.JOINT
        row = row_dtype(spec, seats=seats, state=joint, values=self.values)
        return (self.unroll + 1) * row.itemsize + 8 * seats * (1 + self.core)

    def memory(self, spec: GameSpec, copies: int) -> int:
        """Bytes of the columns in the making and of one batch, for so many copies of the game."""
        return (copies * len(self.groups(spec)) + self.batch) * self.column_bytes(spec)


class Streams:
    """The streams of one player over all copies: stream = copy * groups + group."""

    def __init__(self, spec: GameSpec, copies: int, config: StreamConfig) -> None:
        self.groups = [np.array(seats) for seats in config.groups(spec)]
        self._seats_of = np.stack(self.groups)
        self._joint = config.cooperation is Cooperation.JOINT
        self._group_of = np.full(len(spec.seats), -1, np.intp)
        self._place_in = np.zeros(len(spec.seats), np.intp)
        for group, seats in enumerate(self.groups):
            self._group_of[seats] = group
            self._place_in[seats] = np.arange(len(seats))
        self.columns = Columns(
            spec,
            places=np.tile(seat_places(spec)[self._seats_of], (copies, 1)),
            unroll=config.unroll,
            batch=config.batch,
            state=self._joint,
            core=config.core,
            overlap=config.overlap,
            episodic=config.episodic,
            values=config.values,
        )

    def decide(
        self,
        copies: Index,
        seats: Index,
        step: Step,
        observation: Array,
        mask: Array,
        action: Array,
        log_prob: Array,
        version: int,
        core: npt.NDArray[np.float32] | None,
        q: npt.NDArray[np.float32] | None = None,
    ) -> None:
        """Write what the player decided in this tick.

        copies, seats: [n] of every row; the other arrays are [n, ...]. core: [C, seats of the game, 2, H]
        recurrent state before this tick. q: [n, 2], see `Trajectory`.
        """
        columns, shown = self.columns, step.state if self._joint else None
        streams = copies * len(self.groups) + self._group_of[seats]
        if columns.seats == 1:
            state = None if shown is None else shown[copies]
            before = None if core is None else core[copies, seats][:, None]
            columns.add(streams, version, observation, mask, action, log_prob, state, before, q)
            return
        unique, back = np.unique(streams, return_inverse=True)
        owners, group = np.divmod(unique, len(self.groups))
        state = None if shown is None else shown[owners]
        before = None if core is None else core[owners[:, None], self._seats_of[group]]
        rows = columns.begin_row(unique, version, state, before)
        columns.write(rows[back], streams, self._place_in[seats], observation, mask, action, log_prob, q)
        columns.end_row(rows, unique)

    def reward(self, step: Step, copies: Index, held: Bools) -> None:
        """Credit rewards. copies: [n] those in which anyone was rewarded. held: [n, S] the player's seats."""
        row, seats = np.nonzero(held)
        streams = copies[row] * len(self.groups) + self._group_of[seats]
        self.columns.reward(streams, self._place_in[seats], step.reward[copies[row], seats])

    def end(self, step: Step, copies: Index, held: Bools, gone: Bools, core: Array | None) -> None:
        """End the streams all of whose seats are gone.

        copies: [n] those in which a seat's episode ended now. held, gone: [n, S] the player's seats; the
        seats whose part of the episode is over, now or before.
        """
        for group, seats in enumerate(self.groups):
            now = (step.terminated[copies][:, seats] | step.truncated[copies][:, seats]).any(axis=1)
            done = now & held[:, seats].all(axis=1) & gone[:, seats].all(axis=1)
            ended = copies[done]
            if not ended.size:
                continue
            cut = step.truncated[ended][:, seats].any(axis=1)
            self.columns.terminate(ended[~cut] * len(self.groups) + group)
            if cut.any():
                self._truncate(step, ended[cut], group, seats, core)

    def take(self) -> list[Trajectory]:
        """Full batches since the last call; see `Columns.take`."""
        return self.columns.take()

    def forget(self) -> None:
        """Drop everything: the games begin anew."""
        self.columns.forget()

    def _truncate(self, step: Step, copies: Index, group: int, seats: Index, core: Array | None) -> None:
        assert step.final_observation is not None, "a truncated step keeps its final observation"
        at = (copies[:, None], seats)
        self.columns.truncate(
            copies * len(self.groups) + group,
            step.final_observation[at],
            step.truncated[at],
            None if step.final_state is None else step.final_state[copies],
            None if core is None else core[at],
        )
