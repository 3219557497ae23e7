"""What a view says of the past: who may play what, and how a player stands."""

from __future__ import annotations

import numpy as np
import pytest

from league.past import Past
from league.players import LeagueError, Player, Role, first_main
from league.view import LeagueView
from tests.league.leagues import alphastar_players, make_view, snapshot


def names(view: LeagueView, positions: np.ndarray) -> list[str]:
    return [view.opponents[index] for index in positions]


def test_opponents_are_snapshots_then_those_that_never_change() -> None:
    players = [
        Player("bot", Role.SCRIPTED),
        Player("main", generation=2),
        Player("tutor", Role.PRETRAINED),
        Player("rival", generation=1),
    ]
    view = make_view(players)
    assert view.opponents == ["main@0", "main@1", "rival@0", "bot", "tutor"]
    assert names(view, view.permitted("first")) == view.opponents
    assert names(view, view.permitted("first", [Role.MAIN])) == ["main@0", "main@1", "rival@0"]
    assert names(view, view.permitted("first", [Role.SCRIPTED])) == ["bot"]
    assert names(view, view.frozen(players[3])) == ["rival@0"]
    assert names(view, view.frozen(Player("nobody"))) == []
    assert [player.name for player in view.learners] == ["main", "rival"]
    assert [view.node(name) for name in ("bot", "tutor", "main")] == ["bot", "tutor", "main@2"]


def test_where_teams_differ_everybody_keeps_to_its_own() -> None:
    players = [
        *alphastar_players(1, wolf="hunters", sheep="prey"),
        Player("bot", Role.SCRIPTED),
        Player("tutor", Role.PRETRAINED, "prey"),
    ]
    view = make_view(players, ("hunters", "prey"), symmetric=False)
    hunters = names(view, view.permitted("hunters"))
    assert hunters == ["wolf-main@0", "wolf-exploiter@0", "wolf-leaguer@0", "wolf-generic@0", "bot"]
    assert names(view, view.permitted("prey"))[-2:] == ["bot", "tutor"]
    assert [player.name for player in view.bound_to("prey")] == [
        f"sheep-{n}" for n in ("main", "exploiter", "leaguer", "generic")
    ]


def test_snapshots_of_a_player_that_left_are_drawn_where_teams_are_alike() -> None:
    view = make_view([Player("main", generation=1)])
    left = LeagueView(view.players, [*view.snapshots, snapshot("gone", 0)], view.ledger, view.teams, True)
    assert names(left, left.permitted("first")) == ["main@0", "gone@0"]
    assert names(left, left.permitted("first", [Role.MAIN])) == ["main@0"]
    apart = LeagueView(
        {"main": Player("main", team="first")}, left.snapshots, view.ledger, view.teams, symmetric=False
    )
    assert names(apart, apart.permitted("first")) == ["main@0"]


def test_win_rates_of_late_or_since_the_last_reset() -> None:
    view = make_view([Player("main", generation=3), Player("rival", generation=5)])
    view.ledger.payoff.record("main", "rival@0", 8, 0, 2)
    view.ledger.tally.record("main@1", "rival@0", 8, 0, 2)
    view.ledger.tally.record("main@2", "rival@0", 1, 0, 3)
    view.ledger.tally.record("main@3", "rival@0", 0, 2, 0)
    view.ledger.tally.record("main@3", "rival@5", 1, 0, 0)
    main, opponents = view.players["main"], ["rival@0", "rival@1", "rival"]
    assert view.win_rates(main, opponents).tolist() == [0.8, 0.5, 0.5]
    since = Player("main", generation=3, reset_at=2)
    assert view.results(since, opponents).tolist() == [[1, 2, 3], [0, 0, 0], [1, 0, 0]]
    assert view.win_rates(since, opponents).tolist() == [pytest.approx(2 / 6), 0.5, 1.0]


def test_a_past_is_kept_from_view_to_view() -> None:
    past = Past([snapshot("main", 0), snapshot("rival", 0), snapshot("main", 1)])
    assert Past.of(past) is past
    assert list(Past.of(list(past))) == list(past)
    assert past.names == ["main@0", "rival@0", "main@1"]
    assert past.owners == ("main", "rival")
    assert past.owner.tolist() == [0, 1, 0]
    assert past.names_of == {"main": ["main@0", "main@1"], "rival": ["rival@0"]}
    assert past[1:] == (past[1], past[2])
    empty = make_view([Player("main")])
    assert empty.permitted("first").tolist() == []


def test_where_nobody_is_named_the_first_main_is_meant() -> None:
    """Whatever the order: a store gives players by name, and a league exploiter comes before the main."""
    players = [
        Player("champion", Role.PRETRAINED),
        Player("league-exploiter", Role.LEAGUE_EXPLOITER),
        Player("main-2"),
        Player("main"),
    ]
    assert first_main(players).name == "main"
    with pytest.raises(LeagueError, match="nobody plays in this run yet"):
        first_main(players[:2])
