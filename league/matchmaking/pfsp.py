"""Prioritised fictitious self-play: the past by how hard it is (AlphaStar, Vinyals et al. 2019, Methods)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from league.matchmaking.opponents import Draw, seat
from league.matchmaking.proposal import Proposal
from league.matchmaking.weighted import Dice, Ints, Table
from league.players import Player
from league.view import LeagueView

Floats = npt.NDArray[np.float64]

NEGLIGIBLE = 1e-10
"""Weights that add up to less are no preference at all: all opponents are then alike."""


class Weighting(StrEnum):
    """What an opponent weighs by the win rate w against it."""

    SQUARED = "squared"
    """(1 - w)^2: the hardest; a main's."""
    LINEAR = "linear"
    """1 - w."""
    LINEAR_CAPPED = "linear_capped"
    """min(0.5, 1 - w): whoever is not beaten yet alike; a league exploiter's."""
    VARIANCE = "variance"
    """w (1 - w): the even; a curriculum for who loses too much."""


def pfsp(win_rates: npt.ArrayLike, weighting: str = Weighting.LINEAR) -> Floats:
    """[O] chance of each opponent: f(w) / sum of f(w).

    win_rates: [O] of the learner against each, in [0, 1]; O may be 0. Uniform where the sum is below
    1e-10, as where every w is 1, or with `variance` every w is 0 or 1.
    """
    rates = np.asarray(win_rates, np.float64)
    match Weighting(weighting):
        case Weighting.SQUARED:
            weights = (1.0 - rates) ** 2
        case Weighting.LINEAR:
            weights = 1.0 - rates
        case Weighting.LINEAR_CAPPED:
            weights = np.minimum(0.5, 1.0 - rates)
        case Weighting.VARIANCE:
            weights = rates * (1.0 - rates)
    total = weights.sum()
    if total < NEGLIGIBLE:
        return np.full_like(rates, 1.0 / max(rates.size, 1))
    chances: Floats = weights / total
    return chances


def draw_pfsp(table: Table, candidates: Ints, weighting: Weighting, branch: str) -> Draw | None:
    """One of the candidates by `pfsp`; None where there is none."""
    if not len(candidates):
        return None
    chances = pfsp(table.rates(candidates), weighting)
    return table.weighted(candidates, chances, f"{branch}, {weighting.replace('_', ' ')}")


@dataclass(frozen=True)
class Prioritised:
    """The latest with `latest_probability`, else everybody's past by PFSP."""

    weighting: Weighting
    latest_probability: float
    """Chance of self-play, in [0, 1]."""

    def __call__(self, view: LeagueView, player: Player, generator: Generator) -> Proposal:
        """A match that trains `player`."""

        def draw(team: str) -> Draw:
            table = Table(view, player, team, Dice.roll(generator))
            if table.dice.coin < self.latest_probability:
                return table.live(table.counterpart(), "self-play")
            return draw_pfsp(table, table.everyone, self.weighting, "pfsp") or table.live(
                table.counterpart(), "self-play, for want of a past"
            )

        return seat(view, player, "pfsp", draw)
