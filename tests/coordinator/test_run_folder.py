"""A run folder is made once, opened if it is one, and used by one process at a time."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

import pytest

from coordinator.files import write_durably
from coordinator.run_folder import RunFolder, RunFolderError, RunInUse

CONFIG = {"game": "tictactoe", "seed": 1, "rate": 1e-3}

HOLD = """
import sys
from pathlib import Path
from coordinator.run_folder import RunFolder
with RunFolder.open(Path(sys.argv[1])).lock():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_it_opens_as_it_was_created(tmp_path: Path) -> None:
    made = RunFolder.create(tmp_path / "runs" / "My run!", CONFIG)
    run = RunFolder.open(tmp_path / "runs" / "My run!")
    assert run.config == made.config == CONFIG
    assert run.namespace == made.namespace
    assert run.namespace.startswith("league:My-run:")
    assert stat.S_IMODE((run.path / "config.json").stat().st_mode) == 0o600
    noted = json.loads((run.path / "versions.json").read_text())
    assert noted["packages"]["numpy"] == version("numpy")
    assert noted["git"] is None or len(noted["git"]) >= 40


def test_two_runs_of_one_name_do_not_share_a_namespace(tmp_path: Path) -> None:
    runs = [RunFolder.create(tmp_path / parent / "run", {}) for parent in ("a", "b")]
    assert runs[0].namespace != runs[1].namespace


def test_an_empty_folder_becomes_a_run(tmp_path: Path) -> None:
    (tmp_path / ".tmp-0").touch()  # left by a crash in the making
    assert RunFolder.create(tmp_path, CONFIG).config == CONFIG


def test_a_run_is_not_overwritten(tmp_path: Path) -> None:
    RunFolder.create(tmp_path, CONFIG)
    with pytest.raises(RunFolderError, match="holds a run already: resume it, overwrite it by --force"):
        RunFolder.create(tmp_path, {})
    assert RunFolder.open(tmp_path).config == CONFIG


def test_force_begins_anew(tmp_path: Path) -> None:
    old = RunFolder.create(tmp_path, CONFIG)
    old.snapshots.mkdir()
    (old.snapshots / "file").touch()
    new = RunFolder.create(tmp_path, {"game": "kuhn"}, force=True)
    assert new.config == {"game": "kuhn"}
    assert new.namespace != old.namespace
    assert not new.snapshots.exists()


@pytest.mark.parametrize("force", [False, True])
def test_what_is_not_a_run_is_left_alone(tmp_path: Path, force: bool) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(RunFolderError, match="is not empty and not a run"):
        RunFolder.create(tmp_path, CONFIG, force=force)
    with pytest.raises(RunFolderError, match="is a file"):
        RunFolder.create(tmp_path / "thesis.tex", CONFIG, force=force)
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]


def test_force_does_not_take_a_run_from_its_user(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, CONFIG)
    with run.lock(), pytest.raises(RunInUse):
        RunFolder.create(tmp_path, {}, force=True)
    assert RunFolder.open(tmp_path).config == CONFIG


def test_force_that_was_killed_half_way_can_be_done_again(tmp_path: Path) -> None:
    RunFolder.create(tmp_path, CONFIG)
    write_durably(tmp_path / "config.json", b'{"schema": 0}')
    with pytest.raises(RunFolderError, match="was being deleted"):
        RunFolder.open(tmp_path)
    assert RunFolder.create(tmp_path, CONFIG, force=True).config == CONFIG


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (
            '{"schema": 2, "namespace": "a", "config": {}}',
            "is a run of schema 2, this program reads schema 1",
        ),
        ('{"schema": "new"}', "is a run of schema new"),
        ('{"schema": 1, "namespace": "a"}', "lacks 'config'"),
        ('{"namespace": "a"}', "lacks 'schema'"),
        ('{"schema": 1, "namespace": "a", "config": 5}', "is not a run's configuration"),
        ("[]", "is not a run's configuration"),
        ('{"schema": 1, ', "is not a run's configuration: not valid JSON"),
        ("\udcff", "is not a run's configuration"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, text: str, what: str) -> None:
    (tmp_path / "config.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(RunFolderError, match=what) as caught:
        RunFolder.open(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_nothing_there_or_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="does not exist"):
        RunFolder.open(tmp_path / "nowhere")
    with pytest.raises(RunFolderError, match=r"is not a run: it has no config\.json"):
        RunFolder.open(tmp_path)


def test_one_process_at_a_time(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, CONFIG)
    assert run.holder() is None
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path.cwd(),
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        assert run.holder() == other.pid
        with pytest.raises(RunInUse, match=f"is in use by process {other.pid}$"), run.lock():
            pass
        other.kill()
        other.wait()
    assert run.holder() is None
    with run.lock():
        pass
    with run.lock():  # given back
        pass


def test_who_wants_a_run_waits_while_another_looks_at_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `league resume` does while `league status` holds the lock; here it is given back after 1.9 s."""
    run = RunFolder.create(tmp_path, CONFIG)
    looking, slept = ExitStack(), [0.0]
    looking.enter_context(run.lock())

    def sleep(seconds: float) -> None:
        slept[0] += seconds
        if slept[0] >= 1.9:
            looking.close()

    monkeypatch.setattr("coordinator.run_folder.time.sleep", sleep)
    with run.lock():
        assert slept[0] == pytest.approx(1.9)


def test_an_error_under_the_lock_passes_through(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, CONFIG)
    with pytest.raises(BlockingIOError), run.lock():
        raise BlockingIOError
