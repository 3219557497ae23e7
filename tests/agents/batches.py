"""Batches of columns that no game played: every field is drawn, so that everything in them occurs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from agents.trajectory import Trajectory, allocate
from envs.game import ActionSpace, ArraySpec, Discrete, GameSpec


def a_spec(
    dtype: str = "uint8",
    actions: ActionSpace = Discrete(7),  # noqa: B008 - frozen
    *,
    seats: int = 1,
    shape: tuple[int, ...] = (5, 3),
    state: ArraySpec | None = None,
) -> GameSpec:
    """Two teams of `seats` seats. shape: of what a seat sees. state: the global one."""
    return GameSpec(
        name="drawn",
        seats=tuple(f"seat_{seat}" for seat in range(2 * seats)),
        teams={"first": tuple(range(seats)), "second": tuple(range(seats, 2 * seats))},
        observation=ArraySpec(shape, dtype),
        actions=actions,
        slots=2 * seats,
        symmetric=True,
        state=state,
    )


def a_batch(spec: GameSpec, unroll: int, columns: int, *, core: int = 0, seed: int = 0) -> Trajectory:
    """Episodes that end and that are cut short; rewards from -3 to 3."""
    generator = np.random.default_rng(seed)
    seats = len(next(iter(spec.teams.values())))
    batch = allocate(spec, rows=unroll + 1, columns=columns, seats=seats, state=True, core=core)
    for seen in (batch.observation, batch.state):
        if seen is not None:
            high = 1 if seen.dtype == bool else 3
            whole = seen.dtype.kind != "f"
            seen[:] = generator.integers(0, high, seen.shape) if whole else generator.normal(size=seen.shape)
    batch.mask[:] = generator.random(batch.mask.shape) < 0.7
    batch.mask[..., 0] = True
    legal = generator.random(batch.mask.shape) * batch.mask
    batch.action[:] = legal.argmax(-1).reshape(batch.action.shape)
    shape = batch.acting.shape
    batch.log_prob[:] = -1.5 + generator.normal(0, 0.5, shape)
    batch.acting[:] = generator.random(shape) > 0.2
    batch.acting[0, :1] = True
    batch.reward[:] = generator.uniform(-3, 3, shape)
    batch.terminated[:] = generator.random(shape[:2]) < 0.15
    batch.first[:] = np.roll(batch.terminated, 1, axis=0)
    batch.place[:] = np.arange(seats)
    if batch.core is not None:
        batch.core[:] = generator.normal(0, 0.5, batch.core.shape)
    return batch


def silenced(batch: Trajectory, columns: slice) -> Trajectory:
    """The same, with nobody acting in these columns."""
    batch = replace(batch, rows=batch.rows.copy())
    batch.acting[:, columns] = False
    return batch
