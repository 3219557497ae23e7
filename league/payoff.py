"""How often everyone beat everyone: counts of every ordered pair, decayed or not.

Counts live in one growing array, and each player's row is a dict opponent -> index into it, so a row
costs memory only where games were played, and reading a whole row is one pass in C. Index 0 stays
empty: it is what a pair reads that never played.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from league.players import LeagueError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


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


class Payoff:
    """Wins, draws and losses of every ordered pair; (a, b) mirrors (b, a). Mutable: a fold adds to it."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[str, int]] = {}
        self._counts: Floats = np.zeros((16, 3))
        self._used = 1

    def record(
        self, home: str, away: str, wins: float, draws: float, losses: float, decay: float = 1.0
    ) -> None:
        """Decay what the pair has, in both orders, then add (AlphaStar's pseudocode, `Payoff.update`).

        wins, losses: of home. A match of several games is one call, so one decay. A pair of one player
        with itself is left out: it tells nothing.
        """
        if home == away:
            return
        for first, second, result in (
            (home, away, (wins, draws, losses)),
            (away, home, (losses, draws, wins)),
        ):
            index = self._index(first, second)
            self._counts[index] = self._counts[index] * decay + result

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
        row = self._rows.get(player, {})
        found = np.fromiter(map(row.get, opponents, repeat(0)), np.int64, count=len(opponents))
        gathered: Floats = self._counts[found]
        return gathered

    def games(self, player: str, opponents: Sequence[str]) -> Floats:
        """[O] games played against each of the opponents, as far as decay left them."""
        games: Floats = self.results(player, opponents).sum(axis=1)
        return games

    def opponents(self, player: str) -> list[str]:
        """Whom `player` ever played, in the order of first meeting."""
        return list(self._rows.get(player, {}))

    def totals(self, player: str) -> Counts:
        """Results of `player` against everyone."""
        wins, draws, losses = self.results(player, self.opponents(player)).sum(axis=0).tolist()
        return Counts(wins, draws, losses)

    def pairs(self, names: Sequence[str]) -> Pairs:
        """Results among `names`, each pair once; the sparse form that ratings read."""
        position = {name: index for index, name in enumerate(names)}
        met = [
            (index, position[opponent], cell)
            for index, name in enumerate(names)
            for opponent, cell in self._rows.get(name, {}).items()
            if position.get(opponent, -1) > index
        ]
        home, away, cells = np.array(met, np.int64).reshape(-1, 3).T
        wins, draws, losses = self._counts[cells].T
        return Pairs(home, away, wins, draws, losses)

    def to_plain(self) -> dict[str, dict[str, list[float]]]:
        """Plain JSON data: earlier name -> later name -> [wins, draws, losses]; the mirror is left out."""
        plain: dict[str, dict[str, list[float]]] = {}
        for name, row in self._rows.items():
            for opponent, index in row.items():
                if name < opponent:
                    plain.setdefault(name, {})[opponent] = self._counts[index].tolist()
        return plain

    @classmethod
    def from_plain(cls, plain: Any) -> Payoff:
        """The payoff that `to_plain` wrote, to the last bit. Raises LeagueError on anything else."""
        payoff = cls()
        try:
            for home, row in plain.items():
                for away, (wins, draws, losses) in row.items():
                    payoff.record(home, away, float(wins), float(draws), float(losses))
        except (AttributeError, TypeError, ValueError) as error:
            raise LeagueError(f"not the counts of a payoff: {error}") from error
        return payoff

    def _index(self, player: str, opponent: str) -> int:
        row = self._rows.setdefault(player, {})
        if opponent not in row:
            if self._used == len(self._counts):
                self._counts = np.concatenate([self._counts, np.zeros_like(self._counts)])
            row[opponent] = self._used
            self._used += 1
        return row[opponent]
