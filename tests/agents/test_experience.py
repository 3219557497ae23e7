"""What arrives is counted as trained once, errors become priorities, and a checkpoint goes on exactly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from agents.algorithms.config import AlgorithmConfig, PolicyLoss, QConfig
from agents.buffers import Sample
from agents.config import BufferConfig, BufferKind, LearnerConfig, NetworkConfig
from agents.experience import Experience
from agents.learner import Learner
from agents.policy import NetworkPolicy
from agents.q_targets import sequence_priority
from agents.streams import StreamConfig
from agents.trajectory import Trajectory, allocate
from agents.update import Update
from tests.agents.batches import a_batch, a_spec
from tests.agents.fakes import Moment, ScriptedGame, play
from tests.agents.replays import weights_of

SPEC, UNROLL, COLUMNS = a_spec("float32"), 6, 8
PPO = AlgorithmConfig(policy_loss=PolicyLoss.PPO, batch=COLUMNS)
Q = AlgorithmConfig(policy_loss=PolicyLoss.Q, batch=COLUMNS)
REPLAY = BufferConfig(BufferKind.PRIORITIZED, capacity=30, least=12, sample=8, ratio=2.0)
CONFIGS = {
    "queue": LearnerConfig(NetworkConfig(hidden=(8,)), AlgorithmConfig(batch=COLUMNS)),
    "epochs": LearnerConfig(
        NetworkConfig(hidden=(8,)), PPO, buffer=BufferConfig(BufferKind.CIRCULAR, passes=3, minibatches=2)
    ),
    "circular": LearnerConfig(
        NetworkConfig(hidden=(8,)), PPO, buffer=BufferConfig(BufferKind.CIRCULAR, batches=3, passes=2)
    ),
    "columns": LearnerConfig(NetworkConfig(hidden=(8,)), Q, buffer=REPLAY),
    "burn-in": LearnerConfig(NetworkConfig(hidden=(8,), lstm=4), Q, q=QConfig(burn_in=2), buffer=REPLAY),
    "transitions": LearnerConfig(
        NetworkConfig(hidden=(8,)), Q, q=QConfig(steps=3), buffer=replace(REPLAY, transitions=True)
    ),
}
REPLAYS = ["columns", "burn-in", "transitions"]


def batches(config: LearnerConfig, count: int) -> list[Trajectory]:
    """Of a player that learns so; nobody's weights moved on."""
    made = []
    for seed in range(count):
        drawn = a_batch(SPEC, UNROLL, COLUMNS, core=config.network.lstm, seed=seed)
        q = config.algorithm.policy_loss is PolicyLoss.Q
        batch = allocate(SPEC, rows=UNROLL + 1, columns=COLUMNS, seats=1, state=False, core=0, values=q)
        for name in drawn.rows.dtype.names or ():
            batch.rows[name] = drawn.rows[name]
        if batch.q is not None:
            batch.q[:] = np.random.default_rng(seed).normal(size=batch.q.shape)
        made.append(replace(batch, place=drawn.place, core=drawn.core))
    return made


def arrived(config: LearnerConfig, batch: Trajectory) -> int:
    """Decisions that are in this batch, and in no other."""
    return int(batch.acting[config.overlap : -1].sum())


class Player:
    """A learner and its experience."""

    def __init__(self, config: LearnerConfig, seed: int = 0) -> None:
        self.learner = Learner(config, SPEC, team=None, seed=0)
        self.experience = Experience(config, seed)

    def train(self, batch: Trajectory) -> list[tuple[Sample, Update]]:
        return list(self.updates(batch))

    def updates(self, batch: Trajectory) -> Iterator[tuple[Sample, Update]]:
        self.experience.add(batch)
        for sample, fresh in self.experience.samples(self.learner.version):
            update = self.learner.update(sample.batch, fresh=fresh, weights=sample.weights)
            self.experience.learnt(sample, update)
            yield sample, update


@pytest.mark.parametrize("name", CONFIGS)
def test_every_decision_that_arrived_counts_as_trained_once(name: str) -> None:
    config = CONFIGS[name]
    player, waiting, trained = Player(config), 0, 0
    for batch in batches(config, 9):
        waiting += arrived(config, batch)
        done = player.train(batch)
        if done:
            assert [update.fresh for _, update in done] == [waiting, *[0] * (len(done) - 1)]
            trained, waiting = trained + waiting, 0
        assert player.learner.steps == trained
    assert trained > 100
    assert player.learner.version > 5


def test_decisions_of_passes_and_minibatches_are_those_of_the_batch() -> None:
    config = CONFIGS["epochs"]
    (batch,) = batches(config, 1)
    done = Player(config).train(batch)
    whole = int(batch.acting[:-1].sum())
    assert len(done) == 3 * 2
    for part in range(3):
        assert sum(update.decisions for _, update in done[2 * part : 2 * part + 2]) == whole


def test_a_minibatch_without_a_decision_takes_no_count_away() -> None:
    config = CONFIGS["epochs"]
    (batch,) = batches(config, 1)
    player = Player(config)
    order = np.random.default_rng([0, 0]).permutation(COLUMNS)
    batch.acting[:, order[: COLUMNS // 2]] = False
    done = player.train(batch)
    assert (done[0][1].decisions, done[0][1].fresh) == (0, 0)
    assert done[1][1].fresh == player.learner.steps == arrived(config, batch)


@pytest.mark.parametrize("name", ["queue", "epochs"])
def test_what_a_skipped_update_was_to_train_counts_with_the_next(name: str) -> None:
    config = CONFIGS[name]
    player, given = Player(config), batches(config, 5)
    for batch in given[:3]:
        player.train(batch)
    before, version = player.learner.steps, player.learner.version
    broken, good = given[3], given[4]
    broken.reward[:] = np.nan
    assert all(update.skipped for _, update in player.train(broken))
    assert (player.learner.steps, player.learner.version) == (before, version)
    player.train(good)
    assert player.learner.steps == before + arrived(config, broken) + arrived(config, good)


@pytest.mark.parametrize("episodic", [False, True])
@pytest.mark.parametrize("overlap", [0, 2])
def test_each_decision_of_a_game_arrives_once(overlap: int, episodic: bool) -> None:
    """However columns overlap, and wherever episodes end: told by what was seen."""
    script = [Moment((0, 1)) for _ in range(7)] + [Moment((0, 1), (1.0, -1.0), (0, 1))]
    game = ScriptedGame([script, script[3:], script[5:]], [(0,), (1,)])
    kind = QConfig(burn_in=overlap)
    config = replace(CONFIGS["burn-in"], q=kind)
    stream = StreamConfig(4, 2, core=4, overlap=overlap, episodic=episodic, values=True)
    policy = NetworkPolicy(config, game.spec, team=None, copies=game.copies)
    policy.load(policy.weights(), 0)
    seen, counted = [], 0
    for batch in play(game, 40, stream, behaviours={"main": policy}):
        counted += arrived(config, batch)
        rows = slice(config.overlap, -1)
        seen += [tuple(row) for row in batch.observation[rows][batch.acting[rows]].tolist()]
    assert counted == len(seen) == len(set(seen)) > 100


def test_errors_that_are_not_finite_become_no_priorities() -> None:
    config = CONFIGS["columns"]
    player, given = Player(config), batches(config, 6)
    for batch in given[:2]:
        player.train(batch)
    given[2].reward[:, :4] = np.nan
    for sample, update in player.updates(given[2]):
        broken = np.isnan(sample.batch.reward).any()
        assert update.skipped == broken
        assert update.errors is not None
        assert np.isfinite(update.errors).all() == (not broken)
    weights = weights_of(player.experience._buffer, config.buffer.capacity)  # type: ignore[arg-type]
    assert np.isfinite(weights).all()


# Priorities.


def expected_priorities(config: LearnerConfig, errors: np.ndarray, acting: np.ndarray) -> np.ndarray:
    """[K] of entries, from errors [rows, K, 1]."""
    sizes = np.abs(errors[..., 0]) * acting[..., 0]
    eta, count = config.buffer.mixture, acting[..., 0].sum(0).clip(1)
    return eta * sizes.max(0) + (1 - eta) * sizes.sum(0) / count


@pytest.mark.parametrize("name", REPLAYS)
def test_errors_of_an_update_are_the_next_priorities(name: str) -> None:
    config = CONFIGS[name]
    player = Player(config)
    windows = UNROLL - config.q.steps + 1 if config.buffer.transitions else 1
    seen = 0
    for batch in batches(config, 6):
        for sample, update in player.updates(batch):
            assert sample.index is not None
            assert update.errors is not None
            acting = sample.batch.acting[config.trained]
            priorities = expected_priorities(config, update.errors, acting)
            entries = config.buffer.capacity * windows
            weights = weights_of(player.experience._buffer, entries)  # type: ignore[arg-type]
            last = {int(index): float(p) for index, p in zip(sample.index, priorities, strict=True)}
            for index, priority in last.items():
                wanted = max(priority, 1e-6) ** config.buffer.priority_exponent
                assert weights[index % entries] == pytest.approx(wanted, rel=1e-5)
                seen += 1
    assert seen > 50


@pytest.mark.parametrize("name", REPLAYS)
def test_first_priorities_are_of_the_values_that_the_actor_saw(name: str) -> None:
    config = CONFIGS[name]
    player, (batch,) = Player(config), batches(config, 1)
    player.experience.add(batch)
    assert batch.q is not None
    clip = config.algorithm.reward_clip or np.inf
    errors = np.zeros((UNROLL, COLUMNS))
    for b in range(COLUMNS):
        for t in np.flatnonzero(batch.acting[:-1, b, 0]):
            total, weight, at = 0.0, 1.0, int(t)
            while at < min(UNROLL, t + config.q.steps) and batch.acting[at, b, 0]:
                total += weight * float(np.clip(batch.reward[at, b, 0], -clip, clip))
                weight *= config.algorithm.discount * (not batch.terminated[at, b])
                at += 1
            errors[t, b] = total + weight * batch.q[at, b, 0, 1] - batch.q[t, b, 0, 0]
    if config.buffer.transitions:
        windows = UNROLL - config.q.steps + 1
        acting = batch.acting[:windows, :, 0]
        priorities = np.where(acting, np.abs(errors[:windows]), np.nan).T.ravel()
    else:
        rows = slice(config.burn_in, -1)
        acting = batch.acting[rows]
        priorities = expected_priorities(config, errors[config.burn_in :, :, None], acting)
        priorities = np.where(acting.any((0, 2)), priorities, np.nan)
    wanted = np.nan_to_num(np.maximum(priorities, 1e-6) ** config.buffer.priority_exponent)
    got = weights_of(player.experience._buffer, len(wanted))  # type: ignore[arg-type]
    np.testing.assert_allclose(got, wanted, rtol=1e-5)
    assert (wanted > 0).sum() > 5


# State.


def same_rows(left: Sample, right: Sample) -> bool:
    return np.array_equal(left.batch.rows, right.batch.rows)


def same_sample(left: Sample, right: Sample) -> None:
    assert same_rows(left, right)
    for name in ("weights", "index"):
        one, other = getattr(left, name), getattr(right, name)
        assert (one is None) == (other is None)
        assert one is None or np.array_equal(one, other)


@pytest.mark.parametrize("stop", [1, 3, 4])
@pytest.mark.parametrize("name", CONFIGS)
def test_a_checkpoint_goes_on_exactly(name: str, stop: int) -> None:
    config, given = CONFIGS[name], batches(CONFIGS[name], 7)
    player, resumed = Player(config), Player(config)
    for batch in given[:stop]:
        player.train(batch)
    resumed.learner.load_state(*player.learner.state())
    state = {key: array.copy() for key, array in player.experience.state().items()}
    resumed.experience.load_state(state)
    done = 0
    for batch in given[stop:]:
        for (one, left), (other, right) in zip(player.train(batch), resumed.train(batch), strict=True):
            same_sample(one, other)
            assert (left.fresh, left.decisions) == (right.fresh, right.decisions)
            done += 1
        np.testing.assert_array_equal(player.learner.weights(), resumed.learner.weights())
        assert player.learner.steps == resumed.learner.steps
    assert done > 2


@pytest.mark.parametrize("name", CONFIGS)
def test_after_clear_it_is_as_new(name: str) -> None:
    config, given = CONFIGS[name], batches(CONFIGS[name], 6)
    player, new = Player(config), Player(config)
    for batch in given[:3]:
        player.train(batch)
    player.experience.clear()
    player.learner.load_state(*new.learner.state())
    for batch in given[3:]:
        one, other = player.train(batch), new.train(batch)
        assert [update.fresh for _, update in one] == [update.fresh for _, update in other]
    assert player.learner.steps == new.learner.steps > 0


@pytest.mark.parametrize("name", ["epochs", "columns", "transitions"])
def test_seeds_draw_differently(name: str) -> None:
    config, given = CONFIGS[name], batches(CONFIGS[name], 3)
    one, other = Player(config, seed=1), Player(config, seed=2)
    samples = [[sample for batch in given for sample, _ in player.train(batch)] for player in (one, other)]
    assert not all(same_rows(left, right) for left, right in zip(*samples, strict=True))


def test_priorities_are_the_papers_mixture() -> None:
    errors, acting = np.array([[[1.0]], [[-3.0]], [[9.0]]]), np.array([[[True]], [[True]], [[False]]])
    config = CONFIGS["columns"]
    expected = expected_priorities(config, errors, acting)
    assert expected.tolist() == pytest.approx([0.9 * 3 + 0.1 * 2])
    got = sequence_priority(torch.from_numpy(errors[..., 0]), 0.9, torch.from_numpy(acting[..., 0]))
    assert got.tolist() == pytest.approx(expected.tolist())
