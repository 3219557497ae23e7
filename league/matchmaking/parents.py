"""Matches of players against the snapshots that they grow from: what the gate `sprt` is decided by.

Nothing else makes enough of them: a rule that plays self-play, or the whole of a long past, may never meet
the parent. So where the gate asks, three in four evaluations are between a player that may be frozen and its
parent, until the test says that it is the better one. Seats are swapped within pairs of games that begin
alike, so that who plays better makes all the difference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from numpy.random import Generator

from league.config import LeagueConfig
from league.matchmaking.proposal import Proposal
from league.players import Player, Purpose
from league.promotion import awaits_test, counts_against
from league.view import LeagueView

SHARE = 0.75
"""Of evaluations, while a test goes on; the others rate the rest of the league."""
OPENING = 2
"""Moves at random that both games of a pair begin with."""


@dataclass(frozen=True)
class AgainstParents:
    """Tests first, then what `others` propose. For games of two teams in which seats can be swapped."""

    config: LeagueConfig
    others: Callable[[LeagueView, Generator], Proposal | None]

    def __call__(self, view: LeagueView, generator: Generator) -> Proposal | None:
        """A match to evaluate by; None where nobody can be compared."""
        coin, pick = generator.random(2).tolist()
        tested = [player for player in view.learners if awaits_test(player, view, self.config)]
        if not tested or coin >= SHARE:
            return self.others(view, generator)
        return _test(view, tested, pick)


def _test(view: LeagueView, tested: list[Player], pick: float) -> Proposal:
    player = tested[int(pick * len(tested))]
    parent = str(player.parent)
    reason = {
        "rule": "evaluation",
        "branch": "against its parent, for the gate",
        "opponent": parent,
        "player": player.name,
        "players": [one.name for one in tested],
        "candidates": len(tested),
        "probability": 1.0 / len(tested),
        "win_rate": view.ledger.tally.win_rate(player.node, parent),
        "counts": list(counts_against(player, parent, view)),
        "draw": pick,
    }
    teams = dict(zip(view.teams, (player.name, parent), strict=True))
    return Proposal(teams, Purpose.EVALUATE, reason, OPENING)
