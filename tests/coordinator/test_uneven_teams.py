"""Leagues of games whose teams differ: one population a team, whatever the preset.

Most of it is played out on tables: the rules' own matches, made-up results, the rules' own freezes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np
import pytest

from benchmarks.runs import trained
from coordinator.archive import Archive, ResultLog
from coordinator.config import RunConfig
from coordinator.doctor import diagnose
from coordinator.first_players import check_meta_game, first_players
from coordinator.options import OptionError
from coordinator.presets import LEAGUES, build
from envs.game import GameSpec
from league.leaderboard import leaderboard
from league.ledger import Ledger
from league.matchmaking import evaluator, make_match, matchmaker
from league.past import Past
from league.players import Match, Outcome, PairResult, Player, Purpose, Role, Snapshot
from league.promotion import decide_freeze, decide_reset, reset
from league.view import LeagueView
from tests.coordinator.still import spec_of

PENNIES, SEEK, THREE = (
    "matrix:pennies",
    "tests.coordinator.uneven:make",
    "tests.coordinator.uneven:make_three",
)
SHORT = {
    "league.snapshot_steps": 2_000,
    "league.snapshot_min_steps": 1_000,
    "league.snapshot_min_games": 50,
    "league.scripted": ("random",),
}
GAMES = [
    (league, game)
    for game in (SEEK, THREE)
    for league in LEAGUES
    if (league, game) != ("psro", THREE)  # which is refused, see below
]


@dataclass
class Played:
    """A league that was played out on tables."""

    view: LeagueView
    matches: list[Match] = field(default_factory=list)

    def team(self, identity: str) -> str | None:
        """The team that an identity is bound to; None for a script."""
        player = self.view.players.get(identity.partition("@")[0])
        return player.team if player else None

    def met(self, role: Role) -> set[str]:
        """Whom players of a role met in matches that trained them."""
        trained = [match for match in self.matches if match.purpose is Purpose.TRAIN]
        return {
            other
            for match in trained
            if self.view.players[match.reason["player"]].role is role
            for other in match.teams.values()
            if other != match.reason["player"]
        }


def play_out(config: RunConfig, spec: GameSpec, matches: int) -> Played:
    """Matches as a coordinator would make them; the team that comes first wins a little more often."""
    generator = np.random.default_rng(1)
    players, teams = first_players(config, spec), tuple(spec.teams)
    snapshots = [Snapshot(name, 0, "0" * 64, None, 0, "") for name, one in players.items() if one.role.learns]
    players |= {one.player: replace(players[one.player], generation=1) for one in snapshots}
    ledger, played = Ledger(), []
    rule, rating = matchmaker(config.league), evaluator(config.league)

    def view() -> LeagueView:
        return LeagueView(dict(players), Past(snapshots), ledger, teams, spec.symmetric, ("random",))

    for number in range(1, matches + 1):
        now = view()
        player = now.learners[number % len(now.learners)]
        proposal = (rating(now, generator) if number % 4 == 0 else None) or rule(now, player, generator)
        match = make_match(proposal, number, 64, 0, now)
        pairs = []
        for home, away in combinations((match.teams[team] for team in teams), 2):
            wins = int(generator.binomial(64, generator.choice([0.3, 0.6, 0.9])))
            pairs.append(PairResult(home, away, wins, 0, 64 - wins))
        ledger.apply(number, match, Outcome(number, 1, 64, 500, tuple(pairs), ()))
        played.append(match)
        if match.purpose is Purpose.TRAIN:
            learners = [one for one in match.teams.values() if one in players and players[one].role.learns]
            players |= {name: replace(players[name], steps=players[name].steps + 500) for name in learners}
        for one in view().learners:
            if decide_freeze(one, view(), config.league):
                snapshots.append(Snapshot(one.name, one.generation, "0" * 64, one.parent, one.steps, ""))
                players[one.name] = replace(one, generation=one.generation + 1, frozen_at=one.steps)
                if reason := decide_reset(players[one.name], view(), config.league, seed=0):
                    players[one.name] = reset(players[one.name], reason)
    return Played(view(), played)


@pytest.mark.parametrize(("league", "game"), GAMES)
def test_every_preset_keeps_one_population_a_team(league: str, game: str) -> None:
    spec, config = spec_of(game), build(game, league=league, flags=SHORT)
    played = play_out(config, spec, 250)
    view = played.view
    for match in played.matches:
        assert list(match.teams) == list(spec.teams)
        for team, identity in match.teams.items():
            assert identity == "random" or played.team(identity) == team, match
    trained = Counter(one for match in played.matches for one in match.teams.values())
    for player in view.learners:
        assert trained[player.name] > 0
        assert player.steps > 0
    for team in spec.teams:
        generations = [one for one in view.snapshots if view.players[one.player].team == team]
        assert any(one.generation for one in generations), f"nobody of {team} was frozen after the beginning"
        met = {match.teams[team] for match in played.matches}
        assert {one.name for one in generations} & met, f"the past of {team} is met"


@pytest.mark.parametrize("league", ["alphastar", "alphastar_pseudocode"])
@pytest.mark.parametrize("game", [SEEK, THREE])
def test_exploiters_of_a_team_meet_the_mains_of_others(league: str, game: str) -> None:
    played = play_out(build(game, league=league, flags=SHORT), spec_of(game), 400)
    roles = {name: player.role for name, player in played.view.players.items()}
    mains = {name for name, role in roles.items() if role is Role.MAIN}
    if len(spec_of(game).teams) == 2:
        assert {one.partition("@")[0] for one in played.met(Role.MAIN_EXPLOITER)} == mains
    assert {roles[one.partition("@")[0]] for one in played.met(Role.LEAGUE_EXPLOITER)} >= {
        Role.MAIN, Role.MAIN_EXPLOITER, Role.LEAGUE_EXPLOITER
    }  # fmt: skip
    assert any(player.reset_at > 1 for player in played.view.learners if player.role is Role.MAIN_EXPLOITER)


@pytest.mark.parametrize("league", LEAGUES)
def test_a_leaderboard_has_a_mixture_for_either_team(league: str) -> None:
    view = play_out(build(SEEK, league=league, flags=SHORT), spec_of(SEEK), 200).view
    rows = leaderboard(view)
    for team in view.teams:
        own = [row for row in rows if row.player in view.players and view.players[row.player].team == team]
        assert sum(row.nash or 0.0 for row in own) == pytest.approx(1.0)
        assert sum(row.alpha_rank or 0.0 for row in own) == pytest.approx(1.0)


def test_psro_is_refused_at_the_start_where_three_teams_differ() -> None:
    with pytest.raises(OptionError, match=r"psro: .* pair, loner, hider, differ; allowed are self_play, "):
        check_meta_game(build(THREE, league="psro"), spec_of(THREE))
    for league, game in GAMES:
        check_meta_game(build(game, league=league), spec_of(game))


def test_a_name_that_two_teams_begin_is_of_the_longer_one() -> None:
    spec = replace(spec_of(PENNIES), teams={"red": (0,), "red-guard": (1,)})
    config = build(PENNIES, flags={"league.players": ("red", "red-2", "red-guard", "red-guard-2")})
    teams = {player.name: player.team for player in first_players(config, spec).values()}
    assert teams == {"red": "red", "red-2": "red", "red-guard": "red-guard", "red-guard-2": "red-guard"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("league", "game"), [(league, SEEK) for league in LEAGUES] + [("alphastar", "mpe2:simple_tag")]
)
def test_every_preset_trains_teams_of_unequal_size(league: str, game: str) -> None:
    small = {
        "learner.network.hidden": (32,),
        "learner.algorithm.batch": 64,
        "rollout.copies": 256,
        "rollout.unroll": 4,
        "league.episodes": 256,
        "league.snapshot_steps": 4_000,
        "league.snapshot_min_steps": 2_000,
        "runtime.round_steps": 50_000,
    }
    flags, steps = (small, 10_000) if game == SEEK else ({}, 20_000)
    with trained(game, flags, seed=0, steps=steps, league=league) as done:
        assert [check for check in diagnose(done.run, done.store) if not check.ok] == []
        players: dict[str, Player] = done.store.players()
        assert all(player.steps > 0 and player.generation > 0 for player in players.values())
        for result in ResultLog(done.store, Archive(done.run.archive)).after(0):
            for team, identity in result.match.teams.items():
                assert identity == "random" or players[identity.partition("@")[0]].team == team
