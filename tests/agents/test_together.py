"""Deciding together: every network is asked about its own rows, and nobody's choice is another's."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from agents.config import LearnerConfig, NetworkConfig
from agents.distributions import distribution_for
from agents.policy import Behaviour, Chance, Choice, NetworkPolicy
from agents.scripted.base import Rows
from agents.scripted.random import RandomPlayer
from agents.scripted_policy import ScriptedPolicy
from agents.stages import Stages
from agents.together import Request, decide
from envs.game import ActionSpace, Array, Box, Discrete, GameSpec, MultiDiscrete
from tests.agents.batches import a_spec

SPACES = [Discrete(4), MultiDiscrete((3, 2)), Box((-1.0, -2.0), (1.0, 2.0))]


def chance(seed: int = 0) -> Chance:
    return Chance(np.random.default_rng(seed), torch.Generator().manual_seed(seed))


def a_network(spec: GameSpec, seed: int, *, greedy: bool = False, lstm: int = 0) -> NetworkPolicy:
    policy = NetworkPolicy(
        LearnerConfig(NetworkConfig(hidden=(8,), lstm=lstm)), spec, team=None, greedy=greedy
    )
    size = sum(parameter.numel() for parameter in policy._network.parameters())
    policy.load(np.random.default_rng(seed).normal(0, 0.5, size).astype(np.float32), version=seed)
    return policy


class Asked(NamedTuple):
    """Somebody and its rows."""

    behaviour: Behaviour
    rows: Rows
    core: Any


def a_request(spec: GameSpec, behaviour: Behaviour, count: int, seed: int) -> Asked:
    generator = np.random.default_rng(seed)
    mask = generator.random((count, spec.choices)) < 0.6
    mask[:, :1] = mask[:, -1:] = True  # in every part of an action something is legal
    seat = generator.integers(len(spec.seats), size=count)
    observation = generator.normal(size=(count, *spec.observation.shape)).astype(np.float32)
    core = generator.normal(size=(count, 2, behaviour.core)).astype(np.float32) if behaviour.core else None
    return Asked(behaviour, Rows(observation, mask, seat, np.arange(count)), core)


def requests(spec: GameSpec, lstm: int = 0) -> list[Asked]:
    """Networks that sample and such that do not, and a script, in turns; with as many rows as they like."""
    behaviours: list[Behaviour] = [
        a_network(spec, 1, lstm=lstm),
        ScriptedPolicy(RandomPlayer(spec.actions), spec),
        a_network(spec, 2, greedy=True, lstm=lstm),
        a_network(spec, 3, lstm=lstm),
        a_network(spec, 4, greedy=True, lstm=lstm),
    ]
    return [a_request(spec, b, 5 + 70 * i, seed=i) for i, b in enumerate(behaviours)]


def all_decide(asked: list[Asked], chance: Chance) -> list[Choice]:
    """What they decide, their rows one after the other."""
    rows = [rows for _, rows, _ in asked]
    ends = np.cumsum([0, *(len(part.seat) for part in rows)]).tolist()
    fields = ("observation", "mask", "seat", "copy")
    seen = Rows(*(np.concatenate([getattr(part, field) for part in rows]) for field in fields))
    requests = [
        Request(behaviour, slice(*span), core)
        for (behaviour, _, core), span in zip(asked, pairwise(ends), strict=True)
    ]
    return decide(seen, requests, chance, Stages())


def same(got: Choice, expected: Choice) -> bool:
    return all(np.array_equal(*pair) for pair in zip(got, expected, strict=True) if pair[1] is not None)


@pytest.mark.parametrize("lstm", [0, 5])
@pytest.mark.parametrize("space", SPACES)
def test_everybody_claims_of_its_choices_what_it_would_say_alone(space: ActionSpace, lstm: int) -> None:
    spec = a_spec("float32", space, seats=2)
    asked = requests(spec, lstm)
    distribution: Any = distribution_for(space)
    for request, choice in zip(asked, all_decide(asked, chance()), strict=True):
        assert len(choice.action) == len(request.rows.seat)
        if not isinstance(request.behaviour, NetworkPolicy):
            assert choice.core is None
            continue
        parameters, core, _ = request.behaviour.consider(request.rows, request.core)
        action, mask = torch.from_numpy(choice.action), torch.from_numpy(request.rows.mask)
        expected = distribution.log_prob(parameters, action, mask)
        np.testing.assert_allclose(choice.log_prob, expected.numpy(), rtol=1e-5, atol=1e-5)
        if request.behaviour.greedy:
            assert torch.equal(action, distribution.mode(parameters, mask))
        assert (core is None) is (choice.core is None)
        if core is not None:
            np.testing.assert_array_equal(choice.core, core)


@pytest.mark.parametrize("space", SPACES)
def test_one_alone_decides_as_it_would_by_itself(space: ActionSpace) -> None:
    spec = a_spec("float32", space)
    for request in requests(spec):
        (got,) = all_decide([request], chance())
        assert same(got, request.behaviour.act(request.rows, request.core, chance()))


def test_networks_that_sample_draw_from_one_stream_in_their_order() -> None:
    """What the greedy ones and the script do takes nothing from it."""
    spec = a_spec("float32", Discrete(4))
    asked = requests(spec)
    first, _, _, third, _ = all_decide(asked, chance())
    alone = all_decide([asked[0], asked[3]], chance())
    assert same(first, alone[0])
    assert same(third, alone[1])
    assert not same(first, all_decide(asked, chance(1))[0])


def test_actions_within_bounds_are_kept_as_they_were_drawn() -> None:
    spec = a_spec("float32", SPACES[2])
    (choice,) = all_decide([a_request(spec, a_network(spec, 1), 400, seed=0)], chance())
    low, high = np.array([-1.0, -2.0]), np.array([1.0, 2.0])
    assert ((choice.played >= low) & (choice.played <= high)).all()
    assert (np.abs(choice.action) > 1).any()


def test_legal_choices_only() -> None:
    spec = a_spec("float32", Discrete(4))
    asked = requests(spec)
    for request, choice in zip(asked, all_decide(asked, chance()), strict=True):
        chosen: Array = request.rows.mask[np.arange(len(choice.action)), choice.action]
        assert chosen.all()


def test_nobody_to_ask() -> None:
    spec = a_spec("float32", Discrete(4))
    assert decide(a_request(spec, a_network(spec, 1), 3, seed=0).rows, [], chance(), Stages()) == []
