"""OpenAI Five's quality scores: a fold over the log that anybody can do again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from league.ledger import Ledger
from league.matchmaking import OpenAIFive, make_match
from league.players import Match, Outcome, PairResult, Player, Purpose, Role, Snapshot
from league.quality import scores, softmax
from league.view import LeagueView
from tests.league.leagues import Fixed, agrees, frequencies, make_view

Result = tuple[int, int, int]


def played(number: int, opponent: str, result: Result, newest: str, **draw: Any) -> tuple[Match, Outcome]:
    """A match of `main` that was drawn with p = 1/4 of 4, unless told otherwise."""
    seen = {"opponent": opponent, "candidates": 4, "probability": 0.25, "newest": newest, "step": 0.01}
    reason = {"rule": "openai_five", "player": "main", "draws": {"second": seen | draw}}
    teams = {"first": "main", "second": opponent}
    match = Match(number, teams, sum(result), 0, Purpose.TRAIN, {n: n for n in teams.values()}, reason)
    pairs = (PairResult("main", opponent, *result),)
    return match, Outcome(number, 1, sum(result), 1, pairs, ())


@pytest.mark.parametrize(
    ("results", "quality"),
    [
        # Everybody that was there joins at 0, the best of nobody.
        ([("main@0", (0, 0, 9), "main@1")], {"main@0": 0.0, "main@1": 0.0}),
        # A match won by all of its episodes costs eta / (N p).
        ([("main@0", (9, 0, 0), "main@1")], {"main@0": -0.01, "main@1": 0.0}),
        ([("main@0", (3, 6, 0), "main@1")], {"main@0": -0.01 / 3, "main@1": 0.0}),
        ([("main@0", (0, 9, 0), "main@0")], {"main@0": 0.0}),
        # A live opponent has no score, but its match shows who has joined.
        ([("main", (9, 0, 0), "main@1")], {"main@0": 0.0, "main@1": 0.0}),
        # A newcomer joins as high as the highest.
        ([("main@0", (9, 0, 0), "main@0"), ("main@1", (9, 0, 0), "main@1")],
         {"main@0": -0.01, "main@1": -0.02}),
        ([("main@0", (9, 0, 0), "main@1"), ("main@1", (0, 0, 9), "main@2")],
         {"main@0": -0.01, "main@1": 0.0, "main@2": 0.0}),
        ([("main@0", (9, 0, 0), "main@0"), ("main@0", (9, 0, 0), "main@0")], {"main@0": -0.02}),
    ],
)  # fmt: skip
def test_fold(results: list[tuple[str, Result, str]], quality: dict[str, float]) -> None:
    ledger = Ledger()
    for number, (opponent, result, newest) in enumerate(results, start=1):
        ledger.apply(number, *played(number, opponent, result, newest))
    assert ledger.quality == {"main": pytest.approx(quality)}
    assert Ledger.from_json(ledger.to_json()).to_json() == ledger.to_json()


def test_who_is_drawn_seldom_falls_by_more_when_beaten() -> None:
    ledger = Ledger()
    ledger.apply(1, *played(1, "main@0", (8, 0, 0), "main@0", candidates=10, probability=0.01))
    assert ledger.quality["main"]["main@0"] == pytest.approx(-0.01 / (10 * 0.01))


def test_the_seat_does_not_matter() -> None:
    match, _ = played(1, "main@0", (0, 0, 0), "main@0")
    pairs = PairResult("main", "main@0", 3, 0, 1), PairResult("main@0", "main", 1, 0, 3)
    ledger = Ledger()
    ledger.apply(1, match, Outcome(1, 1, 8, 1, pairs, ()))
    assert ledger.quality["main"]["main@0"] == pytest.approx(-0.01 * 6 / 8)


def test_matches_of_other_rules_leave_no_scores_and_the_same_bytes() -> None:
    match, outcome = played(1, "main@0", (9, 0, 0), "main@0")
    match.reason["rule"] = "self_play"
    ledger = Ledger()
    ledger.apply(1, match, outcome)
    assert ledger.quality == {}
    assert "quality" not in ledger.to_json()


def test_scores_of_newcomers() -> None:
    assert scores({}, ["a", "b"]).tolist() == [0.0, 0.0]
    assert scores({"a": -1.0, "b": -2.0}, ["b", "c", "a"]).tolist() == [-2.0, -1.0, -1.0]


def test_softmax_does_not_overflow() -> None:
    chances = softmax(np.array([-1e6, 1e4, 1e4]))
    np.testing.assert_allclose(chances, [0.0, 0.5, 0.5])


def test_frequencies() -> None:
    main, ledger = Player("main", generation=3), Ledger()
    ledger.quality = {"main": {"main@0": 0.0, "main@1": float(np.log(2.0))}}
    view = make_view([main], ledger=ledger)
    counts = frequencies(OpenAIFive(0.5, 0.01), view, main, "second", 0, 3000)
    assert agrees(counts, {"main": 0.5, "main@0": 0.1, "main@1": 0.2, "main@2": 0.2}), counts
    first = make_view([Player("main")])
    proposal = OpenAIFive(0.0, 0.01)(first, first.players["main"], Fixed(0.9))
    assert proposal.reason["branch"] == "self-play, for want of a past"


def test_where_teams_differ_a_player_scores_the_other_team_s_past() -> None:
    wolf, sheep = Player("wolf", team="hunters", generation=2), Player("sheep", team="prey", generation=2)
    view = make_view([wolf, sheep], ("hunters", "prey"), symmetric=False)
    proposal = OpenAIFive(0.0, 0.01)(view, wolf, Fixed(0.5, 0.0, 0.0))
    assert proposal.teams == {"hunters": "wolf", "prey": "sheep@0"}
    match = make_match(proposal, 1, 4, 0, view)
    pair = PairResult("wolf", "sheep@0", 4, 0, 0)
    view.ledger.apply(1, match, Outcome(1, 1, 4, 1, (pair,), ()))
    assert view.ledger.quality == {"wolf": pytest.approx({"sheep@0": -0.01, "sheep@1": 0.0})}


@pytest.mark.parametrize("seed", range(3))
def test_a_run_that_was_cut_goes_on_with_the_same_draws(seed: int) -> None:
    """Matches that the rule makes itself, folded at once or with a stop half way."""

    def go(ledger: Ledger, numbers: range) -> list[str]:
        drawn = []
        for number in numbers:
            generation = 1 + number // 10
            player = Player("main", Role.MAIN, generation=generation)
            past = [Snapshot("main", g, "", None, 0, "") for g in range(generation)]
            view = LeagueView({"main": player}, past, ledger, ("first", "second"), True)
            generator = np.random.default_rng([seed, number])
            match = make_match(OpenAIFive(0.3, 2.0)(view, player, generator), number, 8, 0, view)
            opponent = match.teams["second"]
            wins = int(generator.integers(9))
            pair = PairResult("main", opponent, wins, 0, 8 - wins)
            ledger.apply(number, match, Outcome(number, 1, 8, 1, (pair,), ()))
            drawn.append(opponent)
        return drawn

    whole = Ledger()
    drawn = go(whole, range(1, 61))
    half = Ledger()
    first = go(half, range(1, 31))
    again = Ledger.from_json(half.to_json())
    assert first + go(again, range(31, 61)) == drawn
    assert again.to_json() == whole.to_json()
    assert len(set(whole.quality["main"].values())) > 3
