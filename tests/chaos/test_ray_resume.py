"""What the Ray runtime promises when its processes are killed: nothing acknowledged is lost or counted twice.

`CHAOS_KILLS=10 pytest tests/chaos` kills the whole group ten times in a row instead of twice.
"""

from __future__ import annotations

import os
import random
import re
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import psutil
import pytest

from coordinator.run_folder import RunFolder
from coordinator.run_store import open_store
from coordinator.store import RunState, Store
from league.ledger import Ledger
from tests.e2e.runs import (
    SMALL,
    assert_healthy,
    assert_one_line,
    league,
    logged,
    options,
    processes_of,
    record,
    results,
    training,
)

KILLS = int(os.environ.get("CHAOS_KILLS", "2"))
FIELDS = {**SMALL, "runtime.checkpoint_seconds": 1.0, "runtime.actors": 2}

ENDLESS = ("--steps", 10**12)
"""A goal that no machine comes to before it is killed or stopped."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


def train(folder: Path, *words: object) -> list[object]:
    return ["train", "tictactoe", "--run", folder, "--seed", 3, "--runtime", "ray", *words, *options(FIELDS)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that goes through all of the tests below but the first; it has ended in order so far."""
    folder = tmp_path_factory.mktemp("chaos") / "run"
    done = league(*train(folder, "--steps", 60_000))
    assert done.returncode == 0, done.stdout + done.stderr
    assert not processes_of(folder), "nothing may be left behind after a normal end"
    assert_healthy(folder)
    return folder


def lines(folder: Path, store: Store) -> list[str]:
    return [logged(result) for result in results(folder, store)]


def steps(store: Store) -> int:
    return sum(point.steps for point in store.checkpoints().values())


def begun(store: Store) -> bool:
    """Whether there is something to lose."""
    return store.counts().done >= 20 and steps(store) > 0


def further(store: Store) -> Callable[[Store], bool]:
    """Whether a store shows more results, and a later checkpoint, than it does now."""
    done, trained = store.counts().done, steps(store)
    return lambda now: now.counts().done >= done + 20 and steps(now) > trained


def at_rest(folder: Path) -> AbstractContextManager[Store]:
    """The store of a resting run."""
    return open_store(RunFolder.open(folder))


def ledger(store: Store) -> Ledger:
    fold = store.fold()
    assert fold is not None
    return Ledger.from_json(fold)


def test_the_whole_group_is_killed_again_and_again(tmp_path: Path) -> None:
    folder, chance, words = tmp_path / "run", random.Random(11), train(tmp_path / "run")
    acknowledged: list[str] = []
    trained, seen, rated = 0, [], {}
    goes_on = begun
    for _ in range(KILLS):
        with training(folder, *words) as run:
            run.wait_until(goes_on)
            run.wait_until(lambda store: bool(seen.append((lines(folder, store), steps(store))) or True))
            then = len(seen[-1][0]) + chance.randrange(100)
            run.wait_until(lambda store, then=then: store.counts().done >= then)
            run.kill_group()
        lately, trained_then = seen[-1]
        with at_rest(folder) as store:
            now, ratings, goes_on = lines(folder, store), ledger(store), further(store)
            assert lately[: len(acknowledged)] == acknowledged, "the log of the start before was rewritten"
            assert now[: len(lately)] == lately, "a result that was acknowledged is lost"
            assert steps(store) >= trained_then >= trained, "a learner went back beyond its checkpoint"
            assert ratings.seq >= len(acknowledged), "the ratings went back"
            assert rated.keys() <= ratings.elo.keys(), "a rating is forgotten"
            acknowledged, trained, rated = now, steps(store), ratings.elo
        assert_healthy(folder)
        words = ["resume", folder]
    done = league("resume", folder, "--steps", 5_000)
    assert done.returncode == 0, done.stdout + done.stderr
    assert_healthy(folder)
    with at_rest(folder) as store:
        assert lines(folder, store)[: len(acknowledged)] == acknowledged
        assert steps(store) >= trained + 5_000
    assert not processes_of(folder)


def test_an_actor_and_the_learner_are_killed_and_replaced(folder: Path) -> None:
    with at_rest(folder) as store:
        before, goes_on = lines(folder, store), further(store)
    with training(folder, "resume", folder, *ENDLESS) as run:
        run.wait_until(goes_on)
        marks: list[Callable[[Store], bool]] = []
        run.wait_until(lambda store: bool(kill_actor(store) or marks.append(further(store)) or True))
        run.wait_until(lambda store: noted(store, "actor-. started anew: an actor process died"))
        run.wait_until(marks[-1])
        os.kill(learner_of(folder).pid, signal.SIGKILL)
        run.wait_until(lambda store: noted(store, "the learner process died"))
        run.wait_until(lambda store: bool(marks.append(further(store)) or True))
        run.wait_until(marks[-1])
        os.killpg(run.process.pid, signal.SIGINT)
        assert run.finish() == 0, run.tail()
    assert "Traceback" not in run.text()
    assert not processes_of(folder)
    assert_healthy(folder)
    with at_rest(folder) as store:
        assert lines(folder, store)[: len(before)] == before
        assert store.state() == RunState.STOPPED
        assert store.counts().leased == 0
        assert ledger(store).seq == store.counts().done, "everything is folded in at the end"


def test_the_server_is_killed(folder: Path) -> None:
    with at_rest(folder) as store:
        before, goes_on = lines(folder, store), further(store)
    with training(folder, "resume", folder, *ENDLESS) as run:
        run.wait_until(goes_on)
        server = next(p for p in processes_of(folder) if "valkey-server" in " ".join(p.cmdline()))
        server.kill()
        assert run.finish() == 1, run.tail()
    assert_one_line(run.text(), "does not answer")
    assert not processes_of(folder)
    assert_healthy(folder)
    with at_rest(folder) as store:
        assert lines(folder, store)[: len(before)] == before


def test_ctrl_c_twice_loses_nothing(folder: Path) -> None:
    with at_rest(folder) as store:
        goes_on = further(store)
    with training(folder, "resume", folder, *ENDLESS, module="tests.chaos.impatient") as run:
        run.wait_until(goes_on)
        os.killpg(run.process.pid, signal.SIGINT)
        assert run.finish() == 1, run.tail()
    assert "league: error: interrupted" in run.text()
    assert "Traceback" not in run.text(), run.tail()
    assert not processes_of(folder)
    assert_healthy(folder)


def test_only_the_driver_is_killed(folder: Path) -> None:
    with at_rest(folder) as store:
        goes_on = further(store)
    with training(folder, "resume", folder, *ENDLESS) as run:
        run.wait_until(goes_on)
        run.process.kill()
        run.process.wait()
        before = record(folder)
        done = league("resume", folder, "--steps", 5_000)  # at once: it clears away what is left
    assert done.returncode == 0, done.stdout + done.stderr
    assert not processes_of(folder)
    assert_healthy(folder)
    after = record(folder)
    assert after.results > before.results
    assert after.checkpoints["main"][1] >= before.checkpoints["main"][1] + 5_000


def kill_actor(store: Store) -> None:
    os.kill(next(iter(store.actors().values()))["pid"], signal.SIGKILL)


def learners_of(folder: Path) -> list[psutil.Process]:
    return [process for process in processes_of(folder) if "earner" in process.cmdline()[0]]


def learner_of(folder: Path) -> psutil.Process:
    return learners_of(folder)[0]


def noted(store: Store, text: str) -> bool:
    """Whether a run says so now."""
    return any(re.search(text, note) for note in store.status().get("notes", []))
