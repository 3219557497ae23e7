"""Every noun reads back equal, has one text, and nothing else is read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from league.codec import from_json, to_json
from league.players import (
    LeagueError,
    Match,
    Outcome,
    PairResult,
    Player,
    Purpose,
    ReturnSum,
    Role,
    Snapshot,
)

whole = st.integers(0, 2**63)
finite = st.floats(allow_nan=False, allow_infinity=False)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | finite | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
names = st.text(max_size=5)
players = st.builds(
    Player,
    names,
    st.sampled_from(Role),
    st.none() | names,
    generation=whole,
    steps=whole,
    frozen_at=whole,
    reset_at=whole,
)
snapshots = st.builds(Snapshot, names, whole, names, st.none() | names, whole, names)
matches = st.builds(
    Match,
    id=whole,
    teams=st.dictionaries(names, names, max_size=3),
    episodes=whole,
    seed=whole,
    purpose=st.sampled_from(Purpose),
    nodes=st.dictionaries(names, names, max_size=3),
    reason=st.dictionaries(names, plain, max_size=3),
)
pairs = st.builds(PairResult, names, names, whole, whole, whole, st.none() | finite)
returns = st.builds(ReturnSum, names, whole, finite, finite)
outcomes = st.builds(
    Outcome,
    match=whole,
    attempt=whole,
    episodes=whole,
    decisions=whole,
    pairs=st.lists(pairs, max_size=3).map(tuple),
    returns=st.lists(returns, max_size=3).map(tuple),
    forfeits=st.dictionaries(names, names, max_size=2),
    rankings=st.lists(st.dictionaries(names, whole, max_size=3), max_size=2).map(tuple),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(players | snapshots | matches | outcomes)
def test_a_noun_reads_back_equal_and_has_one_text(noun: Any) -> None:
    text = to_json(noun)
    again = from_json(type(noun), text)
    assert again == noun
    assert to_json(again) == text


def test_the_text_is_canonical() -> None:
    match = Match(
        1, {"b": "main", "a": "main@0"}, 2, 3, Purpose.TRAIN, {"main": "main@1", "main@0": "main@0"}
    )
    text = to_json(match)
    assert text.startswith('{"episodes":2,"id":1,"nodes":{"main":"main@1","main@0":"main@0"},')
    assert " " not in text


def outcome(**changes: Any) -> dict[str, Any]:
    pair = {"home": "a", "away": "b", "wins": 1, "draws": 0, "losses": 0}
    returned = {"identity": "a", "episodes": 1, "total": 1.0, "total_of_squares": 1.0}
    good: dict[str, Any] = {
        "match": 1,
        "attempt": 1,
        "episodes": 1,
        "decisions": 9,
        "pairs": [pair],
        "returns": [returned],
        "forfeits": {},
    }
    return good | changes


def test_whole_numbers_become_floats_where_a_float_is_due() -> None:
    read = from_json(
        Outcome,
        json.dumps(outcome(returns=[{"identity": "a", "episodes": 1, "total": 1, "total_of_squares": 1}])),
    )
    assert isinstance(read.returns[0].total, float)
    assert '"total":1.0' in to_json(read)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ('{"match":1,"match":2}', "a key stands twice"),
        ("[]", "Outcome is []"),
        (json.dumps(outcome(more=1)), "unknown key 'more'"),
        (json.dumps({k: v for k, v in outcome().items() if k != "forfeits"}), "lacks the key 'forfeits'"),
        (json.dumps(outcome(match="1")), "Outcome.match is '1', but must be a whole number"),
        (json.dumps(outcome(match=True)), "Outcome.match is True"),
        (json.dumps(outcome(match=1.0)), "Outcome.match is 1.0"),
        (json.dumps(outcome(pairs={})), "Outcome.pairs is {}, but must be a list"),
        (json.dumps(outcome(pairs=[{"home": "a"}])), "Outcome.pairs[0] lacks the key 'away'"),
        (json.dumps(outcome(forfeits={"a": None})), "Outcome.forfeits['a'] is None, but must be a text"),
        (json.dumps(outcome(decisions=float("nan"))), "NaN is not a number"),
        (json.dumps(outcome(returns=[{"identity": "a", "episodes": 1, "total": 10**400,
                                      "total_of_squares": 1}])), "Outcome.returns[0].total"),
    ],
)  # fmt: skip
def test_what_is_not_the_noun_is_refused_in_one_line(text: str, said: str) -> None:
    with pytest.raises(LeagueError) as caught:
        from_json(Outcome, text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_player_that_was_stored_before_there_were_resets_reads_as_never_reset() -> None:
    text = '{"frozen_at":5,"generation":2,"name":"main","role":"main","steps":9,"team":null}'
    assert from_json(Player, text) == Player("main", generation=2, steps=9, frozen_at=5, reset_at=0)
    with pytest.raises(LeagueError, match="Player lacks the key 'steps'"):
        from_json(Player, text.replace('"steps":9,', ""))


def test_an_unknown_role_is_refused() -> None:
    text = to_json(Player("main")).replace('"role":"main"', '"role":"king"')
    with pytest.raises(LeagueError, match=r"Player\.role is 'king', but must be main or .* or pretrained"):
        from_json(Player, text)


@pytest.mark.parametrize("reason", [{"a": (1, 2)}, {"a": float("inf")}, {"a": {1: 2}}, {"a": object()}])
def test_a_reason_that_would_not_read_back_is_not_written(reason: dict[str, Any]) -> None:
    match = Match(1, {}, 1, 1, Purpose.TRAIN, {}, reason)
    with pytest.raises(LeagueError, match=r"Match\.reason"):
        to_json(match)
