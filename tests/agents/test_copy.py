"""A learner that goes on by another's weights does as that one would; hyper-parameters stretch schedules."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from agents.algorithms.config import AlgorithmConfig
from agents.config import Cooperation, LearnerConfig, NetworkConfig
from agents.learner import Learner
from tests.agents.test_learner import SMALL, a_learner, everything, same, some_columns
from tests.agents.test_reset import CONFIGS, acted_by, learned


def trained(config: LearnerConfig, seed: int, updates: int) -> Learner:
    learner = a_learner(config, seed)
    for batch in some_columns(config)[:updates]:
        learner.update(acted_by(batch, learner.version))
    return learner


@pytest.mark.parametrize("config", CONFIGS)
def test_weights_critic_mean_and_optimizer_are_the_other_s_and_counters_go_on(config: LearnerConfig) -> None:
    learner, other = trained(config, 1, 3), trained(config, 2, 5)
    before, steps = everything(other), learner.steps
    learner.copy(other)
    assert same(learned(learner), learned(other))
    assert (learner.version, learner.steps, learner.skipped) == (4, steps, 0)
    assert same(everything(other), before), "who is copied is as it was"


@pytest.mark.parametrize("config", CONFIGS)
def test_it_goes_on_as_the_other_does(config: LearnerConfig) -> None:
    """In its schedule, and with as much weight of the mean."""
    learner, other = trained(config, 1, 2), trained(config, 2, 4)
    learner.copy(other)
    for batch in some_columns(config)[4:7]:
        learner.update(acted_by(batch, learner.version))
        other.update(acted_by(batch, other.version))
    assert same(learned(learner), learned(other))


def test_the_two_share_no_memory() -> None:
    config = CONFIGS[0]
    learner, other = trained(config, 1, 1), trained(config, 2, 1)
    learner.copy(other)
    before = everything(other)
    learner.update(acted_by(some_columns(config)[3], learner.version))
    assert same(everything(other), before)


def test_what_older_weights_decided_trains_it_no_more_however_young() -> None:
    batch = some_columns()[0]
    learner = trained(SMALL, 1, 2)
    learner.copy(trained(SMALL, 2, 40))
    resumed = a_learner()
    resumed.load_state(*learner.state())
    for one in (learner, resumed):
        assert one.update(acted_by(batch, one.version - 1)).decisions == 0
        assert one.update(acted_by(batch, one.version)).decisions > 0


def test_another_shape_cannot_be_copied() -> None:
    with pytest.raises(RuntimeError, match="size mismatch"):
        a_learner().copy(a_learner(replace(SMALL, network=NetworkConfig(hidden=(9,)))))


@pytest.mark.parametrize("steps", [0, 30, 60, 1000])
def test_a_tuned_schedule_is_that_of_a_configuration_in_proportion(steps: int) -> None:
    fields = {
        "learning_rate": 0.01,
        "final_learning_rate": 0.002,
        "entropy_cost": 0.5,
        "final_entropy_cost": 0.1,
    }
    tripled = {name: 3 * value for name, value in fields.items()}
    plain, tuned = (
        a_learner(replace(SMALL, algorithm=AlgorithmConfig(anneal_steps=60, **values)))  # type: ignore[arg-type]
        for values in (tripled, fields)
    )
    tuned.tune({"learning_rate": 0.03, "entropy_cost": 1.5})
    for learner in (plain, tuned):
        learner.steps = steps
    rates = [
        (pace * learner.config.algorithm.learning_rate, costs.entropy)
        for learner in (plain, tuned)
        for pace, costs in [learner._schedule()]
    ]
    assert rates[1] == pytest.approx(rates[0])


@pytest.mark.parametrize("cooperation", Cooperation)
def test_a_learning_rate_moves_the_weights_by_as_much(cooperation: Cooperation) -> None:
    """Adam's first step is as long as its learning rate."""
    config = replace(SMALL, cooperation=cooperation)
    moved = []
    for factor in (1.0, 4.0):
        learner = a_learner(config)
        learner.tune({"learning_rate": factor * config.algorithm.learning_rate})
        before = learner.weights()
        learner.update(some_columns(config)[0])
        moved.append(learner.weights() - before)
    assert np.abs(moved[0]).max() > 0
    np.testing.assert_allclose(moved[1], 4 * moved[0], rtol=1e-2, atol=1e-6)


def test_untuned_it_is_the_same_to_the_last_bit() -> None:
    learner, tuned = a_learner(), a_learner()
    algorithm = SMALL.algorithm
    tuned.tune({"learning_rate": algorithm.learning_rate, "entropy_cost": algorithm.entropy_cost})
    for batch in some_columns()[:3]:
        assert learner.update(batch) == tuned.update(batch)
    assert same(everything(learner), everything(tuned))
