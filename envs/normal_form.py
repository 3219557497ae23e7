"""Matrix games solved by arithmetic: what `envs.openspiel` does for games in which seats take turns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from envs.matrix import MATRICES
from envs.openspiel import Doubles, InformationStates


class NormalForm:
    """One of our matrix games, with the two methods of `envs.openspiel.Twin` that exact answers take."""

    def __init__(self, name: str) -> None:
        """name: one of `MATRICES`; KeyError otherwise."""
        matrix = MATRICES[name]
        self._row, self._column = np.array(matrix.row, np.float64), np.array(matrix.column, np.float64)

    def information_states(self) -> InformationStates:
        """Two: what either seat sees before its only choice."""
        first_turn = np.full(2, -1)
        return InformationStates(
            names=("player_0", "player_1"),
            seat=np.arange(2),
            observation=np.eye(2, dtype=np.float32),
            mask=np.ones((2, len(self._row)), np.bool_),
            before=first_turn,
            action=np.zeros_like(first_turn),
        )

    def gains(self, states: InformationStates, policy: Doubles) -> Sequence[float]:
        """What each seat would gain if it alone answered this policy as well as can be. Exact.

        policy: [2, A] chances of every choice of either seat. A seat whose chances are all 0 is one that the
        policy does not play: it gains the whole value of its best answer.
        """
        row, column = policy
        best = float(np.max(self._row @ column)), float(np.max(row @ self._column))
        return [best[0] - float(row @ self._row @ column), best[1] - float(row @ self._column @ column)]
