"""The game whose strategies are generations: who should be played, if one had to choose blindly.

Its payoff is the score that one node makes against another: what was observed, drawn towards what the
ratings expect as if `PRIOR_GAMES` more games had gone that way. So an old generation that never met a new
one does not pass for its equal. A node that met nobody stays out: nothing is known to recommend it. Where a
win may be worth more or less, as in poker, the score counts it for what it was worth: `payoff.advantages`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from league.payoff import Payoff, advantages
from league.ratings.bradley_terry import Ratings
from league.solvers import alpha_rank, nash

Floats = npt.NDArray[np.float64]
Masses = dict[str, tuple[float, float]]
"""Node -> its mass in the Nash mixture, and in alpha-rank's stationary distribution."""

PRIOR_GAMES = 10.0
"""Games that the ratings' expectation weighs."""
LARGEST = 64
"""Only so many of the highest rated nodes enter, which keeps this quick."""
LARGEST_PROFILE = 16
"""Nodes a team in alpha-rank over two teams, whose chain has the square of this many states."""
ALPHA = 1.0
"""Strength of selection: at 50 individuals, a score of 0.55 is taken up 130 times more often than left."""


def scores(tally: Payoff, ratings: Ratings, nodes: Sequence[str], others: Sequence[str]) -> Floats:
    """[N, M] score of each of `nodes` against each of `others`; 0.5 against itself.

    It lies in (0, 1) where every win is worth the same; where not, big wins may take it beyond.
    """
    results, margins = tally.table(nodes, others)
    games, rates = results.sum(axis=2), 0.5 + advantages(results, margins)
    expected = ratings.expected_scores(nodes, others)
    mixed: Floats = (rates * games + expected * PRIOR_GAMES) / (games + PRIOR_GAMES)
    return mixed


def one_population(tally: Payoff, ratings: Ratings, nodes: Sequence[str]) -> Masses:
    """Masses where any node may meet any other. Nodes that do not enter have none."""
    masses: Masses = dict.fromkeys(nodes, (0.0, 0.0))
    strongest = _strongest(tally, ratings, nodes)
    if not strongest:
        return masses
    table = scores(tally, ratings, strongest, strongest)
    mixture, (_, ranked) = nash(table - table.T).row, alpha_rank([table], ALPHA)
    return masses | _zipped(strongest, mixture, ranked)


def two_populations(tally: Payoff, ratings: Ratings, teams: Mapping[str, Sequence[str]]) -> Masses:
    """Masses where two teams meet, each within its own team: either team's add up to 1."""
    masses: Masses = {node: (0.0, 0.0) for nodes in teams.values() for node in nodes}
    home, away = (_strongest(tally, ratings, nodes) for nodes in teams.values())
    if not home or not away:
        return masses
    table = scores(tally, ratings, home, away)
    _, row, column = nash(table - 0.5)
    few = table[:LARGEST_PROFILE, :LARGEST_PROFILE]
    _, profiles = alpha_rank([few, 1.0 - few], ALPHA)
    chance = profiles.reshape(few.shape)
    masses |= _zipped(home, row, _padded(chance.sum(axis=1), len(home)))
    return masses | _zipped(away, column, _padded(chance.sum(axis=0), len(away)))


def _strongest(tally: Payoff, ratings: Ratings, nodes: Sequence[str]) -> list[str]:
    """Those of `nodes` that played, best first, as many as may enter."""
    played = [node for node in nodes if tally.opponents(node)]
    return sorted(played, key=lambda node: -ratings.by_node[node].elo)[:LARGEST]


def _padded(mass: Floats, length: int) -> Floats:
    return np.append(mass, np.zeros(length - len(mass)))


def _zipped(nodes: Sequence[str], mixture: Floats, ranked: Floats) -> Masses:
    return dict(zip(nodes, zip(mixture.tolist(), ranked.tolist(), strict=True), strict=True))
