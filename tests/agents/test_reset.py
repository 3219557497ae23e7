"""A learner that begins anew is the one that it was at first, but for its counters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from agents.algorithms.config import AlgorithmConfig, OptimizerKind
from agents.config import Cooperation, LearnerConfig, NetworkConfig
from agents.errors import AgentError
from agents.learner import Learner
from agents.trajectory import Trajectory
from tests.agents.test_learner import SMALL, a_game, a_learner, columns_of, everything, same, some_columns

COUNTERS = {"version", "steps", "skipped", "replaced_at", "first_version", "first_steps"}
CONFIGS = [
    LearnerConfig(
        NetworkConfig(hidden=(8,)),
        AlgorithmConfig(
            batch=2, averaging=0.9, anneal_steps=60, learning_rate=1e-2, final_learning_rate=1e-4,
            final_entropy_cost=0.5, optimizer=optimizer,
        ),
        cooperation,
    )
    for cooperation in Cooperation
    for optimizer in OptimizerKind
]  # fmt: skip


def learned(learner: Learner) -> dict[str, Any]:
    """Weights, mean and optimizer."""
    return {name: value for name, value in everything(learner).items() if name not in COUNTERS}


def acted_by(batch: Trajectory, version: int) -> Trajectory:
    """The same decisions, made by weights of another version."""
    rows = batch.rows.copy()
    rows["version"] = version
    return replace(batch, rows=rows)


@pytest.mark.parametrize("config", CONFIGS)
def test_weights_critic_mean_and_optimizer_are_the_first_and_counters_go_on(config: LearnerConfig) -> None:
    learner, first = a_learner(config, seed=3), a_learner(config, seed=3)
    for batch in some_columns(config)[:3]:
        learner.update(batch)
    assert not same(learned(learner), learned(first))
    steps = learner.steps
    learner.reset()
    assert same(learned(learner), learned(first))
    assert (learner.version, learner.steps, learner.skipped) == (4, steps, 0)


@pytest.mark.parametrize("config", CONFIGS)
def test_it_learns_as_it_did_at_first(config: LearnerConfig) -> None:
    """What anneals, and how much the first weights weigh in the mean, count from the reset."""
    batches = some_columns(config)
    learner, first = a_learner(config), a_learner(config)
    for batch in batches[:3]:
        learner.update(batch)
    learner.reset()
    for batch in batches[3:6]:
        first.update(acted_by(batch, first.version))
        learner.update(acted_by(batch, learner.version))
    assert same(learned(learner), learned(first))


def test_what_older_weights_decided_trains_it_no_more_however_young() -> None:
    batch = some_columns()[0]
    learner = a_learner()
    for _ in range(2):
        learner.update(acted_by(batch, learner.version))
    learner.reset()
    before = everything(learner)
    old = learner.update(acted_by(batch, learner.version - 1))
    assert (old.dropped, old.decisions) == (2, 0)
    assert same(everything(learner), before)

    mixed = acted_by(batch, learner.version)
    mixed.version[0, 1] -= 1  # one decision of one column came before
    assert learner.update(mixed).dropped == 1


def test_what_a_dead_learner_s_newer_weights_decided_trains_it_no_more() -> None:
    """It began again from its checkpoint, at an earlier version: those weights are gone."""
    batch = some_columns()[0]
    learner = a_learner()
    ahead = acted_by(batch, 0)
    ahead.version[1, 0] = 1
    ahead.version[-1, 1] = 1  # the row to bootstrap from is no decision
    assert learner.update(ahead).dropped == 1


def test_a_checkpoint_knows_of_the_reset() -> None:
    batches = some_columns()
    learner, resumed = a_learner(), a_learner(seed=5)
    learner.update(batches[0])
    learner.reset()
    resumed.load_state(*learner.state())
    for each in (learner, resumed):
        assert each.update(acted_by(batches[1], 1)).dropped == 2
        each.update(acted_by(batches[2], 2))
    assert same(everything(learner), everything(resumed))


def test_a_checkpoint_from_before_there_were_resets_can_be_read() -> None:
    batch = some_columns()[0]
    learner, resumed = a_learner(), a_learner(seed=5)
    learner.update(batch)
    tensors, meta = learner.state()
    resumed.load_state(tensors, {name: meta[name] for name in ("version", "steps", "skipped")})
    assert same(everything(learner), everything(resumed))


def test_a_branch_begins_by_a_mean_alone_with_a_fresh_optimizer() -> None:
    config = replace(SMALL, algorithm=AlgorithmConfig(batch=2, averaging=0.9))
    ancestor, learner = a_learner(config, seed=9), a_learner(config)
    for batch in some_columns(config)[:3]:
        ancestor.update(batch)
        learner.update(batch)
    mean = ancestor.mean_weights()
    learner.load_state({"mean": mean}, {"version": 3, "steps": 70, "skipped": 0})
    np.testing.assert_array_equal(learner.weights(), mean)
    np.testing.assert_array_equal(learner.mean_weights(), mean)
    assert (learner.version, learner.steps) == (3, 70)
    fresh = learned(a_learner(config))
    assert all(np.array_equal(learned(learner)[name], fresh[name]) for name in fresh if "optimizer" in name)
    with pytest.raises(AgentError, match=r"of another network than .*: the network has \d+ parameters"):
        learner.load_state({"mean": mean[1:]}, {"version": 3, "steps": 70, "skipped": 0})


def test_the_first_weights_play_again() -> None:
    """Batches of the weights after a reset are all fresh: nothing is dropped."""
    game = a_game()
    learner = Learner(SMALL, game.spec, team=None, seed=0)
    learner.update(columns_of(learner, game)[0])
    learner.reset()
    assert learner.update(columns_of(learner, game)[0]).dropped == 0
