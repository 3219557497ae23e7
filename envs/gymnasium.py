"""Gymnasium environments as games of one seat."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from envs.adapter import Adapter, foreign_code
from envs.game import GameSpec
from envs.spaces import Actions, Observations
from envs.unwrapping import without_checks


class GymnasiumGame(Adapter):
    """A Gymnasium `Env`: one team `solo` with the seat `agent`."""

    def _begin(self, copy: int, seed: int | None) -> None:
        observation, info = self._envs[copy].reset(seed=seed)
        self._show(copy, 0, 0, observation, info)

    def _advance(self, copy: int, actions: Any) -> bool:
        action = self._actions.decode(0, actions[0])
        observation, reward, terminated, truncated, info = self._envs[copy].step(action)
        self._give(copy, 0, reward)
        if terminated or truncated:
            self._end(copy, 0, bool(terminated), lambda: observation)
            return True
        self._show(copy, 0, 0, observation, info)
        return False


def adapt(name: str, make_env: Callable[[], Any], copies: int) -> GymnasiumGame:
    """A game of `copies` Gymnasium environments. Raises GameError where a space is of no use."""
    with foreign_code(name):
        envs = [without_checks(make_env()) for _ in range(copies)]
        observations, actions = Observations([envs[0].observation_space]), Actions([envs[0].action_space])
    spec = GameSpec(
        name=name,
        seats=("agent",),
        teams={"solo": (0,)},
        observation=observations.spec,
        actions=actions.space,
        slots=1,
        symmetric=False,
    )
    return GymnasiumGame(spec, envs, observations, actions)
