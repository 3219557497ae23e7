"""What goes wrong in one place stays there: the run names it, and goes on with the rest where it can."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from coordinator.run_folder import RunFolder
from coordinator.run_store import open_store
from coordinator.store import MatchState, Store
from tests.e2e.runs import (
    SMALL,
    Training,
    assert_healthy,
    assert_one_line,
    league,
    options,
    processes_of,
    results,
    training,
)

THROWS = {
    **SMALL,
    "rollout.copies": 8,
    "learner.algorithm.batch": 8,
    "league.episodes": 8,
    "league.snapshot_steps": 2_000,
    "league.snapshot_min_steps": 2_000,
    "league.latest_probability": 0.3,
    "runtime.round_steps": 1_000,
    "runtime.checkpoint_seconds": 1.0,
}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


def train(env: str, folder: Path, runtime: str, *words: object, **fields: object) -> list[object]:
    game = f"tests.e2e.envs_for_tests:{env}"
    where = {"runtime.runtime": runtime, **{f"runtime.{name}": value for name, value in fields.items()}}
    return ["train", game, "--run", folder, "--seed", 1, *words, *options({**THROWS, **where})]


def notes(folder: Path) -> str:
    with open_store(RunFolder.open(folder)) as store:
        return "\n".join(store.status()["notes"])


def goes_on(run: Training) -> None:
    """Wait until it has more results than now."""
    counts: list[int] = []
    run.wait_until(lambda store: bool(counts.append(store.counts().done) or True))
    run.wait_until(lambda store: store.counts().done > counts[0] + 20)


def noted(store: Store, text: str) -> bool:
    """Whether a living run says so."""
    return any(text in note for note in store.status().get("notes", []))


def test_an_actor_whose_environment_hangs_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MISHAPS", str(tmp_path))
    folder = tmp_path / "run"
    with training(folder, *train("hangs_once", folder, "ray", actors=2, hang_seconds=5)) as run:
        run.wait_until(lambda store: (tmp_path / "hung").exists())
        goes_on(run)
        run.wait_until(lambda store: noted(store, "has not moved for"))
        goes_on(run)
        run.process.terminate()
        assert run.finish() == 0, run.tail()
    assert not processes_of(folder)
    assert_healthy(folder)


@pytest.mark.parametrize("runtime", ["inline", "ray"])
def test_an_environment_that_raises_at_times(runtime: str, tmp_path: Path) -> None:
    done = league(*train("raises_at_times", tmp_path / "run", runtime, "--steps", 12_000, actors=1))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert_healthy(tmp_path / "run")
    if runtime == "ray":
        with open_store(RunFolder.open(tmp_path / "run")) as store:
            attempts = [result.outcome.attempt for result in results(tmp_path / "run", store)]
        assert max(attempts) > 1, "a match that failed was played again"
        assert attempts.count(1) > len(attempts) / 2, "the others were not counted as failed"
    else:
        assert "ValueError: the dice fell off the table; started anew" in notes(tmp_path / "run")


def test_an_environment_that_always_raises(tmp_path: Path) -> None:
    done = league(*train("raises_always", tmp_path / "run", "ray"))
    assert done.returncode == 1, done.stdout + done.stderr
    assert_one_line(
        done.stdout + done.stderr, "raises_always, copy 0: .*ValueError: the dice fell off the table"
    )
    assert not processes_of(tmp_path / "run")
    assert_healthy(tmp_path / "run")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a few generations."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    done = league(*train("sound", folder, "inline", "--steps", 6_000))
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-10])


def flip_a_bit(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-20] ^= 1
    file.write_bytes(data)


def delete(file: Path) -> None:
    shutil.rmtree(file.parent)


def test_damaged_snapshots_are_named_and_left_out(trained: Path, tmp_path: Path) -> None:
    folder = copy(trained, tmp_path)
    damage = {"first@0": truncate, "first@1": flip_a_bit, "second@1": delete}
    for name, harm in damage.items():
        harm(snapshot_file(folder, name))
    done = league("resume", folder, "--steps", 4_000)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    failed = league("doctor", folder)
    assert failed.returncode == 1
    for name in damage:
        assert f"(it is {name})" in notes(folder)
        assert f"{name}: " in failed.stdout


def test_a_snapshot_damaged_while_ray_runs(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with training(folder, *train("sound", folder, "ray", actors=1)) as run:
        run.wait_until(lambda store: any(snapshot.name == "first@1" for snapshot in store.snapshots()))
        flip_a_bit(snapshot_file(folder, "first@1"))
        run.process.terminate()  # so that no process has it in memory
        assert run.finish() == 0, run.tail()
    with training(folder, "resume", folder) as run:
        run.wait_until(lambda store: noted(store, "(it is first@1)"))
        later: list[int] = []
        run.wait_until(lambda store: bool(later.append(store.next_match()) or True))
        run.wait_until(lambda store: store.next_match() > later[0] + 100)
        run.process.terminate()
        assert run.finish() == 0, run.tail()
    assert "Traceback" not in run.text()
    with open_store(RunFolder.open(folder)) as store:
        still = store.open_matches()
        parked = [match for match in still if match.state is MatchState.PARKED]
        made = [result.match for result in results(folder, store)] + [match.match for match in still]
    assert parked
    assert all("first@1" in match.match.teams.values() for match in parked)
    drawn = [match.id for match in made if "first@1" in match.teams.values()]
    assert drawn, "it was drawn before"
    assert max(drawn) < later[0], "it is drawn no more"


def test_a_damaged_checkpoint_is_one_line(trained: Path, tmp_path: Path) -> None:
    folder = copy(trained, tmp_path)
    with open_store(RunFolder.open(folder)) as store:
        name = store.checkpoints()["first"].sha256
    flip_a_bit(folder / "checkpoints" / name / "tensors.safetensors")
    done = league("resume", folder, "--steps", 4_000)
    assert done.returncode == 1
    assert_one_line(done.stdout + done.stderr, f"checkpoints/{name}/tensors.safetensors: damaged")


def copy(run: Path, tmp_path: Path) -> Path:
    return shutil.copytree(run, tmp_path / "run")


def snapshot_file(folder: Path, name: str) -> Path:
    with open_store(RunFolder.open(folder)) as store:
        sha256 = {snapshot.name: snapshot.sha256 for snapshot in store.snapshots()}[name]
    return folder / "snapshots" / sha256 / "tensors.safetensors"
