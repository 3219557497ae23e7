"""A cue is shown, then nothing for a while, and then it is asked for: what no player can do without a memory.

The simplest of the tasks with which memories are tested (Hochreiter, Schmidhuber 1997, section 5).
"""

from __future__ import annotations

import numpy as np

from envs.buffers import blank_step
from envs.game import Array, ArraySpec, Discrete, Game, GameSpec, Ints, Step
from envs.legal import check_form, check_legal

NAME = "recall"
DELAY = 8
"""Steps between the cue and the question."""
CUES = 4


class Recall(Game):
    """One seat, episodes of `delay` + 2 steps. All copies begin and end their episodes together.

    Observation uint8 [5]: the cue, one-hot, in the first step; then 0; the last number is 1 in the last step.
    Reward 1 for the cue's number in the last step, else 0: 1 is the best return, 0.25 that of who guesses.
    """

    def __init__(self, copies: int, delay: int = DELAY) -> None:
        """delay: 0 or more."""
        self.spec = GameSpec(
            name=NAME if delay == DELAY else f"{NAME}:{delay}",
            seats=("agent",),
            teams={"solo": (0,)},
            observation=ArraySpec((CUES + 1,), "uint8"),
            actions=Discrete(CUES),
            slots=1,
            symmetric=False,
        )
        self.copies = copies
        self._last = delay + 1
        self._time = 0
        self._cue: Ints = np.zeros(copies, np.int64)
        self._one_hot = np.eye(CUES + 1, dtype=np.uint8)
        self._generator = np.random.default_rng()
        self._step = blank_step(self.spec, copies)
        self._step.mask.fill(True)

    def reset(self, seed: int) -> Step:
        """See `Game.reset`."""
        self._generator = np.random.default_rng(seed)
        self._step.reward.fill(0.0)
        self._begin()
        return self._ended(False)

    def step(self, actions: Array) -> Step:
        """See `Game.step`."""
        check_form(self.spec, self.copies, actions)
        check_legal(self.spec, self._step, actions)
        over = self._time == self._last
        self._step.reward[:, 0] = (actions[:, 0] == self._cue) if over else 0.0
        if over:
            self._begin()
        else:
            self._time += 1
            self._step.observation[:] = self._one_hot[CUES] * (self._time == self._last)
        return self._ended(over)

    def _begin(self) -> None:
        self._time = 0
        self._cue = self._generator.integers(CUES, size=self.copies)
        self._step.observation[:, 0] = self._one_hot[self._cue]

    def _ended(self, over: bool) -> Step:
        self._step.terminated.fill(over)
        self._step.over.fill(over)
        return self._step
