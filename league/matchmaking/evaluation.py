"""Evaluation: matches that only rate, between those whose result would tell most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from league.matchmaking.proposal import Proposal
from league.matchmaking.weighted import pick
from league.players import Purpose
from league.ratings.elo import expected_score
from league.view import LeagueView

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Evaluation:
    """One assignment, by how much its games would tell.

    A match between i and j makes the ratings surer by about p (1 - p) (v_i^2 + v_j^2), where p is the score
    that the online Elo expects and v a rating's variance, which falls as one over the games g played: the
    unknown tell more than the well known, the even more than the unequal (KataGo rates by uncertainty, and
    against opponents by p (1 - p)). Of a pair that met in n games less is left to learn. So it weighs

        p (1 - p) (1 / (g_i + 1)^2 + 1 / (g_j + 1)^2) / (n + 1)

    A league of N has N^2 pairs. So `candidates` are drawn, one of each pair by 1 / (g + 1)^2 and the other
    uniformly, and one of them by p (1 - p) / (n + 1): the more candidates, the nearer to the weights above,
    at a cost that grows with N alone. In a game of one team the least played is likeliest.
    """

    candidates: int = 64
    """Assignments that are weighed for one match."""

    def __call__(self, view: LeagueView, generator: Generator) -> Proposal | None:
        """A match to evaluate by; None where nobody can be compared (every team has the same single node)."""
        pools = _pools(view)
        if not all(pool.names for pool in pools):
            return None
        drawn = _draw(view, pools, generator.random((self.candidates, 2 + len(pools))))
        # In the order drawn; a set would have another order in every process.
        assignments = Counter(
            tuple(pool.names[at] for pool, at in zip(pools, row, strict=True)) for row in drawn.tolist()
        )
        draw = float(generator.random())
        weights = np.array([times * _telling(view, names) for names, times in assignments.items()])
        if not weights.sum() > 0:
            return None
        index = pick(weights, draw)
        names = list(assignments)[index]
        reason = {
            "rule": "evaluation",
            "branch": "most telling of a sample",
            "candidates": len(assignments),
            "weight": float(weights[index]),
            "probability": float(weights[index] / weights.sum()),
            "played": _games(view, [_node(view, name) for name in names]).tolist(),
            "draw": draw,
        }
        if len(names) == 2:
            one, other = (_node(view, name) for name in names)
            reason["met"] = view.ledger.tally.counts(one, other).games
            reason["expected"] = expected_score(view.ledger.rating(one), view.ledger.rating(other))
            reason["win_rate"] = view.ledger.tally.win_rate(one, other)
        return Proposal(dict(zip(view.teams, names, strict=True)), Purpose.EVALUATE, reason)


class Pool(NamedTuple):
    """Everybody who may play a team: live, frozen and scripted."""

    names: list[str]
    nodes: list[str]
    """What they are rated under."""


def _pools(view: LeagueView) -> list[Pool]:
    """Of every team; the same one where all are alike."""
    if view.symmetric:
        return [_pool(view, view.teams[0])] * len(view.teams)
    return [_pool(view, team) for team in view.teams]


def _pool(view: LeagueView, team: str) -> Pool:
    live = view.bound_to(team)
    frozen = list(chain.from_iterable(view.past.names_of.get(player.name, ()) for player in live))
    fixed = [player.name for player in view.fixed if view.may_play(player, team)]
    others = [name for name in view.scripted if name not in fixed]
    unchanging = [*frozen, *(name for name in [*fixed, *others] if not view.gave_up(name))]
    return Pool(
        [*(player.name for player in live), *unchanging], [*(player.node for player in live), *unchanging]
    )


def _draw(view: LeagueView, pools: Sequence[Pool], numbers: Floats) -> Ints:
    """[K, T] positions in the pools of T teams, by numbers [K, 2 + T] in [0, 1): one by how little it is
    known, in any team, the others uniformly."""
    sizes = np.array([len(pool.names) for pool in pools])
    drawn: Ints = (numbers[:, 2:] * sizes).astype(np.int64)
    different = pools[:1] if view.symmetric else pools
    sums = [np.cumsum((_games(view, pool.nodes) + 1.0) ** -2) for pool in different]
    sums *= len(pools) // len(sums)
    of_teams = np.cumsum([total[-1] for total in sums])
    teams = np.searchsorted(of_teams[:-1], numbers[:, 0] * of_teams[-1], side="right")
    for team, total in enumerate(sums):
        rows = np.flatnonzero(teams == team)
        found = np.searchsorted(total[:-1], numbers[rows, 1] * total[-1], side="right")
        drawn[rows, team] = found
    return drawn


def _games(view: LeagueView, nodes: Sequence[str]) -> Floats:
    """[N] games of each against others; in a game of one team, its episodes."""
    if len(view.teams) > 1:
        return view.ledger.tally.played(nodes)
    returns = view.ledger.returns
    return np.array([returns[node].episodes if node in returns else 0 for node in nodes], np.float64)


def _node(view: LeagueView, name: str) -> str:
    return view.players[name].node if name in view.players else name


def _telling(view: LeagueView, names: Sequence[str]) -> float:
    """Of an assignment, apart from how well its players are known."""
    if len(names) == 1:
        return 1.0
    return sum(_information(view, *two) for two in combinations([_node(view, name) for name in names], 2))


def _information(view: LeagueView, node: str, other: str) -> float:
    if node == other:
        return 0.0
    expected = expected_score(view.ledger.rating(node), view.ledger.rating(other))
    return expected * (1.0 - expected) / (view.ledger.tally.counts(node, other).games + 1.0)
