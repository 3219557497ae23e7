"""The arrays of a `Step`, allocated once and filled by every call."""

from __future__ import annotations

import numpy as np

from envs.game import GameSpec, Step


def blank_step(spec: GameSpec, copies: int) -> Step:
    """A step in which nothing has happened: every array zero, every slot acting as seat = slot."""
    slots, seats = spec.slots, len(spec.seats)
    return Step(
        seat=np.tile(np.arange(slots, dtype=np.int64), (copies, 1)),
        acting=np.ones((copies, slots), bool),
        observation=np.zeros((copies, slots, *spec.observation.shape), spec.observation.dtype),
        mask=np.zeros((copies, slots, spec.choices), bool),
        reward=np.zeros((copies, seats), np.float32),
        terminated=np.zeros((copies, seats), bool),
        truncated=np.zeros((copies, seats), bool),
        over=np.zeros(copies, bool),
        final_observation=None,
        state=None if spec.state is None else np.zeros((copies, *spec.state.shape), spec.state.dtype),
    )
