"""Learning: the same to the last bit after a checkpoint, unhurt by bad numbers, and it learns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch

from agents.algorithms.config import AlgorithmConfig, OptimizerKind
from agents.config import Cooperation, LearnerConfig, NetworkConfig
from agents.errors import AgentError
from agents.learner import Learner
from agents.policy import Chance, NetworkPolicy
from agents.rollout import Rollout
from agents.scripted.base import Rows
from agents.streams import StreamConfig
from agents.tables import Table
from agents.trajectory import Trajectory
from agents.update import Update
from envs.game import ActionSpace, Box, Discrete, Game, MultiDiscrete
from tests.agents.fakes import Moment, OneShot, ScriptedGame, play

EVERYBODY = (0, 1, 2, 3)
SCRIPT = [
    Moment(EVERYBODY, (1, 2, -1, -2)), Moment(EVERYBODY, truncated=EVERYBODY),
    Moment(EVERYBODY, (0, 1, 0, 1)), Moment(EVERYBODY, terminated=(0,)), Moment((1, 2, 3), (), (1, 2, 3)),
]  # fmt: skip
SMALL = LearnerConfig(NetworkConfig(hidden=(8,)), AlgorithmConfig(batch=2))


def a_game(space: ActionSpace = Discrete(4)) -> ScriptedGame:  # noqa: B008 - frozen
    """Two teams of two, seats that die early, episodes that are cut short; a global state."""
    return ScriptedGame([SCRIPT, SCRIPT[2:]], [(0, 2), (1, 3)], actions=space, state=True)


def scaled(learner: Learner) -> Learner:
    """With weights of which the policy is far from uniform."""
    size = len(learner.weights())
    learner.set_weights(np.random.default_rng(0).normal(0, 0.2, size).astype(np.float32))
    return learner


def columns_of(learner: Learner, game: Game, ticks: int = 40) -> list[Trajectory]:
    """What a learner's player does against itself."""
    config = learner.config
    policy = NetworkPolicy(config, game.spec, team=None)
    policy.load(learner.weights(), learner.version)
    stream = StreamConfig(4, config.algorithm.batch, config.cooperation, core=config.network.lstm)
    return play(game, ticks, stream, behaviours={"main": policy})


def some_columns(config: LearnerConfig = SMALL) -> list[Trajectory]:
    return columns_of(Learner(config, a_game().spec, team=None, seed=9), a_game())


def a_learner(config: LearnerConfig = SMALL, seed: int = 0) -> Learner:
    return Learner(config, a_game().spec, team=None, seed=seed)


def everything(learner: Learner) -> dict[str, Any]:
    tensors, counters = learner.state()
    return tensors | counters


def same(left: dict[str, Any], right: dict[str, Any]) -> bool:
    return left.keys() == right.keys() and all(np.array_equal(left[name], right[name]) for name in left)


@pytest.mark.parametrize("cooperation", Cooperation)
@pytest.mark.parametrize("lstm", [0, 5])
@pytest.mark.parametrize("space", [Discrete(4), MultiDiscrete((3, 2)), Box((-1.0,), (1.0,))])
def test_the_weights_that_acted_find_their_own_policy(
    space: ActionSpace, lstm: int, cooperation: Cooperation
) -> None:
    """pi / mu is 1 for all decisions: the learner reads rows, masks, places and states as they were."""
    config = replace(SMALL, network=NetworkConfig(hidden=(8,), lstm=lstm), cooperation=cooperation)
    game = a_game(space)
    learner = scaled(Learner(config, game.spec, team=None, seed=0))
    others_rho = []
    for batch in columns_of(learner, game):
        own, other = (scaled(Learner(config, game.spec, team=None, seed=0)) for _ in range(2))
        update = own.update(batch)
        assert update.rho == pytest.approx(1.0, abs=1e-5)
        assert update.decisions == own.steps == np.count_nonzero(batch.acting[:-1])
        assert (update.policy_lag, own.version, update.skipped, update.dropped) == (0.0, 1, False, 0)
        other.set_weights(-other.weights())
        others_rho.append(other.update(batch).rho)
    assert min(others_rho) < 0.95


def test_lag_is_counted_in_updates() -> None:
    first, *others = some_columns()
    learner = a_learner()
    for version, batch in enumerate(others[:5]):
        assert learner.update(batch).policy_lag == version
    first.version[:] = [[3], [4], [4], [5], [5]]
    assert learner.update(first).policy_lag == 5 - 4.0


@pytest.mark.parametrize("cooperation", Cooperation)
@pytest.mark.parametrize("lstm", [0, 5])
def test_after_a_checkpoint_all_updates_are_the_same_to_the_last_bit(
    lstm: int, cooperation: Cooperation
) -> None:
    algorithm = AlgorithmConfig(batch=2, anneal_steps=100, final_learning_rate=1e-5, final_entropy_cost=1.0)
    config = LearnerConfig(NetworkConfig(hidden=(8,), lstm=lstm), algorithm, cooperation)
    batches = some_columns(config)
    learner, resumed = a_learner(config), a_learner(config, seed=5)
    for batch in batches[:3]:
        learner.update(batch)
    resumed.load_state(*learner.state())
    assert same(everything(learner), everything(resumed))
    for batch in batches[3:6]:
        assert learner.update(batch) == resumed.update(batch)
        assert same(everything(learner), everything(resumed))


def test_a_state_shares_no_memory_with_its_learner() -> None:
    batches = some_columns()
    learner = a_learner()
    learner.update(batches[0])
    state = learner.state()
    kept = {name: array.copy() for name, array in state[0].items()}
    learner.update(batches[1])
    assert same(kept, state[0])
    learner.load_state(*state)
    for array in state[0].values():
        array[...] = 0
    assert same(kept, learner.state()[0])


def test_seeds_make_the_first_weights() -> None:
    assert same(everything(a_learner(seed=3)), everything(a_learner(seed=3)))
    assert (a_learner(seed=3).weights() != a_learner(seed=4).weights()).any()


@pytest.mark.parametrize(
    "other",
    [
        replace(SMALL, network=NetworkConfig(hidden=(9,))),
        replace(SMALL, network=NetworkConfig(hidden=(8,), lstm=4)),
        replace(SMALL, cooperation=Cooperation.JOINT),
    ],
)
def test_a_checkpoint_of_another_network_is_refused_in_one_line(other: LearnerConfig) -> None:
    with pytest.raises(AgentError, match="of another network than the configuration") as refused:
        a_learner(other).load_state(*a_learner().state())
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("kind", OptimizerKind)
def test_a_checkpoint_of_another_optimizer_is_refused_in_one_line(kind: OptimizerKind) -> None:
    other = next(each for each in OptimizerKind if each is not kind)
    learners = [
        a_learner(replace(SMALL, algorithm=AlgorithmConfig(optimizer=each))) for each in (kind, other)
    ]
    with pytest.raises(AgentError, match="of another optimizer than the configuration"):
        learners[0].load_state(*learners[1].state())


def poisoned(batch: Trajectory, value: float) -> Trajectory:
    rows = batch.rows.copy()
    rows["reward"][1, 0] = value
    return replace(batch, rows=rows)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_update_that_is_not_finite_changes_nothing_and_is_counted(value: float) -> None:
    good, bad, *_ = some_columns()
    learner = a_learner()
    learner.update(good)
    before = everything(learner)
    for count in (1, 2):
        update = learner.update(poisoned(bad, value))
        assert (update.skipped, update.decisions, learner.skipped) == (True, 0, count)
    assert same({**everything(learner), "skipped": 0}, before)
    resumed = a_learner()
    resumed.load_state(*learner.state())
    assert resumed.skipped == 2
    assert not learner.update(bad).skipped
    assert learner.skipped == 0
    assert np.isfinite(learner.weights()).all()


def test_a_gradient_that_is_not_finite_though_the_loss_is_changes_nothing() -> None:
    batch, *_ = some_columns()
    learner = a_learner()
    before = learner.weights()
    hook = next(learner._network.parameters()).register_hook(lambda gradient: gradient * torch.inf)
    update = learner.update(batch)
    assert np.isfinite(update.value_loss)
    assert update.skipped
    np.testing.assert_array_equal(learner.weights(), before)
    hook.remove()
    assert not learner.update(batch).skipped


def test_columns_that_are_too_old_are_dropped_and_counted() -> None:
    config = replace(SMALL, algorithm=AlgorithmConfig(batch=2, max_policy_lag=10))
    batch = some_columns(config)[0]
    old = replace(batch, rows=batch.rows.copy())
    old.version[:] = 90
    old.version[2, 0] = 89
    old.version[-1, 1] = 0  # the row to bootstrap from is no decision
    learner, without = a_learner(config), a_learner(config)
    for each in (learner, without):
        each.load_state(each.state()[0], {"version": 100, "steps": 0, "skipped": 0})
    update = learner.update(old)
    assert (update.dropped, update.decisions) == (1, int(batch.acting[:-1, 1].sum()))
    without.update(old.select(np.array([False, True])))
    assert same(everything(learner), everything(without))

    before = everything(learner)
    old.version[:] = 0
    nothing = learner.update(old)
    assert (nothing.dropped, nothing.decisions, nothing.skipped) == (2, 0, False)
    assert same(everything(learner), before)


@pytest.mark.parametrize(("steps", "done"), [(0, 0.0), (50, 0.25), (200, 1.0), (999, 1.0)])
def test_learning_rate_and_entropy_cost_go_from_start_to_final(steps: int, done: float) -> None:
    """An update while they change is the one of a learner that has them so from the start."""
    batch = some_columns()[0]
    changing = AlgorithmConfig(
        batch=2, learning_rate=1e-2, final_learning_rate=2e-3, entropy_cost=0.4, final_entropy_cost=0.0,
        anneal_steps=200,
    )  # fmt: skip
    rate, cost = 1e-2 - done * 8e-3, 0.4 - done * 0.4
    constant = AlgorithmConfig(
        batch=2, learning_rate=rate, final_learning_rate=1.0, entropy_cost=cost, final_entropy_cost=9.0
    )
    learners = [a_learner(replace(SMALL, algorithm=algorithm)) for algorithm in (changing, constant)]
    for learner in learners:
        learner.load_state(learner.state()[0], {"version": 0, "steps": steps, "skipped": 0})
        learner.update(batch)
    np.testing.assert_allclose(*(learner.weights() for learner in learners), atol=1e-7)


def training(learner: Learner, game: Game, unroll: int) -> Iterator[Update]:
    """Updates of a learner that plays with its newest weights."""
    config = learner.config
    policy = NetworkPolicy(config, game.spec, team=None)
    rollout = Rollout(game, {"main": StreamConfig(unroll, config.algorithm.batch, config.cooperation)})
    rollout.reset(0)
    rollout.behaviours = {"main": policy}
    rollout.seating.open(Table(0, ("main",), 10**6, frozenset({"main"})))
    while True:
        policy.load(learner.weights(), learner.version)
        while not (batches := rollout.take()["main"]):
            rollout.tick()
        for batch in batches:
            yield learner.update(batch)


def trained(game: OneShot, cooperation: Cooperation, seed: int) -> tuple[list[list[float]], Update]:
    """[S][A] how likely every seat makes which choice after 200 updates, and the last of them."""
    algorithm = AlgorithmConfig(batch=32, learning_rate=1e-2, entropy_cost=0.01)
    config = LearnerConfig(NetworkConfig(hidden=(16,)), algorithm, cooperation)
    learner = Learner(config, game.spec, team=None, seed=seed)
    last = list(islice(training(learner, game, unroll=2), 200))[-1]
    seat = np.arange(len(game.spec.seats)).repeat(1000)
    rows = Rows(
        np.ones((len(seat), 1), np.float32), np.ones((len(seat), game.spec.choices), bool), seat, seat
    )
    policy = NetworkPolicy(config, game.spec, team=None)
    policy.load(learner.weights(), 0)
    chosen = policy.act(rows, None, Chance(np.random.default_rng(0), torch.Generator().manual_seed(0))).played
    counts = [
        np.bincount(each, minlength=game.spec.choices) for each in np.split(chosen, len(game.spec.seats))
    ]
    return [(count / 1000).tolist() for count in counts], last


@pytest.mark.parametrize("cooperation", Cooperation)
def test_the_best_arm_of_a_bandit_is_found(cooperation: Cooperation) -> None:
    ((*_, best, _),), _ = trained(OneShot([0.2, 0.5, 1.0, 0.0], copies=32), cooperation, seed=0)
    assert best > 0.9


@pytest.mark.parametrize("seed", range(3))
def test_a_team_finds_the_choices_that_go_together(seed: int) -> None:
    """The seats are alike but for their place, and must choose differently."""
    (first, second), _ = trained(OneShot([[0, 5, 0], [0, 0, 0], [0, 2, 1]], 32), Cooperation.JOINT, seed)
    assert first[0] > 0.9
    assert second[1] > 0.9


def test_a_central_critic_knows_what_no_seat_sees() -> None:
    game = OneShot([[1.0, 1.0], [1.0, 1.0]], copies=32, luck=4.0)
    _, joint = trained(game, Cooperation.JOINT, seed=0)
    _, alone = trained(game, Cooperation.INDEPENDENT, seed=0)
    assert joint.value_loss < 0.05
    assert alone.value_loss == pytest.approx(2.0, abs=0.5)  # half the variance of the luck
