"""The running mean of a learner's weights, from which snapshots are frozen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from agents.algorithms.config import AlgorithmConfig, OptimizerKind
from tests.agents.test_learner import SMALL, a_learner, some_columns

AVERAGED = replace(SMALL, algorithm=replace(SMALL.algorithm, averaging=0.9))


def test_the_mean_follows_the_weights_as_written_out() -> None:
    learner = a_learner(AVERAGED)
    mean = learner.weights().astype(np.float64)
    np.testing.assert_array_equal(learner.mean_weights(), learner.weights())
    for update, batch in enumerate(some_columns(AVERAGED)[:12], start=1):
        learner.update(batch)
        keep = min(0.9, (1 + update) / (10 + update))
        mean = keep * mean + (1 - keep) * learner.weights()
    np.testing.assert_allclose(learner.mean_weights(), mean, rtol=1e-5, atol=1e-7)
    assert not np.array_equal(learner.mean_weights(), learner.weights())


def test_without_averaging_the_mean_is_the_weights() -> None:
    learner = a_learner(SMALL)
    learner.update(some_columns(SMALL)[0])
    np.testing.assert_array_equal(learner.mean_weights(), learner.weights())


@pytest.mark.parametrize("optimizer", OptimizerKind)
def test_a_checkpoint_keeps_mean_and_optimizer(optimizer: OptimizerKind) -> None:
    config = replace(AVERAGED, algorithm=replace(AVERAGED.algorithm, optimizer=optimizer))
    batches = some_columns(config)[:8]
    straight = a_learner(config)
    for batch in batches:
        straight.update(batch)
    first = a_learner(config)
    for batch in batches[:4]:
        first.update(batch)
    again = a_learner(config, seed=5)
    again.load_state(*first.state())
    for batch in batches[4:]:
        again.update(batch)
    np.testing.assert_array_equal(again.mean_weights(), straight.mean_weights())
    np.testing.assert_array_equal(again.weights(), straight.weights())


def test_a_mean_handed_out_is_a_copy() -> None:
    learner = a_learner(AVERAGED)
    learner.mean_weights()[:] = 7.0
    assert not (learner.mean_weights() == 7.0).any()


@pytest.mark.parametrize("averaging", [-0.1, 1.0])
def test_averaging_out_of_range_is_refused_with_the_number(averaging: float) -> None:
    with pytest.raises(ValueError, match=f"averaging is {averaging}"):
        AlgorithmConfig(averaging=averaging)
