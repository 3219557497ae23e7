"""The two-step cooperative game (Rashid et al. 2018, QMIX, section 5 and table 1).

The choice of the first seat leads into one of two matrix games; in the second step both choose in it:

    state 2A: 7 whatever they choose          state 2B: 0 1
                                                        1 8

The best return, 8, needs the way through the state that looks worse to a learner without a joint view.
"""

from __future__ import annotations

import numpy as np

from envs.buffers import blank_step
from envs.game import Array, ArraySpec, Bools, Discrete, Floats, Game, GameSpec, Step
from envs.legal import check_form, check_legal

START, SECOND_A, SECOND_B = range(3)
PAYOFF: Floats = np.array([[[0, 0], [0, 0]], [[7, 7], [7, 7]], [[0, 1], [1, 8]]], np.float32)
"""[state, choice of the first seat, choice of the second]: what both seats are given."""


class TwoStep(Game):
    """Observation float32 [5]: which seat and which state, each one-hot. State float32 [3]: the latter."""

    def __init__(self, copies: int) -> None:
        self.spec = GameSpec(
            name="two_step",
            seats=("agent_0", "agent_1"),
            teams={"team": (0, 1)},
            observation=ArraySpec((5,), "float32"),
            actions=Discrete(2),
            slots=2,
            symmetric=False,
            state=ArraySpec((3,), "float32"),
        )
        self.copies = copies
        self._position = np.zeros(copies, np.int64)
        self._step = blank_step(self.spec, copies)
        self._step.mask.fill(True)
        self._step.observation[:, :, :2] = np.eye(2, dtype=np.float32)

    def reset(self, seed: int) -> Step:
        """See `Game.reset`; there is no chance in this game, so the seed changes nothing."""
        self._position.fill(START)
        self._step.reward.fill(0.0)
        return self._show(np.zeros(self.copies, bool))

    def step(self, actions: Array) -> Step:
        """See `Game.step`."""
        check_form(self.spec, self.copies, actions)
        check_legal(self.spec, self._step, actions)
        first, second = actions[:, 0], actions[:, 1]
        over = self._position != START
        self._step.reward[:] = PAYOFF[self._position, first, second][:, None]
        self._position[:] = np.where(over, START, np.where(first == 0, SECOND_A, SECOND_B))
        return self._show(over)

    def _show(self, over: Bools) -> Step:
        step = self._step
        state = np.eye(3, dtype=np.float32)[self._position]
        step.state = state
        step.observation[:, :, 2:] = state[:, None]
        step.over[:] = over
        step.terminated[:] = over[:, None]
        return step
