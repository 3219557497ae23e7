"""Delayed recall: what is seen, what is paid, and that there is nothing else to go by."""

from __future__ import annotations

import numpy as np
import pytest

from envs.catalogue import make_game
from envs.conformance import check_game
from envs.game import GameError
from envs.recall import CUES, DELAY, Recall


@pytest.mark.parametrize("delay", [0, 1, 5])
def test_it_keeps_the_contract_over_many_episodes(delay: int) -> None:
    check_game(lambda copies: make_game(f"recall:{delay}", copies))


@pytest.mark.parametrize("delay", [0, 1, 6])
def test_the_cue_is_seen_once_and_pays_when_it_is_told_in_the_last_step(delay: int) -> None:
    game = Recall(50, delay)
    step = game.reset(3)
    for _ in range(4):
        cue = step.observation[:, 0, :CUES].argmax(1)
        assert (step.observation[:, 0].sum(1) == 1).all()
        assert not step.observation[:, 0, CUES].any()
        told = np.where(np.arange(50) % 2, cue, (cue + 1) % CUES)[:, None]
        for _ in range(delay):
            step = game.step(told)
            assert not step.reward.any()
            assert not step.over.any()
            assert not step.observation[:, 0, :CUES].any()
        step = game.step(told)
        assert step.observation[:, 0].tolist() == [[0] * CUES + [1]] * 50
        step = game.step(told)
        assert step.reward[:, 0].tolist() == (np.arange(50) % 2).tolist()
        assert step.terminated.all()
        assert step.over.all()


def test_cues_are_drawn_evenly_and_by_the_seed() -> None:
    seen = [Recall(4000).reset(seed).observation[:, 0, :CUES].argmax(1) for seed in (0, 0, 1)]
    assert (seen[0] == seen[1]).all()
    assert (seen[0] != seen[2]).any()
    assert (np.bincount(seen[0]) > 900).all()


def test_its_name_says_how_long_the_cue_is_to_be_kept() -> None:
    for name, delay in (("recall", DELAY), ("recall:20", 20)):
        with make_game(name, 1) as game:
            assert game.spec.name == name
            game.reset(0)
            steps = 1
            while not game.step(np.zeros((1, 1), np.int64)).over.all():
                steps += 1
            assert steps == delay + 2


@pytest.mark.parametrize("delay", ["", "-1", "x", "1.5", "9" * 10])
def test_a_delay_that_is_none_is_refused(delay: str) -> None:
    with pytest.raises(GameError, match=r"recall:N needs N >= 0 steps between, as in 'recall:20'$"):
        make_game(f"recall:{delay}", 1)
