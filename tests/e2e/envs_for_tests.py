"""Environments that go wrong in the ways in which users' environments do: `tests.e2e.envs_for_tests:FACTORY`.

All are rock-paper-scissors for two, one throw an episode, as a PettingZoo parallel environment. Those that
count do so over all copies of a process; those that are to go wrong once leave a mark in the folder that
the environment variable `MISHAPS` names.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces
from pettingzoo import ParallelEnv

from envs.game import Array, Game, Step
from envs.matrix import MatrixGame

_throws = 0
"""Throws in this process, by all copies."""


class Throws(ParallelEnv):
    """The game itself, sound. Subclasses override `mishap`."""

    metadata: ClassVar[dict[str, Any]] = {"name": "throws"}

    def __init__(self) -> None:
        self.possible_agents = ["first", "second"]
        self.agents: list[str] = []
        self.observation_spaces = {a: spaces.Box(-1, 1, (3,), np.float32) for a in self.possible_agents}
        self.action_spaces = {a: spaces.Discrete(3) for a in self.possible_agents}

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Space[Any]:
        return self.action_spaces[agent]

    def reset(self, seed: int | None = None, options: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        self.agents = list(self.possible_agents)
        return self.seen(), {a: {} for a in self.agents}

    def seen(self) -> dict[str, Any]:
        return {a: np.zeros(3, np.float32) for a in self.possible_agents}

    def step(self, actions: dict[str, int]) -> tuple[dict[str, Any], ...]:
        global _throws
        _throws += 1
        self.mishap(_throws)
        won = (actions["first"] - actions["second"]) % 3
        reward = {0: 0.0, 1: 1.0, 2: -1.0}[int(won)]
        agents, self.agents = self.agents, []
        return (
            self.seen(),
            {"first": reward, "second": -reward},
            dict.fromkeys(agents, True),
            dict.fromkeys(agents, False),
            {a: {} for a in agents},
        )

    def mishap(self, throw: int) -> None:
        """Called before every throw."""


def sound() -> Throws:
    return Throws()


def raises_at_times() -> Throws:
    """One throw in 3000."""

    class Raises(Throws):
        def mishap(self, throw: int) -> None:
            if throw % 3000 == 0:
                raise ValueError("the dice fell off the table")

    return Raises()


def raises_always() -> Throws:
    class Raises(Throws):
        def mishap(self, throw: int) -> None:
            raise ValueError("the dice fell off the table")

    return Raises()


def shows_nan() -> Throws:
    class Nan(Throws):
        def seen(self) -> dict[str, Any]:
            return {a: np.full(3, np.nan, np.float32) for a in self.possible_agents}

    return Nan()


def shows_wrong_shape() -> Throws:
    class Shape(Throws):
        def seen(self) -> dict[str, Any]:
            return {a: np.zeros(4, np.float32) for a in self.possible_agents}

    return Shape()


def allows_nothing() -> Throws:
    class Stuck(Throws):
        def reset(
            self, seed: int | None = None, options: Any = None
        ) -> tuple[dict[str, Any], dict[str, Any]]:
            seen, _ = super().reset(seed, options)
            return seen, {a: {"action_mask": np.zeros(3, np.int8)} for a in self.agents}

    return Stuck()


def hangs_once() -> Throws:
    """In the first process that gets to its 500th throw, for ever."""

    class Hangs(Throws):
        def mishap(self, throw: int) -> None:
            if throw == 500 and _first("hung"):
                time.sleep(3600)

    return Hangs()


class OwnGame(MatrixGame):
    """A vectorised game of a user's own, whose `spoil` spoils what it shows."""

    def __init__(self, copies: int) -> None:
        super().__init__("rps", copies)

    def step(self, actions: Array) -> Step:
        return self.spoil(super().step(actions))

    def spoil(self, step: Step) -> Step:
        raise NotImplementedError


def own_raises(copies: int) -> Game:
    class Raises(OwnGame):
        def spoil(self, step: Step) -> Step:
            raise ValueError("the dice fell off the table")

    return Raises(copies)


def own_nan(copies: int) -> Game:
    class Nan(OwnGame):
        def spoil(self, step: Step) -> Step:
            return replace(step, reward=step.reward * np.nan)

    return Nan(copies)


def own_shape(copies: int) -> Game:
    class Shape(OwnGame):
        def spoil(self, step: Step) -> Step:
            return replace(step, reward=step.reward[:, :1])

    return Shape(copies)


def own_mask(copies: int) -> Game:
    class Mask(OwnGame):
        def spoil(self, step: Step) -> Step:
            return replace(step, mask=step.mask & False)

    return Mask(copies)


def _first(name: str) -> bool:
    """Whether nobody asked before, in any process."""
    try:
        (Path(os.environ["MISHAPS"]) / name).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True
