"""The board games against known answers, with their defaults. docs/benchmarks.md has longer runs."""

from __future__ import annotations

import pytest

from benchmarks.runs import trained
from coordinator.evaluation import evaluate


@pytest.mark.slow
def test_tictactoe_hardly_loses_to_a_perfect_player() -> None:
    with trained("tictactoe", {}, seed=0, steps=6_000_000) as done:
        perfect = evaluate(done.run, done.store, "main", "minimax", 500, seed=1, greedy=True)
        random = evaluate(done.run, done.store, "main", "random", 500, seed=1, greedy=True)
    assert perfect["losses"] <= 0.05 * perfect["games"]
    assert random["losses"] <= 0.02 * random["games"]


@pytest.mark.slow
def test_connect_four_beats_random_after_a_few_seconds() -> None:
    with trained("connect_four", {}, seed=0, steps=3_000_000) as done:
        report = evaluate(done.run, done.store, "main", "random", 500, seed=1, greedy=True)
    assert report["score"] >= 0.95
