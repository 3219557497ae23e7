"""Who plays in a new run: names, teams, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agents.algorithms.config import PolicyLoss
from agents.scripted.rrps import BOTS
from coordinator.config import RunConfig
from coordinator.first_players import first_players
from coordinator.game_defaults import defaults_of
from coordinator.options import OptionError
from coordinator.presets import LEAGUES, PRESETS, build
from coordinator.runtime_config import Runtime, RuntimeConfig
from envs.catalogue import make_game
from envs.game import GameSpec
from league.players import Role
from league.teams import player_name


def spec_of(game: str) -> GameSpec:
    with make_game(game, 1) as made:
        return made.spec


def with_players(config: RunConfig, *names: str) -> RunConfig:
    return replace(config, league=replace(config.league, players=names))


def test_in_a_symmetric_game_nobody_is_bound_to_a_team() -> None:
    players = first_players(build("connect_four", league="population"), spec_of("connect_four"))
    assert list(players) == ["main", "main-2", "main-3"]
    assert {player.team for player in players.values()} == {None}


@pytest.mark.parametrize(
    ("league", "names"),
    [
        ("self_play", {"even": "even", "odd": "odd"}),
        ("population", {f"{team}{n}": team for team in ("even", "odd") for n in ("", "-2", "-3")}),
    ],
)
def test_where_teams_differ_every_team_has_its_players(league: str, names: dict[str, str]) -> None:
    players = first_players(build("matrix:pennies", league=league), spec_of("matrix:pennies"))
    assert {player.name: player.team for player in players.values()} == names


@pytest.mark.parametrize("league", ["alphastar", "alphastar_pseudocode"])
def test_roles_of_an_alphastar_league(league: str) -> None:
    config = build("matrix:rps", league=league, flags={"league.scripted": "random"})
    players = first_players(config, spec_of("matrix:rps"))
    assert {player.name: player.role for player in players.values()} == {
        "main": Role.MAIN,
        "main-exploiter": Role.MAIN_EXPLOITER,
        "league-exploiter": Role.LEAGUE_EXPLOITER,
        "league-exploiter-2": Role.LEAGUE_EXPLOITER,
        "random": Role.SCRIPTED,
    }
    players = first_players(build("matrix:pennies", league=league), spec_of("matrix:pennies"))
    assert {(player.name, player.role, player.team) for player in players.values()} == {
        (name, role, team)
        for team in ("even", "odd")
        for name, role in (
            (team, Role.MAIN),
            (f"{team}-exploiter", Role.MAIN_EXPLOITER),
            (f"{team}-league-exploiter", Role.LEAGUE_EXPLOITER),
            (f"{team}-league-exploiter-2", Role.LEAGUE_EXPLOITER),
        )
    }


def test_a_team_with_exploiters_alone_is_refused() -> None:
    flags = {"league.players": "even", "league.main_exploiters": "odd", "league.league_exploiters": "even-2"}
    config = build("matrix:pennies", league="alphastar", flags=flags)
    with pytest.raises(OptionError, match=r"league\.players even: nobody plays team odd"):
        first_players(config, spec_of("matrix:pennies"))


def test_all_bots_of_repeated_rps_join_by_one_name() -> None:
    config = build("repeated_rps:20", league="psro", flags={"league.scripted": "random,rrps:all"})
    assert config.league.scripted == ("random", *(f"rrps:{bot}" for bot in BOTS))
    players = first_players(config, spec_of("repeated_rps:20"))
    assert sum(player.role is Role.SCRIPTED for player in players.values()) == 44
    with pytest.raises(OptionError, match="plays repeated_rps only, not 'kuhn'"):
        first_players(build("kuhn", flags={"league.scripted": "rrps:all"}), spec_of("kuhn"))


def test_a_scripted_player_that_nobody_knows_is_refused_at_once() -> None:
    config = build("connect_four", league="psro", flags={"league.scripted": "minimal"})
    with pytest.raises(OptionError, match="minimal"):
        first_players(config, spec_of("connect_four"))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("even", "strange"), "league.players strange: begins with no team's name; allowed are even, odd"),
        (("even", "even-2"), "nobody plays team odd of matrix:pennies; name a player odd"),
    ],
)
def test_a_league_without_a_player_for_every_team_is_refused(names: tuple[str, ...], message: str) -> None:
    config = with_players(build("matrix:pennies"), *names)
    with pytest.raises(OptionError, match=message):
        first_players(config, spec_of("matrix:pennies"))


@pytest.mark.parametrize(
    ("team", "name"), [("Red Team", "red-team"), ("adversary", "adversary"), ("…", "player")]
)
def test_a_team_lends_its_name_to_a_player(team: str, name: str) -> None:
    assert player_name(team) == name


@pytest.mark.parametrize(
    "game", ["connect_four", "tictactoe", "matrix:rps", "gymnasium:CartPole-v1", "my:game"]
)
@pytest.mark.parametrize("league", LEAGUES)
@pytest.mark.parametrize("preset", PRESETS)
def test_every_combination_of_presets_is_a_configuration(game: str, league: str, preset: str) -> None:
    config = build(game, preset=preset, league=league, flags={"seed": 7})
    assert config.game.name == game
    assert config.seed == 7
    assert defaults_of(game)


def test_a_game_has_its_own_preset_and_any_other_can_be_asked_for() -> None:
    rules = {
        (game, preset): build(game, preset=preset).learner.algorithm
        for game in ("kuhn", "leduc", "connect_four")
        for preset in (None, *PRESETS)
    }
    for game, own in {"kuhn": "rnad", "leduc": "rnad", "connect_four": "impala"}.items():
        assert rules[game, None] == rules[game, own]
    assert {rules[game, "impala"].policy_loss for game, _ in rules} == {PolicyLoss.GRADIENT}
    assert {rules[game, "rnad"].policy_loss for game, _ in rules} == {PolicyLoss.NEURD}


def test_flags_go_over_files_and_files_over_presets() -> None:
    file = {"league": {"latest_probability": 0.5, "window": 3}}
    config = build("tictactoe", file=file, flags={"league.window": 4})
    assert (config.league.latest_probability, config.league.window) == (0.5, 4)


@pytest.mark.parametrize(("option", "name"), [("preset", "impalla"), ("league", "selfplay")])
def test_a_misspelt_preset_is_named_with_the_closest(option: str, name: str) -> None:
    with pytest.raises(OptionError, match=f"--{option} {name}: allowed are .*did you mean"):
        build("tictactoe", **{option: name})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"actors": -1}, "actors is -1, but must be at least 0"),
        ({"inbox": 0}, "inbox is 0, but must be at least 1"),
        ({"workers": -1}, "workers is -1, but must be at least 0"),
        ({"workers": 2, "runtime": Runtime.INLINE}, "workers is 2, but must be 0 with runtime inline"),
        ({"checkpoint_seconds": 0}, "checkpoint_seconds is 0, but must be above 0"),
        ({"lease_seconds": 5, "hang_seconds": 9}, "lease_seconds 5 is not above hang_seconds 9"),
    ],
)
def test_contradictions_are_refused_with_their_numbers(fields: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RuntimeConfig(**fields)  # type: ignore[arg-type]


def test_more_workers_than_copies_are_refused() -> None:
    with pytest.raises(OptionError, match=r"runtime\.workers 9 is above rollout\.copies 8"):
        build("tictactoe", flags={"runtime.workers": 9, "rollout.copies": 8})
