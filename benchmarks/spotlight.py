"""A synthetic game of frames, as cheap as can be: what a deep network costs without what a game costs.

    league train benchmarks.spotlight:Spotlight --learner.network.torso resnet

A bright square drifts over four stacked frames of 84 x 84 to one of `PLACES` places. The action that names
the place pays 1, any other nothing; an episode is `TICKS` such choices, so its best return is `TICKS`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from envs.buffers import blank_step
from envs.game import Array, ArraySpec, Discrete, Game, GameSpec, Step
from envs.legal import check_form, check_legal

SIDE, FRAMES = 84, 4
GRID = 2
"""Places in a row and in a column."""
PLACES = GRID * GRID
SQUARE = 16
DRIFT = 3
"""Pixels that the square moves from frame to frame."""
TICKS = 20


class Spotlight(Game):
    """One seat; observation uint8 [84, 84, 4], the newest frame last."""

    def __init__(self, copies: int) -> None:
        self.spec = GameSpec(
            name="spotlight",
            seats=("player",),
            teams={"solo": (0,)},
            observation=ArraySpec((SIDE, SIDE, FRAMES), "uint8"),
            actions=Discrete(PLACES),
            slots=1,
            symmetric=False,
        )
        self.copies = copies
        self._frames = picture_every_place()
        self._place = np.zeros(copies, np.int64)
        self._ticks = 0
        self._step = blank_step(self.spec, copies)
        self._step.mask.fill(True)

    def reset(self, seed: int) -> Step:
        """See `Game.reset`."""
        self._generator = np.random.default_rng(seed)
        self._ticks = 0
        self._step.reward.fill(0.0)
        return self._show()

    def step(self, actions: Array) -> Step:
        """See `Game.step`."""
        check_form(self.spec, self.copies, actions)
        check_legal(self.spec, self._step, actions)
        self._step.reward[:, 0] = actions[:, 0] == self._place
        self._ticks += 1
        return self._show()

    def _show(self) -> Step:
        step, over = self._step, self._ticks == TICKS
        self._place[:] = self._generator.integers(PLACES, size=self.copies)
        np.take(self._frames, self._place, axis=0, out=step.observation[:, 0])
        step.over.fill(over)
        step.terminated.fill(over)
        if over:
            self._ticks = 0
        return step


def picture_every_place() -> npt.NDArray[np.uint8]:
    """[PLACES, 84, 84, 4] the square on its way to each place, over a dim ground that never changes."""
    ground = np.random.default_rng(0).integers(64, size=(SIDE, SIDE, 1), dtype=np.uint8)
    pictures = np.repeat(np.tile(ground, FRAMES)[None], PLACES, axis=0)
    cell = SIDE // GRID
    for place in range(PLACES):
        row, column = divmod(place, GRID)
        top = row * cell + (cell - SQUARE) // 2
        for frame in range(FRAMES):
            left = column * cell + (cell - SQUARE) // 2 - DRIFT * (FRAMES - 1 - frame)
            pictures[place, top : top + SQUARE, left : left + SQUARE, frame] = 255
    return pictures
