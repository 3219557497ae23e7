"""Two processes that learn in step are as one that learns from both batches at once."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.algorithms.config import AlgorithmConfig
from agents.config import LearnerConfig, NetworkConfig, Precision
from agents.errors import PeerError
from agents.learner import Learner
from agents.peers import Peers
from agents.trajectory import Trajectory
from tests.agents.batches import a_batch, a_spec, silenced

SPEC = a_spec()
CONFIG = LearnerConfig(
    NetworkConfig(hidden=(16,)), AlgorithmConfig(max_policy_lag=10**6), precision=Precision.FLOAT32
)
UPDATES = 3


def a_learner(peers: Peers | None = None) -> Learner:
    return Learner(CONFIG, SPEC, team=None, seed=0, peers=peers)


def batch_of(rank: int, update: int) -> Trajectory:
    """Ranks have batches of different numbers of decisions; the first one's second has none."""
    batch = a_batch(SPEC, 5, 8, seed=10 * update + rank)
    return silenced(batch, slice(0, 8 if (rank, update) == (0, 1) else rank))


def learn(rank: int, meeting: Path) -> tuple[Any, list[tuple[float, ...]], int]:
    learner, told = a_learner(Peers(rank, 2, meeting)), []
    for number in range(UPDATES):
        update = learner.update(batch_of(rank, number))
        told.append((update.decisions, update.policy_loss, update.value_loss, update.entropy))
    return learner.weights(), told, learner.steps


def lose(rank: int, meeting: Path, said: Queue[str]) -> None:
    """The second goes away after an update."""
    learner = a_learner(Peers(rank, 2, meeting))
    learner.update(batch_of(rank, 0))
    if rank == 1:
        os._exit(0)
    try:
        learner.update(batch_of(rank, 2))
    except PeerError as error:
        said.put(str(error))
    else:
        said.put("went on")


def both_learn(meeting: Path) -> list[Any]:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        return [f.result(timeout=60) for f in [pool.submit(learn, rank, meeting) for rank in (0, 1)]]


def whole(update: int) -> Trajectory:
    parts = [batch_of(rank, update) for rank in (0, 1)]
    return Trajectory(
        np.concatenate([part.rows for part in parts], 1), np.concatenate([part.place for part in parts])
    )


def test_two_in_step_are_one_with_both_batches(tmp_path: Path) -> None:
    (weights, told, steps), (others, also_told, other_steps) = both_learn(tmp_path / "meeting")
    alone = a_learner()
    expected = [alone.update(whole(number)) for number in range(UPDATES)]
    np.testing.assert_array_equal(weights, others)
    np.testing.assert_allclose(weights, alone.weights(), rtol=1e-4, atol=1e-6)
    assert told == also_told
    for got, update in zip(told, expected, strict=True):
        wanted = update.decisions, update.policy_loss, update.value_loss, update.entropy
        assert got == pytest.approx(wanted, rel=1e-4)
    assert steps == other_steps == alone.steps


def test_one_that_goes_away_is_noticed_by_the_other(tmp_path: Path) -> None:
    context = get_context("spawn")
    said = context.Queue()
    both = [context.Process(target=lose, args=(rank, tmp_path / "meeting", said)) for rank in (0, 1)]
    for process in both:
        process.start()
    assert said.get(timeout=60) == "a learner process beside this one is gone"
    for process in both:
        process.join(timeout=60)
