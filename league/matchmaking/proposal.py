"""What a matchmaker answers, and how it becomes a match."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from league.players import Match, Purpose
from league.view import LeagueView


@dataclass(frozen=True)
class Proposal:
    """Who should play whom, and why: a match that has no number yet."""

    teams: dict[str, str]
    """Team -> identity."""
    purpose: Purpose
    reason: dict[str, Any] = field(default_factory=dict)
    """Why: the rule, the branch it took, and of each draw its candidates, weights and outcome. Plain JSON."""
    opening: int = 0
    """As of `Match`."""


def make_match(proposal: Proposal, id: int, episodes: int, seed: int, view: LeagueView) -> Match:
    """Number a proposal, and note which generation every live player stands for at this moment.

    Raises LeagueError where nobody in the view bears an identity's name.
    """
    return Match(
        id=id,
        teams=proposal.teams,
        episodes=episodes,
        seed=seed,
        purpose=proposal.purpose,
        nodes={identity: view.node(identity) for identity in proposal.teams.values()},
        reason=proposal.reason,
        opening=proposal.opening,
    )
