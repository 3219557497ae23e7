"""A team that learns as one, against seats that learn alone. See docs/experiments/joint.md."""

from __future__ import annotations

import pytest

from benchmarks.joint import BEST, EXPLORE, run

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("seed", [0, 1])
def test_the_joint_player_finds_the_best_return_of_two_step(seed: int) -> None:
    assert run("two_step", "joint", EXPLORE, seed).best == BEST["two_step"]


def test_only_the_joint_player_solves_the_dilemma() -> None:
    assert run("prisoners", "joint", EXPLORE, seed=0).best == BEST["prisoners"]
    assert run("prisoners", "independent", EXPLORE, seed=0).best == -2.0
