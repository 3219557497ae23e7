"""Elo's formula on the golden sequence and at its corners; the ledger's test folds the same sequence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from league.ratings.elo import change, expected_score

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "ratings.json").read_text())["elo"]


def test_golden_expectations() -> None:
    ratings = list(GOLDEN["initial"])
    for game in GOLDEN["matches"]:
        home, away = game["home"], game["away"]
        assert expected_score(ratings[home], ratings[away]) == pytest.approx(game["expected_home"], rel=1e-9)
        gain = change(ratings[home], ratings[away], game["home_score"], GOLDEN["k"])
        ratings[home], ratings[away] = ratings[home] + gain, ratings[away] - gain
    assert ratings == pytest.approx(GOLDEN["final"], rel=1e-12)


def test_four_hundred_points_are_ten_to_one() -> None:
    assert expected_score(1600, 1200) == pytest.approx(10 / 11)
    assert expected_score(1200, 1600) == pytest.approx(1 / 11)
    assert expected_score(1200, 1200) == 0.5


def test_no_lead_overflows() -> None:
    assert expected_score(1e9, 0) == 1.0
    assert expected_score(0, 1e9) == pytest.approx(0.0)


def test_what_was_expected_changes_nothing() -> None:
    assert change(1300, 1200, expected_score(1300, 1200), 16) == 0.0
    assert change(1200, 1200, 1.0, 16) == 8.0
