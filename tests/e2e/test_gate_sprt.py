"""A league whose gate is a sequential test freezes who got stronger, and not who stayed the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from coordinator.archive import Archive, ResultLog
from coordinator.run_folder import RunFolder
from coordinator.run_store import open_store
from dashboards.cli import main
from league.ledger import Ledger
from league.players import Purpose
from league.sprt import Verdict, sprt
from tests.e2e.runs import SMALL, assert_healthy, options

pytestmark = pytest.mark.slow
STEPS = 60_000
FIELDS = {
    **SMALL,
    "league.gate": "sprt",
    "league.sprt_elo": "0,40",
    "league.evaluate_share": 0.3,
    "league.snapshot_min_steps": 5_000,
    "league.snapshot_steps": 10**9,
    "runtime.runtime": "inline",
}
STILL = {
    "learner.algorithm.learning_rate": 1e-12,
    "learner.algorithm.final_learning_rate": 1e-12,
    "learner.algorithm.matrix_learning_rate": 1e-12,
}
"""Updates that change nothing."""


def trained(folder: Path, fields: dict[str, object]) -> None:
    words = ["train", "tictactoe", "--run", folder, "--quiet", "--steps", STEPS, "--seed", 3]
    assert main([str(word) for word in [*words, *options(fields)]]) == 0
    assert_healthy(folder)


def test_who_gets_stronger_is_frozen_by_pairs_of_games(tmp_path: Path) -> None:
    trained(tmp_path / "run", FIELDS)
    run = RunFolder.open(tmp_path / "run")
    with open_store(run) as store:
        first, *later = store.snapshots()
        results = list(ResultLog(store, Archive(run.archive)).after(0))
    assert first.reason == "the beginning"
    assert later
    for snapshot in later:
        assert "in pairs of games with seats swapped against " in snapshot.reason
        assert str(snapshot.parent) in snapshot.reason
    tests = [result for result in results if "gate" in result.match.reason["branch"]]
    rated = [result for result in results if result.match.purpose is Purpose.EVALUATE]
    assert len(tests) > 0.25 * len(rated), "three in four, from where a player may be frozen"
    for result in tests:
        assert result.match.opening == 2
        assert result.outcome.swapped is not None
        assert sum(result.outcome.swapped.counts) == 16


def test_who_stays_the_same_is_not(tmp_path: Path) -> None:
    trained(tmp_path / "run", {**FIELDS, **STILL})
    with open_store(RunFolder.open(tmp_path / "run")) as store:
        assert [snapshot.name for snapshot in store.snapshots()] == ["main@0"]
        ledger = Ledger.from_json(store.fold() or "")
    counts = ledger.swaps["main@1"]["main@0"]
    assert sum(counts) > 300
    assert sprt(counts, 0.0, 40.0).verdict is not Verdict.BETTER
