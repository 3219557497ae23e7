"""When a player of each role is frozen and reset, as tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from league.config import LeagueConfig
from league.players import Player, Role
from league.promotion import Gate, Rivals, decide_freeze, decide_reset, gate, reset
from league.view import LeagueView
from tests.league.leagues import alphastar_players, make_view

STEPS = {"snapshot_steps": 1000, "snapshot_min_steps": 100, "snapshot_min_games": 50}
PAPER = LeagueConfig("alphastar", **STEPS)  # type: ignore[arg-type]
PSEUDOCODE = replace(PAPER, matchmaker="alphastar_pseudocode")
SELF_PLAY = replace(PAPER, matchmaker="self_play")
MAIN, MAIN_EXPLOITER, LEAGUE_EXPLOITER = Role.MAIN, Role.MAIN_EXPLOITER, Role.LEAGUE_EXPLOITER
SNAPSHOTS = [f"{name}@{g}" for name in ("main", "exploiter", "leaguer", "generic") for g in range(2)]
LIVE = ["main", "exploiter", "leaguer", "generic"]


@pytest.mark.parametrize(
    ("config", "role", "asked"),
    [
        (PAPER, MAIN, Gate(1000, 1000, Rivals.NOBODY)),
        (PAPER, MAIN_EXPLOITER, Gate(100, 2000, Rivals.MAINS)),
        (PAPER, LEAGUE_EXPLOITER, Gate(100, 1000, Rivals.EVERYONE)),
        (PSEUDOCODE, MAIN, Gate(1000, 2000, Rivals.SNAPSHOTS)),
        (PSEUDOCODE, MAIN_EXPLOITER, Gate(1000, 2000, Rivals.MAINS)),
        (PSEUDOCODE, LEAGUE_EXPLOITER, Gate(1000, 2000, Rivals.SNAPSHOTS)),
        (SELF_PLAY, MAIN, Gate(100, 1000, Rivals.FACED)),
    ],
)
def test_gates(config: LeagueConfig, role: Role, asked: Gate) -> None:
    assert gate(config, role) == asked


def league(name: str, trained: int, rates: dict[str, float]) -> tuple[Player, LeagueView]:
    players = [
        replace(player, steps=5000 + trained, frozen_at=5000) if player.name == name else player
        for player in alphastar_players(2)
    ]
    view = make_view(players, win_rates={name: rates})
    return view.players[name], view


@pytest.mark.parametrize(
    ("config", "name", "trained", "rates", "said"),
    [
        (PAPER, "main", 999, dict.fromkeys([*SNAPSHOTS, *LIVE[1:]], 1.0), None),
        (PAPER, "main", 1000, {}, "trained on 1000 decisions, 1000 is the most"),
        (PAPER, "exploiter", 99, {"main": 1.0}, None),
        (PAPER, "exploiter", 100, {"main": 0.71}, "each of 1 mains (least against main), 0.7 is asked"),
        (PAPER, "exploiter", 100, {"main": 0.69}, None),
        (PAPER, "exploiter", 1999, {}, None),
        (PAPER, "exploiter", 2000, {}, "2000 is the most"),
        (PAPER, "leaguer", 100, dict.fromkeys([*SNAPSHOTS, "main", "exploiter", "generic"], 0.8),
         "each of 11 everyone"),
        (PAPER, "leaguer", 100, dict.fromkeys([*SNAPSHOTS, "main", "exploiter"], 0.8), None),
        (PAPER, "leaguer", 1000, {}, "1000 is the most"),
        (PSEUDOCODE, "main", 999, dict.fromkeys(SNAPSHOTS, 1.0), None),
        (PSEUDOCODE, "main", 1000, dict.fromkeys(SNAPSHOTS, 0.8), "each of 8 snapshots"),
        (PSEUDOCODE, "main", 1000, dict.fromkeys(SNAPSHOTS, 0.8) | {"leaguer@1": 0.6}, None),
        (PSEUDOCODE, "main", 1000, dict.fromkeys(SNAPSHOTS[1:], 0.8), None),
        (PSEUDOCODE, "main", 2000, {}, "2000 is the most"),
        (PSEUDOCODE, "exploiter", 1000, {"main": 0.8}, "each of 1 mains"),
        (PSEUDOCODE, "leaguer", 1000, dict.fromkeys(SNAPSHOTS, 0.8), "each of 8 snapshots"),
    ],
)  # fmt: skip
def test_freezing(
    config: LeagueConfig, name: str, trained: int, rates: dict[str, float], said: str | None
) -> None:
    player, view = league(name, trained, rates)
    reason = decide_freeze(player, view, config)
    assert (reason is None) if said is None else (reason is not None and said in reason), reason


def test_a_rival_that_was_hardly_met_is_not_beaten_even_at_a_low_bar() -> None:
    player, view = league("exploiter", 100, {})
    view.ledger.payoff.record("exploiter", "main", 49, 0, 0)
    assert decide_freeze(player, view, replace(PAPER, snapshot_win_rate=0.3)) is None
    view.ledger.payoff.record("exploiter", "main", 1, 0, 0)
    assert decide_freeze(player, view, PAPER) is not None


def test_what_an_exploiter_won_before_its_reset_does_not_freeze_it() -> None:
    player, view = league("exploiter", 100, {"main": 1.0})
    assert decide_freeze(player, view, PAPER) is not None
    assert decide_freeze(replace(player, reset_at=2), view, PAPER) is None
    view.ledger.tally.record("exploiter@2", "main@2", 50, 0, 0)
    assert decide_freeze(replace(player, reset_at=2), view, PAPER) is not None


def test_what_replaced_weights_won_neither_freezes_a_copy_nor_holds_it_back() -> None:
    """The gate of a population reads win rates of late; those of the life before are another's."""
    for before, since in ((1.0, 0.0), (0.0, 1.0)):
        player, view = league("main", 500, {"main@0": before})
        view.ledger.tally.record(player.node, "main@0", 200 * since, 0, 200 * (1 - since))
        froze = [decide_freeze(one, view, SELF_PLAY) for one in (player, replace(player, reset_at=2))]
        assert [reason is not None for reason in froze] == [before == 1.0, since == 1.0]


def test_where_teams_differ_only_the_other_team_s_mains_count() -> None:
    players = alphastar_players(1, wolf="hunters", sheep="prey")
    view = make_view(
        players, ("hunters", "prey"), symmetric=False, win_rates={"wolf-exploiter": {"sheep-main": 0.9}}
    )
    exploiter = replace(view.players["wolf-exploiter"], steps=100)
    reason = decide_freeze(exploiter, view, PAPER)
    assert reason is not None
    assert "each of 1 mains (least against sheep-main)" in reason
    leaguer = replace(view.players["wolf-leaguer"], steps=100)
    for opponent in ("sheep-main", "sheep-exploiter", "sheep-leaguer", "sheep-generic"):
        for name in (opponent, f"{opponent}@0"):
            view.ledger.payoff.record("wolf-leaguer", name, 100, 0, 0)
    assert "each of 8 everyone" in (decide_freeze(leaguer, view, PAPER) or "")


def test_a_game_of_one_team_has_no_rivals() -> None:
    players = [Player("main", generation=1, steps=1000)]
    view = make_view(players, ("all",), symmetric=False)
    assert decide_freeze(players[0], view, PSEUDOCODE) is None


@pytest.mark.parametrize(
    ("result", "said"),
    [((0, 0, 0), None), ((60, 0, 40), None), ((600, 0, 400), "+600 =0 -400 against main@1"),
     ((400, 0, 600), None), ((90, 900, 10), "normalised Elo explain better than 0")],
)  # fmt: skip
def test_sprt_asks_who_is_stronger_than_its_last_snapshot(
    result: tuple[float, float, float], said: str | None
) -> None:
    config = replace(SELF_PLAY, gate="sprt")
    player = Player("main", generation=2, steps=500)
    view = make_view([player])
    view.ledger.tally.record("main@2", "main@1", *result)
    view.ledger.tally.record("main@2", "main@0", 900, 0, 0)
    reason = decide_freeze(player, view, config)
    assert (reason is None) if said is None else (reason is not None and said in reason), reason
    assert decide_freeze(replace(player, steps=99), view, config) is None
    assert decide_freeze(replace(player, steps=1000), view, config) is not None


def test_by_time_nothing_else_counts() -> None:
    player = Player("main", generation=1, steps=999)
    view = make_view([player])
    view.ledger.payoff.record("main", "main@0", 1000, 0, 0)
    view.ledger.tally.record("main@1", "main@0", 1000, 0, 0)
    assert decide_freeze(player, view, SELF_PLAY) is not None
    assert decide_freeze(player, view, replace(SELF_PLAY, gate="time")) is None
    assert decide_freeze(replace(player, steps=1000), view, replace(SELF_PLAY, gate="time")) is not None


class TestReset:
    """Exploiters begin anew, and never before their copy is safe."""

    def decide(self, role: Role, generation: int, registered: int, **more: Any) -> str | None:
        player = Player("it", role, generation=generation, reset_at=more.pop("reset_at", 0))
        view = make_view([replace(player, generation=registered)])
        return decide_reset(player, view, PAPER, more.pop("seed", 0))

    @pytest.mark.parametrize("role", [Role.MAIN, Role.PLAYER])
    def test_others_never(self, role: Role) -> None:
        assert all(self.decide(role, g, g, seed=s) is None for g in range(1, 20) for s in range(5))

    def test_a_main_exploiter_always(self) -> None:
        assert self.decide(MAIN_EXPLOITER, 3, 3) == "it@2 is safe, a main exploiter begins anew"

    def test_never_before_the_copy_is_registered(self) -> None:
        """A literal port of the pseudocode resets first, and freezes the network that it has just reset."""
        assert self.decide(MAIN_EXPLOITER, 3, 2) is None
        assert self.decide(MAIN_EXPLOITER, 0, 0) is None

    def test_not_from_the_first_weights_to_the_first_weights(self) -> None:
        assert self.decide(MAIN_EXPLOITER, 1, 1) is None
        assert self.decide(MAIN_EXPLOITER, 2, 2) is not None

    def test_once(self) -> None:
        player = Player("it", MAIN_EXPLOITER, generation=3)
        assert reset(player, "why") == replace(player, reset_at=3, reset_reason="why")
        assert self.decide(MAIN_EXPLOITER, 3, 3, reset_at=3) is None
        assert self.decide(MAIN_EXPLOITER, 4, 4, reset_at=3) is not None

    def test_a_league_exploiter_once_in_four_times(self) -> None:
        decided = [self.decide(LEAGUE_EXPLOITER, g, g, seed=s) for g in range(2, 42) for s in range(20)]
        share = sum(reason is not None for reason in decided) / len(decided)
        assert abs(share - 0.25) < 0.06  # four standard deviations
        again = [self.decide(LEAGUE_EXPLOITER, g, g, seed=s) for g in range(2, 42) for s in range(20)]
        assert decided == again

    def test_two_players_of_one_generation_draw_for_themselves(self) -> None:
        players = [Player(name, LEAGUE_EXPLOITER, generation=5) for name in ("a", "b")]
        view = make_view(players)
        drawn = {tuple(decide_reset(p, view, PAPER, seed) is not None for p in players) for seed in range(60)}
        assert len(drawn) == 4

    def test_only_where_a_league_has_roles(self) -> None:
        config = replace(PAPER, league_exploiter_reset=0.0)
        player = Player("it", LEAGUE_EXPLOITER, generation=4)
        assert all(decide_reset(player, make_view([player]), config, seed) is None for seed in range(50))
