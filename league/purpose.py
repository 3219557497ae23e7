"""Whether the next match trains or only rates, so that rating takes its share of the actors' work.

A share of the matches would be another share of the work: who is rated may be done in ten moves, or only
after sixty. So the chance c of a match that only rates is such that, at the mean lengths seen so far,

    c E / (c E + (1 - c) T) = share        E, T: decisions of a match that rates, that trains

Decisions and not seconds are counted: they follow from the results, so that a resumed run decides alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from numpy.random import Generator

from league.players import Match, Outcome, Purpose

Effort = dict[str, list[int]]
"""Purpose -> [matches, decisions] of those that were drawn by a `Coin`."""
COIN = "coin"
"""Key of a match's reason under which its `Coin` stands."""


class Coin(NamedTuple):
    """How it was decided what a match is for."""

    share: float
    """Of the decisions that matches which only rate are to take."""
    chance: float
    """Of a match that only rates."""
    draw: float
    """In [0, 1); below `chance` the match is one, if anybody can be compared."""

    @property
    def evaluates(self) -> bool:
        """Whether the match is to be one that only rates."""
        return self.draw < self.chance

    def reason(self) -> dict[str, Any]:
        """What is noted with the match."""
        return {COIN: self._asdict()}


def toss(share: float, effort: Mapping[str, Sequence[int]], generator: Generator) -> Coin:
    """Decide for the next match; takes one number from the generator."""
    return Coin(share, chance_to_evaluate(share, effort), float(generator.random()))


def chance_to_evaluate(share: float, effort: Mapping[str, Sequence[int]]) -> float:
    """c of the module's equation; the share itself until both lengths are known."""
    lengths = [_length(effort, purpose) for purpose in (Purpose.EVALUATE, Purpose.TRAIN)]
    if not all(lengths):
        return share
    rated, trained = share * lengths[1], (1.0 - share) * lengths[0]
    return rated / (rated + trained)


def fold(effort: Effort, match: Match, outcome: Outcome) -> None:
    """Add a result. Matches without a coin, from before there was one, are left out for ever."""
    if COIN in match.reason:
        sums = effort.setdefault(match.purpose.value, [0, 0])
        sums[0] += 1
        sums[1] += outcome.decisions


def _length(effort: Mapping[str, Sequence[int]], purpose: Purpose) -> float:
    matches, decisions = effort.get(purpose.value, (0, 0))
    return decisions / matches if matches else 0.0
