"""Matrix games solved by arithmetic, against answers known by heart."""

from __future__ import annotations

import numpy as np
import pytest

from envs.matrix import MATRICES
from envs.normal_form import NormalForm

ROCK, EVEN_CHANCES = [1.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3]


@pytest.mark.parametrize(
    ("game", "row", "column", "gains"),
    [
        ("rps", ROCK, ROCK, [1, 1]),
        ("rps", EVEN_CHANCES, EVEN_CHANCES, [0, 0]),
        ("rps", ROCK, EVEN_CHANCES, [0, 1]),
        ("rps", [0.5, 0.5, 0.0], EVEN_CHANCES, [0, 0.5]),
        ("pennies", [1.0, 0.0], [1.0, 0.0], [0, 2]),
        ("pennies", [0.5, 0.5], [0.5, 0.5], [0, 0]),
        ("prisoners", [1.0, 0.0], [1.0, 0.0], [1, 1]),
        ("prisoners", [0.0, 1.0], [0.0, 1.0], [0, 0]),
        ("chicken", [0.9, 0.1], [0.9, 0.1], [0, 0]),
    ],
)
def test_gains(game: str, row: list[float], column: list[float], gains: list[float]) -> None:
    solver = NormalForm(game)
    found = solver.gains(solver.information_states(), np.array([row, column]))
    assert found == pytest.approx(gains, abs=1e-12)


def test_who_plays_one_seat_alone_is_worth_what_the_best_answer_gets() -> None:
    solver = NormalForm("pennies")
    policy = np.array([[0.75, 0.25], [0.0, 0.0]])
    assert solver.gains(solver.information_states(), policy) == pytest.approx([0.0, 0.5])


@pytest.mark.parametrize("game", MATRICES)
def test_information_states_are_what_the_game_shows(game: str) -> None:
    from envs.catalogue import make_game

    states = NormalForm(game).information_states()
    with make_game(f"matrix:{game}", 1) as made:
        step = made.reset(0)
        np.testing.assert_array_equal(states.observation, step.observation[0])
        np.testing.assert_array_equal(states.mask, step.mask[0])
        np.testing.assert_array_equal(states.seat, step.seat[0])
