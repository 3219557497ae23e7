"""Runs for tests: started by the command line as processes of their own, killed, and looked at afterwards."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import psutil

from coordinator.archive import Archive, ResultLog
from coordinator.doctor import diagnose
from coordinator.ray_cluster import MARK
from coordinator.redis_server import living_server
from coordinator.run_folder import RunFolder
from coordinator.run_store import open_store
from coordinator.store import LoggedResult, Store, StoreError
from league.codec import to_json

ROOT = Path(__file__).parents[2]
HANGS = 900.0
"""Seconds after which a process is taken to hang: it decides nothing, however slow the machine is."""

SMALL = {
    "learner.network.hidden": "16",
    "learner.algorithm.batch": 64,
    "rollout.copies": 64,
    "rollout.unroll": 4,
    "league.episodes": 32,
    "league.snapshot_steps": 20_000,
    "league.snapshot_min_steps": 10_000,
    "runtime.round_steps": 20_000,
}
"""Configuration under which any built-in game plays many matches a second."""


def command(*words: object, module: str = "dashboards.cli") -> list[str]:
    """The `league` command of this checkout, for a process of its own. module: what stands in for it."""
    return [sys.executable, "-m", module, *map(str, words)]


def options(fields: dict[str, object]) -> list[str]:
    """Configuration fields as they are typed."""
    return [word for field, value in fields.items() for word in (f"--{field}", str(value))]


def league(*words: object, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Carry out a command and wait for it."""
    return subprocess.run(
        command(*words), cwd=cwd, env=_environment(), capture_output=True, text=True, timeout=HANGS
    )


NEVER = (10**9, "play", 0)
"""A moment that does not come."""


def league_until(moment: tuple[int, str, int], *words: object, file: Path) -> list[dict[str, int]]:
    """Carry out a command that is killed at a moment: (commits, kind, number) as in `killed_at`, or NEVER.

    Returns what it did after each of its commits, which it writes to `file`; of a killed one nothing.
    """
    process = subprocess.run(
        command(*moment, file, *words, module="tests.e2e.killed_at"),
        cwd=ROOT,
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=HANGS,
        start_new_session=True,
    )
    expected = 0 if moment == NEVER else -signal.SIGKILL
    assert process.returncode == expected, process.stdout + process.stderr
    return json.loads(file.read_text()) if moment == NEVER else []


def _environment() -> dict[str, str]:
    """Ours, with the checkout importable from any folder."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "160"}


class Training:
    """A `league train` or `league resume` that goes on in the background, in a session of its own."""

    def __init__(self, folder: Path, *words: object, module: str = "dashboards.cli") -> None:
        """folder: the run's. words: the command line. module: see `command`."""
        self.folder = folder
        self.log = folder.with_name(f"{folder.name}.log")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command(*words, module=module),
                cwd=ROOT,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait_until(self, there: Callable[[Store], bool], timeout: float = HANGS) -> None:
        """Until something holds of the living run's store. Fails where the run ends before."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            assert self.process.poll() is None, f"ended by itself\n{self.tail()}"
            try:
                if (url := living_server(self.folder / "redis")) is not None:
                    with Store.connect(url, RunFolder.open(self.folder).namespace) as store:
                        if store.exists() and there(store):
                            return
            except StoreError:
                pass  # it is just coming up
            time.sleep(0.1)
        raise AssertionError(f"it did not come to pass within {timeout} s\n{self.tail()}")

    def kill_group(self) -> None:
        """`kill -9` of all that it started in its process group."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def finish(self, timeout: float = HANGS) -> int:
        """Wait for its end; the exit status."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it did not end within {timeout} s\n{self.tail()}") from None

    def close(self) -> None:
        """Leave nothing of it behind."""
        if self.process.poll() is None:
            self.kill_group()
        for process in processes_of(self.folder):
            process.kill()

    def text(self) -> str:
        """All that it printed."""
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def tail(self) -> str:
        """The end of what it printed, and of its server's log."""
        server = self.folder / "redis" / "server.log"
        words = server.read_text(encoding="utf-8", errors="replace") if server.exists() else ""
        return f"--- {self.log}\n{self.text()[-3000:]}\n--- {server}\n{words[-1000:]}"


@contextmanager
def training(folder: Path, *words: object, module: str = "dashboards.cli") -> Iterator[Training]:
    """A `Training` that ends with the context, one way or another."""
    run = Training(folder, *words, module=module)
    try:
        yield run
    finally:
        run.close()


def processes_of(folder: Path) -> list[psutil.Process]:
    """Whatever lives on behalf of a run: its cluster, its server."""
    return [process for process in psutil.process_iter() if _serves(process, folder)]


def _serves(process: psutil.Process, folder: Path) -> bool:
    try:
        marked = process.environ().get(MARK) == str(folder)
        return process.pid != os.getpid() and (
            marked or any(str(folder / "redis") in part for part in process.cmdline())
        )
    except psutil.Error:
        return False


@dataclass(frozen=True)
class Record:
    """All that a resting run knows, but for clocks."""

    checkpoints: dict[str, tuple[str, int, int, int]]
    """Player -> hash, steps, version, generation."""
    fold: str
    """The ledger: payoff, tallies, ratings."""
    log: str
    """SHA-256 of the whole match log, matches and outcomes."""
    results: int
    snapshots: tuple[tuple[str, str, int, str], ...]
    """Name, hash, steps, reason."""
    players: tuple[str, ...]


def record(folder: Path) -> Record:
    """Read a resting run."""
    with open_store(RunFolder.open(folder)) as store:
        log = results(folder, store)
        return Record(
            checkpoints={
                name: (point.sha256, point.steps, point.version, point.generation)
                for name, point in store.checkpoints().items()
            },
            fold=store.fold() or "",
            log=sha256("\n".join(map(logged, log)).encode()).hexdigest(),
            results=len(log),
            snapshots=tuple((s.name, s.sha256, s.steps, s.reason) for s in store.snapshots()),
            players=tuple(to_json(player) for player in store.players().values()),
        )


def logged(result: LoggedResult) -> str:
    """All that the log says of a match."""
    return to_json(result.match) + to_json(result.outcome)


def results(folder: Path, store: Store) -> list[LoggedResult]:
    """The whole log, archived or not."""
    return list(ResultLog(store, Archive(folder / "archive")).after(0))


def assert_healthy(folder: Path) -> None:
    """`doctor` finds nothing."""
    run = RunFolder.open(folder)
    with open_store(run) as store:
        wrong = [check for check in diagnose(run, store) if not check.ok]
    assert not wrong, wrong


def assert_one_line(text: str, *patterns: str) -> None:
    """What a user reads of a failure: one line, no traceback, and each pattern in it."""
    assert "Traceback" not in text, text
    lines = [line for line in text.splitlines() if line.startswith("league: error: ")]
    assert len(lines) == 1, text
    for pattern in patterns:
        assert re.search(pattern, lines[0]), (pattern, lines[0])
