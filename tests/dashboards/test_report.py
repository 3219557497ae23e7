"""Rows for every face, pure over what the store returns."""

from __future__ import annotations

import json
import math

from coordinator.report import frame, leaderboard_rows
from coordinator.store_types import LoggedResult, MatchCounts
from league.leaderboard import RatedRow, ReturnRow
from league.players import Match, Outcome, PairResult, Player, Purpose, Role

RATED = RatedRow(
    player="main", generation=2, role="main", live=True, games=10, wins=6, draws=1, losses=3,
    nash=1.0, alpha_rank=None, elo=1250.0, elo_low=1200.0, elo_high=1300.0,
)  # fmt: skip
RETURN = ReturnRow(
    player="main", generation=2, role="main", live=True, games=10, wins=0, draws=0, losses=0,
    nash=None, alpha_rank=None, return_mean=195.0, return_low=190.0, return_high=None,
)  # fmt: skip
COUNTS = MatchCounts(ready=1, leased=2, parked=3, done=4, refused=5)


def test_a_game_of_one_team_has_returns_and_no_elo() -> None:
    rated, returned = leaderboard_rows([RATED, RETURN])
    assert (rated["elo"], rated["elo_low"], rated["elo_high"]) == (1250.0, 1200.0, 1300.0)
    assert not any(key.startswith("return") for key in rated)
    assert (returned["elo"], returned["elo_low"], returned["elo_high"]) == (None, None, None)
    assert list(returned)[-3:] == ["return_mean", "return_low", "return_high"]
    assert returned["return_mean"] == 195.0


def test_a_rating_without_bounds_is_null() -> None:
    from dataclasses import replace

    (row,) = leaderboard_rows([replace(RATED, elo_low=-math.inf, elo_high=math.inf)])
    json.dumps(row, allow_nan=False)
    assert (row["elo_low"], row["elo_high"]) == (None, None)


def test_a_frame_shows_live_players_with_their_own_rating() -> None:
    match = Match(7, {"first": "main", "second": "random"}, 8, 0, Purpose.EVALUATE, {}, {"rule": "x"})
    results = [
        LoggedResult(seq, match, Outcome(7, 1, 8, 9, (PairResult("main", "random", seq, 0, 0),), ()))
        for seq in (1, 2)
    ]
    players = {"main": Player("main", generation=2, steps=9), "random": Player("random", Role.SCRIPTED)}
    picture = frame(
        run="r", game="g", state="running", status={"versions": {"main": 5}}, players=players,
        rows=[RATED], actors={}, counts=COUNTS, results=results,
    )  # fmt: skip
    (line,) = picture.players
    assert (line.name, line.version, line.rating, line.low, line.high) == ("main", 5, 1250.0, 1200.0, 1300.0)
    assert picture.measure == "Elo"
    assert picture.steps == 9
    assert picture.matches == {"ready": 1, "leased": 2, "done": 4, "parked": 3}
    assert [one.result for one in picture.last] == ["+2 =0 −0", "+1 =0 −0"]


def test_a_frame_of_a_game_of_one_team_shows_returns() -> None:
    picture = frame(
        run="r", game="g", state="running", status={}, players={"main": Player("main", generation=2)},
        rows=[RETURN], actors={}, counts=COUNTS, results=[],
    )  # fmt: skip
    assert picture.measure == "return"
    assert picture.players[0].rating == 195.0


def test_a_generation_without_games_has_no_rating() -> None:
    picture = frame(
        run="r", game="g", state="running", status={}, players={"main": Player("main", generation=3)},
        rows=[RATED], actors={}, counts=COUNTS, results=[],
    )  # fmt: skip
    assert picture.players[0].rating is None
