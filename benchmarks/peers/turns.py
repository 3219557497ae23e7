"""Our Connect Four as one stream a game: whoever is to move. For peers that bring no game of their own.

Such a stream changes sides with every step: what the next position is worth to whoever moves there, it costs
whoever moved here. Generalised advantage estimation says so with a *negative* discount -g:

    delta = r - g V(next) - V,    A = delta - g lambda A(next)
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from envs.connect_four import ConnectFour

DISCOUNT = -0.99
"""Of the value of the next position, which is the other's."""


class Turns:
    """Many games in lockstep. A game that ends begins again in the same step."""

    def __init__(self, games: int) -> None:
        self._game = ConnectFour(games)
        self._step = self._game.reset(0)

    def reset(self) -> None:
        """Begin all games anew."""
        self._step = self._game.reset(0)

    @property
    def observation(self) -> npt.NDArray[np.uint8]:
        """[N, 84] stones of whoever is to move, then of the other."""
        return self._step.observation.reshape(-1, 84).view(np.uint8)

    @property
    def legal(self) -> npt.NDArray[np.bool_]:
        """[N, 7] open columns."""
        return self._step.mask[:, 0]

    def step(self, actions: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """Play a column in every game. Returns the reward of whoever played [N], and what is over [N]."""
        self._step = self._game.step(np.ascontiguousarray(actions, np.int64)[:, None])
        # nobody loses by a move of their own: where somebody won, it was whoever played
        return np.abs(self._step.reward[:, 0]), self._step.over.copy()
