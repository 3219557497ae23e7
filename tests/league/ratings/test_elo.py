"""Elo's formula at its corners; the golden sequence runs through the ledger's test."""

from __future__ import annotations

import pytest

from league.ratings.elo import change, expected_score


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
