"""A vectorised game whose teams differ in all: `tests.coordinator.uneven:make`, and one of three teams."""

from __future__ import annotations

import numpy as np

from envs.buffers import blank_step
from envs.game import Array, ArraySpec, Discrete, Game, GameSpec, Step

BOXES = 3


class HideAndSeek(Game):
    """A hider in one of three boxes, and seekers who each open one; then it is over.

    Each team of seekers wins 1 where one of its own finds the hider and -1 where none does, and the hider
    loses what all teams of seekers win. Two seekers who agree on two boxes find the hider two times in
    three, whatever it does. Observation: which seat one is, one-hot.
    """

    def __init__(self, copies: int, seekers: dict[str, int]) -> None:
        """seekers: team -> how many."""
        teams, seats = {}, 0
        for team, count in {**seekers, "hider": 1}.items():
            teams[team] = tuple(range(seats, seats + count))
            seats += count
        self.spec = GameSpec(
            name="hide_and_seek",
            seats=tuple(f"{team}_{at}" for team, held in teams.items() for at in range(len(held))),
            teams=teams,
            observation=ArraySpec((seats,), "float32"),
            actions=Discrete(BOXES),
            slots=seats,
            symmetric=False,
            state=ArraySpec((1,), "float32"),
        )
        self.copies = copies
        self._step = blank_step(self.spec, copies)
        self._step.observation[:] = np.eye(seats, dtype=np.float32)
        self._step.mask.fill(True)
        assert self._step.state is not None
        self._step.state.fill(1.0)

    def reset(self, seed: int) -> Step:
        self._step.reward.fill(0.0)
        self._step.terminated.fill(False)
        self._step.over.fill(False)
        return self._step

    def step(self, actions: Array) -> Step:
        reward, hider = self._step.reward, actions[:, -1:]
        reward[:, -1] = 0.0
        for team, seats in self.spec.teams.items():
            if team != "hider":
                won = np.where((actions[:, list(seats)] == hider).any(axis=1), 1.0, -1.0)
                reward[:, list(seats)] = won[:, None]
                reward[:, -1] -= won
        self._step.terminated.fill(True)
        self._step.over.fill(True)
        return self._step


def make(copies: int) -> Game:
    """Two seekers against one hider."""
    return HideAndSeek(copies, {"seekers": 2})


def make_three(copies: int) -> Game:
    """Two teams of seekers, of two and of one, against one hider."""
    return HideAndSeek(copies, {"pair": 2, "loner": 1})
