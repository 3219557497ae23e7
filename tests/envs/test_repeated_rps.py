"""Repeated rock, paper, scissors: who beats whom, what a seat sees, when it is over."""

from __future__ import annotations

import numpy as np
import pyspiel
import pytest

from envs.catalogue import make_game
from envs.conformance import check_game
from envs.game import GameError
from envs.repeated_rps import THROWS, RepeatedRps, throws_of

ROCK, PAPER, SCISSORS = range(3)


@pytest.mark.parametrize("throws", [1, 7])
def test_a_short_one_keeps_the_contract_over_many_episodes(throws: int) -> None:
    check_game(lambda copies: make_game(f"repeated_rps:{throws}", copies))


def test_the_next_throw_beats_the_one_before() -> None:
    game = RepeatedRps(4)
    game.reset(0)
    step = game.step(np.array([[PAPER, ROCK], [SCISSORS, PAPER], [ROCK, SCISSORS], [PAPER, PAPER]]))
    assert step.reward.tolist() == [[1, -1], [1, -1], [1, -1], [0, 0]]
    step = game.step(np.array([[ROCK, PAPER], [PAPER, SCISSORS], [SCISSORS, ROCK], [ROCK, ROCK]]))
    assert step.reward.tolist() == [[-1, 1], [-1, 1], [-1, 1], [0, 0]]


def test_a_seat_sees_its_own_last_throw_and_then_the_others() -> None:
    game = RepeatedRps(2, throws=3)
    assert not game.reset(0).observation.any()
    step = game.step(np.array([[ROCK, SCISSORS], [PAPER, PAPER]]))
    assert step.observation[0].tolist() == [[1, 0, 0, 0, 0, 1], [0, 0, 1, 1, 0, 0]]
    assert step.observation[1].tolist() == [[0, 1, 0, 0, 1, 0]] * 2
    game.step(np.array([[ROCK, ROCK]] * 2))
    step = game.step(np.array([[ROCK, ROCK]] * 2))
    assert not step.observation.any(), "a new episode shows nothing of the one before"


def test_an_episode_has_as_many_throws_as_the_name_says() -> None:
    for name, throws in (("repeated_rps", THROWS), ("repeated_rps:20", 20)):
        game = make_game(name, 2)
        assert (game.spec.name, throws_of(name)) == (name, throws)
        game.reset(0)
        over = [game.step(np.zeros((2, 2), np.int64)).over.tolist() for _ in range(2 * throws)]
        assert [tick for tick, each in enumerate(over, 1) if each == [True, True]] == [throws, 2 * throws]
        assert sum(map(sum, over)) == 4
    assert throws_of("matrix:rps") is None


def test_openspiel_pays_the_same() -> None:
    generator, throws = np.random.default_rng(0), 50
    game = RepeatedRps(3, throws)
    game.reset(0)
    twin = pyspiel.load_game(f"repeated_game(stage_game=matrix_rps(),num_repetitions={throws})")
    states = [twin.new_initial_state() for _ in range(3)]
    for _ in range(throws):
        actions = generator.integers(0, 3, (3, 2))
        step = game.step(actions)
        for copy, state in enumerate(states):
            state.apply_actions(actions[copy].tolist())
            assert step.reward[copy].tolist() == state.rewards()
            assert step.over[copy] == state.is_terminal()


@pytest.mark.parametrize("throws", ["0", "-5", "many", ""])
def test_what_is_no_number_of_throws_is_refused_in_one_line(throws: str) -> None:
    with pytest.raises(GameError, match=r"repeated_rps:N needs N >= 1 throws, as in 'repeated_rps:200'$"):
        make_game(f"repeated_rps:{throws}", 1)


def test_an_illegal_throw_is_refused() -> None:
    game = RepeatedRps(2)
    game.reset(0)
    with pytest.raises(GameError, match="repeated_rps, copy 1, seat player_0: action 3 is illegal"):
        game.step(np.array([[0, 0], [3, 0]]))
