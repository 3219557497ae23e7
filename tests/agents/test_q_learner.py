"""Learning values of actions as a whole: burn-in and target network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from agents.algorithms.advantages import Batch
from agents.algorithms.config import AlgorithmConfig, PolicyLoss, QConfig
from agents.algorithms.q import q_learning
from agents.config import BufferConfig, BufferKind, LearnerConfig, NetworkConfig, Precision
from agents.errors import AgentError
from agents.learner import Learner
from agents.networks import PolicyNetwork
from agents.policy import get_weights, set_weights
from agents.trajectory import Trajectory
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
