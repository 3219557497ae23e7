"""Our games pass PettingZoo's own tests of its environments."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from envs.game import GameError
from envs.pettingzoo_export import aec_env, parallel_env

with warnings.catch_warnings():
    # PettingZoo's tests import one of its own games in the way that it deprecates.
    warnings.filterwarnings("ignore", "The old environment creation API", DeprecationWarning)
    from pettingzoo.test import api_test, parallel_api_test, parallel_seed_test, seed_test

TURNS = ["tictactoe", "connect_four", "kuhn", "leduc"]
SIMULTANEOUS = ["matrix:rps", "matrix:pennies", "matrix:climbing", "two_step", "repeated_rps:30"]

pytestmark = pytest.mark.filterwarnings(
    # An empty board has no stones; PettingZoo only means to hint at a forgotten observation.
    "ignore:Observation numpy array is all zeros:UserWarning"
)


@pytest.mark.parametrize("name", [*TURNS, *SIMULTANEOUS])
def test_aec_api(name: str) -> None:
    api_test(aec_env(name), num_cycles=200)


@pytest.mark.parametrize("name", [*TURNS, *SIMULTANEOUS])
def test_aec_seed(name: str) -> None:
    seed_test(lambda: aec_env(name), num_cycles=200)


@pytest.mark.parametrize("name", SIMULTANEOUS)
def test_parallel_api(name: str) -> None:
    parallel_api_test(parallel_env(name), num_cycles=200)


@pytest.mark.parametrize("name", SIMULTANEOUS)
def test_parallel_seed(name: str) -> None:
    parallel_seed_test(lambda: parallel_env(name), num_cycles=200)


def test_turns_are_no_parallel_environment() -> None:
    with pytest.raises(GameError, match="tictactoe: its seats take turns"):
        parallel_env("tictactoe")


def test_winner_and_loser_are_rewarded() -> None:
    env = aec_env("tictactoe")
    env.reset()
    for action in (0, 3, 1, 4, 2):
        env.step(action)
    assert env.rewards == {"player_0": 1.0, "player_1": -1.0}
    assert env.terminations == {"player_0": True, "player_1": True}
    last_seen = np.zeros((2, 3, 3), np.uint8)
    last_seen[0].flat[[3]] = 1
    last_seen[1].flat[[0, 1]] = 1
    np.testing.assert_array_equal(env.observe("player_1"), last_seen)


def test_the_state_and_the_picture_are_there() -> None:
    env = parallel_env("two_step", render_mode="ansi")
    env.reset()
    np.testing.assert_array_equal(env.state(), [1, 0, 0])
    env.step({"agent_0": 1, "agent_1": 0})
    np.testing.assert_array_equal(env.state(), [0, 0, 1])
    assert "agent_1" in env.render()


def test_rewards_are_added_up_between_turns_and_not_longer() -> None:
    env = aec_env("gymnasium:CartPole-v1")
    env.reset(seed=0)
    for _ in range(3):
        env.step(0)
        assert env.last()[1] == 1.0
