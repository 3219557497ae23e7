"""Skills of nodes in games of more than two teams, updated episode by episode: openskill.

Model: Plackett-Luce (Weng and Lin 2011, algorithm 4), as the package `openskill` computes it. A rank of n
teams is one observation, not n (n - 1) / 2 pairs of them, as it is for Bradley-Terry. A team is held by one
identity, so a team's skill is its node's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from openskill.models import PlackettLuce

from league.players import Match, itself_or_earlier
from league.ratings.bradley_terry import NORMAL_95


class Skill(NamedTuple):
    """What is believed of a node: a normal distribution on openskill's scale."""

    mu: float = 25.0
    """Mean."""
    sigma: float = 25.0 / 3.0
    """Standard deviation."""

    @property
    def low(self) -> float:
        """2.5 % quantile."""
        return self.mu - NORMAL_95 * self.sigma

    @property
    def high(self) -> float:
        """97.5 % quantile."""
        return self.mu + NORMAL_95 * self.sigma


Skills = dict[str, Skill]
"""By node."""
MODEL = PlackettLuce(mu=Skill().mu, sigma=Skill().sigma)


def skill_of(node: str, skills: Mapping[str, Skill]) -> Skill:
    """Skill of a node; one that was not ranked is expected to stand where its predecessor does, unsurely."""
    known = itself_or_earlier(node, skills)
    if known is None:
        return Skill()
    return skills[node] if known == node else Skill(mu=skills[known].mu)


def fold(skills: Skills, match: Match, rankings: Sequence[Mapping[str, int]]) -> None:
    """Change skills by what came of a match. rankings: of every episode, team -> its place, 0 the best.

    A node that holds several teams counts by the first of them: against itself it learns nothing.
    """
    for places in rankings:
        of_node: dict[str, int] = {}
        for team in sorted(places):
            of_node.setdefault(match.nodes[match.teams[team]], places[team])
        if len(of_node) > 1:
            skills |= rated({node: skill_of(node, skills) for node in of_node}, of_node)


def rated(skills: Mapping[str, Skill], places: Mapping[str, int]) -> Skills:
    """Skills after one episode of those who played in it.

    skills: of every node in `places`. places: node -> its place, 0 the best, equals share one.
    """
    before = [[MODEL.rating(*skills[node])] for node in places]
    after = MODEL.rate(before, ranks=[float(place) for place in places.values()])
    return {node: Skill(one.mu, one.sigma) for node, (one,) in zip(places, after, strict=True)}
