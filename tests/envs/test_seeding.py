"""Which environments must be seeded for every episode, and that either kind plays alike again."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from envs.conformance import check_game
from envs.gymnasium import adapt
from envs.seeding import carries_chance


class Noise(gymnasium.Env):
    """Shows random numbers, four to an episode."""

    observation_space: spaces.Space = spaces.Box(0, 1, (2,), np.float32)
    action_space: spaces.Space = spaces.Discrete(2)

    def __init__(self) -> None:
        self.seeds: list[int | None] = []

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        self.seeds.append(seed)
        self.tick = 0
        self.begin(seed)
        return self.see(), {}

    def begin(self, seed: int | None) -> None:
        raise NotImplementedError

    def see(self) -> Any:
        raise NotImplementedError

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.tick += 1
        return self.see(), 0.0, self.tick == 4, False, {}


class Carries(Noise):
    """As Gymnasium means it."""

    def begin(self, seed: int | None) -> None:
        super(Noise, self).reset(seed=seed)

    def see(self) -> Any:
        return self.np_random.random(2, np.float32)


class Within(Noise):
    """Its generator is deep within."""

    def __init__(self) -> None:
        super().__init__()
        self.world: dict[str, Any] = {"dice": [np.random.RandomState(0)]}

    def begin(self, seed: int | None) -> None:
        if seed is not None:
            self.world["dice"][0].seed(seed)

    def see(self) -> Any:
        return self.world["dice"][0].random(2)


class Renews(Noise):
    """A new generator at every reset: without a seed, one that nobody can repeat."""

    def begin(self, seed: int | None) -> None:
        self.generator = np.random.default_rng(seed)

    def see(self) -> Any:
        return self.generator.random(2)


class Both(Carries):
    """Carries one generator on, and begins from one that it renews and forgets."""

    def begin(self, seed: int | None) -> None:
        super().begin(seed)
        self.start = np.random.default_rng(seed).random(2)

    def see(self) -> Any:
        return (super().see() + self.start) / 2


class Hides(Noise):
    """Numbers from where nobody looks."""

    def begin(self, seed: int | None) -> None:
        self.draw = np.random.default_rng(seed).random

    def see(self) -> Any:
        return self.draw(2)


class Decoy(Hides):
    """A generator that always begins alike; the one that counts is out of sight and shows late."""

    def begin(self, seed: int | None) -> None:
        super().begin(seed)
        self.decoy = np.random.default_rng(0)

    def see(self) -> Any:
        return super().see() if self.tick else np.zeros(2)


class Still(Noise):
    """No chance at all."""

    def begin(self, seed: int | None) -> None:
        pass

    def see(self) -> Any:
        return np.zeros(2)


class Breaks(Carries):
    def begin(self, seed: int | None) -> None:
        if seed is None:
            raise ValueError("I must have a seed")
        super().begin(seed)


KINDS = {
    Carries: True,
    Within: True,
    Renews: False,
    Both: False,
    Hides: False,
    Decoy: False,
    Still: False,
    Breaks: False,
}


@pytest.mark.parametrize(("kind", "carries"), KINDS.items())
def test_only_who_carries_chance_on_is_seeded_once(kind: type[Noise], carries: bool) -> None:
    assert carries_chance(kind()) == carries
    made: list[Noise] = []

    def make() -> Noise:
        made.append(kind())
        return made[-1]

    game = adapt("noise", make, 2)
    made[1].seeds.clear()
    game.reset(5)
    for _ in range(8):
        game.step(np.zeros((2, 1), np.int64))
    assert [seed is None for seed in made[1].seeds] == [False, carries, carries]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_plays_alike_again(kind: type[Noise]) -> None:
    check_game(lambda copies: adapt("noise", kind, copies), ticks=30)


def test_where_too_much_is_within_nothing_is_known() -> None:
    env = Carries()
    env.ballast = [object() for _ in range(20_000)]  # type: ignore[attr-defined]
    assert not carries_chance(env)
