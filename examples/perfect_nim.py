"""A scripted player of one's own: plays Nim perfectly, and at random where every move loses.

league eval runs/examples.nim-nim-1 --player main --against examples.perfect_nim:PerfectNim --greedy
"""

from __future__ import annotations

import numpy as np

from agents.errors import AgentError
from agents.scripted.base import Rows
from envs.game import Array, GameSpec
from examples.nim import MOST, STONES


class PerfectNim:
    """Leaves a multiple of four."""

    needs_history = False  # what it sees is enough
    varies = True  # it draws where every move loses

    def __init__(self, spec: GameSpec) -> None:
        """Raises AgentError, with a line for the user, where it cannot play the game."""
        if spec.observation.shape != (STONES,):
            raise AgentError(f"PerfectNim plays examples.nim:Nim only, not {spec.name}")

    def act(self, rows: Rows, generator: np.random.Generator) -> Array:
        """[N] stones to take, less one. All that is random comes from `generator`."""
        left = rows.observation.argmax(axis=1) + 1
        best = left % (MOST + 1)
        anything = generator.integers(1, np.minimum(left, MOST), endpoint=True)
        taken: Array = np.where(best > 0, best, anything) - 1
        return taken
