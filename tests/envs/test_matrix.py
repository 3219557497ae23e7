"""Matrix games and the two-step game pay what their tables say."""

from __future__ import annotations

from itertools import product

import numpy as np
import pyspiel
import pytest

from envs.game import GameError
from envs.matrix import MATRICES, MatrixGame
from envs.two_step import TwoStep
from league.solvers import nash


def test_rps_pays_the_winner() -> None:
    game = MatrixGame("rps", 4)
    game.reset(0)
    step = game.step(np.array([[0, 0], [1, 0], [0, 1], [0, 2]]))
    assert step.reward.tolist() == [[0, 0], [1, -1], [-1, 1], [1, -1]]
    assert step.over.all()
    assert step.terminated.all()


def test_the_column_seat_reads_its_own_table() -> None:
    game = MatrixGame("prisoners", 2)
    game.reset(0)
    assert game.step(np.array([[0, 1], [1, 0]])).reward.tolist() == [[-3, 0], [0, -3]]


@pytest.mark.parametrize(
    ("name", "teams", "symmetric"),
    [
        ("rps", {"first": (0,), "second": (1,)}, True),
        ("pennies", {"even": (0,), "odd": (1,)}, False),
        ("prisoners", {"first": (0,), "second": (1,)}, True),
        ("climbing", {"team": (0, 1)}, False),
    ],
)
def test_teams(name: str, teams: dict[str, tuple[int, ...]], symmetric: bool) -> None:
    spec = MatrixGame(name, 1).spec
    assert spec.teams == teams
    assert spec.symmetric is symmetric


def test_climbing_is_worth_eleven_to_both() -> None:
    game = MatrixGame("climbing", 2)
    game.reset(0)
    assert game.step(np.array([[0, 0], [0, 1]])).reward.tolist() == [[11, 11], [-30, -30]]


@pytest.mark.parametrize("name", MATRICES)
def test_tables_are_square_and_alike(name: str) -> None:
    matrix = MATRICES[name]
    assert np.shape(matrix.row) == np.shape(matrix.column) == (len(matrix.row),) * 2


def test_blotto_is_equal_to_openspiel() -> None:
    state = pyspiel.load_game("blotto(coins=10,fields=3,players=2)").new_initial_state()
    row, column = MATRICES["blotto"].row, MATRICES["blotto"].column
    assert len(row) == len(state.legal_actions(0)) == 66
    for pair in product(range(66), repeat=2):
        played = state.clone()
        played.apply_actions(pair)
        assert played.returns() == [row[pair[0]][pair[1]], column[pair[0]][pair[1]]]


def test_skill_is_a_tournament_whose_equilibrium_plays_nine() -> None:
    row = np.array(MATRICES["skill"].row)
    assert row.shape == (31, 31)
    np.testing.assert_array_equal(row + row.T, 0)
    np.testing.assert_array_equal(np.abs(row), 1 - np.eye(31))
    solution = nash(row)
    assert np.flatnonzero(solution.row > 1e-9).tolist() == [1, 6, 10, 13, 19, 20, 21, 24, 25]
    assert solution.value == pytest.approx(0.0, abs=1e-9)


def test_an_illegal_choice_is_refused() -> None:
    game = MatrixGame("rps", 2)
    game.reset(0)
    with pytest.raises(GameError, match=r"matrix:rps, copy 1, seat player_1: action 3 is illegal"):
        game.step(np.array([[0, 0], [0, 3]]))


@pytest.mark.parametrize(
    ("choices", "paid"),
    [(((0, 1), (1, 0)), 7), (((1, 0), (0, 0)), 0), (((1, 1), (0, 1)), 1), (((1, 0), (1, 1)), 8)],
)
def test_two_step_pays_in_the_second_step(
    choices: tuple[tuple[int, int], tuple[int, int]], paid: float
) -> None:
    game = TwoStep(1)
    game.reset(0)
    first = game.step(np.array([choices[0]]))
    assert first.reward.tolist() == [[0, 0]]
    assert not first.over.any()
    assert first.state is not None
    assert first.state[0].argmax() == 1 + choices[0][0]
    second = game.step(np.array([choices[1]]))
    assert second.reward.tolist() == [[paid, paid]]
    assert second.over.all()
    assert second.state is not None
    assert second.state[0].argmax() == 0
