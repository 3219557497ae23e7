"""Under Ray too, whatever is killed on the way to a reset, it is neither lost nor made twice."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import psutil
import pytest

from coordinator.run_folder import RunFolder
from coordinator.run_store import open_store
from coordinator.snapshots import SnapshotStore
from coordinator.store import Store
from tests.chaos.killed_at_reset import MOMENTS, NAME
from tests.e2e.runs import SMALL, Training, assert_healthy, options, processes_of, training

FIELDS = {
    **SMALL,
    "league.snapshot_steps": 10_000,
    "league.snapshot_min_steps": 5_000,
    "league.league_exploiter_reset": 0.0,
    "runtime.checkpoint_seconds": 1.0,
    "runtime.actors": 1,
}
KILLED = "tests.chaos.killed_at_reset"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


def train(folder: Path) -> list[object]:
    words = ["train", "tictactoe", "--run", folder, "--seed", 3, "--league", "alphastar", "--steps", 10**12]
    return [*words, "--runtime", "ray", *options(FIELDS)]


def wait_for_its_end(run: Training) -> None:
    assert run.finish() == -signal.SIGKILL, run.tail()


def assert_whole(folder: Path) -> int:
    """What the store says of resets is what the checkpoints hold; returns the generation of the last."""
    assert_copies_are_of_the_trained(folder)
    run = RunFolder.open(folder)
    with open_store(run) as store:
        player, point = store.players()[NAME], store.checkpoints()[NAME]
        newest = [snapshot for snapshot in store.snapshots() if snapshot.player == NAME][-1]
    _, copy = SnapshotStore(run.snapshots).read(newest.sha256)
    _, learner = SnapshotStore(run.checkpoints).read(point.sha256)
    began_anew = learner["replaced_at"] > copy["version"]
    assert began_anew == (player.reset_at == player.generation), "the store and the checkpoint disagree"
    return player.reset_at


def assert_copies_are_of_the_trained(folder: Path) -> None:
    """And every generation grew from the first weights, of a player that always begins anew."""
    assert_healthy(folder)
    run = RunFolder.open(folder)
    with open_store(run) as store:
        copies = [snapshot for snapshot in store.snapshots() if snapshot.player == NAME]
    assert all(one.parent == f"{NAME}@0" for one in copies[2:]), "a main exploiter always begins anew"
    first = SnapshotStore(run.snapshots).read(copies[0].sha256)[0]["weights"]
    for copy in copies[1:]:
        weights = SnapshotStore(run.snapshots).read(copy.sha256)[0]["weights"]
        assert not np.array_equal(weights, first), "the copy was made after the reset"


def at(moment: str, folder: Path) -> int:
    """Generation of the last reset after a kill at a moment."""
    with training(folder, moment, *train(folder), module=KILLED) as run:
        wait_for_its_end(run)
    return assert_whole(folder)


def reset_beyond(generation: int, store: Store) -> bool:
    player = store.players().get(NAME)  # a run that just began has none yet
    return player is not None and player.reset_at > generation


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_on_the_way_to_a_reset(moment: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert at(moment, folder) == 0
    with training(folder, "resume", folder) as run:
        run.wait_until(lambda store: reset_beyond(0, store))
        run.wait_until(lambda store: reset_beyond(2, store))
        os.killpg(run.process.pid, signal.SIGINT)
        assert run.finish() == 0, run.tail()
    assert not processes_of(folder)
    assert assert_whole(folder) > 2


def test_the_learner_process_is_killed_again_and_again(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with training(folder, *train(folder)) as run:
        for generation in (0, 2):
            run.wait_until(lambda store, generation=generation: reset_beyond(generation, store))
            learner_of(folder).kill()
        run.wait_until(lambda store: reset_beyond(3, store))
        os.killpg(run.process.pid, signal.SIGINT)
        assert run.finish() == 0, run.tail()
    assert "Traceback" not in run.text()
    assert_copies_are_of_the_trained(folder)


def learner_of(folder: Path) -> psutil.Process:
    return next(p for p in processes_of(folder) if "earner" in p.cmdline()[0])
