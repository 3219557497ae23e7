"""Connect Four: seven columns, six rows, four in a line win. Action: the column, 0 at the left."""

from __future__ import annotations

import numpy as np

from envs.boards import Board
from envs.game import Bools, Ints

ROWS, COLUMNS = 6, 7
_BOTTOM = (1 << COLUMNS) - 1
_FULL = (1 << ROWS * COLUMNS) - 1


def _columns(first: int, last: int) -> int:
    """Bits of all cells in these columns."""
    return sum(1 << row * COLUMNS + column for row in range(ROWS) for column in range(first, last + 1))


_LINES = (
    (1, _columns(0, 3)),  # to the right
    (COLUMNS + 1, _columns(0, 3)),  # up and to the right
    (COLUMNS, _FULL),  # up
    (COLUMNS - 1, _columns(3, 6)),  # up and to the left
)
"""Distance in bits between neighbours on a line, and the cells in which four on it may begin."""


def _claims() -> Ints:
    return np.array([_columns(column, column) for column in range(COLUMNS)], np.int64)


def _legal_moves() -> Bools:
    """[2^columns, columns] by the bits of the top row: a column is open while its top cell is free."""
    top_rows = np.arange(1 << COLUMNS)[:, None]
    return np.asarray((top_rows >> np.arange(COLUMNS)) & 1 == 0)


class ConnectFour(Board):
    """Observation uint8 [2, 6, 7]: own stones, other's stones; row 0 is the bottom."""

    def __init__(self, copies: int) -> None:
        super().__init__(
            "connect_four", copies, rows=ROWS, columns=COLUMNS, claims=_claims(), legal_moves=_legal_moves()
        )

    def _find_playable(self) -> None:
        playable = np.left_shift(self._taken, COLUMNS, out=self._playable)
        playable |= _BOTTOM
        playable &= np.bitwise_xor(self._taken, _FULL, out=self._scratch[0])

    def _find_won(self) -> None:
        lines, pairs, fours = self._scratch
        lines.fill(0)
        for distance, starts in _LINES:
            np.right_shift(self._own, distance, out=pairs)
            pairs &= self._own
            np.right_shift(pairs, 2 * distance, out=fours)
            fours &= pairs
            fours &= starts
            lines |= fours
        np.not_equal(lines, 0, out=self._won)

    def _mask_keys(self) -> Ints:
        keys: Ints = self._scratch[0]
        np.right_shift(self._taken, (ROWS - 1) * COLUMNS, out=keys)
        return keys
