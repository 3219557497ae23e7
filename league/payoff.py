"""How often everyone beat everyone, and by how much: counts of every ordered pair, decayed or not.

Counts live in one growing array, and each player's row is a dict opponent -> index into it, so a row
costs memory only where games were played, and reading a whole row is one pass in C. Index 0 stays
empty: it is what a pair reads that never played.

A margin is by how much a pair's games were won, `PairResult.margin` added up. What is kept of it is the
part beyond wins - losses: nothing at all where every win is worth 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, repeat
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from league.players import LeagueError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Cells = TypeVar("Cells", Floats, Ints)


class Counts(NamedTuple):
    """Results of one ordered pair, as the first of the two sees them."""

    wins: float
    draws: float
    losses: float

    @property
    def games(self) -> float:
        return self.wins + self.draws + self.losses


class Pairs(NamedTuple):
    """Every pair that played, once each: arrays of one length P, `home` before `away` in `names`."""

    home: Ints
    """[P] index into the names that were asked for."""
    away: Ints
    """[P]"""
    wins: Floats
    """[P] of home."""
    draws: Floats
    """[P]"""
    losses: Floats
    """[P] of home."""


def win_rates(results: Floats) -> Floats:
    """[O] (wins + draws / 2) / games of [O, 3] results; 0.5 where there are none."""
    wins, draws, losses = results.T
    games = wins + draws + losses
    return np.where(games > 0, (wins + 0.5 * draws) / np.where(games > 0, games, 1.0), 0.5)


def advantages(results: Floats, margins: Floats) -> Floats:
    """By how much each pair of a table is better than even in a game, in wins: above 0 where it leads.

        margin / (2 stake games), 0 where there are none

    The stake is what a lead of one win is worth, on average over the table. So where every win is worth the
    same this is the win rate less 1/2; elsewhere a big win counts for more than a small one. It is opposite,
    to the last bit, for the two of a pair.
    results: [..., 3]. margins: [...].
    """
    games = results.sum(axis=-1)
    leads = np.abs(results[..., 0] - results[..., 2]).sum()
    won = np.abs(margins).sum()
    stake = won / leads if won > 0 and leads > 0 else 1.0
    mean: Floats = margins / np.where(games > 0, games, 1.0) / (2.0 * stake)
    return mean


class Payoff:
    """Results of every ordered pair; (a, b) mirrors (b, a). Mutable: a fold adds to it."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[str, int]] = {}
        self._counts: Floats = np.zeros((16, 3))
        self._beyond: Floats = np.zeros(16)
        self._ends: Ints = np.zeros((16, 2), np.int64)
        """[cells, 2] whose they are, by number."""
        self._numbers: dict[str, int] = {}
        self._used = 1
        self._played: dict[str, float] = {}
        """Games of each player against all others, as far as decay left them."""

    def record(
        self,
        home: str,
        away: str,
        wins: float,
        draws: float,
        losses: float,
        decay: float = 1.0,
        margin: float | None = None,
    ) -> None:
        """Decay what the pair has, in both orders, then add (AlphaStar's pseudocode, `Payoff.update`).

        wins, losses, margin: of home; the margin is wins - losses where none is given. A match of several
        games is one call, so one decay. A pair of one player with itself is left out: it tells nothing.
        """
        if home == away:
            return
        beyond = 0.0 if margin is None else margin - (wins - losses)
        for first, second, result, further in (
            (home, away, (wins, draws, losses), beyond),
            (away, home, (losses, draws, wins), -beyond),
        ):
            index = self._index(first, second)
            decayed = 0.0 if decay == 1.0 else (1.0 - decay) * float(self._counts[index].sum())
            self._played[first] = self._played.get(first, 0.0) + sum(result) - decayed
            self._counts[index] = self._counts[index] * decay + result
            self._beyond[index] = self._beyond[index] * decay + further

    def counts(self, player: str, opponent: str) -> Counts:
        """What `player` did against `opponent`; zeros where they never played."""
        wins, draws, losses = self._counts[self._rows.get(player, {}).get(opponent, 0)].tolist()
        return Counts(wins, draws, losses)

    def win_rate(self, player: str, opponent: str) -> float:
        """(wins + draws / 2) / games; 0.5 where they never played, and against oneself."""
        return float(self.win_rates(player, [opponent])[0])

    def win_rates(self, player: str, opponents: Sequence[str]) -> Floats:
        """[O] `win_rate` against each of the opponents."""
        return win_rates(self.results(player, opponents))

    def results(self, player: str, opponents: Sequence[str]) -> Floats:
        """[O, 3] wins, draws and losses of `player` against each of the opponents; zeros where none."""
        gathered: Floats = self._counts[self._cells(player, opponents)]
        return gathered

    def games(self, player: str, opponents: Sequence[str]) -> Floats:
        """[O] games played against each of the opponents, as far as decay left them."""
        games: Floats = self.results(player, opponents).sum(axis=1)
        return games

    def table(self, home: Sequence[str], away: Sequence[str]) -> tuple[Floats, Floats]:
        """[H, A, 3] results and [H, A] margins of each of `home` against each of `away`."""
        cells = np.array([self._cells(name, away) for name in home], np.int64).reshape(len(home), len(away))
        results = self._counts[cells]
        return results, results[..., 0] - results[..., 2] + self._beyond[cells]

    def played(self, players: Sequence[str]) -> Floats:
        """[O] games of each of the players against all others together."""
        return np.fromiter(map(self._played.get, players, repeat(0.0)), np.float64, count=len(players))

    def opponents(self, player: str) -> list[str]:
        """Whom `player` ever played, in the order of first meeting."""
        return list(self._rows.get(player, {}))

    def totals(self, player: str) -> Counts:
        """Results of `player` against everyone."""
        row = self._rows.get(player, {})
        cells = np.fromiter(row.values(), np.int64, count=len(row))
        wins, draws, losses = self._counts[cells].sum(axis=0).tolist()
        return Counts(wins, draws, losses)

    def pairs(self, names: Sequence[str]) -> Pairs:
        """Results among `names`, each pair once, in the order of `names`; the sparse form that ratings read.

        Not in the order of first meeting, which a stored payoff forgets: sums over the pairs must come to the
        same bits in a run that was resumed.
        """
        position = np.full(len(self._numbers) + 1, -1)
        for index, name in enumerate(names):
            position[self._numbers.get(name, len(self._numbers))] = index
        position[-1] = -1
        home, away = position[self._ends[: self._used]].T
        cells = np.flatnonzero((home >= 0) & (away > home))
        cells = cells[np.argsort(home[cells] * len(names) + away[cells])]
        wins, draws, losses = np.ascontiguousarray(self._counts[cells].T)
        return Pairs(home[cells], away[cells], wins, draws, losses)

    def to_plain(self) -> dict[str, dict[str, list[float]]]:
        """Plain JSON data: earlier name -> later name -> [wins, draws, losses]; the mirror is left out.

        A fourth number is the part of the margin beyond wins - losses, where it is not 0.
        """
        plain: dict[str, dict[str, list[float]]] = {}
        for name, row in self._rows.items():
            later = [opponent for opponent in row if name < opponent]
            cells = self._cells(name, later)
            counts, beyond = self._counts[cells].tolist(), self._beyond[cells].tolist()
            if later:
                plain[name] = {
                    opponent: [*three, further] if further else three
                    for opponent, three, further in zip(later, counts, beyond, strict=True)
                }
        return plain

    @classmethod
    def from_plain(cls, plain: Any) -> Payoff:
        """The payoff that `to_plain` wrote, to the last bit. Raises LeagueError on anything else."""
        payoff, found = cls(), []
        rows = payoff._rows
        try:
            for home, row in plain.items():
                if not all(map(home.__lt__, row)):
                    raise ValueError(f"{home!r} stands before {min(row)!r}")
                mine = rows.setdefault(home, {})
                for away in row:
                    mine[away], rows.setdefault(away, {})[home] = payoff._used, payoff._used + 1
                    payoff._used += 2
                found += row.values()
            width = max(3, max(map(len, found), default=3))
            if width > 3:
                found = [row if len(row) > 3 else [*row, 0.0] for row in found]
            results = np.zeros((len(found), 4))
            results[:, :width] = np.array(found, np.float64).reshape(len(found), width)
            if not np.isfinite(results).all():
                raise ValueError("counts must be finite numbers")
        except (AttributeError, TypeError, ValueError) as error:
            raise LeagueError(f"not the counts of a payoff: {error}") from error
        numbers = payoff._numbers = {name: number for number, name in enumerate(rows)}
        homes = chain.from_iterable(repeat(numbers[home], len(row)) for home, row in plain.items())
        aways = map(numbers.__getitem__, chain.from_iterable(plain.values()))
        ends = np.stack([np.fromiter(them, np.int64, count=len(found)) for them in (homes, aways)], axis=1)
        payoff._ends = _with_mirrors(ends, ends[:, ::-1])
        payoff._counts = _with_mirrors(results[:, :3], results[:, 2::-1])
        payoff._beyond = _with_mirrors(results[:, 3], -results[:, 3])
        games = np.bincount(payoff._ends[:, 0], payoff._counts.sum(axis=1), len(numbers))
        payoff._played = dict(zip(numbers, games.tolist(), strict=False))
        return payoff

    def _cells(self, player: str, opponents: Sequence[str]) -> Ints:
        """[O] index of each pair; 0 where it never played."""
        row = self._rows.get(player, {})
        return np.fromiter(map(row.get, opponents, repeat(0)), np.int64, count=len(opponents))

    def _index(self, player: str, opponent: str) -> int:
        row = self._rows.setdefault(player, {})
        if opponent not in row:
            if self._used == len(self._counts):
                self._counts = np.concatenate([self._counts, np.zeros_like(self._counts)])
                self._beyond = np.concatenate([self._beyond, np.zeros_like(self._beyond)])
                self._ends = np.concatenate([self._ends, np.zeros_like(self._ends)])
            self._ends[self._used] = self._number(player), self._number(opponent)
            row[opponent] = self._used
            self._used += 1
        return row[opponent]

    def _number(self, player: str) -> int:
        return self._numbers.setdefault(player, len(self._numbers))


def _with_mirrors(own: Cells, mirror: Cells) -> Cells:
    """[1 + 2 P, ..] the empty cell, then every pair's own and its mirror in turn."""
    cells = np.zeros((1 + 2 * len(own), *own.shape[1:]), own.dtype)
    cells[1::2], cells[2::2] = own, mirror
    return cells
