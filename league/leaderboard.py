"""The leaderboard: every generation with its rating, its interval, and what the rating hides."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from league.meta_game import Masses, one_population, two_populations
from league.players import Player, Role
from league.ratings.bradley_terry import NORMAL_95, rate
from league.ratings.diagnostics import Standing, cyclic_triples, verdict
from league.ratings.teams import Skill, skill_of
from league.view import LeagueView


@dataclass(frozen=True, kw_only=True)
class Row:
    """One node of the league."""

    player: str
    """Name of the player."""
    generation: int | None
    """Of the snapshot; for a live player the one in the making; None for a scripted player."""
    role: str
    live: bool
    """Whether the generation is still in the making."""
    games: int
    """Against other nodes; in a game of one team, episodes."""
    wins: int
    draws: int
    losses: int
    nash: float | None
    """Mass in the Nash mixture over all generations (of its team, where teams differ); None where the
    game has no such mixture: one team, or three that differ; and for scripted players where teams differ."""
    alpha_rank: float | None
    """Mass in alpha-rank's stationary distribution; None as for `nash`."""
    team: str | None = None
    """The only team that it plays; None where it plays any."""

    @property
    def node(self) -> str:
        """What its results are rated under: `main@12`, `random`."""
        return self.player if self.generation is None else f"{self.player}@{self.generation}"


@dataclass(frozen=True, kw_only=True)
class RatedRow(Row):
    """A node of a game of several teams."""

    elo: float
    """Bradley-Terry, the oldest node at 1200."""
    elo_low: float
    """Lower end of the 95 % interval relative to the league's mean."""
    elo_high: float


@dataclass(frozen=True, kw_only=True)
class RankedRow(RatedRow):
    """A node of a game of more than two teams, where a place among all says more than pairs do."""

    skill: float
    """Plackett-Luce by openskill; a node begins at 25, or where its predecessor stands."""
    skill_low: float
    """Lower end of its 95 % interval."""
    skill_high: float


@dataclass(frozen=True, kw_only=True)
class ReturnRow(Row):
    """A node of a game of one team, where nobody is beaten."""

    return_mean: float | None
    """Undiscounted return of an episode; None before the first."""
    return_low: float | None
    """Lower end of the mean's 95 % interval; None before the second episode."""
    return_high: float | None


@dataclass(frozen=True)
class _Entry:
    """Who a row is about."""

    node: str
    player: str
    generation: int | None
    role: Role
    live: bool
    parent: str | None
    team: str | None
    """None for a scripted player: it plays any."""


def leaderboard(view: LeagueView, prior_draws: float = 4.0) -> list[RatedRow] | list[ReturnRow]:
    """All snapshots, live players and scripted players, best first.

    prior_draws: virtual draws of each generation with its predecessor, see `bradley_terry.rate`.
    `dataclasses.asdict` of a row is the JSON object that users see.
    """
    entries = _entries(view)
    return _by_return(view, entries) if len(view.teams) == 1 else _by_rating(view, entries, prior_draws)


def remark(rows: Sequence[Row], view: LeagueView) -> str:
    """The line under the leaderboard: `diagnostics.verdict` of its rows; empty in a game of one team."""
    played = [row for row in rows if isinstance(row, RatedRow) and row.games]
    teams = ("",) if view.symmetric else view.teams
    groups = {
        team: [
            Standing(row.node, row.elo, row.elo_low, row.elo_high, row.nash, row.alpha_rank)
            for row in played
            if not team or row.team == team
        ]
        for team in teams
    }
    return verdict(groups, cyclic_triples(view.ledger.tally, [row.node for row in played]))


def mixture(rows: Sequence[Row]) -> dict[str, float]:
    """Identity -> its mass in the Nash mixture over all generations; a live player goes by its name."""
    return {row.player if row.live else row.node: row.nash for row in rows if row.nash}


def _entries(view: LeagueView) -> list[_Entry]:
    """Snapshots oldest first, then live players, then those that never change."""
    roles = {name: player.role for name, player in view.players.items()}
    teams = {name: player.team for name, player in view.players.items()}
    frozen = [
        _Entry(
            snapshot.name,
            snapshot.player,
            snapshot.generation,
            roles.get(snapshot.player, Role.MAIN),
            live=False,
            parent=snapshot.parent,
            team=teams.get(snapshot.player),
        )
        for snapshot in view.snapshots
    ]
    live = [
        _Entry(
            player.node,
            player.name,
            player.generation,
            player.role,
            live=True,
            parent=player.parent,
            team=player.team,
        )
        for player in view.learners
    ]
    fixed = {name: Player(name, Role.SCRIPTED) for name in view.scripted}
    fixed |= {player.name: player for player in view.fixed}
    unchanging = [
        _Entry(name, name, None, player.role, live=False, parent=None, team=player.team)
        for name, player in sorted(fixed.items())
    ]
    return [*frozen, *live, *unchanging]


def _by_rating(view: LeagueView, entries: list[_Entry], prior_draws: float) -> list[RatedRow]:
    tally = view.ledger.tally
    ratings = rate(tally, {entry.node: entry.parent for entry in entries}, prior_draws)
    masses: Masses = {}
    if view.symmetric:
        masses = one_population(tally, ratings, [entry.node for entry in entries])
    elif len(view.teams) == 2:
        teams = {team: [entry.node for entry in entries if entry.team == team] for team in view.teams}
        masses = two_populations(tally, ratings, teams)
    rows = []
    for entry in entries:
        rating, counts = ratings.by_node[entry.node], tally.totals(entry.node)
        nash, ranked = masses.get(entry.node, (None, None))
        rows.append(
            RatedRow(
                player=entry.player,
                generation=entry.generation,
                role=entry.role.value,
                live=entry.live,
                games=round(counts.games),
                wins=round(counts.wins),
                draws=round(counts.draws),
                losses=round(counts.losses),
                nash=nash,
                alpha_rank=ranked,
                team=entry.team,
                elo=rating.elo,
                elo_low=rating.low,
                elo_high=rating.high,
            )
        )
    if len(view.teams) > 2:
        rows = [_ranked(row, skill_of(row.node, view.ledger.skills)) for row in rows]
    return sorted(rows, key=lambda row: -row.elo)


def _ranked(row: RatedRow, skill: Skill) -> RankedRow:
    return RankedRow(**vars(row), skill=skill.mu, skill_low=skill.low, skill_high=skill.high)


def _by_return(view: LeagueView, entries: list[_Entry]) -> list[ReturnRow]:
    rows = []
    for entry in entries:
        sums = view.ledger.returns.get(entry.node)
        mean = sums.mean if sums and sums.episodes else None
        known = sums is not None and mean is not None and math.isfinite(sums.standard_error)
        reach = NORMAL_95 * sums.standard_error if sums and known else None
        rows.append(
            ReturnRow(
                player=entry.player,
                generation=entry.generation,
                role=entry.role.value,
                live=entry.live,
                games=sums.episodes if sums else 0,
                wins=0,
                draws=0,
                losses=0,
                nash=None,
                alpha_rank=None,
                team=entry.team,
                return_mean=mean,
                return_low=None if mean is None or reach is None else mean - reach,
                return_high=None if mean is None or reach is None else mean + reach,
            )
        )
    return sorted(rows, key=lambda row: math.inf if row.return_mean is None else -row.return_mean)
