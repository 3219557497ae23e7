"""A population: live players against each other and each other's past (FTW, Jaderberg et al. 2019)."""

from __future__ import annotations

from dataclasses import dataclass

from numpy.random import Generator

from league.matchmaking.opponents import Draw, draw_opponent, players_for, seat
from league.matchmaking.proposal import Proposal
from league.players import Player
from league.view import LeagueView


@dataclass(frozen=True)
class Population:
    """Any learning player, uniformly, itself among them; of it the latest, else uniformly one of its past.

    Where players are bound to teams, only those bound to the team that is to be filled.
    """

    latest_probability: float
    """Chance of the live player, in [0, 1]."""
    window: int = 0
    """How many of the newest snapshots of a player are its past; 0 for all."""

    def __call__(self, view: LeagueView, player: Player, generator: Generator) -> Proposal:
        """A match that trains `player`."""

        def draw(team: str) -> Draw:
            sources = players_for(view, team)
            return draw_opponent(view, sources, self.latest_probability, self.window, generator)

        return seat(view, player, "population", draw)
