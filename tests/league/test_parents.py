"""Tests against parents: pairs of games are counted, scheduled and read by the gate."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from league.config import LeagueConfig
from league.ledger import Ledger
from league.matchmaking import AgainstParents, Evaluation, FillPayoff, evaluator, make_match
from league.outcomes import check_outcome
from league.players import LeagueError, Match, Outcome, PairResult, Player, Purpose, Role, SwappedPairs
from league.promotion import counts_against, decide_freeze
from league.view import LeagueView
from tests.league.leagues import alphastar_players, make_view

CONFIG = LeagueConfig(gate="sprt", snapshot_min_steps=100, snapshot_steps=1000, sprt_elo=(0.0, 20.0))
RULE = AgainstParents(CONFIG, Evaluation())


def league(steps: int = 500, **more: Any) -> LeagueView:
    return make_view([Player("main", generation=2, steps=steps)], **more)


def drawn(rule: Any, view: LeagueView, count: int = 400) -> Counter[str]:
    """Branches of as many evaluations."""
    generator = np.random.default_rng(0)
    return Counter(p.reason["branch"] for _ in range(count) if (p := rule(view, generator)))


def test_three_in_four_evaluations_are_against_the_parent() -> None:
    view, generator = league(), np.random.default_rng(0)
    proposals = [RULE(view, generator) for _ in range(400)]
    tests = [p for p in proposals if p and p.reason["branch"] == "against its parent, for the gate"]
    assert 0.68 * 400 < len(tests) < 0.82 * 400
    for proposal in tests:
        assert proposal.teams == {"first": "main", "second": "main@1"}
        assert proposal.purpose is Purpose.EVALUATE
        assert proposal.opening == 2
        match = make_match(proposal, 1, 8, 0, view)
        assert match.opening == 2
        assert match.nodes == {"main": "main@2", "main@1": "main@1"}


@pytest.mark.parametrize(
    ("view", "config"),
    [
        (league(steps=99), CONFIG),
        (league(steps=1000), CONFIG),
        (make_view([Player("main", steps=500)]), CONFIG),
        (league(), replace(CONFIG, gate="win_rate")),
        (league(teams=("a", "b", "c")), CONFIG),
    ],
    ids=["too soon", "time is up", "no parent", "another gate", "three teams"],
)
def test_nobody_is_tested_for_nothing(view: LeagueView, config: LeagueConfig) -> None:
    assert "against its parent, for the gate" not in drawn(AgainstParents(config, Evaluation()), view)


def test_a_damaged_parent_is_not_played() -> None:
    view = league()
    assert set(drawn(RULE, replace(view, snapshots=view.snapshots[:1]))) == {"most telling of a sample"}


def test_all_who_may_be_frozen_are_tested_but_whom_nothing_but_time_freezes() -> None:
    players = [replace(player, steps=1500, frozen_at=1000) for player in alphastar_players(2)]
    rule = AgainstParents(replace(CONFIG, matchmaker="alphastar"), Evaluation())
    generator, view = np.random.default_rng(0), make_view(players)
    tested = Counter(p.reason.get("player") for _ in range(400) if (p := rule(view, generator)))
    assert set(tested) - {None} == {"exploiter", "leaguer"}


def test_who_was_reset_is_tested_against_its_first_weights() -> None:
    player = Player("main", Role.PLAYER, generation=3, steps=500, reset_at=3)
    proposals = [RULE(make_view([player]), np.random.default_rng(seed)) for seed in range(9)]
    assert "main@0" in {p.teams["second"] for p in proposals if p and "player" in p.reason}


@pytest.mark.parametrize("matchmaker", ["self_play", "psro"])
def test_the_gate_asks_for_them(matchmaker: str) -> None:
    config = replace(CONFIG, matchmaker=matchmaker, window=9)
    others = FillPayoff(9) if matchmaker == "psro" else Evaluation()
    assert evaluator(config) == AgainstParents(config, others)
    assert evaluator(replace(config, gate="time")) == others


def test_a_gate_that_nobody_plays_for_is_refused() -> None:
    with pytest.raises(ValueError, match=r"gate is sprt, but evaluate_share is 0.0: .* above 0"):
        replace(CONFIG, evaluate_share=0.0)


def outcome(match: Match, counts: tuple[int, ...], identity: str = "main") -> Outcome:
    """Of these pairs: every half point more than a draw is a win, the rest are losses."""
    episodes = 2 * sum(counts)
    halves = sum(half * count for half, count in enumerate(counts))
    wins, draws = divmod(halves, 2)
    pair = PairResult(identity, *set(match.teams.values()) - {identity}, wins, draws, episodes - wins - draws)
    return Outcome(match.id, 1, episodes, 9, (pair,), (), swapped=SwappedPairs(identity, counts))


def a_match(id: int, first: str, second: str, episodes: int, generation: int = 2) -> Match:
    nodes = {name: f"{name}@{generation}" if "@" not in name else name for name in (first, second)}
    return Match(id, {"a": first, "b": second}, episodes, 0, Purpose.TRAIN, nodes)


def test_pairs_with_snapshots_of_its_own_are_kept_as_the_live_player_sees_them() -> None:
    ledger = Ledger()
    for id, (first, second, identity) in enumerate(
        [
            ("main", "main@1", "main"),
            ("main@1", "main", "main@1"),
            ("main", "main@0", "main"),
            ("main", "rival@1", "main"),
            ("main@0", "main@1", "main@0"),
        ],
        start=1,
    ):
        match = a_match(id, first, second, 20)
        ledger.apply(id, match, outcome(match, (1, 2, 3, 0, 4), identity))
    assert ledger.swaps == {"main@2": {"main@1": [5, 2, 6, 2, 5], "main@0": [1, 2, 3, 0, 4]}}
    tested = replace(a_match(6, "rival@1", "main", 20), reason={"player": "main", "opponent": "rival@1"})
    copied = Ledger()
    copied.apply(1, tested, outcome(tested, (1, 2, 3, 0, 4), "rival@1"))
    assert copied.swaps == {"main@2": {"rival@1": [4, 0, 3, 2, 1]}}, "a copy grows from somebody else"
    again = Ledger.from_json(ledger.to_json())
    assert again.to_json() == ledger.to_json()
    match = a_match(6, "main", "main@1", 20)
    again.apply(6, match, outcome(match, (0, 0, 10, 0, 0)))
    assert again.swaps["main@2"]["main@1"] == [5, 2, 16, 2, 5]


def test_a_ledger_from_before_there_were_pairs_keeps_its_bytes() -> None:
    ledger = Ledger()
    match = a_match(1, "main", "main@1", 20)
    ledger.apply(1, match, replace(outcome(match, (1, 2, 3, 0, 4)), swapped=None))
    assert not {"swaps", "forfeits", "effort"} & json.loads(ledger.to_json()).keys()


@pytest.mark.parametrize(
    ("counts", "frozen"),
    [
        ((0, 0, 0, 0, 0), False),
        ((10, 50, 100, 50, 10), False),
        ((50, 50, 100, 50, 10), False),
        ((0, 10, 300, 90, 10), True),
        ((10, 20, 40, 20, 10), False),
        ((5, 10, 40, 80, 60), True),
    ],
)
def test_the_gate_reads_pairs(counts: tuple[int, ...], frozen: bool) -> None:
    view = league()
    view.ledger.swaps["main@2"] = {"main@1": list(counts), "main@0": [0, 0, 0, 0, 10**6]}
    reason = decide_freeze(view.players["main"], view, CONFIG)
    assert (reason is not None) == frozen, reason
    if reason:
        assert "times 1½" in reason
        assert "against main@1" in reason


def test_games_are_read_where_no_pairs_were_counted() -> None:
    view = league()
    view.ledger.tally.record("main@2", "main@1", 600, 30, 400)
    assert counts_against(view.players["main"], "main@1", view) == (400, 30, 600)
    view.ledger.swaps["main@2"] = {"main@1": [1, 2, 3, 4, 5]}
    assert counts_against(view.players["main"], "main@1", view) == (1, 2, 3, 4, 5)


def test_the_first_generation_has_no_parent() -> None:
    view = make_view([Player("main", steps=500)])
    assert decide_freeze(view.players["main"], view, CONFIG) is None


@pytest.mark.parametrize(
    ("swapped", "said"),
    [
        (SwappedPairs("rival", (1, 2, 3, 0, 4)), "'rival' does not play in it"),
        (SwappedPairs("main", (1, 2, 3, 0, 3)), "must be 5 counts that add up to 10"),
        (SwappedPairs("main", (1, 2, 3, 4)), "must be 5 counts"),
        (SwappedPairs("main", (2, -1, 5, 0, 4)), "must be 5 counts"),
        (SwappedPairs("main", (0, 0, 0, 0, 10)), "scored 20 in pairs of games, but 12 in all"),
    ],
)
def test_pairs_that_cannot_be_are_refused(swapped: SwappedPairs, said: str) -> None:
    match = a_match(1, "main", "main@1", 20)
    good = outcome(match, (1, 2, 3, 0, 4))
    good = replace(good, returns=())
    with pytest.raises(LeagueError, match=said):
        check_outcome(match, replace(good, swapped=swapped))


def test_pairs_of_a_match_with_itself_are_refused() -> None:
    match = Match(1, {"a": "main", "b": "main"}, 2, 0, Purpose.TRAIN, {"main": "main@1"})
    said = Outcome(
        1, 1, 2, 9, (PairResult("main", "main", 2, 0, 0),), (), swapped=SwappedPairs("main", (0,) * 5)
    )
    with pytest.raises(LeagueError, match="no two change places"):
        check_outcome(match, said)
