"""Learning values of actions as a whole: burn-in, target network, exploration."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from agents.algorithms.advantages import Batch
from agents.algorithms.config import AlgorithmConfig, PolicyLoss, QConfig
from agents.algorithms.q import action_values, q_learning
from agents.config import BufferConfig, BufferKind, LearnerConfig, NetworkConfig, Precision
from agents.errors import AgentError
from agents.learner import Learner
from agents.networks import PolicyNetwork
from agents.policy import Chance, NetworkPolicy, get_weights, set_weights
from agents.q_targets import epsilons
from agents.rollout import Rollout
from agents.scripted.base import Rows
from agents.stages import Stages
from agents.streams import StreamConfig
from agents.tables import Table
from agents.together import Request, decide
from agents.trajectory import Trajectory
from envs.catalogue import make_game
from envs.game import Box
from tests.agents.batches import a_batch, a_spec

ALGORITHM = AlgorithmConfig(policy_loss=PolicyLoss.Q, discount=0.9, max_gradient_norm=1e9, target_updates=3)
R2D2 = LearnerConfig(
    NetworkConfig(hidden=(8,), lstm=5),
    ALGORITHM,
    precision=Precision.FLOAT32,
    q=QConfig(steps=3, burn_in=2, rescaling=1e-3),
    buffer=BufferConfig(BufferKind.PRIORITIZED),
)
SPEC = a_spec("float32")
UNROLL = 6


def scaled(learner: Learner, seed: int = 0) -> Learner:
    """With weights that say something; its target network has others."""
    for module, shift in ((learner._network, 0), (learner._target, 1)):
        assert module is not None
        size = len(get_weights(module))
        set_weights(module, np.random.default_rng(seed + shift).normal(0, 0.5, size).astype(np.float32))
    return learner


def a_learner(config: LearnerConfig) -> Learner:
    return scaled(Learner(config, SPEC, team=None, seed=0))


def unrolled(
    network: PolicyNetwork, batch: Trajectory, core: Tensor, burn_in: int, *, through: bool = False
) -> tuple[Tensor, Tensor]:
    """(advantages [R, B, 1, A], values [R, B, 1]), one row after the other, of the R rows after the burn-in.

    through: whether gradient flows through that.
    """
    heads = []
    for t in range(batch.unroll + 1):
        if t == burn_in and not through:
            core = core.detach()
        row = np.s_[t : t + 1]
        seen, first, acting = (
            torch.from_numpy(np.ascontiguousarray(field))
            for field in (batch.observation[row, :, 0], batch.first[row], batch.acting[row, :, 0])
        )
        output = network(seen, None, first, core, acting)
        assert output.core is not None
        assert output.value is not None
        core = output.core
        heads.append((output.parameters[0], output.value[0]))
    parameters, values = (torch.stack(each)[burn_in:] for each in zip(*heads, strict=True))
    return parameters[:, :, None], values[..., None]


def gradient_by_hand(
    learner: Learner, batch: Trajectory, weights: Tensor, *, stored: bool = True, through: bool = False
) -> Tensor:
    """Of the loss of a batch, its columns' rows unrolled one by one."""
    assert batch.core is not None
    core = torch.from_numpy(batch.core)[:, 0]
    core = core if stored else torch.zeros_like(core)
    assert learner._target is not None
    burn_in = learner.config.burn_in
    with torch.no_grad():
        target = unrolled(learner._target, batch, core, burn_in)
    parameters, values = unrolled(learner._network, batch, core, burn_in, through=through)
    rows = batch.rows[burn_in:]
    given = Batch(*(torch.from_numpy(np.ascontiguousarray(rows[name])) for name in Batch._fields))
    config = learner.config
    judged = q_learning(
        config.algorithm, config.q, parameters, values, target, given, weights, trained=len(rows) - 1
    )
    slopes = torch.autograd.grad(
        [parameters, values], list(learner._network.parameters()), list(judged.gradient)
    )
    return torch.cat([slope.flatten() for slope in slopes])


def updated(learner: Learner, batch: Trajectory, weights: np.ndarray) -> Tensor:
    """The gradient that an update steps by."""
    learner.update(batch, weights=weights)
    return learner._flat.gradient.clone()


WEIGHTS = np.linspace(0.2, 1.0, 5).astype(np.float32)


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("burn_in", [0, 2, 4])
def test_a_burn_in_brings_the_state_up_and_has_no_gradient(burn_in: int, stored: bool) -> None:
    config = replace(R2D2, q=replace(R2D2.q, burn_in=burn_in, stored_state=stored))
    batch = a_batch(SPEC, UNROLL, 5, core=5, seed=1)
    expected = gradient_by_hand(a_learner(config), batch, torch.from_numpy(WEIGHTS), stored=stored)
    got = updated(a_learner(config), batch, WEIGHTS)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-6)
    assert expected.norm() > 0.01
    other = gradient_by_hand(a_learner(config), batch, torch.from_numpy(WEIGHTS), stored=not stored)
    assert (other - expected).norm() > 1e-3 * expected.norm()


def test_a_gradient_through_the_burn_in_would_be_another() -> None:
    batch, weights = a_batch(SPEC, UNROLL, 5, core=5, seed=1), torch.from_numpy(WEIGHTS)
    without, through = (
        gradient_by_hand(a_learner(R2D2), batch, weights, through=through) for through in (False, True)
    )
    assert (through - without).norm() > 1e-3 * without.norm()


def test_zeros_are_where_a_column_begins_if_no_state_is_stored() -> None:
    config = replace(R2D2, q=replace(R2D2.q, stored_state=False))
    batch = a_batch(SPEC, UNROLL, 5, core=5, seed=1)
    zeros = replace(batch, core=np.zeros_like(batch.core))
    ones = updated(a_learner(config), batch, WEIGHTS)
    assert torch.equal(ones, updated(a_learner(R2D2), zeros, WEIGHTS))
    assert not torch.equal(ones, updated(a_learner(R2D2), batch, WEIGHTS))


def test_transitions_learn_from_their_first_row_alone() -> None:
    config = replace(
        R2D2,
        network=NetworkConfig(hidden=(8,)),
        q=QConfig(steps=3),
        buffer=BufferConfig(BufferKind.PRIORITIZED, transitions=True),
    )
    batch = a_batch(SPEC, 3, 5, seed=1)
    batch.acting[0] = True
    learner = a_learner(config)
    update = learner.update(batch, weights=WEIGHTS)
    assert (update.decisions, learner.steps) == (5, 5)
    assert update.errors is not None
    assert update.errors.shape == (1, 5, 1)
    assert update.errors.all()


def of_target(learner: Learner) -> np.ndarray:
    assert learner._target is not None
    return get_weights(learner._target)


def test_the_target_network_follows_now_and_then() -> None:
    learner, batch = a_learner(R2D2), a_batch(SPEC, UNROLL, 5, core=5)
    held = of_target(learner)
    for update in range(1, 10):
        learner.update(batch)
        if update % 3 == 0:
            np.testing.assert_array_equal(of_target(learner), learner.weights())
            held = of_target(learner)
        else:
            np.testing.assert_array_equal(of_target(learner), held)
            assert (learner.weights() != held).any()


def test_after_a_checkpoint_target_and_all_are_the_same_to_the_last_bit() -> None:
    learner, resumed = a_learner(R2D2), Learner(R2D2, SPEC, team=None, seed=5)
    batches = [a_batch(SPEC, UNROLL, 5, core=5, seed=seed) for seed in range(8)]
    for batch in batches[:4]:
        learner.update(batch)
    resumed.load_state(*learner.state())
    for batch in batches[4:]:
        for each in (learner, resumed):
            each.update(batch, weights=WEIGHTS)
        np.testing.assert_array_equal(learner.weights(), resumed.weights())
        np.testing.assert_array_equal(of_target(learner), of_target(resumed))


@pytest.mark.parametrize("period", [0, 2])
def test_a_magnet_follows_now_and_then_or_never(period: int) -> None:
    """With 0 it is a teacher: where the player began, also if that was another's weights."""
    algorithm = AlgorithmConfig(magnet_cost=0.1, magnet_updates=period)
    learner = Learner(LearnerConfig(NetworkConfig(hidden=(8,)), algorithm), SPEC, team=None, seed=0)
    learner.set_weights(learner.weights() + 1)
    assert learner._magnet is not None
    first, batch = learner.weights(), a_batch(SPEC, UNROLL, 5)
    for update in range(1, 7):
        learner.update(batch)
        moved = (get_weights(learner._magnet) != first).any()
        assert moved == bool(period and update >= period)
        if period and update % period == 0:
            np.testing.assert_array_equal(get_weights(learner._magnet), learner.weights())


def test_numbers_have_no_values_of_actions() -> None:
    spec = replace(SPEC, actions=Box((-1.0,), (1.0,)))
    with pytest.raises(AgentError, match="policy_loss is q, but must be gradient, ppo or impact in drawn"):
        Learner(R2D2, spec, team=None, seed=0)


# Exploration.

COPIES, DRAWS = 4, 4000
ACTING = replace(R2D2, network=NetworkConfig(hidden=(8,)), q=QConfig(exploration=0.5, spread=3.0))


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
    config = replace(ACTING, network=NetworkConfig(hidden=(8,), lstm=lstm))
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
    rare = np.full(len(got.action), ACTING.q.frozen_exploration)
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
        config = LearnerConfig(NetworkConfig(hidden=(8,)), ALGORITHM, buffer=R2D2.buffer)
        rollout = Rollout(game, {"main": StreamConfig(4, 2, values=True)})
        rollout.reset(0)
        policy = NetworkPolicy(config, game.spec, team=None, copies=8)
        rollout.behaviours = {"main": policy, "main@1": NetworkPolicy(config, game.spec, team=None)}
        rollout.open(Table(0, ("main", "main@1"), 100, frozenset({"main"})))
        assert not rollout.seating.opens
        rollout.open(Table(1, ("main", "main@1"), 100))
        assert rollout.seating.opens
