"""The PettingZoo adapter on a parallel environment that behaves, or misbehaves in one chosen way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from pettingzoo import ParallelEnv

from envs.conformance import check_game
from envs.game import ArraySpec, Box, Discrete, Game, GameError, MultiDiscrete
from envs.legal import random_legal
from envs.pettingzoo import adapt

Spaces = dict[str, spaces.Space]
LIVES = {"hunter_0": 2, "hunter_1": 4, "prey_0": 4}


class FakeParallel(ParallelEnv):
    """Seats count ticks; each ends at its own. Reward: the seat's action plus ten times its number."""

    def __init__(
        self,
        lives: dict[str, int],
        *,
        truncates: bool = False,
        observation: Spaces | None = None,
        action: Spaces | None = None,
    ) -> None:
        self.lives = lives
        self.possible_agents = list(lives)
        self.truncates = truncates
        self._observation = observation or {}
        self._action = action or {}
        self.seeds: list[int | None] = []
        self.played: list[dict[str, Any]] = []

    def observation_space(self, agent: str) -> spaces.Space:
        return self._observation.get(agent, spaces.Box(0, 100, (2,), np.float32))

    def action_space(self, agent: str) -> spaces.Space:
        return self._action.get(agent, spaces.Discrete(3))

    def reset(self, seed: int | None = None, options: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        self.seeds.append(seed)
        self.agents = self.possible_agents[:]
        self.tick = 0
        return self._observe(), self._infos()

    def step(self, actions: dict[str, Any]) -> tuple[dict[str, Any], ...]:
        assert set(actions) == set(self.agents)
        self.played.append(actions)
        self.tick += 1
        observations, infos = self._observe(), self._infos()
        rewards = {seat: self._reward(seat, actions[seat]) for seat in self.agents}
        done = {seat: self.tick >= self.lives[seat] for seat in self.agents}
        never = dict.fromkeys(self.agents, False)
        self.agents = [seat for seat in self.agents if not done[seat]]
        return (observations, rewards, *((never, done) if self.truncates else (done, never)), infos)

    def _observe(self) -> dict[str, Any]:
        return {seat: self.see(seat) for seat in self.agents}

    def _infos(self) -> dict[str, Any]:
        return {seat: {} for seat in self.agents}

    def _reward(self, seat: str, action: Any) -> float:
        return 10.0 * self.possible_agents.index(seat) + float(np.sum(action))

    def see(self, seat: str) -> Any:
        return np.full(2, self.tick, np.float32)


def fake(copies: int = 2, **options: Any) -> Game:
    return adapt("fake", lambda: FakeParallel(LIVES, **options), copies)


def play(game: Game, ticks: int = 20) -> None:
    generator = np.random.default_rng(0)
    step = game.reset(0)
    for _ in range(ticks):
        step = game.step(random_legal(game.spec, step, generator))


@pytest.mark.parametrize("truncates", [False, True])
def test_the_fake_conforms(truncates: bool) -> None:
    check_game(lambda copies: fake(copies, truncates=truncates))


def test_a_seat_that_ends_early_stops_acting() -> None:
    game = fake()
    game.reset(0)
    ones = np.ones((2, 3), np.int64)
    game.step(ones)
    step = game.step(ones)
    assert step.terminated.tolist() == [[True, False, False]] * 2
    assert step.acting.tolist() == [[False, True, True]] * 2
    assert step.reward.tolist() == [[1, 11, 21]] * 2
    assert not step.observation[:, 0].any()
    assert not step.over.any()
    step = game.step(ones)
    assert step.reward.tolist() == [[0, 11, 21]] * 2
    assert not step.terminated.any()
    step = game.step(ones)
    assert step.terminated.tolist() == [[False, True, True]] * 2
    assert step.over.all()
    assert step.acting.all()
    assert not step.observation.any()  # tick 0 of the next episode


def test_truncation_keeps_the_final_observation() -> None:
    game = fake(truncates=True)
    game.reset(0)
    ones = np.ones((2, 3), np.int64)
    assert game.step(ones).final_observation is None
    step = game.step(ones)
    assert step.truncated.tolist() == [[True, False, False]] * 2
    assert not step.terminated.any()
    assert step.final_observation is not None
    assert step.final_observation[:, 0].tolist() == [[2, 2]] * 2


def test_every_episode_has_its_own_seed_and_the_same_again() -> None:
    made: list[FakeParallel] = []

    def make() -> FakeParallel:
        made.append(FakeParallel(LIVES))
        return made[-1]

    game = adapt("fake", make, 2)
    for env in made:
        env.seeds.clear()
    for _ in range(2):
        game.reset(7)
        for _ in range(8):
            game.step(np.zeros((2, 3), np.int64))
    first, second = (env.seeds for env in made)
    assert len(first) == 6
    assert first[:3] == first[3:]
    assert len({*first, *second}) == 6


def test_seats_with_less_are_padded() -> None:
    observation = {"hunter_0": spaces.Discrete(5, start=1), "prey_0": spaces.MultiBinary(3)}
    action = {"hunter_0": spaces.Discrete(2, start=7)}
    game = adapt("fake", lambda: Padded(LIVES, observation=observation, action=action), 1)
    assert game.spec.observation == ArraySpec((5,), "float32")
    assert game.spec.actions == Discrete(3)
    step = game.reset(0)
    assert step.observation[0].tolist() == [[0, 0, 1, 0, 0], [1, 2, 0, 0, 0], [1, 0, 1, 0, 0]]
    assert step.mask[0].tolist() == [[True, True, False], [True, True, True], [True, True, True]]
    assert game.step(np.array([[1, 2, 0]])).reward.tolist() == [[8, 12, 20]]


def test_boxes_of_different_sizes_are_joined_and_clipped() -> None:
    wide, narrow = spaces.Box(-2, 3, (1, 2), np.float32), spaces.Box(-1, 1, (1,), np.float32)
    env = FakeParallel(LIVES, action={"hunter_0": wide, "hunter_1": narrow, "prey_0": narrow})
    game = adapt("fake", lambda: env, 1)
    assert game.spec.actions == Box((-2.0, -2.0), (3.0, 3.0))
    game.reset(0)
    game.step(np.array([[[5, -5], [5, 9], [0.5, 9]]], np.float32))
    (played,) = env.played
    assert played["hunter_0"].tolist() == [[3, -2]]
    assert played["hunter_1"].tolist() == [1]
    assert played["prey_0"].tolist() == [0.5]


def test_several_choices_of_different_sizes_are_joined() -> None:
    action = {
        "hunter_0": spaces.MultiDiscrete([2, 3], start=[1, 0]),
        "hunter_1": spaces.MultiBinary(1),
        "prey_0": spaces.MultiDiscrete([4]),
    }
    env = FakeParallel(LIVES, action=action)
    game = adapt("fake", lambda: env, 1)
    assert game.spec.actions == MultiDiscrete((4, 3))
    step = game.reset(0)
    own = step.mask[0].astype(int).tolist()
    assert own == [[1, 1, 0, 0, 1, 1, 1], [1, 1, 0, 0, 1, 0, 0], [1, 1, 1, 1, 1, 0, 0]]
    game.step(np.array([[[1, 2], [1, 0], [3, 0]]]))
    (played,) = env.played
    assert {seat: action.tolist() for seat, action in played.items()} == {
        "hunter_0": [2, 2],
        "hunter_1": [1],
        "prey_0": [3],
    }
    with pytest.raises(
        GameError, match=r"seat prey_0: action \[3, 1\] is illegal, legal are \[\[0, 1, 2, 3\]"
    ):
        game.step(np.array([[[1, 2], [1, 0], [3, 1]]]))


def test_images_stay_images_with_channels_first() -> None:
    space = spaces.Box(0, 255, (4, 5, 3), np.uint8)
    game = adapt("fake", lambda: Images(LIVES, observation=dict.fromkeys(LIVES, space)), 1)
    assert game.spec.observation == ArraySpec((3, 4, 5), "uint8")
    step = game.reset(0)
    np.testing.assert_array_equal(step.observation[0, 0], picture().transpose(2, 0, 1))


def test_numbers_that_are_not_finite_are_no_action() -> None:
    narrow = spaces.Box(-1, 1, (1,), np.float32)
    game = adapt("fake", lambda: FakeParallel(LIVES, action=dict.fromkeys(LIVES, narrow)), 1)
    game.reset(0)
    with pytest.raises(GameError, match=r"fake, copy 0, seat hunter_1: action \[nan\] is illegal"):
        game.step(np.array([[[0], [np.nan], [0]]], np.float32))


class Padded(FakeParallel):
    def see(self, seat: str) -> Any:
        return {"hunter_0": 3, "hunter_1": np.array([1.0, 2.0]), "prey_0": np.array([1, 0, 1])}[seat]


def picture() -> Any:
    return np.arange(60, dtype=np.uint8).reshape(4, 5, 3)


class Images(FakeParallel):
    def see(self, seat: str) -> Any:
        return picture()


def misbehaving(**methods: Any) -> Any:
    """Maker of a fake in which some methods are replaced."""
    return lambda: type("Misbehaving", (FakeParallel,), methods)(LIVES)


def explode(self: Any, *_: Any) -> Any:
    if self.tick:
        raise RuntimeError("the floor gave way\nand more")
    return np.zeros(2, np.float32)


FAULTS = {
    "seat hunter_0: its observation is NaN or infinite": {"see": lambda self, seat: np.full(2, np.nan)},
    r"seat hunter_0: the observation has shape \(3,\), must be \(2,\)": {
        "see": lambda self, seat: np.zeros(3)
    },
    ": the environment raised RuntimeError: the floor gave way$": {"_reward": explode},
    "seat hunter_0: its reward is NaN or infinite": {"_reward": lambda self, seat, action: np.inf},
    ": the environment raised TypeError": {"_reward": lambda self, seat, action: None},
    "seat hunter_0: it must act but its action mask allows nothing": {
        "_infos": lambda self: {seat: {"action_mask": np.zeros(3, np.int8)} for seat in self.agents}
    },
    "seat hunter_0: the action mask has 2 entries, must have 3": {
        "_infos": lambda self: {seat: {"action_mask": np.ones(2, np.int8)} for seat in self.agents}
    },
    "seat hunter_0: it must act but was shown no observation": {"_observe": lambda self: {}},
}


def test_a_seat_that_leaves_without_a_word_is_terminated() -> None:
    def step(self: Any, actions: Any) -> Any:
        observations, rewards, _, truncated, infos = FakeParallel.step(self, actions)
        return observations, rewards, {}, truncated, infos

    game = adapt("fake", misbehaving(step=step), 1)
    game.reset(0)
    for _ in range(2):
        shown = game.step(np.zeros((1, 3), np.int64))
    assert shown.terminated.tolist() == [[True, False, False]]
    assert not shown.truncated.any()


def test_a_seat_that_never_came_is_terminated_with_the_episode() -> None:
    def reset(self: Any, seed: int | None = None, options: Any = None) -> Any:
        FakeParallel.reset(self)
        self.agents.remove("prey_0")
        return self._observe(), self._infos()

    check_game(lambda copies: adapt("fake", misbehaving(reset=reset), copies))


def test_a_state_of_changing_shape_is_refused() -> None:
    with pytest.raises(GameError, match=r"^fake, copy 0: its state: the observation has shape \(4,\)"):
        play(adapt("fake", misbehaving(state=lambda self: np.zeros(3 + self.tick)), 2))


def test_truncation_keeps_the_final_state() -> None:
    env = misbehaving(state=lambda self: np.full(1, self.tick))
    game = adapt("fake", lambda: truncating(env()), 1)
    assert game.spec.state == ArraySpec((1,), "float32")
    game.reset(0)
    for _ in range(4):
        step = game.step(np.zeros((1, 3), np.int64))
    assert step.over.all()
    assert step.final_state is not None
    assert step.final_state.tolist() == [[4]]
    assert step.state is not None
    assert step.state.tolist() == [[0]]


def truncating(env: FakeParallel) -> FakeParallel:
    env.truncates = True
    return env


@pytest.mark.parametrize(("complaint", "methods"), FAULTS.items())
def test_misbehaviour_gets_one_clear_line(complaint: str, methods: dict[str, Any]) -> None:
    with pytest.raises(GameError, match=f"^fake, copy 0.*{complaint}") as caught:
        play(adapt("fake", misbehaving(**methods), 2))
    assert "\n" not in str(caught.value)


def test_a_seat_that_nobody_announced_is_refused() -> None:
    def step(self: Any, actions: Any) -> Any:
        observations, rewards, *rest = FakeParallel.step(self, actions)
        return (observations, {**rewards, "ghost_0": 1.0}, *rest)

    with pytest.raises(GameError, match="seat 'ghost_0' is none of its possible_agents"):
        play(adapt("fake", misbehaving(step=step), 1))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (
            {"observation": {"prey_0": spaces.Sequence(spaces.Discrete(2))}},
            "fake: observation space Sequence",
        ),
        ({"action": {"prey_0": spaces.Box(0, 1)}}, "fake: action spaces Box, Discrete cannot be played"),
        ({"action": dict.fromkeys(LIVES, spaces.Text(3))}, "fake: action spaces Text cannot be played"),
    ],
)
def test_spaces_that_cannot_be_joined_are_refused(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(GameError, match=complaint):
        fake(**options)
