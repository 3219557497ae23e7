"""Sequential probability ratio test: stop playing as soon as the games say who is better (Wald 1945).

As fishtest's: the generalised test on normalised Elo. A match of N games, or of N pairs of games with the
seats swapped, is a histogram over scores. Of each hypothesis "the score is t standard deviations above a
half" the likeliest histogram is found, and the two likelihoods are compared (Van den Bergh, "The
generalized maximum likelihood ratio for the expectation value of a distribution", 2020).

A pair of games with swapped seats is one of five scores: what the seats give cancels out within a pair,
so its variance is smaller than that of two games, and the test is over sooner.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

from league.players import LeagueError

Floats = npt.NDArray[np.float64]

ALPHA = BETA = 0.05
"""Chances to accept who is no better, and to reject who is."""
UPPER = math.log((1.0 - BETA) / ALPHA)
"""2.94: from here the upper hypothesis is accepted, and below its negative the lower one."""
NORMALISED_ELO = 800.0 / math.log(10.0)
"""Points of normalised Elo of one standard deviation of a single game's score."""
UNSEEN = 1e-3
"""Games that a score counts which never came up, so that no likelihood is 0 (fishtest's)."""


class Verdict(StrEnum):
    """Where the test stands."""

    BETTER = "better"
    NO_BETTER = "no_better"
    UNDECIDED = "undecided"


class Sprt(NamedTuple):
    """The test after some games."""

    llr: float
    """Log of how much likelier the upper hypothesis makes them than the lower."""
    verdict: Verdict


def sprt(counts: Sequence[float] | npt.ArrayLike, lower: float, upper: float) -> Sprt:
    """Test whether who played is rather `upper` than `lower` points of normalised Elo better.

    counts: of single games [losses, draws, wins]; or of pairs with swapped seats, how many of them scored
        0, 1/2, 1, 3/2 and 2.
    Raises LeagueError where there are neither three nor five, or one is negative.
    """
    seen = np.asarray(counts, np.float64)
    if seen.shape not in ((3,), (5,)) or not (np.isfinite(seen) & (seen >= 0)).all():
        raise LeagueError(
            f"counts of an SPRT are {seen.tolist()}, but must be 3 (games) or 5 (pairs), none negative"
        )
    if not seen.any():
        return Sprt(0.0, Verdict.UNDECIDED)
    # The deviation of the mean of two games is smaller by sqrt(2), so t is larger by that.
    scale = NORMALISED_ELO if len(seen) == 3 else NORMALISED_ELO / math.sqrt(2.0)
    games = np.where(seen > 0, seen, UNSEEN)
    chances, scores = games / games.sum(), np.linspace(0.0, 1.0, len(seen))
    likely, unlikely = (_likeliest(scores, chances, elo / scale) for elo in (upper, lower))
    llr = float(games.sum() * (chances * np.log(likely / unlikely)).sum())
    verdict = Verdict.BETTER if llr >= UPPER else Verdict.NO_BETTER if llr <= -UPPER else Verdict.UNDECIDED
    return Sprt(llr, verdict)


def _likeliest(scores: Floats, chances: Floats, t: float) -> Floats:
    """Of all distributions with (mean - 1/2) / deviation = t the one under which `chances` are likeliest."""
    found = np.full_like(chances, 1.0 / len(chances))
    for _ in range(100):
        before = found
        mean = float(found @ scores)
        deviation = math.sqrt(float(found @ (scores - mean) ** 2))
        # The condition is not linear; its tangent at the last distribution is.
        slopes = scores - 0.5 - 0.5 * t * deviation * (1.0 + ((mean - scores) / deviation) ** 2)
        found = chances / (1.0 + _root(slopes, chances) * slopes)
        if np.abs(found - before).max() < 1e-9:
            break
    return found


def _root(slopes: Floats, chances: Floats) -> float:
    """x with sum of p a / (1 + x a) = 0, between the poles: Lagrange's multiplier of "the mean of a is 0"."""
    low, high = -1.0 / slopes.max(), -1.0 / slopes.min()
    margin = 1e-9 * (high - low)
    return float(brentq(lambda x: (chances * slopes / (1.0 + x * slopes)).sum(), low + margin, high - margin))
