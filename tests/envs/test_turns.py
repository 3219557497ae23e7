"""The PettingZoo adapter on an environment of turns that behaves, or misbehaves in one chosen way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from pettingzoo import AECEnv

from envs.conformance import check_game
from envs.game import Game, GameError
from envs.legal import random_legal
from envs.pettingzoo import adapt

LIVES = {"hunter_0": 2, "hunter_1": 4, "prey_0": 4}


class FakeTurns(AECEnv):
    """Seats in turn; each ends in its own turn number. Everybody is given 1 when anybody acts."""

    def __init__(self, lives: dict[str, int], *, truncates: bool = False) -> None:
        self.lives = lives
        self.truncates = truncates
        self.possible_agents = list(lives)

    def observation_space(self, agent: str) -> spaces.Space:
        return spaces.Dict(
            {
                "observation": spaces.Box(0, 100, (2,), np.int8),
                "action_mask": spaces.Box(0, 1, (3,), np.int8),
            }
        )

    def action_space(self, agent: str) -> spaces.Space:
        return spaces.Discrete(3)

    def reset(self, seed: int | None = None, options: Any = None) -> None:
        self.agents = self.possible_agents[:]
        self.turns = dict.fromkeys(self.agents, 0)
        self.rewards = dict.fromkeys(self.agents, 0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0)
        self.terminations = dict.fromkeys(self.agents, False)
        self.truncations = dict.fromkeys(self.agents, False)
        self.infos = {seat: {} for seat in self.agents}
        self.agent_selection = self.agents[0]

    def observe(self, agent: str) -> Any:
        return {"observation": np.full(2, self.turns[agent], np.int8), "action_mask": self.mask(agent)}

    def mask(self, agent: str) -> Any:
        return np.array([1, 0, 1], np.int8)

    def step(self, action: Any) -> None:
        seat = self.agent_selection
        if self.terminations[seat] or self.truncations[seat]:
            self._was_dead_step(action)
            return
        self._cumulative_rewards[seat] = 0
        self.turns[seat] += 1
        self.rewards = dict.fromkeys(self.agents, 1)
        if self.turns[seat] == self.lives[seat]:
            (self.truncations if self.truncates else self.terminations)[seat] = True
        following = self.agents.index(seat) + 1
        self.agent_selection = self.agents[following % len(self.agents)]
        self._accumulate_rewards()
        self._deads_step_first()


def fake(copies: int = 2, **options: Any) -> Game:
    return adapt("fake", lambda: FakeTurns(LIVES, **options), copies)


def play(game: Game, ticks: int = 20) -> None:
    generator = np.random.default_rng(0)
    step = game.reset(0)
    for _ in range(ticks):
        step = game.step(random_legal(game.spec, step, generator))


@pytest.mark.parametrize("truncates", [False, True])
def test_the_fake_conforms(truncates: bool) -> None:
    check_game(lambda copies: fake(copies, truncates=truncates))


def test_a_seat_that_ends_is_taken_leave_of() -> None:
    game = fake(1)
    step = game.reset(0)
    acted, ended = [], []
    while not step.over.any():
        acted.append(int(step.seat[0, 0]))
        step = game.step(np.array([[2]]))
        ended += [(len(acted), int(seat)) for seat in np.flatnonzero(step.terminated[0])]
    assert acted == [0, 1, 2, 0, 1, 2, 1, 2, 1, 2]
    assert ended == [(4, 0), (9, 1), (10, 2)]


def test_rewards_of_one_action_are_not_counted_twice() -> None:
    game = fake(1)
    step = game.reset(0)
    total = np.zeros(3)
    while not step.over.any():
        step = game.step(np.array([[0]]))
        total += step.reward[0]
    assert total.tolist() == [4, 9, 10]  # one for each action until the seat's own last


def test_truncation_keeps_the_final_observation() -> None:
    game = fake(1, truncates=True)
    game.reset(0)
    for _ in range(4):
        step = game.step(np.array([[0]]))
    assert step.truncated.tolist() == [[True, False, False]]
    assert step.final_observation is not None
    assert step.final_observation[0, 0].tolist() == [2, 2]


def test_a_masked_choice_is_refused() -> None:
    game = fake()
    game.reset(0)
    with pytest.raises(
        GameError, match=r"fake, copy 1, seat hunter_0: action 1 is illegal, legal are \[0, 2\]"
    ):
        game.step(np.array([[0], [1]]))


class Lingering(FakeTurns):
    """A seat that ended waits for its next turn before it leaves."""

    def _deads_step_first(self) -> str:
        return self.agent_selection

    def step(self, action: Any) -> None:
        seat = self.agent_selection
        following = self.agents[(self.agents.index(seat) + 1) % len(self.agents)]
        super().step(action)
        if action is None:
            self.agent_selection = following


def test_a_seat_that_lingers_after_its_end_ends_once() -> None:
    check_game(lambda copies: adapt("fake", lambda: Lingering(LIVES), copies))


class Uneven(FakeTurns):
    """The first seat sees three numbers, the others one."""

    def observation_space(self, agent: str) -> spaces.Space:
        return spaces.Box(0, 100, (3 if agent == "hunter_0" else 1,), np.float32)

    def observe(self, agent: str) -> Any:
        return np.full(self.observation_space(agent).shape, 5, np.float32)


def test_a_shorter_row_does_not_show_what_the_last_seat_saw() -> None:
    game = adapt("fake", lambda: Uneven(LIVES), 1)
    assert game.reset(0).observation[0, 0].tolist() == [5, 5, 5]
    assert game.step(np.array([[0]])).observation[0, 0].tolist() == [5, 0, 0]


def misbehaving(**methods: Any) -> Any:
    """Maker of a fake in which some methods are replaced."""
    return lambda: type("Misbehaving", (FakeTurns,), methods)(LIVES)


def explode(self: Any, *_: Any) -> Any:
    raise RuntimeError("the floor gave way\nand more")


FAULTS = {
    "seat hunter_0: it must act but its action mask allows nothing": {"mask": lambda self, seat: np.zeros(3)},
    "seat hunter_0: the environment raised RuntimeError: the floor gave way$": {
        "_accumulate_rewards": explode
    },
}


@pytest.mark.parametrize(("complaint", "methods"), FAULTS.items())
def test_misbehaviour_gets_one_clear_line(complaint: str, methods: dict[str, Any]) -> None:
    with pytest.raises(GameError, match=f"^fake, copy 0.*{complaint}") as caught:
        play(adapt("fake", misbehaving(**methods), 2))
    assert "\n" not in str(caught.value)
