"""The Gymnasium adapter on real environments and on fakes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from envs.catalogue import make_game
from envs.conformance import check_game
from envs.game import ArraySpec, Box, Discrete, GameError
from envs.gymnasium import GymnasiumGame, adapt


class FakeSolo(gymnasium.Env):
    """Ends after three steps."""

    observation_space: spaces.Space = spaces.Box(-10, 10, (2,), np.float32)
    action_space: spaces.Space = spaces.Discrete(2)
    truncates = False

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.tick = 0
        return self.see(), self.info()

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        self.action = action
        self.tick += 1
        done = self.tick == 3
        return self.see(), self.reward(), done and not self.truncates, done and self.truncates, self.info()

    def see(self) -> Any:
        return np.full(2, self.tick, np.float32)

    def reward(self) -> Any:
        return 1.0

    def info(self) -> dict[str, Any]:
        return {}


@pytest.mark.parametrize(
    ("name", "observation", "actions"),
    [
        ("gymnasium:CartPole-v1", ArraySpec((4,), "float32"), Discrete(2)),
        ("gymnasium:Pendulum-v1", ArraySpec((3,), "float32"), Box((-2.0,), (2.0,))),
        ("gymnasium:Blackjack-v1", ArraySpec((45,), "float32"), Discrete(2)),
    ],
)
def test_real_environments_conform(name: str, observation: ArraySpec, actions: Any) -> None:
    spec = make_game(name, 1).spec
    assert spec.teams == {"solo": (0,)}
    assert (spec.observation, spec.actions) == (observation, actions)
    check_game(lambda copies: make_game(name, copies), ticks=250)


def fake(copies: int = 2, **attributes: Any) -> GymnasiumGame:
    return adapt("fake", type("Fake", (FakeSolo,), attributes), copies)


def test_an_end_by_the_rules_and_a_time_limit_are_told_apart() -> None:
    for truncates in (False, True):
        game = fake(truncates=truncates)
        game.reset(0)
        for _ in range(3):
            step = game.step(np.zeros((2, 1), np.int64))
        assert step.over.all()
        assert step.truncated.all() == truncates
        assert step.terminated.all() != truncates
        assert not step.observation.any()
        if truncates:
            assert step.final_observation is not None
            assert step.final_observation.tolist() == [[[3, 3]]] * 2
        else:
            assert step.final_observation is None


def test_dictionaries_are_flattened() -> None:
    space = spaces.Dict(
        {"a": spaces.Discrete(3), "b": spaces.Tuple([spaces.Box(0, 1, (2,)), spaces.Discrete(2)])}
    )
    seen = {"a": 1, "b": (np.array([0.25, 0.5], np.float32), 0)}
    game = fake(observation_space=space, see=lambda self: seen)
    assert game.reset(0).observation[0, 0].tolist() == [0, 1, 0, 0.25, 0.5, 1, 0]


def test_a_reward_may_be_an_array_of_one() -> None:
    game = fake(reward=lambda self: np.array([2.5]))
    game.reset(0)
    assert game.step(np.zeros((2, 1), np.int64)).reward.tolist() == [[2.5], [2.5]]


def boom(self: Any) -> Any:
    raise ZeroDivisionError("oops")


@pytest.mark.parametrize(
    ("attributes", "complaint"),
    [
        ({"see": boom}, "the environment raised ZeroDivisionError: oops"),
        ({"see": lambda self: np.array([0, np.nan])}, "its observation is NaN or infinite"),
        ({"see": lambda self: None}, r"the observation has shape \(\), must be \(2,\)"),
        ({"reward": lambda self: float("nan")}, "its reward is NaN or infinite"),
        ({"info": lambda self: {"action_mask": [0, 0]}}, "its action mask allows nothing"),
        (
            {"see": lambda self: self.tick * np.zeros(2), "action_space": spaces.Text(2)},
            "Text cannot be played",
        ),
        ({"close": boom}, "fake: the environment raised ZeroDivisionError"),
    ],
)
def test_misbehaviour_gets_one_clear_line(attributes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(GameError, match=complaint):
        play_and_close(fake, attributes)


def play_and_close(make: Callable[..., GymnasiumGame], attributes: dict[str, Any]) -> None:
    game = make(**attributes)
    game.reset(0)
    game.step(np.zeros((2, 1), np.int64))
    game.close()
