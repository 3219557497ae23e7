"""Strengths fitted to all results at once, with intervals: Bradley-Terry with draws.

Model (Davidson 1970, eq. 2.3): with strengths theta on the natural-log scale and d = theta_i - theta_j

    P(i wins) : P(draw) : P(j wins)  =  e^(d/2) : nu : e^(-d/2)

where nu >= 0 is one number for the whole league, fitted too. Counting a draw as half a win instead
pretends that every drawn game was a coin flip, and its intervals come out wrong. Where no game was
drawn nu is 0, and this is the model of Bradley and Terry (1952).

Prior, as in KataGo's `elo.py`: every generation drew a few virtual games with its predecessor, each of
them half a win and half a loss under Bradley-Terry. It ties the league together, so a player that never
lost still has a finite rating. The log posterior is concave; Newton's method finds its only maximum.

Intervals: the inverse Hessian, with nu marginalised, of *centred* ratings: the uncertainty of a rating
relative to the mean of all. Without the centring every rating shares one infinite uncertainty.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.linalg.lapack import dpotri
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.special import xlogy

from league.payoff import Pairs, Payoff
from league.players import LeagueError
from league.ratings.elo import INITIAL, SCALE

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

POINTS = SCALE / math.log(10.0)
"""Elo points of one unit of theta."""
NORMAL_95 = 1.959963984540054
"""Standard deviations on either side of the middle that hold 95 % of a normal distribution."""
LONGEST_STEP = 8.0
"""One Newton step moves no rating, nor log nu, further: far from the maximum the curvature misleads."""
STEPS = 100
"""Newton steps before giving up; a league needs about ten."""
BLOCK = 2**15
"""Pairs worked on at a time: half a million at once take twice as long."""
NO_MAXIMUM = "ratings have no maximum: without a prior, who never lost is infinitely strong"


class Fit(NamedTuple):
    """The maximum of the posterior."""

    theta: Floats
    """[N] strengths, natural-log scale, mean 0 within every set of nodes that games or prior connect."""
    deviation: Floats
    """[N] standard deviations of the same."""
    nu: float
    """Davidson's draw parameter: 0 without draws; equals draw with probability nu / (nu + 2)."""


@dataclass(frozen=True)
class Rating:
    """Strength of one node, on the Elo scale."""

    elo: float
    low: float
    """2.5 % quantile."""
    high: float
    """97.5 % quantile."""


@dataclass(frozen=True)
class Ratings:
    """Strengths of all nodes, and what they say about a game to come."""

    by_node: Mapping[str, Rating]
    nu: float
    """Davidson's draw parameter."""

    def expected_scores(self, nodes: Sequence[str], others: Sequence[str]) -> Floats:
        """[N, M] score (win 1, draw 1/2) that each of `nodes` should make against each of `others`."""
        theta = np.array([self.by_node[node].elo for node in nodes]) / POINTS
        against = np.array([self.by_node[node].elo for node in others]) / POINTS
        win, draw, _ = probabilities(theta[:, None] - against[None, :], self.nu)
        scores: Floats = win + 0.5 * draw
        return scores


def rate(tally: Payoff, parents: Mapping[str, str | None], prior_draws: float = 4.0) -> Ratings:
    """Ratings of the keys of `parents`, the oldest first.

    tally: undecayed results by node; nodes that `parents` lacks are left out.
    parents: node -> the one it grew from; a node whose parent is None or left out is tied to the oldest.
    prior_draws: virtual draws of each node with its parent, 0.01 or more.

    The oldest node sits at 1200. Its interval, like all, is relative to the mean of the league: the
    anchor only says where the scale begins.
    """
    if not prior_draws >= 0.01:
        raise LeagueError(f"prior_draws is {prior_draws}, but must be 0.01 or more, to keep ratings finite")
    nodes = list(parents)
    if not nodes:
        return Ratings({}, 0.0)
    position = {node: index for index, node in enumerate(nodes)}
    child = np.arange(1, len(nodes))
    parent = np.array([position.get(parents[node] or nodes[0], 0) for node in nodes[1:]], np.int64)
    half = np.full(len(child), prior_draws / 2)
    theta, deviation, nu = maximise(
        len(nodes), tally.pairs(nodes), Pairs(child, parent, half, np.zeros(len(child)), half)
    )
    middle = INITIAL + POINTS * (theta - theta[0])
    reach = POINTS * NORMAL_95 * deviation
    rows = zip(nodes, middle.tolist(), reach.tolist(), strict=True)
    return Ratings({node: Rating(at, at - by, at + by) for node, at, by in rows}, nu)


def maximise(nodes: int, games: Pairs, prior: Pairs) -> Fit:
    """The posterior's maximum by Newton's method; a step costs O(pairs + nodes^3).

    games: results among nodes 0 .. nodes - 1. Fractions are fine: with half of the draws added to wins
        and to losses, and none left as draws, this is the plain Bradley-Terry likelihood.
    prior: virtual results, which never are draws: they say nothing about nu.
    Raises LeagueError where there is no maximum: without a prior, where one side never lost.
    """
    theta, nu = np.zeros(nodes), 0.0
    if games.draws.sum() > 0:
        # Where every game was drawn nu would be infinite. Half a drawn and half a decided game of the
        # first node with itself keep it finite, and otherwise do nothing to speak of.
        nu = 2.0
        games = Pairs(*map(np.append, games, (0, 0, 0.25, 0.5, 0.25)))
    component = _components(nodes, games, prior)
    together = component[:, None] == component
    here = _posterior(theta, nu, games, prior)
    for _ in range(STEPS):
        step = cho_solve(_factor(here.information, together), here.gradient)
        step *= LONGEST_STEP / max(float(np.abs(step).max()), LONGEST_STEP)
        there = _posterior(theta + step[:-1], nu * math.exp(step[-1]), games, prior)
        # Halve until it climbs. Near the maximum rounding hides the gain, so a little loss is allowed.
        while there.value < here.value - 1e-12 * (1.0 + abs(here.value)):
            step *= 0.5
            there = _posterior(theta + step[:-1], nu * math.exp(step[-1]), games, prior)
        theta, nu, here = theta + step[:-1], nu * math.exp(step[-1]), there
        if np.abs(step).max() < 1e-5:  # Newton squares the error: the next step would be of 1e-8 Elo points
            break
    else:
        raise LeagueError(NO_MAXIMUM)
    sizes = np.bincount(component)[component]
    theta -= np.bincount(component, theta)[component] / sizes
    inverse, _ = dpotri(*_factor(here.information, together), overwrite_c=True)
    # What `_factor` added along each component's common shift is taken out: centred ratings.
    variance = np.diagonal(inverse)[:-1] - 1.0 / sizes**2
    return Fit(theta, np.sqrt(np.maximum(variance, 0.0)), nu)


class _Posterior(NamedTuple):
    """The log posterior at a point (theta, log nu), up to a constant."""

    value: float
    gradient: Floats
    """[N + 1]"""
    information: Floats
    """[N + 1, N + 1] its negative Hessian: of this symmetric matrix the upper triangle."""


def _posterior(theta: Floats, nu: float, games: Pairs, prior: Pairs) -> _Posterior:
    """Log posterior and derivatives. With nu = 0 there is no draw term, and log nu is held where it is."""
    size, node = len(theta), np.arange(len(theta))
    value, gradient, curvatures, corner = 0.0, np.zeros(size + 1), np.zeros(size), 0.0
    information = np.zeros((size + 1, size + 1))
    for (home, away, wins, draws, losses), drawn in chain(_blocks(games, nu), _blocks(prior, 0.0)):
        lead, total = theta[home] - theta[away], wins + draws + losses
        win, draw, loss = probabilities(lead, drawn)
        value += float(xlogy(wins, win).sum() + xlogy(draws, draw).sum() + xlogy(losses, loss).sum())
        # Written as sums of small numbers: the shorter forms cancel where one side nearly always wins.
        mean = 0.5 * (win - loss)
        slope = wins * (loss + 0.5 * draw) - losses * (win + 0.5 * draw) - draws * mean
        curvature = total * (win * loss + 0.25 * draw * (win + loss)) * (home != away)
        mixed = -total * draw * mean
        gradient[:-1] += np.bincount(home, slope, size) - np.bincount(away, slope, size)
        gradient[-1] += (draws - total * draw).sum()
        upper = np.minimum(home, away) * (size + 1) + np.maximum(home, away)
        np.subtract.at(information.reshape(-1), upper, curvature)
        curvatures += np.bincount(home, curvature, size) + np.bincount(away, curvature, size)
        information[:-1, -1] += np.bincount(home, mixed, size) - np.bincount(away, mixed, size)
        corner += float((total * draw * (1.0 - draw)).sum())
    information[node, node] += curvatures
    information[-1, -1] = corner if nu > 0 else 1.0
    return _Posterior(value, gradient, information)


def _blocks(pairs: Pairs, nu: float) -> Iterator[tuple[Pairs, float]]:
    """The pairs, so many at a time that what is worked out about them stays in the cache."""
    for begin in range(0, len(pairs.home), BLOCK):
        yield Pairs._make(column[begin : begin + BLOCK] for column in pairs), nu


def probabilities(lead: Floats, nu: float | Floats) -> tuple[Floats, Floats, Floats]:
    """Chances to win, draw and lose at a lead theta_i - theta_j; the same shape, no overflow."""
    decay = np.exp(-0.5 * np.abs(lead))
    better, draw, worse = np.ones_like(lead), nu * decay, decay**2
    total = better + draw + worse
    ahead = lead >= 0
    return np.where(ahead, better, worse) / total, draw / total, np.where(ahead, worse, better) / total


def _components(nodes: int, games: Pairs, prior: Pairs) -> Ints:
    """[N] number of the connected set that each node is in."""
    # The prior alone mostly connects all, and has fewer pairs.
    count, labels = _connected(nodes, prior.home, prior.away)
    if count > 1:
        _, labels = _connected(nodes, np.append(games.home, prior.home), np.append(games.away, prior.away))
    return labels


def _connected(nodes: int, home: Ints, away: Ints) -> tuple[int, Ints]:
    graph = coo_array((np.ones(len(home)), (home, away)), (nodes, nodes))
    count, labels = connected_components(graph, directed=False)
    return int(count), labels.astype(np.int64)


def _factor(information: Floats, together: Bools) -> tuple[Floats, bool]:
    """Cholesky's factor of the information, as `cho_solve` takes it; the information is overwritten.

    Along the common shift of a component (size s) the information is singular. Ones are added within each,
    which leaves the solution for a gradient as it is, for that has no part along the shift. To the inverse
    they add 1 / s^2 in every entry of the component.
    together: [N, N] whether two nodes are in one component.
    """
    information[:-1, :-1] += together
    try:
        # Transposed, the matrix lies as LAPACK wants it, and need not be copied.
        factor: tuple[Floats, bool] = cho_factor(information.T, lower=True, overwrite_a=True)
    except LinAlgError as error:
        raise LeagueError(NO_MAXIMUM) from error
    return factor
