"""Elo's online rating (Elo 1978): cheap, always up to date, and without an interval.

Ratings that are fitted to all results at once, with intervals, are in `bradley_terry`.
"""

from __future__ import annotations

INITIAL = 1200.0
"""Where a rating starts, as in Unity ML-Agents."""
SCALE = 400.0
"""A lead of this many points means odds of 10 to 1."""


def expected_score(rating: float, opponent: float) -> float:
    """E = 1 / (1 + 10^((R_opponent - R) / 400)), in (0, 1); half of the score is a draw."""
    # The exponent is cut where 10^x would overflow; the expectation is 0 or 1 to the last bit by then.
    return float(1.0 / (1.0 + 10.0 ** min(max((opponent - rating) / SCALE, -300.0), 300.0)))


def change(rating: float, opponent: float, score: float, k: float) -> float:
    """K (S - E): what `rating` gains, and `opponent` loses, by a score S in [0, 1]."""
    return k * (score - expected_score(rating, opponent))
