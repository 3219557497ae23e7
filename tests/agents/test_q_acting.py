"""Acting by values of actions: every copy explores by a chance of its own, and notes what it thought."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import torch

from agents.algorithms.config import AlgorithmConfig, PolicyLoss, QConfig
from agents.algorithms.q import action_values
from agents.config import LearnerConfig, NetworkConfig, Precision
from agents.policy import Chance, NetworkPolicy
from agents.q_targets import epsilons
from agents.rollout import Rollout
from agents.scripted.base import Rows
from agents.stages import Stages
from agents.streams import StreamConfig
from agents.tables import Table
from agents.together import Request, decide
from envs.catalogue import make_game
from tests.agents.batches import a_spec

SPEC = a_spec("float32")
COPIES, DRAWS = 4, 4000
Q = AlgorithmConfig(policy_loss=PolicyLoss.Q)
EXPLORING = QConfig(exploration=0.5, spread=3.0)


class Drawn(NamedTuple):
    rows: Rows
    greedy: np.ndarray
    """[n] the best legal choice."""
    values: np.ndarray
    """[n, A]"""
    action: np.ndarray
    log_prob: np.ndarray
    q: np.ndarray


def drawn(*, learns: bool, greedy: bool = False, lstm: int = 0) -> Drawn:
    """What a policy plays in DRAWS rows of every copy."""
    network = NetworkConfig(hidden=(8,), lstm=lstm)
    config = LearnerConfig(network, Q, precision=Precision.FLOAT32, q=EXPLORING)
    policy = NetworkPolicy(config, SPEC, team=None, copies=COPIES, greedy=greedy)
    size = len(policy.weights())
    policy.load(np.random.default_rng(2).normal(0, 0.5, size).astype(np.float32), version=3)
    generator = np.random.default_rng(3)
    count = COPIES * DRAWS
    mask = generator.random((count, 7)) < 0.6
    mask[:, :2] = True
    seen = generator.normal(size=(count, 5, 3)).astype(np.float32)
    rows = Rows(seen, mask, np.zeros(count, np.intp), np.arange(count) % COPIES)
    core = generator.normal(size=(count, 2, lstm)).astype(np.float32) if lstm else None
    chance = Chance(np.random.default_rng(0), torch.Generator().manual_seed(4))
    (choice,) = decide(rows, [Request(policy, slice(0, count), core, learns)], chance, Stages())
    before = None if core is None else torch.from_numpy(core)
    with torch.inference_mode():
        parameters, values, _ = policy._network.act_parameters(torch.from_numpy(seen), None, before)
        assert values is not None
        judged = action_values(config.q, parameters, values, torch.from_numpy(mask)).numpy()
    assert choice.q is not None
    best = np.where(mask, judged, -np.inf).argmax(-1)
    return Drawn(rows, best, judged, choice.action, choice.log_prob, choice.q)


def chances(got: Drawn, epsilon: np.ndarray) -> np.ndarray:
    """[n] mu(a) of what was played."""
    legal = got.rows.mask.sum(-1)
    return epsilon / legal + (1 - epsilon) * (got.action == got.greedy)


@pytest.mark.parametrize("lstm", [0, 5])
def test_every_copy_explores_by_a_chance_of_its_own(lstm: int) -> None:
    got = drawn(learns=True, lstm=lstm)
    ladder = np.array(epsilons(COPIES, 0.5, 3.0))
    assert ladder.tolist() == pytest.approx([0.5, 0.25, 0.125, 0.0625])
    np.testing.assert_allclose(np.exp(got.log_prob), chances(got, ladder[got.rows.copy]), rtol=1e-5)
    assert np.take_along_axis(got.rows.mask, got.action[:, None], 1).all()
    for copy, epsilon in enumerate(ladder):
        own = got.rows.copy == copy
        others = (1 - 1 / got.rows.mask[own].sum(-1)) * epsilon
        deviation = np.sqrt((others * (1 - others)).sum())
        assert abs((got.action != got.greedy)[own].sum() - others.sum()) < 5 * deviation


def test_who_does_not_learn_explores_little() -> None:
    got = drawn(learns=False)
    rare = np.full(len(got.action), EXPLORING.frozen_exploration)
    np.testing.assert_allclose(np.exp(got.log_prob), chances(got, rare), rtol=1e-5)
    assert 0 < (got.action != got.greedy).mean() < 0.02
    assert (drawn(learns=False, greedy=True).action == got.greedy).all()


def test_the_values_of_what_is_taken_and_of_the_best_go_along() -> None:
    got = drawn(learns=True)
    rows = np.arange(len(got.action))
    np.testing.assert_allclose(got.q[:, 0], got.values[rows, got.action], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(got.q[:, 1], got.values[rows, got.greedy], rtol=1e-5, atol=1e-6)


def test_who_explores_needs_no_moves_at_random_to_begin_with() -> None:
    """Else it would never learn the values of a first move; who only plays by values does."""
    with make_game("tictactoe", 8) as game:
        config = LearnerConfig(NetworkConfig(hidden=(8,)), Q)
        rollout = Rollout(game, {"main": StreamConfig(4, 2, values=True)})
        rollout.reset(0)
        policy = NetworkPolicy(config, game.spec, team=None, copies=8)
        rollout.behaviours = {"main": policy, "main@1": NetworkPolicy(config, game.spec, team=None)}
        rollout.open(Table(0, ("main", "main@1"), 100, frozenset({"main"})))
        assert not rollout.seating.opens
        rollout.open(Table(1, ("main", "main@1"), 100))
        assert rollout.seating.opens
