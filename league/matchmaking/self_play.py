"""Self-play: a player against itself, and now and then against what it was (OpenAI Five, section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass

from numpy.random import Generator

from league.matchmaking.opponents import Draw, draw_opponent, players_for, seat
from league.matchmaking.proposal import Proposal
from league.players import Player
from league.view import LeagueView


@dataclass(frozen=True)
class SelfPlay:
    """The latest with `latest_probability`, else uniformly one of the past.

    Where players are bound to teams, the latest and the past of another team are those of the player
    bound to it (of one drawn uniformly, where several are).
    """

    latest_probability: float
    """Chance of the live player, in [0, 1]."""
    window: int = 0
    """How many of the newest snapshots are the past; 0 for all."""

    def __call__(self, view: LeagueView, player: Player, generator: Generator) -> Proposal:
        """A match that trains `player`."""

        def draw(team: str) -> Draw:
            sources = (player,) if view.symmetric else players_for(view, team)
            return draw_opponent(view, sources, self.latest_probability, self.window, generator)

        return seat(view, player, "self_play", draw)
