"""An outcome that its match does not allow is refused with one line."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from league.outcomes import check_outcome
from league.players import LeagueError, Match, Outcome, PairResult, Purpose, ReturnSum

MATCH = Match(1, {"a": "main", "b": "main@0"}, 4, 0, Purpose.TRAIN, {"main": "main@1", "main@0": "main@0"})
RETURNS = (ReturnSum("main", 4, 2.0, 4.0), ReturnSum("main@0", 4, -2.0, 4.0))
GOOD = Outcome(
    1, 1, 4, 20, (PairResult("main", "main@0", 1, 0, 1), PairResult("main@0", "main", 0, 0, 2)), RETURNS
)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"match": 2}, "it names match 2"),
        ({"episodes": 3}, "3 episodes, but the match is of 4"),
        ({"episodes": 5}, "5 episodes, but the match is of 4"),
        ({"episodes": 5, "forfeits": {"main": "?"}}, "5 episodes, but the match is of 4"),
        ({"decisions": -1}, "decisions -1"),
        ({"pairs": ()}, "main against main@0 counts 0 results, but 4 were played"),
        ({"pairs": (PairResult("main", "main@0", 5, 0, 0),)}, "counts 5 results, but 4 were played"),
        ({"pairs": (PairResult("main", "main@0", 5, 0, -1),)}, "none may be negative"),
        ({"pairs": (PairResult("main", "main@7", 4, 0, 0),)}, "'main@7' does not play in it"),
        ({"pairs": (*GOOD.pairs, PairResult("main", "main", 1, 0, 0))}, "main against main counts 1 results"),
        ({"forfeits": {"rival": "?"}}, "'rival' does not play in it"),
        ({"returns": RETURNS[:1]}, "0 returns of main@0, but it played 4"),
        ({"returns": (*RETURNS, RETURNS[0])}, "8 returns of main, but it played 4"),
        ({"returns": (ReturnSum("main", 4, float("nan"), 1.0), RETURNS[1])}, "returns of main are nan"),
        ({"returns": (ReturnSum("main", 4, 5.0, 4.0), RETURNS[1])}, "does not allow"),
        ({"returns": (ReturnSum("main", 4, 1e200, 4.0), RETURNS[1])}, "does not allow"),
    ],
)  # fmt: skip
def test_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(LeagueError) as caught:
        check_outcome(MATCH, replace(GOOD, **changes))
    assert said in str(caught.value)
    assert str(caught.value).startswith("outcome of match 1: ")


def test_accepted() -> None:
    check_outcome(MATCH, GOOD)
    short = (ReturnSum("main", 1, 1.0, 1.0), ReturnSum("main@0", 1, -1.0, 1.0))
    pair = (PairResult("main", "main@0", 1, 0, 0),)
    check_outcome(MATCH, replace(GOOD, episodes=1, pairs=pair, returns=short, forfeits={"main@0": "raised"}))


def test_the_same_identity_in_several_teams() -> None:
    match = Match(1, {"a": "x", "b": "y", "c": "x"}, 2, 0, Purpose.TRAIN, {"x": "x", "y": "y"})
    pairs = (PairResult("x", "y", 4, 0, 0), PairResult("x", "x", 1, 0, 1))
    returns = (ReturnSum("x", 4, 0.0, 0.0), ReturnSum("y", 2, 0.0, 0.0))
    check_outcome(match, Outcome(1, 1, 2, 0, pairs, returns))
    with pytest.raises(LeagueError, match="x against x counts 2 results, but 0 were played"):
        check_outcome(replace(match, teams={"a": "x", "b": "y"}), Outcome(1, 1, 2, 0, pairs, returns))


def test_a_game_of_one_team() -> None:
    match = Match(1, {"all": "main"}, 3, 0, Purpose.TRAIN, {"main": "main@1"})
    check_outcome(match, Outcome(1, 1, 3, 9, (), (ReturnSum("main", 3, 6.0, 12.0),)))


THREE = Match(1, {"x": "main", "y": "main@0", "z": "random"}, 1, 0, Purpose.TRAIN, {})
RANKED = Outcome(
    1, 1, 1, 9,
    (PairResult("main", "main@0", 1, 0, 0), PairResult("main", "random", 1, 0, 0),
     PairResult("main@0", "random", 0, 1, 0)),
    tuple(ReturnSum(name, 1, 0.0, 0.0) for name in THREE.teams.values()),
    rankings=({"x": 0, "y": 1, "z": 1},),
)  # fmt: skip


def test_rankings_of_three_teams_are_accepted() -> None:
    check_outcome(THREE, RANKED)
    check_outcome(THREE, replace(RANKED, rankings=()))


@pytest.mark.parametrize(
    ("rankings", "said"),
    [
        (RANKED.rankings * 2, "2 rankings of 3 teams, but 1 episodes were ranked"),
        (({"x": 0, "y": 1},), "is no ranking of x, y, z"),
        (({"x": 0, "y": 1, "w": 2},), "is no ranking of x, y, z"),
        (({"x": 0, "y": 0, "z": 1},), "is no ranking of x, y, z"),
        (({"x": 1, "y": 2, "z": 3},), "is no ranking of x, y, z"),
        (({"x": -1, "y": 1, "z": 2},), "is no ranking of x, y, z"),
    ],
)
def test_what_is_no_ranking_is_refused(rankings: tuple[dict[str, int], ...], said: str) -> None:
    with pytest.raises(LeagueError, match=said):
        check_outcome(THREE, replace(RANKED, rankings=rankings))


def test_two_teams_are_not_ranked() -> None:
    with pytest.raises(LeagueError, match="4 rankings of 2 teams, but no episodes were ranked"):
        check_outcome(MATCH, replace(GOOD, rankings=({"a": 0, "b": 1},) * 4))
