"""Drawing an opponent by weights, with the whole of the reason: what every rule but uniform ones shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from league.matchmaking.opponents import NAMED, Draw, players_for
from league.players import Player, Role
from league.view import LeagueView

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FEW = 100
"""Candidates that are asked for by name rather than with all of a league."""


@dataclass(frozen=True)
class Dice:
    """Three numbers in [0, 1) for one draw, taken whatever the branch: candidates never shift later draws."""

    coin: float
    """Decides the branch."""
    which: float
    """Decides the live player, where there are several."""
    pick: float
    """Decides among the candidates."""

    @classmethod
    def roll(cls, generator: Generator) -> Dice:
        """The next three."""
        return cls(*generator.random(3).tolist())


@dataclass(frozen=True)
class Table:
    """What a rule looks at while it fills one team: who may sit there, and how well `player` does."""

    view: LeagueView
    player: Player
    """The one to train."""
    team: str
    """The one to fill."""
    dice: Dice

    @cached_property
    def win_rates(self) -> Floats:
        """[N] of the player against each of `view.opponents`."""
        return self.view.win_rates(self.player, self.view.opponents)

    def rates(self, candidates: Ints) -> Floats:
        """[C] of the player against some positions in `view.opponents`."""
        if len(candidates) > FEW:
            return self.win_rates[candidates]
        names = self.view.opponents
        return self.view.win_rates(self.player, [names[index] for index in candidates.tolist()])

    @cached_property
    def everyone(self) -> Ints:
        """Positions in `view.opponents` of all who may play the team."""
        return self.view.permitted(self.team)

    def of_roles(self, *roles: Role) -> Ints:
        """Of those the snapshots of players in these roles."""
        return self.view.permitted(self.team, roles)

    def counterpart(self) -> Player:
        """Whom self-play meets: the player itself, or where teams differ one in the same role, if any is."""
        return self.player if self.view.symmetric else self.one_of(self.player.role)

    def one_of(self, role: Role) -> Player:
        """A live player in `role` that may play the team, uniformly; of any role where nobody is in it."""
        players = players_for(self.view, self.team)
        chosen = [player for player in players if player.role is role] or players
        return chosen[int(self.dice.which * len(chosen))]

    def live(self, opponent: Player, branch: str) -> Draw:
        """`opponent` as it is now."""
        reason = {"win_rate": self.win_rate(opponent), "candidates": 1, "probability": 1.0}
        return self._draw(opponent.name, branch, reason)

    def win_rate(self, opponent: Player) -> float:
        """Against a live player; 0.5 against itself."""
        return float(self.view.win_rates(self.player, [opponent.name])[0])

    def weighted(self, candidates: Ints, chances: Floats, branch: str) -> Draw:
        """One of some positions in `view.opponents`, by `chances`, which add up to 1."""
        chosen = pick(chances, self.dice.pick)
        names, rates = self.view.opponents, self.rates(candidates)
        # Of ten thousand candidates a reason lists only those that were likeliest.
        listed = np.sort(np.argsort(-chances, kind="stable")[:NAMED])
        reason = {
            "candidates": len(candidates),
            "probability": float(chances[chosen]),
            "win_rate": float(rates[chosen]),
            "names": [names[candidates[index]] for index in listed],
            "probabilities": chances[listed].tolist(),
            "win_rates": rates[listed].tolist(),
            "pick": self.dice.pick,
        }
        return self._draw(names[candidates[chosen]], branch, reason)

    def _draw(self, opponent: str, branch: str, reason: dict[str, Any]) -> Draw:
        common = {"opponent": opponent, "branch": branch, "draw": self.dice.coin, "which": self.dice.which}
        return Draw(opponent, branch, common | reason)


def pick(weights: Floats | Sequence[float], number: float) -> int:
    """The index that `number` in [0, 1) falls on, by weights that add up to more than 0; never one of 0."""
    sums = np.cumsum(weights)
    last = int(np.searchsorted(sums, sums[-1]))  # rounding may carry number * total up to the total itself
    return min(int(np.searchsorted(sums, number * sums[-1], side="right")), last)
