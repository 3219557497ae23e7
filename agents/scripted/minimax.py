"""Perfect play of tic-tac-toe, at random among its best moves: a known answer to measure against.

A board is two sets of cells, each a number of nine bits: cell 0 is the lowest, cells are counted row by row.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from agents.errors import AgentError
from agents.scripted.base import Rows
from agents.scripted.random import choose_uniformly
from envs.game import Discrete, GameSpec, Ints

CELLS = 9
LINES = tuple(
    sum(1 << cell for cell in line)
    for line in ((0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6))
)


class MinimaxPlayer:
    """Reads the board from observations [N, 2, 3, 3]: own stones, the other's stones."""

    needs_history = False
    varies = True

    def __init__(self, spec: GameSpec) -> None:
        shape = spec.observation.shape
        if spec.name != "tictactoe" or shape != (2, 3, 3) or spec.actions != Discrete(CELLS):
            raise AgentError(f"player 'minimax' plays tictactoe only, not {spec.name!r}")

    def act(self, rows: Rows, generator: np.random.Generator) -> Ints:
        boards = (rows.observation.reshape(-1, 2, CELLS) != 0) @ (1 << np.arange(CELLS))
        best = np.array([best_moves(int(own), int(other)) for own, other in boards])
        return choose_uniformly((best[:, None] >> np.arange(CELLS)) & 1 == 1, generator)


@cache
def best_moves(own: int, other: int) -> int:
    """The cells that lead the player to move to the value of the board, as bits; 0 if the game is over."""
    best, goal = 0, value(own, other)
    for move in _free(own, other):
        if -value(other, own | move) == goal:
            best |= move
    return best


@cache
def value(own: int, other: int) -> int:
    """1, 0 or -1: what the player to move gets if both play perfectly."""
    if any(other & line == line for line in LINES):
        return -1
    return max((-value(other, own | move) for move in _free(own, other)), default=0)


def _free(own: int, other: int) -> list[int]:
    """Every free cell, as a bit; none where the game is over."""
    over = any(own & line == line or other & line == line for line in LINES)
    return [] if over else [1 << cell for cell in range(CELLS) if not (own | other) >> cell & 1]
