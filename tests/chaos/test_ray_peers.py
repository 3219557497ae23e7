"""Several processes that learn in step, in whole runs: they begin anew together when one is killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from coordinator.store import Store
from tests.chaos.test_ray_resume import further, learners_of, noted
from tests.e2e.runs import SMALL, assert_healthy, options, processes_of, training

FIELDS = {**SMALL, "runtime.checkpoint_seconds": 1.0, "runtime.actors": 2, "runtime.learners": 2}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


def test_either_is_killed_in_mid_run(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    marks: list[Callable[[Store], bool]] = []
    words = ["train", "tictactoe", "--run", folder, "--seed", 3, "--steps", 10**12, *options(FIELDS)]
    with training(folder, *words) as run:
        run.wait_until(lambda store: store.counts().done >= 20)
        for at in range(2):
            run.wait_until(lambda store: bool(marks.append(further(store)) or True))
            run.wait_until(marks[-1])
            pair = learners_of(folder)
            assert len(pair) == 2
            os.kill(pair[at].pid, signal.SIGKILL)
            run.wait_until(lambda store: noted(store, "the learner process died"))
            psutil.wait_procs(pair, timeout=600)
        run.wait_until(lambda store: bool(marks.append(further(store)) or True))
        run.wait_until(marks[-1])
        os.killpg(run.process.pid, signal.SIGINT)
        assert run.finish() == 0, run.tail()
    assert "Traceback" not in run.text()
    assert not processes_of(folder)
    assert_healthy(folder)
