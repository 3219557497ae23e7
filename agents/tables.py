"""Who sits where, for how many episodes, and what came of it.

A `Table` seats identities for a number of episodes; a copy takes one episode at a time from the tables
that wait. Every episode that a table started counts, whichever finishes first, so that short games are
not over-represented. Where the game is symmetric, the identities change places from episode to episode.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import combinations
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from envs.game import GameSpec

Index = npt.NDArray[np.intp]
Number = TypeVar("Number", np.int64, np.float64)

NOBODY = -1
DRAW = 1
"""Place of draws between wins (0) and losses (2)."""


@dataclass(frozen=True)
class Table:
    """An assignment of identities to teams, as the rollout needs to know it."""

    key: int
    """The caller's name for it: the match's id."""
    holders: tuple[str, ...]
    """Identity of every team in the first episode, in the order of `GameSpec.teams`."""
    episodes: int
    """Episodes to play; at least 1."""
    learners: frozenset[str] = frozenset()
    """Identities whose decisions become trajectories."""


@dataclass(frozen=True)
class TableResult:
    """What came of a table whose episodes are all over."""

    key: int
    episodes: int
    decisions: int
    pairs: tuple[tuple[str, str, int, int, int], ...]
    """(home, away, wins, draws, losses) of home, who sat in the earlier team; one a pair and seating."""
    returns: tuple[tuple[str, int, float, float], ...]
    """(identity, episodes, sum, sum of squares) of undiscounted returns, the mean over a team's seats."""


class Seating:
    """Which table every copy plays at, who holds its seats, and the running results.

    `holder` [C, S] is an index into `holders`, or NOBODY where a copy plays for no table.
    """

    def __init__(self, spec: GameSpec, copies: int) -> None:
        self.holders: list[tuple[str, bool]] = []
        """(identity, whether it learns) by holder index; indices are never reused between resets."""
        self._index: dict[tuple[str, bool], int] = {}
        """The inverse of `holders`."""
        self.holder = np.full((copies, len(spec.seats)), NOBODY, np.intp)
        teams = len(spec.teams)
        self._pairs = list(combinations(range(teams), 2))
        self._teams = [list(seats) for seats in spec.teams.values()]
        self._seat_team = np.array(spec.seat_team)
        self._rotations = teams if spec.symmetric else 1
        self._slot = np.full(copies, NOBODY, np.intp)
        self._rotation = np.zeros(copies, np.intp)
        self._tables: dict[int, Table] = {}
        self._waiting: deque[int] = deque()
        self._started = np.zeros(16, np.int64)
        """Episodes begun, by table slot, as everything below."""
        self._finished = np.zeros(16, np.int64)
        self._decisions = np.zeros(16, np.int64)
        self._counts = np.zeros((16, self._rotations, len(self._pairs), 3), np.int64)
        """Wins, draws and losses of the earlier team of every pair, by how the table was turned."""
        self._sums = np.zeros((16, teams, 2))
        """Sum and sum of squares of returns, by identity."""
        self._seats = np.zeros((16, self._rotations, len(spec.seats)), np.intp)
        """Holder of every seat, by how the table is turned."""

    def clear(self) -> None:
        """Every table leaves, every copy plays for nobody."""
        self.holders.clear()
        self._index.clear()
        self.holder[:] = NOBODY
        self._slot[:] = NOBODY
        self._tables.clear()
        self._waiting.clear()

    def open(self, table: Table) -> None:
        """Let a table wait for copies that begin an episode."""
        slot = next((s for s in range(len(self._started)) if s not in self._tables), None)
        if slot is None:
            slot = len(self._started)
            self._grow(2 * slot)
        self._tables[slot] = table
        self._started[slot] = self._finished[slot] = self._decisions[slot] = 0
        self._counts[slot], self._sums[slot] = 0, 0.0
        held = [self._holder_index(who, who in table.learners) for who in table.holders]
        for rotation in range(self._rotations):
            turned = np.roll(held, -rotation)
            self._seats[slot, rotation] = turned[self._seat_team]
        self._waiting.append(slot)

    def key_of(self, copy: int) -> int | None:
        """Key of the table that a copy plays at; None where it plays for nobody."""
        slot = int(self._slot[copy])
        return None if slot == NOBODY else self._tables[slot].key

    @property
    def backlog(self) -> int:
        """Episodes that no copy has begun."""
        return sum(self._remaining(slot) for slot in self._waiting)

    def take_seats(self, copies: Index) -> None:
        """Give copies that begin an episode one from the tables that wait; the others play for nobody."""
        while copies.size and self._waiting:
            slot = self._waiting[0]
            now, copies = np.split(copies, [self._remaining(slot)])
            rotation = (self._started[slot] + np.arange(now.size)) % self._rotations
            self._slot[now], self._rotation[now] = slot, rotation
            self.holder[now] = self._seats[slot, rotation]
            self._started[slot] += now.size
            if not self._remaining(slot):
                self._waiting.popleft()
        self._slot[copies] = NOBODY
        self.holder[copies] = NOBODY

    def finish(self, copies: Index, returns: npt.NDArray[np.float64], decisions: Index) -> list[TableResult]:
        """Episodes of `copies` are over, their seats free; returns what came of tables that this completes.

        returns: [n, S] of every seat. decisions: [n] taken in the episode.
        """
        counted = self._slot[copies] != NOBODY
        copies, returns, decisions = copies[counted], returns[counted], decisions[counted]
        if not copies.size:
            return []
        slots, rotation = self._slot[copies], self._rotation[copies]
        self._slot[copies] = self.holder[copies] = NOBODY
        team_return = np.stack([returns[:, seats].mean(axis=1) for seats in self._teams], axis=1)
        for pair, (a, b) in enumerate(self._pairs):
            result = DRAW - np.sign(team_return[:, a] - team_return[:, b]).astype(np.intp)
            np.add.at(self._counts, (slots, rotation, np.full_like(slots, pair), result), 1)
        for team in range(len(self._teams)):
            party = (team + rotation) % len(self._teams)
            value = team_return[:, team]
            np.add.at(self._sums, (slots, party), np.stack([value, value * value], axis=1))
        np.add.at(self._decisions, slots, decisions)
        np.add.at(self._finished, slots, 1)
        complete = [s for s in np.unique(slots) if self._finished[s] == self._tables[s].episodes]
        return [self._close(int(slot)) for slot in complete]

    def index(self, learner: str) -> int:
        """Holder index of an identity that learns; one that holds no seat where it sits at no table."""
        return self._index.get((learner, True), len(self.holders))

    def _remaining(self, slot: int) -> int:
        return self._tables[slot].episodes - int(self._started[slot])

    def _holder_index(self, identity: str, learns: bool) -> int:
        index = self._index.setdefault((identity, learns), len(self.holders))
        if index == len(self.holders):
            self.holders.append((identity, learns))
        return index

    def _close(self, slot: int) -> TableResult:
        table = self._tables.pop(slot)
        who, teams = table.holders, len(self._teams)
        pairs = []
        for rotation in range(self._rotations):
            for pair, (a, b) in enumerate(self._pairs):
                wins, draws, losses = map(int, self._counts[slot, rotation, pair])
                if wins + draws + losses:
                    home, away = who[(a + rotation) % teams], who[(b + rotation) % teams]
                    pairs.append((home, away, wins, draws, losses))
        returns = tuple(
            (identity, table.episodes, float(self._sums[slot, party, 0]), float(self._sums[slot, party, 1]))
            for party, identity in enumerate(who)
        )
        return TableResult(table.key, table.episodes, int(self._decisions[slot]), tuple(pairs), returns)

    def _grow(self, slots: int) -> None:
        """Room for `slots` tables at once."""
        self._started = _grown(self._started, slots)
        self._finished = _grown(self._finished, slots)
        self._decisions = _grown(self._decisions, slots)
        self._counts = _grown(self._counts, slots)
        self._sums = _grown(self._sums, slots)
        self._seats = _grown(self._seats, slots)


def _grown(array: npt.NDArray[Number], rows: int) -> npt.NDArray[Number]:
    """A copy with `rows` rows, the new ones zero."""
    grown = np.zeros((rows, *array.shape[1:]), array.dtype)
    grown[: len(array)] = array
    return grown
