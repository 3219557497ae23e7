"""Evaluation: matches that only rate, between those whose result would tell most."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, combinations

import numpy as np
from numpy.random import Generator

from league.matchmaking.proposal import Proposal
from league.players import Purpose
from league.ratings.elo import expected_score
from league.view import LeagueView


@dataclass(frozen=True)
class Evaluation:
    """Draw some assignments at random, then one of them by how much its pairs would tell.

    A pair weighs p (1 - p) / (n + 1), with p the score that the online Elo expects and n the games it
    played: even pairs with few games tell most (KataGo picks rating games by p (1 - p)). The cost does not
    grow with the square of the league, since only `candidates` assignments are weighed.
    """

    candidates: int = 64
    """Assignments that are weighed for one match."""

    def __call__(self, view: LeagueView, generator: Generator) -> Proposal | None:
        """A match to evaluate by; None where nobody can be compared (every team has the same single node)."""
        pools = {team: _pool(view, team) for team in view.teams}
        if not all(pools.values()):
            return None
        picks = generator.random((self.candidates, len(pools)))
        drawn = [
            tuple(pool[int(x * len(pool))] for pool, x in zip(pools.values(), row, strict=True))
            for row in picks.tolist()
        ]
        # Without repetitions, in the order drawn; a set would have another order in every process.
        assignments = list(dict.fromkeys(drawn))
        weights = np.array([_weight(view, identities) for identities in assignments])
        if not weights.sum() > 0:
            return None
        draw = float(generator.random())
        chances = np.cumsum(weights) / weights.sum()
        index = min(int(np.searchsorted(chances, draw, side="right")), len(assignments) - 1)
        reason = {
            "rule": "evaluation",
            "branch": "most informative of a sample",
            "candidates": len(assignments),
            "weight": float(weights[index]),
            "probability": float(weights[index] / weights.sum()),
            "draw": draw,
        }
        return Proposal(dict(zip(view.teams, assignments[index], strict=True)), Purpose.EVALUATE, reason)


def _pool(view: LeagueView, team: str) -> list[str]:
    """Everybody who may play `team`: live, frozen and scripted."""
    live = [player.name for player in view.bound_to(team)]
    names_of = view.past.names_of
    frozen = list(chain.from_iterable(names_of.get(name, ()) for name in live))
    fixed = [player.name for player in view.fixed if view.may_play(player, team)]
    return [*live, *frozen, *fixed, *(name for name in view.scripted if name not in fixed)]


def _weight(view: LeagueView, identities: tuple[str, ...]) -> float:
    nodes = [view.players[name].node if name in view.players else name for name in identities]
    if len(nodes) == 1:
        returns = view.ledger.returns.get(nodes[0])
        return 1.0 / ((returns.episodes if returns else 0) + 1.0)
    return sum(_information(view, *two) for two in combinations(nodes, 2))


def _information(view: LeagueView, node: str, other: str) -> float:
    if node == other:
        return 0.0
    expected = expected_score(view.ledger.rating(node), view.ledger.rating(other))
    return expected * (1.0 - expected) / (view.ledger.tally.counts(node, other).games + 1.0)
