"""Who sits where, for how many episodes, and what came of it.

A `Table` seats identities for a number of episodes; a copy takes one episode at a time from the tables
that wait. Every episode that a table started counts, whichever finishes first, so that short games are
not over-represented. Where the game is symmetric, the identities change places from episode to episode:
between two teams episodes 0 and 1 are a pair, the same two once in either seat, then 2 and 3, and so on.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from agents import openings
from envs.game import GameSpec

Index = npt.NDArray[np.intp]
Number = TypeVar("Number", np.int64, np.float64)

NOBODY = -1
DRAW = 1
"""Place of draws between wins (0) and losses (2)."""
LOSS = 2


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
    opening: int = 0
    """Moves at random that each episode begins with, those of a pair with the same; at most `LONGEST`."""
    seed: int = 0
    """Of these moves."""


@dataclass(frozen=True)
class TableResult:
    """What came of a table whose episodes are all over."""

    key: int
    episodes: int
    decisions: int
    pairs: tuple[tuple[str, str, int, int, int, float], ...]
    """(home, away, wins, draws, losses, margin) of home, who sat in the earlier team; one a pair and seating.
    The margin is half of what home's returns are above away's, added up."""
    returns: tuple[tuple[str, int, float, float], ...]
    """(identity, episodes, sum, sum of squares) of undiscounted returns, the mean over a team's seats."""
    swapped: tuple[int, ...] = ()
    """[5] pairs of episodes in which the first holder scored 0, 1/2, 1, 3/2 and 2 in all; empty where no two
    changed places, or somebody forfeited."""
    forfeits: dict[str, str] = field(default_factory=dict)
    """Identity -> what it did wrong; the episodes are then those that were over before."""
    places: tuple[tuple[int, ...], ...] = ()
    """[episodes][holders] how many teams came before each, in the order in which episodes ended; empty where
    two teams play, or one."""


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
        self._episode = np.zeros(copies, np.intp)
        """Number of the episode within its table."""
        self.openings = np.full((copies, openings.LONGEST + 1), np.nan)
        """[C, moves] what decides the next moves at random of an episode; NaN from the first that is not."""
        self._numbers: dict[int, npt.NDArray[np.float64]] = {}
        """Table slot -> `openings` of its pairs of episodes, of tables that have any."""
        self._halves: dict[int, npt.NDArray[np.int8]] = {}
        """Table slot -> [episodes] half points of the first holder, of tables at which two change places."""
        self._places: dict[int, list[tuple[int, ...]]] = {}
        """Table slot -> `TableResult.places` so far, of games of more than two teams."""
        self._tables: dict[int, Table] = {}
        self._waiting: deque[int] = deque()
        self._started = np.zeros(16, np.int64)
        """Episodes begun, by table slot, as everything below."""
        self._finished = np.zeros(16, np.int64)
        self._decisions = np.zeros(16, np.int64)
        self._counts = np.zeros((16, self._rotations, len(self._pairs), 3), np.int64)
        """Wins, draws and losses of the earlier team of every pair, by how the table was turned."""
        self._margins = np.zeros((16, self._rotations, len(self._pairs)))
        """Sums of half the difference of their returns, as `_counts`."""
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
        self._numbers.clear()
        self._halves.clear()
        self._places.clear()
        self.openings[:] = np.nan

    def open(self, table: Table) -> None:
        """Let a table wait for copies that begin an episode."""
        slot = next((s for s in range(len(self._started)) if s not in self._tables), None)
        if slot is None:
            slot = len(self._started)
            self._grow(2 * slot)
        self._tables[slot] = table
        self._started[slot] = self._finished[slot] = self._decisions[slot] = 0
        self._counts[slot], self._margins[slot], self._sums[slot] = 0, 0.0, 0.0
        held = [self._holder_index(who, who in table.learners) for who in table.holders]
        for rotation in range(self._rotations):
            turned = np.roll(held, -rotation)
            self._seats[slot, rotation] = turned[self._seat_team]
        if self._rotations == 2 and len(set(table.holders)) == 2:
            self._halves[slot] = np.zeros(table.episodes, np.int8)
        if len(self._teams) > 2:
            self._places[slot] = []
        if table.opening:
            pairs = -(-table.episodes // self._rotations)
            self._numbers[slot] = openings.numbers(table.seed, pairs, table.opening)
        self._waiting.append(slot)

    def key_of(self, copy: int) -> int | None:
        """Key of the table that a copy plays at; None where it plays for nobody."""
        slot = int(self._slot[copy])
        return None if slot == NOBODY else self._tables[slot].key

    @property
    def opens(self) -> bool:
        """Whether any episode may be in its opening."""
        return bool(self._numbers)

    @property
    def backlog(self) -> int:
        """Episodes that no copy has begun."""
        return sum(self._remaining(slot) for slot in self._waiting)

    def take_seats(self, copies: Index) -> None:
        """Give copies that begin an episode one from the tables that wait; the others play for nobody."""
        while copies.size and self._waiting:
            slot = self._waiting[0]
            now, copies = np.split(copies, [self._remaining(slot)])
            episode = self._started[slot] + np.arange(now.size)
            rotation = episode % self._rotations
            self._slot[now], self._rotation[now], self._episode[now] = slot, rotation, episode
            self.holder[now] = self._seats[slot, rotation]
            self.openings[now] = np.nan
            if slot in self._numbers:
                chosen = self._numbers[slot][episode // self._rotations]
                self.openings[now, : chosen.shape[1]] = chosen
            self._started[slot] += now.size
            if not self._remaining(slot):
                self._waiting.popleft()
        self._slot[copies] = NOBODY
        self.holder[copies] = NOBODY
        self.openings[copies] = np.nan

    def finish(self, copies: Index, returns: npt.NDArray[np.float64], decisions: Index) -> list[TableResult]:
        """Episodes of `copies` are over, their seats free; returns what came of tables that this completes.

        returns: [n, S] of every seat. decisions: [n] taken in the episode.
        """
        counted = self._slot[copies] != NOBODY
        copies, returns, decisions = copies[counted], returns[counted], decisions[counted]
        if not copies.size:
            return []
        slots, rotation = self._slot[copies], self._rotation[copies]
        team_return = np.stack([returns[:, seats].mean(axis=1) for seats in self._teams], axis=1)
        for pair, (a, b) in enumerate(self._pairs):
            ahead = team_return[:, a] - team_return[:, b]
            result = DRAW - np.sign(ahead).astype(np.intp)
            where = slots, rotation, np.full_like(slots, pair)
            np.add.at(self._counts, (*where, result), 1)
            np.add.at(self._margins, where, 0.5 * ahead)
            if self._halves:
                self._keep_halves(copies, np.where(rotation == 0, LOSS - result, result))
        for team in range(len(self._teams)):
            party = (team + rotation) % len(self._teams)
            value = team_return[:, team]
            np.add.at(self._sums, (slots, party), np.stack([value, value * value], axis=1))
        if len(self._teams) > 2:
            self._keep_places(slots, rotation, team_return)
        np.add.at(self._decisions, slots, decisions)
        np.add.at(self._finished, slots, 1)
        self._slot[copies] = self.holder[copies] = NOBODY
        complete = [s for s in np.unique(slots) if self._finished[s] == self._tables[s].episodes]
        return [self._close(int(slot)) for slot in complete]

    def forfeit(self, identity: str, what: str) -> list[TableResult]:
        """Close the tables at which an identity sits that did something wrong: what was over counts.

        Who learns there plays its episodes to their ends, for no table; the other seats are nobody's.
        """
        learns = np.array([learns for _, learns in self.holders] + [False])  # the last is NOBODY's
        results = []
        for slot in [slot for slot, table in self._tables.items() if identity in table.holders]:
            copies = np.flatnonzero(self._slot == slot)
            held = self.holder[copies]
            self._slot[copies], self.holder[copies] = NOBODY, np.where(learns[held], held, NOBODY)
            self.openings[copies] = np.nan
            self._halves.pop(slot, None)
            if slot in self._waiting:
                self._waiting.remove(slot)
            results.append(replace(self._close(slot), forfeits={identity: what}))
        return results

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

    def _keep_halves(self, copies: Index, halves: Index) -> None:
        """halves: [n] half points of the first holder in the episodes of `copies`, just over."""
        slots = self._slot[copies]
        for slot in np.unique(slots).tolist():
            if slot in self._halves:
                own = slots == slot
                self._halves[slot][self._episode[copies[own]]] = halves[own]

    def _keep_places(self, slots: Index, rotation: Index, returns: npt.NDArray[np.float64]) -> None:
        """returns: [n, T] of the teams, in episodes that are just over."""
        before = (returns[:, None, :] > returns[:, :, None]).sum(axis=2)
        teams = np.arange(returns.shape[1])
        places = np.zeros_like(before)
        np.put_along_axis(places, (teams + rotation[:, None]) % len(teams), before, axis=1)
        for slot, row in zip(slots.tolist(), places.tolist(), strict=True):
            self._places[slot].append(tuple(row))

    def _close(self, slot: int) -> TableResult:
        table, episodes = self._tables.pop(slot), int(self._finished[slot])
        who, teams = table.holders, len(self._teams)
        self._numbers.pop(slot, None)
        halves = self._halves.pop(slot, None)
        places = tuple(self._places.pop(slot, ()))
        pairs = []
        for rotation in range(self._rotations):
            for pair, (a, b) in enumerate(self._pairs):
                wins, draws, losses = map(int, self._counts[slot, rotation, pair])
                if wins + draws + losses:
                    home, away = who[(a + rotation) % teams], who[(b + rotation) % teams]
                    margin = float(self._margins[slot, rotation, pair])
                    pairs.append((home, away, wins, draws, losses, margin))
        returns = tuple(
            (identity, episodes, float(self._sums[slot, party, 0]), float(self._sums[slot, party, 1]))
            for party, identity in enumerate(who)
        )
        decisions = int(self._decisions[slot])
        swapped = () if halves is None else _swapped(halves)
        return TableResult(table.key, episodes, decisions, tuple(pairs), returns, swapped, places=places)

    def _grow(self, slots: int) -> None:
        """Room for `slots` tables at once."""
        self._started = _grown(self._started, slots)
        self._finished = _grown(self._finished, slots)
        self._decisions = _grown(self._decisions, slots)
        self._counts = _grown(self._counts, slots)
        self._margins = _grown(self._margins, slots)
        self._sums = _grown(self._sums, slots)
        self._seats = _grown(self._seats, slots)


def _swapped(halves: npt.NDArray[np.int8]) -> tuple[int, ...]:
    """[5] pairs of episodes by their half points; one that is left over makes no pair."""
    whole = len(halves) // 2 * 2
    return tuple(np.bincount(halves[:whole].reshape(-1, 2).sum(axis=1), minlength=5).tolist())


def _grown(array: npt.NDArray[Number], rows: int) -> npt.NDArray[Number]:
    """A copy with `rows` rows, the new ones zero."""
    grown = np.zeros((rows, *array.shape[1:]), array.dtype)
    grown[: len(array)] = array
    return grown
