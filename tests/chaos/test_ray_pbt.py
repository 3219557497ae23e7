"""Under Ray a copy and what the store says of it are written together, wherever a kill comes."""

from __future__ import annotations

from pathlib import Path

import pytest

from coordinator.run_folder import RunFolder
from coordinator.run_store import open_store
from coordinator.snapshots import SnapshotStore
from coordinator.store import Store
from league.players import Snapshot
from tests.e2e.runs import SMALL, assert_healthy, options, training

FIELDS = {
    **SMALL,
    "league.snapshot_steps": 20_000,
    "league.snapshot_min_steps": 10_000,
    "pbt.period": 10_000,
    "pbt.gap": 0,
    "pbt.spread": 30,
    "runtime.checkpoint_seconds": 1.0,
    "runtime.actors": 1,
}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


def copies(snapshots: list[Snapshot]) -> list[Snapshot]:
    """What was frozen because a copy took its place."""
    return [snapshot for snapshot in snapshots if snapshot.reason.startswith("replaced by a copy of ")]


def assert_whole(folder: Path) -> int:
    """Store and checkpoints agree on who was replaced; returns how often anyone was."""
    assert_healthy(folder)
    run = RunFolder.open(folder)
    with open_store(run) as store:
        players, points, snapshots = store.players(), store.checkpoints(), store.snapshots()
    for name, player in players.items():
        newest = max((s for s in snapshots if s.player == name), key=lambda s: s.generation)
        frozen = SnapshotStore(run.snapshots).read(newest.sha256)[1]["version"]
        learner = SnapshotStore(run.checkpoints).read(points[name].sha256)[1]
        assert (learner["replaced_at"] > frozen) == (player.reset_at == player.generation), name
    return len(copies(snapshots))


def test_copies_survive_a_kill_and_go_on_after_it(tmp_path: Path) -> None:
    def enough(least: int, store: Store) -> bool:
        return len(copies(store.snapshots())) >= least

    folder = tmp_path / "run"
    words: list[object] = ["train", "tictactoe", "--run", folder, "--seed", 3, "--league", "pbt"]
    words += ["--steps", 10**12, "--runtime", "ray", *options(FIELDS)]
    least = 1
    for _ in range(2):
        with training(folder, *words) as run:
            run.wait_until(lambda store, least=least: enough(least, store))
            run.kill_group()
        least = assert_whole(folder) + 1
        words = ["resume", folder]
    assert least > 2
