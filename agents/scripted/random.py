"""Any legal action, all as likely."""

from __future__ import annotations

import numpy as np

from agents.openings import nth_legal
from agents.scripted.base import Rows
from envs.game import ActionSpace, Array, Bools, Box, Discrete, Floats, Ints, MultiDiscrete


class RandomPlayer:
    """Uniform over legal choices; over a box uniform within its bounds, or standard normal without."""

    needs_history = False
    varies = True
    quick = True

    def __init__(self, actions: ActionSpace) -> None:
        self._actions = actions

    def act(self, rows: Rows, generator: np.random.Generator) -> Array:
        match self._actions:
            case Discrete():
                return choose_uniformly(rows.mask, generator)
            case MultiDiscrete(sizes):
                masks = np.split(rows.mask, np.cumsum(sizes)[:-1], axis=1)
                return np.stack([choose_uniformly(mask, generator) for mask in masks], axis=1)
            case Box() as box:
                return _uniform_in(box, len(rows.seat), generator)


def choose_uniformly(mask: Bools, generator: np.random.Generator) -> Ints:
    """One of the True places of each row: [N, A] -> [N] int64. A row without any gives 0."""
    return nth_legal(mask, generator.random(len(mask)))


def _uniform_in(box: Box, rows: int, generator: np.random.Generator) -> Floats:
    low, high = np.array(box.low), np.array(box.high)
    bounded = np.isfinite(low) & np.isfinite(high)
    shape = (rows, len(low))
    uniform = np.where(bounded, low, 0.0) + np.where(bounded, high - low, 0.0) * generator.random(shape)
    normal = generator.standard_normal(shape).clip(low, high)
    return np.where(bounded, uniform, normal).clip(low, high).astype(np.float32)
