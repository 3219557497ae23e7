"""Policy-space response oracles (Lanctot et al. 2017): train a best response to a mixture of the past.

    past generations ──> their payoff, filled by evaluation matches ──> meta-strategy ──> opponent

The player in the making approximates the best response; frozen, it joins the population.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from league.matchmaking.evaluation import Evaluation
from league.matchmaking.opponents import Draw, seat
from league.matchmaking.proposal import Proposal
from league.matchmaking.weighted import Dice, Ints, Table, pick
from league.meta_game import ALPHA
from league.payoff import advantages
from league.players import LeagueError, Player, Purpose
from league.solvers import alpha_rank, nash, projected_replicator, regret_matching
from league.view import LeagueView

Floats = npt.NDArray[np.float64]

LARGEST_PROFILE = 10
"""Of each of two populations in alpha-rank, whose chain has the square of this many states: it takes 4 ms."""
RATING_SHARE = 0.25
"""Of evaluation matches, those that do not fill the payoff."""


class MetaStrategy(StrEnum):
    """How a mixture is made of a table of payoffs."""

    UNIFORM = "uniform"
    """Fictitious play."""
    NASH = "nash"
    """An equilibrium, by linear programming."""
    PROJECTED_REPLICATOR = "projected_replicator"
    """An average of replicator dynamics that keep everybody alive."""
    REGRET_MATCHING = "regret_matching"
    """An average of regret matching."""
    ALPHA_RANK = "alpha_rank"
    """alpha-rank's stationary distribution."""
    RECTIFIED = "rectified"
    """Nash, of those whom the player beats or equals (Balduzzi et al. 2019, algorithm 4)."""


@dataclass(frozen=True)
class Psro:
    """One of the newest `window` snapshots, by the meta-strategy of the team that is to be filled.

    Fixed players always belong to the population. In a symmetric game there is one population, where two
    teams differ there are two. Raises LeagueError where more than two teams differ.
    """

    strategy: MetaStrategy
    window: int
    """Snapshots that enter the meta-game; 1 or more."""

    def __call__(self, view: LeagueView, player: Player, generator: Generator) -> Proposal:
        """A match that trains `player`."""

        def draw(team: str) -> Draw:
            table = Table(view, player, team, Dice.roll(generator))
            candidates = population(view, team, self.window)
            if not len(candidates):
                return table.live(table.counterpart(), "latest, for want of a past")
            responders = population(view, view.team_of(player), self.window)
            chances = self._mixture(view, responders, candidates)
            if self.strategy is MetaStrategy.RECTIFIED:
                chances = _rectified(chances, table.rates(candidates))
            return table.weighted(candidates, chances, f"meta-strategy {self.strategy.replace('_', ' ')}")

        _refuse_three_teams(view)
        return seat(view, player, "psro", draw)

    def _mixture(self, view: LeagueView, responders: Ints, candidates: Ints) -> Floats:
        if self.strategy is MetaStrategy.UNIFORM or not len(responders):
            return np.full(len(candidates), 1.0 / len(candidates))
        results = _results(view, responders, candidates)
        return mixture(self.strategy, advantages(*results).tobytes(), len(candidates))


@dataclass(frozen=True)
class FillPayoff:
    """Evaluation matches that fill the payoff which `Psro` reads, the least known pairs first.

    A pair weighs p (1 - p) / (n + 1): the variance of its score, p drawn towards 1/2 by two virtual games.
    """

    window: int
    """As of `Psro`."""
    others: Evaluation = field(default_factory=Evaluation)
    """Makes a quarter of the matches: who is no part of the payoff, as live players, is to be rated too."""

    def __call__(self, view: LeagueView, generator: Generator) -> Proposal | None:
        """A match to evaluate by; None while no two can meet."""
        coin, number = generator.random(2).tolist()
        if coin < RATING_SHARE or len(view.teams) != 2:
            return self.others(view, generator)
        home, away = (population(view, team, self.window) for team in view.teams)
        results, _ = _results(view, home, away)
        games = results.sum(axis=2)
        score = (results[..., 0] + 0.5 * results[..., 1] + 1.0) / (games + 2.0)
        weights = np.where(home[:, None] != away[None, :], score * (1.0 - score) / (games + 1.0), 0.0)
        if not weights.sum() > 0:
            return None
        index = pick(weights.ravel(), number)
        one, other = divmod(index, len(away))
        names = view.opponents[home[one]], view.opponents[away[other]]
        reason = {
            "rule": "evaluation",
            "branch": "least known pair of the meta-game",
            "candidates": int(np.count_nonzero(weights)),
            "games": float(games[one, other]),
            "win_rate": float(score[one, other]),
            "probability": float(weights[one, other] / weights.sum()),
            "draw": number,
        }
        return Proposal(dict(zip(view.teams, names, strict=True)), Purpose.EVALUATE, reason)


def population(view: LeagueView, team: str, window: int) -> Ints:
    """Positions in `view.opponents`: the newest `window` snapshots that may play `team`, and all fixed."""
    permitted = view.permitted(team)
    snapshots = int(np.searchsorted(permitted, len(view.past)))
    return permitted[max(snapshots - window, 0) :]


@lru_cache(maxsize=16)
def mixture(strategy: MetaStrategy, scores: bytes, columns: int) -> Floats:
    """[C] what the column population should play. Kept, for a table changes only with a new result.

    scores: [R, C] float64 of the row's `advantages`, as bytes.
    """
    table = np.frombuffer(scores).reshape(-1, columns)
    match strategy:
        case MetaStrategy.PROJECTED_REPLICATOR:
            chances = projected_replicator(table).column
        case MetaStrategy.REGRET_MATCHING:
            chances = regret_matching(table).column
        case MetaStrategy.ALPHA_RANK:
            chances = _alpha_rank(table)
        case _:
            chances = nash(table).column
    chances.flags.writeable = False
    return chances


def _alpha_rank(table: Floats) -> Floats:
    """[C] mass of the columns; of two populations only the newest enter, whose chain has R x C states."""
    if np.array_equal(table, -table.T):
        return alpha_rank([table], ALPHA).stationary
    few = table[-LARGEST_PROFILE:, -LARGEST_PROFILE:]
    mass = alpha_rank([few, -few], ALPHA).stationary.reshape(few.shape).sum(axis=0)
    return np.append(np.zeros(table.shape[1] - len(mass)), mass)


def _rectified(chances: Floats, rates: Floats) -> Floats:
    """The mixture's part that the player does not lose to; all of it where it loses to all."""
    kept = np.where(rates >= 0.5, chances, 0.0)
    total = kept.sum()
    return kept / total if total > 1e-10 else chances


def _results(view: LeagueView, home: Ints, away: Ints) -> tuple[Floats, Floats]:
    """`Payoff.table` of positions in `view.opponents`, of all time."""
    names = view.opponents
    return view.ledger.tally.table([names[at] for at in home.tolist()], [names[at] for at in away.tolist()])


def _refuse_three_teams(view: LeagueView) -> None:
    if len(view.teams) > 2 and not view.symmetric:
        raise LeagueError(
            f"psro has a payoff for two teams, or for teams alike, but {', '.join(view.teams)} differ"
        )
