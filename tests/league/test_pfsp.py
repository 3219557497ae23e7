"""Prioritised fictitious self-play: golden weights, and no division by nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from league.matchmaking.pfsp import Prioritised, Weighting, pfsp
from league.matchmaking.weighted import pick
from league.players import Player, Role
from tests.league.leagues import agrees, frequencies, make_view

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "ratings.json").read_text())["pfsp"]


@pytest.mark.parametrize("weighting", Weighting)
@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: str(case["win_rates"]))
def test_golden(case: dict[str, Any], weighting: Weighting) -> None:
    chances = pfsp(win_rates=case["win_rates"], weighting=weighting)
    np.testing.assert_allclose(chances, case[weighting], rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("weighting", Weighting)
@pytest.mark.parametrize("rate", [0.0, 1.0, 1.0 - 1e-12])
def test_win_rates_all_alike_are_uniform(weighting: Weighting, rate: float) -> None:
    """`0 / 0` of the published implementations where every opponent is always beaten, or never."""
    np.testing.assert_array_equal(pfsp(np.full(7, rate), weighting), np.full(7, 1 / 7))


@given(
    rates=arrays(np.float64, st.integers(1, 40), elements=st.sampled_from([0.0, 1.0]) | st.floats(0.0, 1.0)),
    weighting=st.sampled_from(Weighting),
)
def test_whatever_the_win_rates_chances_are_finite_and_add_up_to_one(rates: Any, weighting: str) -> None:
    chances = pfsp(rates, weighting)
    assert (chances >= 0).all()
    assert chances.sum() == pytest.approx(1.0)


def test_nobody_has_no_chances_and_nothing_else_is_a_weighting() -> None:
    assert pfsp([]).shape == (0,)
    with pytest.raises(ValueError, match="'hard' is not a valid Weighting"):
        pfsp([0.5], "hard")


@pytest.mark.parametrize(
    ("weights", "number", "index"),
    [
        ([0.5, 0.5], 0.0, 0),
        ([0.5, 0.5], 0.5, 1),
        ([0.0, 1.0, 0.0], 0.0, 1),
        ([0.0, 1.0, 0.0], 1.0 - 2**-53, 1),
        ([0.1] * 10 + [0.0], 1.0 - 2**-53, 9),
        ([0.0, 0.0, 3.0], 0.3, 2),
    ],
)
def test_a_number_falls_on_a_weight_and_never_on_none(
    weights: list[float], number: float, index: int
) -> None:
    assert pick(weights, number) == index


def test_the_hard_past_comes_most() -> None:
    players = [Player("main", generation=2), Player("rival", generation=1), Player("bot", Role.SCRIPTED)]
    rates = {"main": {"main@0": 1.0, "main@1": 0.5, "rival@0": 0.0, "bot": 0.5, "rival": 0.9}}
    view = make_view(players, win_rates=rates)
    chances = {"main": 0.4, "main@1": 0.1, "rival@0": 0.4, "bot": 0.1}
    counts = frequencies(Prioritised(Weighting.SQUARED, 0.4), view, players[0], "second", 0, 3000)
    assert agrees(counts, chances), counts


@pytest.mark.parametrize("past", [3, 60])
def test_the_reason_tells_weights_win_rates_and_the_draw(past: int) -> None:
    main = Player("main", generation=past)
    rates = {f"main@{g}": g / past for g in range(past)}
    view = make_view([main], win_rates={"main": rates})
    proposal = Prioritised(Weighting.LINEAR, 0.0)(view, main, np.random.default_rng(4))
    reason = proposal.reason["draws"]["second"]
    assert reason["branch"] == proposal.reason["branch"] == "pfsp, linear"
    assert reason["candidates"] == past
    assert reason["names"] == [f"main@{g}" for g in range(min(past, 20))]  # those that were likeliest
    chances = pfsp(list(rates.values()))
    np.testing.assert_allclose(reason["probabilities"], chances[:20])
    np.testing.assert_allclose(reason["win_rates"], list(rates.values())[:20])
    opponent = proposal.teams["second"]
    assert reason["opponent"] == opponent
    assert reason["win_rate"] == pytest.approx(rates[opponent])
    assert reason["probability"] == pytest.approx(chances[list(rates).index(opponent)])
    assert list(rates)[pick(chances, reason["pick"])] == opponent
    assert {"draw", "which"} <= set(reason)


def test_without_a_past_it_is_self_play() -> None:
    main = Player("main")
    proposal = Prioritised(Weighting.SQUARED, 0.0)(make_view([main]), main, np.random.default_rng(0))
    assert proposal.teams["second"] == "main"
    assert proposal.reason["branch"] == "self-play, for want of a past"
