"""The bare loop of the benchmark computes the very network that it is compared with."""

from __future__ import annotations

import numpy as np
import torch

from agents.networks import PolicyNetwork
from benchmarks.frames import COLUMNS, NETWORK, SPEC, UNROLL, Bare, a_batch, compare
from benchmarks.spotlight import PLACES


def test_the_bare_network_is_ours() -> None:
    torch.manual_seed(0)
    ours, bare = PolicyNetwork(NETWORK, SPEC, seats_in_team=1, joint=False), Bare()
    torch.nn.init.orthogonal_(ours.policy.weight)
    heads = torch.cat((ours.policy.weight, ours.value.weight)), torch.cat((ours.policy.bias, ours.value.bias))
    inner = [*ours.features.parameters(), *ours.lstm.parameters(), *heads]
    with torch.no_grad():
        for own, theirs in zip(bare.parameters(), inner, strict=True):
            own.copy_(theirs)
        frames = torch.randint(256, (3, 2, *SPEC.observation.shape), dtype=torch.uint8)
        core = torch.randn(2, 2, NETWORK.lstm)
        output = ours(frames, None, torch.zeros(3, 2, dtype=torch.bool), core)
        logits, values = bare(frames, (core[None, :, 0], core[None, :, 1])).split([PLACES, 1], -1)
    torch.testing.assert_close(logits, output.parameters, atol=0.05, rtol=0)
    torch.testing.assert_close(values[..., 0], output.value, atol=0.05, rtol=0)
    assert float(output.parameters.std()) > 0.2


def test_the_batch_is_one_that_a_game_could_give() -> None:
    batch = a_batch()
    assert batch.decisions == UNROLL * COLUMNS
    assert np.array_equal(batch.terminated[:-1], batch.first[1:])
    assert batch.terminated.any(axis=0).all()


def test_both_are_clocked_by_turns_after_one_turn_that_does_not_count() -> None:
    turns: list[str] = []
    compare("x", 1, lambda: turns.append("bare"), lambda: turns.append("ours"), rounds=2)
    assert turns == ["bare", "ours"] * 3
