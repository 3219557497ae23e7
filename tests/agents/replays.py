"""Columns that can be told from one another, and replays for them."""

from __future__ import annotations

from typing import Any

import numpy as np

from agents.buffers import Sample
from agents.replay import Replay
from agents.trajectory import Trajectory
from tests.agents.batches import a_batch, a_spec

SPEC = a_spec()
UNROLL = 4


def columns(
    count: int, first: int = 0, *, unroll: int = UNROLL, core: int = 0, all_act: bool = True
) -> Trajectory:
    """Drawn at random, but for their versions, which count them from `first`."""
    batch = a_batch(SPEC, unroll, count, core=core, seed=first)
    batch.version[:] = np.arange(first, first + count)
    batch.place[:, 0] = 10 * batch.version[0]
    if all_act:
        batch.acting[:] = True
    return batch


def replay(**options: Any) -> Replay:
    """What draws uniformly, each column once, unless told otherwise."""
    plain = {"capacity": 8, "least": 0, "batch": 4, "ratio": 1.0}
    return Replay(**{**plain, "priority_exponent": 0.0, "importance_exponent": 0.0, **options})


def chance(*seed: int) -> np.random.Generator:
    return np.random.default_rng([3, *seed])


def numbers(sample: Sample) -> list[int]:
    return sample.batch.version[0].tolist()  # type: ignore[no-any-return]


def weights_of(buffer: Replay, entries: int) -> np.ndarray:
    """p^alpha of the entries, in the order of slots."""
    assert buffer._kept is not None
    return buffer._kept.tree.weights(slice(0, entries))
