"""Kuhn with its defaults comes near its equilibrium. docs/experiments/poker.md has longer runs, and Leduc."""

from __future__ import annotations

import pytest

from benchmarks.poker import run

STEPS = 2_000_000


@pytest.mark.slow
def test_nobody_wins_much_of_a_kuhn_player() -> None:
    """Untrained it is 0.9, and a policy gradient runs around the equilibrium at 0.2 to 0.45.

    Smaller batches than the game's own, for as many updates in so short a run.
    """
    short = {"learner.algorithm.anneal_steps": STEPS, "learner.algorithm.batch": 64}
    found = run("kuhn", short, seed=0, steps=STEPS)
    assert found.newest < 0.05
    assert found.mixture < 0.1
