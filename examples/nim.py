"""Nim as a game of one's own: two players take one to three stones in turn, the last stone wins.

    league train examples.nim:Nim --seconds 60 --config examples/nim.yaml

Whoever leaves a multiple of four wins: so the first player does, by taking one.
"""

from __future__ import annotations

import numpy as np

from envs.buffers import blank_step
from envs.conformance import check_game
from envs.game import Array, ArraySpec, Discrete, Game, GameSpec, Step
from envs.legal import check_form, check_legal

STONES = 21
MOST = 3
"""Stones that may be taken at once."""


class Nim(Game):
    """Observation float32 [21]: how many stones are left, one-hot. Action: stones to take, less one."""

    def __init__(self, copies: int) -> None:
        self.spec = GameSpec(
            name="examples.nim:Nim",
            seats=("player_0", "player_1"),
            teams={"first": (0,), "second": (1,)},
            observation=ArraySpec((STONES,), "float32"),
            actions=Discrete(MOST),
            slots=1,  # seats take turns: one slot, whose seat changes
            symmetric=True,  # any player may sit in either seat
        )
        self.copies = copies
        self._left = np.zeros(copies, np.int64)
        self._step = blank_step(self.spec, copies)

    def reset(self, seed: int) -> Step:
        """See `Game.reset`; there is no chance in this game, so the seed changes nothing."""
        step = self._step
        self._left.fill(STONES)
        step.seat.fill(0)
        step.reward.fill(0.0)
        step.terminated.fill(False)
        step.over.fill(False)
        return self._show()

    def step(self, actions: Array) -> Step:
        """See `Game.step`."""
        step = self._step
        check_form(self.spec, self.copies, actions)
        check_legal(self.spec, step, actions)
        self._left -= actions[:, 0].astype(np.int64) + 1

        step.over[:] = self._left == 0
        step.terminated[:] = step.over[:, None]
        step.reward.fill(0.0)
        winners, mover = np.flatnonzero(step.over), step.seat[:, 0]
        step.reward[winners, mover[winners]] = 1.0
        step.reward[winners, 1 - mover[winners]] = -1.0

        # A copy that is over begins anew in this very call, with the first seat.
        self._left[winners] = STONES
        step.seat[:, 0] = np.where(step.over, 0, 1 - mover)
        return self._show()

    def _show(self) -> Step:
        step = self._step
        step.observation[:, 0] = np.eye(STONES, dtype=np.float32)[self._left - 1]
        step.mask[:, 0] = np.arange(1, MOST + 1) <= self._left[:, None]
        return step


if __name__ == "__main__":
    check_game(Nim)
    print("Nim keeps to what a game promises.")
