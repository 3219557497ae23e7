"""Acting: what is claimed of a decision is what the network would say of it again."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from agents.config import Cooperation, LearnerConfig, NetworkConfig
from agents.distributions import distribution_for
from agents.learner import Learner
from agents.networks import PolicyNetwork
from agents.policy import Chance, NetworkPolicy, Weights, get_weights, set_weights
from agents.scripted.base import Rows
from agents.scripted_policy import ScriptedPolicy
from agents.streams import StreamConfig
from agents.trajectory import Trajectory, team_seats
from envs.game import ActionSpace, Array, Box, Discrete, GameSpec, MultiDiscrete
from tests.agents.fakes import Moment, ScriptedGame, play

PLAIN = LearnerConfig(NetworkConfig(hidden=(8,)))
SPACES = [Discrete(4), MultiDiscrete((3, 2)), Box((-1.0, -2.0), (1.0, 2.0))]


def random_weights(config: LearnerConfig, spec: GameSpec, seed: int = 0) -> Weights:
    """Such that the policy is far from uniform."""
    joint = config.cooperation is Cooperation.JOINT
    size = len(get_weights(PolicyNetwork(config.network, spec, team_seats(spec, None), joint)))
    return np.random.default_rng(seed).normal(0, 0.2, size).astype(np.float32)


def a_policy(
    config: LearnerConfig, spec: GameSpec, weights: Weights, *, greedy: bool = False
) -> NetworkPolicy:
    policy = NetworkPolicy(config, spec, team=None, greedy=greedy)
    policy.load(weights, version=3)
    return policy


def chance(seed: int = 0) -> Chance:
    return Chance(np.random.default_rng(seed), torch.Generator().manual_seed(seed))


def some_rows(spec: GameSpec, count: int = 200) -> Rows:
    generator = np.random.default_rng(5)
    mask = generator.random((count, spec.choices)) < 0.6
    mask[:, :1] = mask[:, -1:] = True  # in every part of an action something is legal
    observation = generator.normal(size=(count, 3)).astype(np.float32)
    return Rows(observation, mask, generator.integers(len(spec.seats), size=count), np.arange(count))


def a_game(space: ActionSpace, script: list[Moment] | None = None, teams: int = 2) -> ScriptedGame:
    """Two copies; teams of two seats each, or of all four."""
    everybody = (0, 1, 2, 3)
    script = script or [
        Moment(everybody), Moment(everybody), Moment(everybody), Moment(everybody, truncated=everybody),
        Moment(everybody), Moment(everybody, terminated=everybody),
    ]  # fmt: skip
    members = [(0, 2), (1, 3)] if teams == 2 else [everybody]
    return ScriptedGame([script, script[1:]], members, actions=space)


def played(game: ScriptedGame, config: LearnerConfig, weights: Weights) -> list[Trajectory]:
    behaviours = {"main": a_policy(config, game.spec, weights)}
    stream = StreamConfig(unroll=4, batch=2, cooperation=config.cooperation, core=config.network.lstm)
    return play(game, 25, stream, behaviours=behaviours)


def recomputed(config: LearnerConfig, spec: GameSpec, weights: Weights, batch: Trajectory) -> Array:
    """[T+1, B, S] log-probability of what was done, one column and one seat at a time, in order."""
    joint = config.cooperation is Cooperation.JOINT
    network = PolicyNetwork(config.network, spec, team_seats(spec, None), joint)
    set_weights(network, weights)
    result = np.zeros(batch.acting.shape, np.float32)
    for column in range(batch.columns):
        for seat in range(batch.acting.shape[2]):
            take = np.s_[:, [column], seat]
            output = network(
                torch.from_numpy(batch.observation[take]),
                torch.full(batch.observation[take].shape[:2], int(batch.place[column, seat])),
                torch.from_numpy(batch.first[:, [column]]),
                None if batch.core is None else torch.from_numpy(batch.core[[column], seat]),
                torch.from_numpy(batch.acting[take]),
            )
            distribution = distribution_for(spec.actions)
            action, mask = torch.from_numpy(batch.action[take]), torch.from_numpy(batch.mask[take])
            log_prob = distribution.log_prob(output.parameters, action, mask)
            result[take] = log_prob.detach().numpy()
    return result


@pytest.mark.parametrize("cooperation", Cooperation)
@pytest.mark.parametrize("lstm", [0, 6])
@pytest.mark.parametrize("space", SPACES, ids=lambda space: type(space).__name__)
def test_the_same_weights_give_the_stored_log_probabilities(
    space: ActionSpace, lstm: int, cooperation: Cooperation
) -> None:
    """log mu(a | o), recomputed from what a column holds: rows, masks, places, recurrent states."""
    game = a_game(space)
    config = LearnerConfig(NetworkConfig(hidden=(16,), lstm=lstm), cooperation=cooperation)
    weights = random_weights(config, game.spec)
    batches = played(game, config, weights)
    others = random_weights(config, game.spec, 1)
    differences, spread = [0.0], [0.0]
    for batch in batches:
        again = recomputed(config, game.spec, weights, batch)
        np.testing.assert_allclose(again[batch.acting], batch.log_prob[batch.acting], atol=1e-4)
        other = recomputed(config, game.spec, others, batch)
        differences.append(np.abs(other - batch.log_prob)[batch.acting].max())
        spread.append(np.ptp(batch.log_prob[batch.acting]))
    assert max(differences) > 0.1
    assert max(spread) > 0.1


@pytest.mark.parametrize("lstm", [0, 6])
@pytest.mark.parametrize("teams", [1, 2])
def test_seats_that_rest_keep_their_log_probabilities(teams: int, lstm: int) -> None:
    script = [Moment((0, 1)), Moment((1, 2)), Moment((0, 3)), Moment((2, 3)), Moment((1,), (), (0, 1, 2, 3))]
    game = a_game(Discrete(4), script, teams)
    config = LearnerConfig(NetworkConfig(hidden=(16,), lstm=lstm), cooperation=Cooperation.JOINT)
    weights = random_weights(config, game.spec)
    for batch in played(game, config, weights):
        again = recomputed(config, game.spec, weights, batch)
        np.testing.assert_allclose(again[batch.acting], batch.log_prob[batch.acting], atol=1e-4)


@pytest.mark.parametrize("space", SPACES[:2], ids=lambda space: type(space).__name__)
@pytest.mark.parametrize("greedy", [False, True])
def test_only_legal_choices_are_played(space: ActionSpace, greedy: bool) -> None:
    spec = a_game(space).spec
    rows = some_rows(spec)
    choice = a_policy(PLAIN, spec, random_weights(PLAIN, spec), greedy=greedy).act(rows, None, chance())
    np.testing.assert_array_equal(choice.played, choice.action)
    offsets = 0 if isinstance(space, Discrete) else np.array([0, 3])
    chosen = choice.action.reshape(len(rows.mask), -1) + offsets
    assert np.take_along_axis(rows.mask, chosen, axis=1).all()
    assert np.isfinite(choice.log_prob).all()


def test_numbers_are_played_within_bounds_and_learned_from_as_drawn() -> None:
    spec = a_game(SPACES[2]).spec
    weights = random_weights(PLAIN, spec)
    choice = a_policy(PLAIN, spec, weights).act(some_rows(spec), None, chance())
    assert np.abs(choice.action).max() > 1.0
    np.testing.assert_allclose(choice.played, (choice.action * [1.0, 2.0]).clip([-1, -2], [1, 2]), rtol=1e-6)
    again = a_policy(PLAIN, spec, weights, greedy=True)
    np.testing.assert_array_equal(again.act(some_rows(spec), None, chance(0)).action,
                                  again.act(some_rows(spec), None, chance(1)).action)  # fmt: skip


def test_greedy_plays_what_is_drawn_most_often() -> None:
    spec = a_game(Discrete(4)).spec
    weights, few = random_weights(PLAIN, spec), some_rows(spec, 5)
    many = Rows(
        *(np.repeat(array, 4000, axis=0) for array in (few.observation, few.mask, few.seat, few.copy))
    )
    drawn = a_policy(PLAIN, spec, weights).act(many, None, chance()).action.reshape(5, 4000)
    counts = (drawn[..., None] == np.arange(4)).sum(axis=1)
    mode = a_policy(PLAIN, spec, weights, greedy=True).act(few, None, chance()).action
    assert mode.tolist() == counts.argmax(axis=1).tolist()


@pytest.mark.parametrize("space", SPACES, ids=lambda space: type(space).__name__)
def test_all_chance_is_what_it_is_given(space: ActionSpace) -> None:
    spec = a_game(space).spec
    policy, rows = a_policy(PLAIN, spec, random_weights(PLAIN, spec)), some_rows(spec)
    first = policy.act(rows, None, chance(1))
    torch.manual_seed(7)
    again, other = policy.act(rows, None, chance(1)), policy.act(rows, None, chance(2))
    np.testing.assert_array_equal(first.action, again.action)
    np.testing.assert_array_equal(first.log_prob, again.log_prob)
    assert (first.action != other.action).any()


@pytest.mark.parametrize("lstm", [0, 6])
def test_a_row_is_decided_the_same_in_any_company(lstm: int) -> None:
    """Large batches are filled up with rows that must not matter."""
    config = LearnerConfig(NetworkConfig(hidden=(8,), lstm=lstm))
    spec = a_game(Discrete(4)).spec
    policy = a_policy(config, spec, random_weights(config, spec), greedy=True)
    rows = some_rows(spec, 700)
    core = np.random.default_rng(0).normal(size=(700, 2, lstm)).astype(np.float32) if lstm else None
    together = policy.act(rows, core, chance())
    few = Rows(rows.observation[650:], rows.mask[650:], rows.seat[650:], rows.copy[650:])
    apart = policy.act(few, None if core is None else core[650:], chance())
    assert len(together.action) == len(together.log_prob) == 700
    # Where the processor computes large batches in bfloat16, they agree to its two digits.
    np.testing.assert_allclose(together.log_prob[650:], apart.log_prob, atol=0.05)
    if core is not None and together.core is not None and apart.core is not None:
        assert together.core.shape == core.shape
        np.testing.assert_allclose(together.core[650:], apart.core, atol=0.05)
        assert np.abs(together.core - core).max() > 0.1


def test_seats_of_a_team_are_told_apart() -> None:
    spec = a_game(Discrete(4)).spec  # teams (0, 2) and (1, 3)
    policy = a_policy(PLAIN, spec, random_weights(PLAIN, spec), greedy=True)
    mask, observation = np.ones((4, 4), bool), np.ones((4, 3), np.float32)
    claimed = policy.act(Rows(observation, mask, np.arange(4), np.arange(4)), None, chance()).log_prob
    assert claimed[:2] == pytest.approx(claimed[0], abs=1e-5)
    assert claimed[2:] == pytest.approx(claimed[2], abs=1e-5)
    assert abs(claimed[0] - claimed[2]) > 0.01


def test_weights_share_no_memory_with_anybody() -> None:
    spec = a_game(Discrete(4)).spec
    learner = Learner(PLAIN, spec, team=None, seed=0)
    weights = learner.weights()
    policy, rows = a_policy(PLAIN, spec, weights), some_rows(spec)
    before, kept = policy.act(rows, None, chance()), weights.copy()
    weights[:] = 0.0
    np.testing.assert_array_equal(learner.weights(), kept)
    np.testing.assert_array_equal(policy.act(rows, None, chance()).log_prob, before.log_prob)
    learner.set_weights(weights)
    weights[:] = 1.0
    assert not learner.weights().any()
    np.testing.assert_array_equal(policy.act(rows, None, chance()).log_prob, before.log_prob)


@pytest.mark.parametrize("extra", [-1, 1])
def test_weights_of_another_network_change_nothing(extra: int) -> None:
    network = torch.nn.Linear(2, 3)
    before = get_weights(network)
    with pytest.raises(ValueError, match=f"the network has 9 parameters, the weights are {9 + extra}"):
        set_weights(network, np.ones(9 + extra, np.float32))
    np.testing.assert_array_equal(get_weights(network), before)


def test_a_script_draws_from_the_chance_it_is_given() -> None:
    class Script:
        needs_history = True

        def act(self, rows: Rows, generator: np.random.Generator) -> npt.NDArray[Any]:
            return (rows.mask * generator.random(rows.mask.shape)).argmax(axis=1)

    spec = a_game(Discrete(4)).spec
    policy, rows = ScriptedPolicy(Script(), spec), some_rows(spec)
    choice = policy.act(rows, None, chance(4))
    assert choice.played.tolist() == Script().act(rows, np.random.default_rng(4)).tolist()
    assert (choice.log_prob == 0).all()
    assert choice.core is None
    assert (policy.version, policy.core, policy.needs_history) == (0, 0, True)
