"""Matches in words, from the reasons that the matchmakers really write."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from coordinator.words import opponents_in_words, reason_in_words, result_in_words
from league.config import LeagueConfig
from league.ledger import Ledger
from league.matchmaking import (
    AgainstParents,
    Evaluation,
    FillPayoff,
    Population,
    Prioritised,
    SelfPlay,
    Weighting,
)
from league.players import Match, Outcome, PairResult, Player, Purpose, ReturnSum, Snapshot
from league.view import LeagueView
from tests.league.leagues import make_view


def view(*players: str, past: int = 0, teams: tuple[str, ...] = ("first", "second")) -> LeagueView:
    snapshots = [Snapshot(name, g, "0" * 64, None, 0, "") for name in players for g in range(past)]
    return LeagueView(
        {name: Player(name, generation=past) for name in players}, snapshots, Ledger(), teams, True
    )


def proposed(rule: Any, league: LeagueView) -> dict[str, Any]:
    player = next(iter(league.players.values()))
    reason: dict[str, Any] = rule(league, player, np.random.default_rng(0)).reason
    return reason


@pytest.mark.parametrize(
    ("rule", "league", "words"),
    [
        (SelfPlay(1.0), view("main", past=3), "self-play: main against itself (p=1)"),
        (SelfPlay(0.0), view("main"), "self-play: main against itself, nothing past yet"),
        (SelfPlay(1.0), view("main", teams=("all",)), "alone: main has no opponent in this game"),
    ],
)
def test_reasons_of_self_play(rule: SelfPlay, league: LeagueView, words: str) -> None:
    assert reason_in_words(proposed(rule, league)) == words


def test_reasons_of_the_past() -> None:
    reason = proposed(SelfPlay(0.0), view("main", past=5))
    assert reason_in_words(reason) == f"past: {reason['draws']['second']['opponent']}, one of 5"


def test_reasons_of_a_population() -> None:
    reasons = {
        reason_in_words(Population(1.0)(league, league.players["main"], np.random.default_rng(seed)).reason)
        for league in [view("main", "rival", past=2)]
        for seed in range(20)
    }
    assert reasons == {
        "self-play: main against itself (p=1)",
        "population: main against the live rival (p=1)",
    }


@pytest.mark.parametrize(
    ("rule", "league", "words"),
    [
        (Prioritised(Weighting.SQUARED, 1.0), view("main", past=3), "pfsp: self-play: main"),
        (
            Prioritised(Weighting.SQUARED, 0.0),
            view("main", past=3),
            "pfsp: pfsp, squared: main@0, one of 3 (p=0.33), wins 0.50",
        ),
    ],
)
def test_reasons_of_weighted_draws(rule: Prioritised, league: LeagueView, words: str) -> None:
    assert reason_in_words(proposed(rule, league)) == words


def test_reasons_of_evaluation() -> None:
    proposal = Evaluation()(view("main", "rival", past=1), np.random.default_rng(0))
    assert proposal is not None
    words = reason_in_words(proposal.reason)
    assert words == f"evaluation: the most telling of {proposal.reason['candidates']} pairings"


def test_reasons_of_tests_and_of_a_filled_payoff() -> None:
    config = LeagueConfig(gate="sprt", snapshot_min_steps=1)
    main = Player("main", generation=1, steps=5)
    league = make_view([main])
    league.ledger.tally.record("main@1", "main@0", 30, 0, 10)
    proposals = [AgainstParents(config, Evaluation())(league, np.random.default_rng(s)) for s in range(9)]
    said = {reason_in_words(proposal.reason) for proposal in proposals if proposal}
    assert "evaluation: main against its parent, for the gate, it wins 0.75" in said
    fill = [FillPayoff(4)(view("main", past=3), np.random.default_rng(s)) for s in range(9)]
    said = {reason_in_words(proposal.reason) for proposal in fill if proposal}
    pair = "evaluation: least known pair of the meta-game, 0 games so far, one of 6 pairings (p=0.17)"
    assert pair in said


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ({}, "no reason was noted"),
        ({"rule": "my_own", "branch": "a whim"}, "my-own: a whim"),
        ({"rule": "my_own"}, "my-own"),
    ],
)
def test_a_rule_of_the_user_s_is_named(reason: dict[str, Any], words: str) -> None:
    assert reason_in_words(reason) == words


def match(*identities: str) -> Match:
    teams = dict(zip(("first", "second"), identities, strict=False))
    return Match(1, teams, 32, 0, Purpose.TRAIN, {name: name for name in identities})


def outcome(*pairs: PairResult, **more: Any) -> Outcome:
    return Outcome(1, 1, 32, 100, pairs, more.pop("returns", ()), **more)


def test_results_of_both_ways_of_seating_add_up() -> None:
    pairs = PairResult("main", "main@3", 10, 1, 5), PairResult("main@3", "main", 4, 2, 10)
    assert result_in_words(match("main", "main@3"), outcome(*pairs)) == "+20 =3 −9"
    assert opponents_in_words(match("main", "main@3")) == "main vs main@3"


def test_against_itself_counts_once() -> None:
    assert (
        result_in_words(match("main", "main"), outcome(PairResult("main", "main", 20, 1, 11))) == "+20 =1 −11"
    )


def test_a_game_of_one_team_has_a_return() -> None:
    result = result_in_words(match("main"), outcome(returns=(ReturnSum("main", 4, 10.0, 30.0),)))
    assert result == "mean return main 2.50"
    assert result_in_words(match("main"), outcome()) == "no episode finished"


def test_forfeits_say_why() -> None:
    assert (
        result_in_words(match("main", "x"), outcome(forfeits={"x": "illegal move"}))
        == "x forfeited: illegal move"
    )
