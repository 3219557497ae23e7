"""Connect Four and tic-tac-toe against OpenSpiel's, step by step, and by hand."""

from __future__ import annotations

import numpy as np
import pyspiel
import pytest

from envs.boards import Board
from envs.connect_four import ConnectFour
from envs.game import GameError, Step
from envs.legal import random_legal
from envs.tictactoe import TicTacToe

GAMES = {"connect_four": ConnectFour, "tic_tac_toe": TicTacToe}


def planes_of_mover(name: str, state: pyspiel.State) -> np.ndarray:
    """OpenSpiel's observation tensor as (own, other).

    Its planes are those of player 0, of player 1 and the empty cells (connect_four, bottom row first), or
    the empty cells, noughts (player 1) and crosses (player 0).
    """
    mover = state.current_player()
    tensor = np.array(state.observation_tensor(mover))
    if name == "connect_four":
        return tensor.reshape(3, 6, 7)[[mover, 1 - mover]]
    return tensor.reshape(3, 3, 3)[[2 - mover, 1 + mover]]


def assert_same_position(name: str, step: Step, copy: int, state: pyspiel.State) -> None:
    assert step.seat[copy, 0] == state.current_player()
    assert np.flatnonzero(step.mask[copy, 0]).tolist() == state.legal_actions()
    np.testing.assert_array_equal(step.observation[copy, 0], planes_of_mover(name, state))


def play_against_openspiel(name: str, games: int, copies: int, seed: int) -> None:
    """Random games side by side until `games` have ended, every position and every end compared."""
    twin, generator = pyspiel.load_game(name), np.random.default_rng(seed)
    game = GAMES[name](copies)
    states = [twin.new_initial_state() for _ in range(copies)]
    step = game.reset(seed)
    ended = 0
    while ended < games:
        for copy, state in enumerate(states):
            assert_same_position(name, step, copy, state)
        actions = random_legal(game.spec, step, generator)
        step = game.step(actions)
        for copy, state in enumerate(states):
            state.apply_action(int(actions[copy, 0]))
            assert step.over[copy] == state.is_terminal()
            assert step.terminated[copy].tolist() == [state.is_terminal()] * 2
            assert step.reward[copy].tolist() == state.returns()
            if state.is_terminal():
                states[copy] = twin.new_initial_state()
                ended += 1
    assert not step.truncated.any()


@pytest.mark.parametrize("name", GAMES)
@pytest.mark.parametrize("seed", [0, 1])
def test_equal_to_openspiel(name: str, seed: int) -> None:
    play_against_openspiel(name, games=200, copies=50, seed=seed)


@pytest.mark.slow
@pytest.mark.parametrize("name", GAMES)
def test_equal_to_openspiel_over_ten_thousand_games(name: str) -> None:
    play_against_openspiel(name, games=10_000, copies=500, seed=2)


def play(game: Board, *actions: int) -> Step:
    step = game.reset(0)
    for action in actions:
        step = game.step(np.full((game.copies, 1), action))
    return step


@pytest.mark.parametrize(
    ("actions", "reward"),
    [
        pytest.param((0, 1, 0, 1, 0, 1, 0), [1, -1], id="up"),
        pytest.param((0, 0, 1, 1, 2, 2, 3), [1, -1], id="along"),
        pytest.param((0, 1, 1, 2, 2, 3, 2, 3, 3, 6, 3), [1, -1], id="diagonal"),
        pytest.param((0, 6, 5, 5, 4, 4, 0, 4, 3, 3, 3, 3), [-1, 1], id="other-diagonal-other-seat"),
    ],
)
def test_connect_four_wins(actions: tuple[int, ...], reward: list[float]) -> None:
    before = play(ConnectFour(3), *actions[:-1])
    assert not before.over.any()
    step = play(ConnectFour(3), *actions)
    assert step.over.all()
    assert step.reward.tolist() == [reward] * 3


def test_connect_four_lines_do_not_run_around_the_edge() -> None:
    step = play(ConnectFour(1), 4, 4, 5, 5, 6, 0, 0)  # bottom row 4 5 6, then column 0 of the next row up
    assert not step.over.any()


def test_a_copy_begins_anew_in_the_call_that_ends_it() -> None:
    step = play(TicTacToe(2), 0, 3, 1, 4, 2)
    assert step.over.all()
    assert step.terminated.all()
    assert not step.observation.any()
    assert step.mask.all()
    assert (step.seat == 0).all()


@pytest.mark.parametrize("action", [-1, 7, 2**40])
def test_connect_four_refuses_a_column_that_is_not_there(action: int) -> None:
    game = ConnectFour(2)
    game.reset(0)
    with pytest.raises(GameError, match=rf"connect_four, copy 1, seat player_0: action {action} is illegal"):
        game.step(np.array([[3], [action]]))


def test_connect_four_refuses_a_full_column() -> None:
    game = ConnectFour(1)
    play(game, 0, 0, 0, 0, 0, 0)
    with pytest.raises(GameError, match=r"action 0 is illegal, legal are \[1, 2, 3, 4, 5, 6\]"):
        game.step(np.array([[0]]))


def test_a_refused_action_changes_nothing() -> None:
    game = TicTacToe(1)
    play(game, 4)
    with pytest.raises(GameError, match="seat player_1: action 4 is illegal"):
        game.step(np.array([[4]]))
    own, other = game.step(np.array([[0]])).observation[0, 0]
    assert np.argwhere(own).tolist() == [[1, 1]]
    assert np.argwhere(other).tolist() == [[0, 0]]


@pytest.mark.parametrize(
    "actions", [np.zeros((2, 1), np.int32), np.zeros(2, np.int64), np.zeros((3, 1), np.int64)]
)
def test_actions_of_another_form_are_refused(actions: np.ndarray) -> None:
    game = TicTacToe(2)
    game.reset(0)
    with pytest.raises(GameError, match=r"tictactoe: actions must be int64 \[2, 1\]"):
        game.step(actions)
