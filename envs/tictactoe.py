"""Tic-tac-toe: three by three cells, three in a line win. Action: the cell, row by row."""

from __future__ import annotations

import numpy as np

from envs.boards import Board
from envs.game import Bools, Ints

SIDE = 3
CELLS = SIDE * SIDE
LINES = ((0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6))
"""Cells of every line that wins."""


def _cell_sets() -> Bools:
    """[2^cells, cells] whether the set whose number is its bits holds the cell."""
    return np.asarray((np.arange(1 << CELLS)[:, None] >> np.arange(CELLS)) & 1 == 1)


class TicTacToe(Board):
    """Observation uint8 [2, 3, 3]: own stones, other's stones."""

    def __init__(self, copies: int) -> None:
        sets = _cell_sets()
        super().__init__(
            "tictactoe",
            copies,
            rows=SIDE,
            columns=SIDE,
            claims=1 << np.arange(CELLS, dtype=np.int64),
            legal_moves=~sets,
        )
        self._wins = np.any([sets[:, line].all(axis=1) for line in LINES], axis=0)

    def _find_playable(self) -> None:
        np.bitwise_xor(self._taken, self._full, out=self._playable)

    def _find_won(self) -> None:
        np.take(self._wins, self._own, out=self._won, mode="clip")

    def _mask_keys(self) -> Ints:
        return self._taken
