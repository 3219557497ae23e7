"""Fictitious self-play: the past, uniformly (Brown 1951; Heinrich et al. 2015)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from numpy.random import Generator

from league.matchmaking.opponents import Draw, draw_opponent, players_for, seat
from league.matchmaking.proposal import Proposal
from league.players import Player
from league.view import LeagueView


@dataclass(frozen=True)
class Fictitious:
    """Uniformly one of the past without its oldest `delta` (Bansal et al. 2018, section 4.2).

    Where players are bound to teams, the past is that of a player bound to the other team.
    """

    delta: float = 0.0
    """Share of the oldest snapshots that are left out, in [0, 1]: 0 for the whole past, 1 for the newest."""

    def __call__(self, view: LeagueView, player: Player, generator: Generator) -> Proposal:
        """A match that trains `player`."""

        def draw(team: str) -> Draw:
            sources = (player,) if view.symmetric else players_for(view, team)
            return draw_opponent(view, sources, 0.0, self._window, generator)

        return seat(view, player, "fictitious", draw)

    def _window(self, past: int) -> int:
        # By the decimal that the user wrote: 0.9 of 10 as floats would leave out 9 or 8, as rounding has it.
        return max(past - int(Fraction(str(self.delta)) * past), 1)
