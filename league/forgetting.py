"""Forgetting: a live player that does worse against an ancestor than an earlier generation of it did.

    main@9, in the making  ──── 0.41 in 200 games ────┐
                                                      ├──> main@2      alarm: main@9 forgets main@2
    main@6, its ancestor too ── 0.83 in 400 games ────┘

Every ancestor of a live player, and every generation between the two, is one comparison: s of n points for
the live generation, t of k points for the earlier one, both against the same ancestor. Hypothesis: nothing
was forgotten, so there is a level r that the live generation's expected score never fell below and that of
the earlier one never exceeded. The test is an e-value, the mean likelihood over all rates (one for either)
against the greatest likelihood of one rate for both:

    e = m(s, n) m(t, k) / (r^(s + t) (1 - r)^(n + k - s - t)),       r = (s + t) / (n + k)
    m(s, n) = B(s + 1/2, n - s + 1/2) / B(1/2, 1/2)

(Krichevsky and Trofimov 1981; Turner, Ly and Grünwald 2024, "Generic E-variables for exact sequential
k-sample tests"). A draw is half a point: the mean over rates is convex in the score of a game, so it only
becomes smaller. While nothing was forgotten, the chance that e ever reaches a number c is at most 1 / c
(Ville 1939), however often one looks and whenever one stops. An alarm asks for e >= comparisons / `ALPHA`:
so over the whole life of a generation, `ALPHA` is the most that the chance of any false alarm can be.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import betaln, xlog1py, xlogy

from league.payoff import win_rates
from league.players import Player
from league.view import LeagueView

Floats = npt.NDArray[np.float64]

ALPHA = 0.01
"""Chance that a generation which forgot nothing ever raises an alarm, at most."""


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """A live player does worse against an ancestor than it once did, beyond chance."""

    player: str
    generation: int
    """The one in the making."""
    ancestor: str
    """`main@2`."""
    score: float
    """(wins + draws / 2) / games of the generation in the making against the ancestor."""
    games: int
    earlier: str
    """The generation in between that tells most clearly that the player once did better."""
    earlier_score: float
    """Its score against the same ancestor."""
    earlier_games: int
    chance: float
    """Bound on the chance of such an alarm where nothing was forgotten, all comparisons counted."""

    def __str__(self) -> str:
        return (
            f"{self.player}@{self.generation} forgets {self.ancestor}: it scores {self.score:.2f} "
            f"in {self.games} games, {self.earlier} scored {self.earlier_score:.2f} in {self.earlier_games} "
            f"(chance {self.chance:.1g} at most)"
        )


def alarms(view: LeagueView) -> list[Alarm]:
    """What live players have forgotten, one alarm for a player and an ancestor; the surest first.

    A player whose decayed win rate against the ancestor is back where it was raises none.
    """
    parents = {snapshot.name: snapshot.parent for snapshot in view.snapshots}
    found = [
        alarm
        for player in view.learners
        for alarm in _alarms_of(player, view, list(_line(player.parent, parents))[::-1])
    ]
    return sorted(found, key=lambda alarm: alarm.chance)


def log_evidence(score: Floats, games: Floats, earlier_score: Floats, earlier_games: Floats) -> Floats:
    """Logarithm of e, see above: [..] for points [..] of games [..]; games are more than 0 in all."""
    points, total = score + earlier_score, games + earlier_games
    rate = points / total
    evidence: Floats = (
        _log_mean_likelihood(score, games)
        + _log_mean_likelihood(earlier_score, earlier_games)
        - xlogy(points, rate)
        - xlog1py(total - points, -rate)
    )
    return evidence


def _log_mean_likelihood(points: Floats, games: Floats) -> Floats:
    mean: Floats = betaln(points + 0.5, games - points + 0.5) - betaln(0.5, 0.5)
    return mean


def _line(parent: str | None, parents: dict[str, str | None]) -> Iterable[str]:
    """A live player's ancestors, newest first."""
    while parent is not None:
        yield parent
        parent = parents.get(parent)


def _alarms_of(player: Player, view: LeagueView, line: Sequence[str]) -> Iterable[Alarm]:
    """line: the player's ancestors, oldest first. The newest has none between it and the player."""
    if len(line) < 2:
        return
    comparisons = len(line) * (len(line) - 1) / 2
    tally, node = view.ledger.tally, player.node
    results, recent = tally.results(node, line[:-1]), view.win_rates(player, line[:-1])
    for index in np.flatnonzero(results.any(axis=1)).tolist():
        ancestor, between = line[index], line[index + 1 :]
        wins, draws, _ = results[index]
        score, games = wins + 0.5 * draws, results[index].sum()
        theirs = tally.results(ancestor, between)[:, ::-1]  # as they see it, not as the ancestor does
        better = np.flatnonzero(win_rates(theirs) * theirs.any(axis=1) > max(score / games, recent[index]))
        if not better.size:
            continue
        theirs = theirs[better]
        points, number = theirs[:, 0] + 0.5 * theirs[:, 1], theirs.sum(axis=1)
        evidence = log_evidence(score, games, points, number)
        surest = int(evidence.argmax())
        chance = comparisons * math.exp(-evidence[surest])
        if chance <= ALPHA:
            yield Alarm(
                player=player.name,
                generation=player.generation,
                ancestor=ancestor,
                score=float(score / games),
                games=round(float(games)),
                earlier=between[better[surest]],
                earlier_score=float(points[surest] / number[surest]),
                earlier_games=round(float(number[surest])),
                chance=chance,
            )
