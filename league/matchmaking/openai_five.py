"""OpenAI Five: mostly the latest self, else the past by quality scores (OpenAI 2019, appendix N)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from numpy.random import Generator

from league.matchmaking.opponents import Draw, seat
from league.matchmaking.proposal import Proposal
from league.matchmaking.weighted import Dice, Table
from league.players import Player
from league.quality import RULE, scores, softmax
from league.view import LeagueView


@dataclass(frozen=True)
class OpenAIFive:
    """The latest with `latest_probability`, else one's past by softmax of its quality scores.

    Where players are bound to teams, the past is that of a player bound to the other team.
    """

    latest_probability: float
    """Chance of the live player, in [0, 1] (0.8)."""
    step: float
    """eta, what a beaten opponent's score falls by, over N p (0.01). The ledger reads it from the reason."""

    def __call__(self, view: LeagueView, player: Player, generator: Generator) -> Proposal:
        """A match that trains `player`."""

        def draw(team: str) -> Draw:
            table = Table(view, player, team, Dice.roll(generator))
            opponent = table.counterpart()
            past = view.past.names_of.get(opponent.name, [])
            if not past:
                return table.live(opponent, "self-play, for want of a past")
            if table.dice.coin < self.latest_probability:
                drawn = table.live(opponent, "self-play")
            else:
                quality = scores(view.ledger.quality.get(player.name, {}), past)
                drawn = table.weighted(view.frozen(opponent), softmax(quality), "past by quality")
            return replace(drawn, reason=drawn.reason | {"newest": past[-1], "step": self.step})

        return seat(view, player, RULE, draw)
