"""Rating takes its share of the work, whatever the lengths of games."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from league.ledger import Ledger
from league.players import Match, Outcome, PairResult, Purpose
from league.purpose import COIN, Effort, chance_to_evaluate, fold, toss


def played(id: int, purpose: Purpose, decisions: int, reason: dict[str, object]) -> tuple[Match, Outcome]:
    match = Match(id, {"a": "x", "b": "y"}, 1, 0, purpose, {"x": "x", "y": "y"}, reason)
    return match, Outcome(id, 1, 1, decisions, (PairResult("x", "y", 1, 0, 0),), ())


@pytest.mark.parametrize("share", [0.05, 0.3, 0.8])
@pytest.mark.parametrize("lengths", [(10, 10), (10, 100), (100, 10)])
def test_the_share_is_of_decisions(share: float, lengths: tuple[int, int]) -> None:
    """40 000 matches of quite different lengths; a quarter of the share is four standard deviations."""
    generator, effort = np.random.default_rng(0), Effort()
    mean = dict(zip((Purpose.EVALUATE, Purpose.TRAIN), lengths, strict=True))
    for id in range(40_000):
        coin = toss(share, effort, generator)
        purpose = Purpose.EVALUATE if coin.evaluates else Purpose.TRAIN
        fold(effort, *played(id, purpose, int(generator.poisson(mean[purpose])), coin.reason()))
    rated, trained = (effort[purpose.value][1] for purpose in (Purpose.EVALUATE, Purpose.TRAIN))
    assert rated / (rated + trained) == pytest.approx(share, rel=0.25 if share < 0.1 else 0.1)


@given(
    share=st.floats(0.0, 0.99),
    effort=st.dictionaries(
        st.sampled_from(["train", "evaluate"]), st.lists(st.integers(0, 10**12), min_size=2, max_size=2)
    ),
)
def test_a_chance_is_a_chance(share: float, effort: Effort) -> None:
    chance = chance_to_evaluate(share, effort)
    assert 0.0 <= chance <= 1.0
    assert (chance == 0.0) == (share == 0.0) or chance < 1e-9


def test_until_both_lengths_are_known_it_is_the_share() -> None:
    assert chance_to_evaluate(0.2, {}) == 0.2
    assert chance_to_evaluate(0.2, {"train": [3, 900]}) == 0.2
    assert chance_to_evaluate(0.2, {"train": [3, 900], "evaluate": [1, 0]}) == 0.2
    assert chance_to_evaluate(0.5, {"train": [1, 300], "evaluate": [1, 100]}) == 0.75


def test_the_reason_tells_the_coin() -> None:
    coin = toss(0.25, {}, np.random.default_rng(3))
    draw = np.random.default_rng(3).random()
    assert coin.reason() == {COIN: {"share": 0.25, "chance": 0.25, "draw": draw}}
    assert coin.evaluates == (draw < 0.25)


def test_what_was_played_before_there_were_coins_changes_no_byte_of_a_ledger() -> None:
    ledger = Ledger()
    ledger.apply(1, *played(1, Purpose.TRAIN, 50, {"rule": "self_play"}))
    assert "effort" not in ledger.to_json()
    ledger.apply(2, *played(2, Purpose.TRAIN, 70, {COIN: {}}))
    ledger.apply(3, *played(3, Purpose.EVALUATE, 20, {COIN: {}}))
    assert ledger.effort == {"train": [1, 70], "evaluate": [1, 20]}
    assert Ledger.from_json(ledger.to_json()).effort == ledger.effort
