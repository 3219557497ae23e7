"""Central inference in whole runs: they train, and go on when the server or an actor is killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from coordinator.metrics import read_metrics
from coordinator.run_folder import RunFolder
from coordinator.run_store import open_store
from coordinator.store import RunState, Store
from tests.chaos.test_ray_resume import further, kill_actor, learner_of, noted
from tests.e2e.runs import SMALL, assert_healthy, league, options, processes_of, training

FIELDS = {**SMALL, "rollout.unroll": 12, "runtime.checkpoint_seconds": 1.0, "runtime.actors": 2}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


def train(folder: Path, preset: str, *words: object, **fields: object) -> list[object]:
    where = {**FIELDS, **{f"runtime.{name}": value for name, value in fields.items()}}
    game = ["train", "tictactoe", "--run", folder, "--seed", 3, "--preset", preset]
    return [*game, *words, *options(where)]


def figures(folder: Path) -> dict[str, float]:
    """The latest."""
    return read_metrics(folder / "metrics")[-1]


def test_the_server_and_an_actor_are_killed_in_mid_run(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    marks: list[Callable[[Store], bool]] = []
    with training(folder, *train(folder, "seed", "--steps", 10**12)) as run:
        run.wait_until(lambda store: store.counts().done >= 20)
        run.wait_until(lambda store: bool(marks.append(further(store)) or True))
        run.wait_until(marks[-1])
        os.kill(learner_of(folder).pid, signal.SIGKILL)
        run.wait_until(lambda store: noted(store, "the learner process died"))
        run.wait_until(lambda store: bool(marks.append(further(store)) or True))
        run.wait_until(marks[-1])
        run.wait_until(lambda store: bool(kill_actor(store) or marks.append(further(store)) or True))
        run.wait_until(lambda store: noted(store, "actor-. started anew: an actor process died"))
        run.wait_until(marks[-1])
        os.killpg(run.process.pid, signal.SIGINT)
        assert run.finish() == 0, run.tail()
    assert "Traceback" not in run.text()
    assert not processes_of(folder)
    assert_healthy(folder)
    with open_store(RunFolder.open(folder)) as store:
        assert store.state() == RunState.STOPPED
        assert store.counts().leased == 0


@pytest.mark.parametrize(("preset", "workers"), [("seed", 2), ("seed_r2d2", 0)])
def test_actors_without_weights_train(preset: str, workers: int, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    done = league(*train(folder, preset, "--steps", 40_000, workers=workers))
    assert done.returncode == 0, done.stdout + done.stderr
    assert not processes_of(folder)
    assert_healthy(folder)
    latest = figures(folder)
    assert latest["run/updates"] > 0
    assert latest["inference/rows_per_batch"] >= 1
    row = 18 + 9 + 4 + 2 + 8  # board, mask, copy, seat, action; the rest is rewards, ends and heads of frames
    assert row < latest["inference/bytes_per_decision"] < 10 * row


def test_a_game_that_fails_at_times_is_begun_anew(tmp_path: Path) -> None:
    """An actor that begins its games anew by itself keeps its stream, and nothing else."""
    folder = tmp_path / "run"
    game = "tests.e2e.envs_for_tests:raises_at_times"
    words = ["train", game, "--run", folder, "--seed", 1, "--preset", "seed", "--steps", 12_000]
    done = league(*words, *options({**FIELDS, "runtime.actors": 1}))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert_healthy(folder)
