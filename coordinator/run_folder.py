"""A run on disk: what its files are called, who is using it, and making a new one.

    config.json     schema, namespace in the store, configuration
    versions.json   git revision, Python and package versions that it was made with
    lock            locked by the process that runs it; holds its process id
    redis/          data of the embedded server
    snapshots/      frozen generations, by hash
    checkpoints/    learners' states, by hash
    archive/        old results, compressed
    metrics/        figures over time

Who waits for whom: one process at a time holds the lock; another tries for two seconds, is told which one
holds it, and gives up.
The kernel gives the lock back when its holder dies, however it dies.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import re
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, Self

from coordinator.files import TEMPORARY, write_durably
from league.codec import dumps, loads
from league.players import LeagueError

SCHEMA = 1
PATIENCE = 40
"""Attempts to take the lock: whoever looks at a resting run (`league status`) holds it for a moment."""
ATTEMPT_SECONDS = 0.05
HALF_DELETED = 0
"""The schema of a run that `--force` was killed over."""


class RunFolderError(Exception):
    """A run folder cannot be used. The message is one line for the user to read."""


class RunInUse(RunFolderError):  # noqa: N818 - a state of affairs, not a mistake
    """Another process holds the run."""


class RunFolder:
    """One run's folder. Made by `create` or `open`, never by hand."""

    def __init__(self, path: Path, namespace: str, config: dict[str, Any]) -> None:
        self.path = path
        self.namespace = namespace
        """Where the run's keys are in the store; unique, so that runs may share a server."""
        self.config = config
        """The configuration it was created with."""

    @property
    def redis(self) -> Path:
        return self.path / "redis"

    @property
    def snapshots(self) -> Path:
        return self.path / "snapshots"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def archive(self) -> Path:
        return self.path / "archive"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics"

    @classmethod
    def create(cls, path: Path, config: dict[str, Any], *, force: bool = False) -> Self:
        """Make a run. config: plain JSON.

        Raises RunFolderError where something is at `path` already. With `force`, a run there is deleted
        first; anything that is not a run is left alone, and so is a run in use.
        """
        path = path.resolve()
        if path.exists() and not path.is_dir():
            raise RunFolderError(f"{path} is a file, not a folder for a run")
        if path.is_dir() and _contents(path):
            if not (path / "config.json").is_file():
                raise RunFolderError(f"{path} is not empty and not a run: choose another folder")
            if not force:
                raise RunFolderError(
                    f"{path} holds a run already: resume it, overwrite it by --force, or choose another"
                )
            with _locked(path):
                _empty(path)
        path.mkdir(parents=True, exist_ok=True)
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", path.name).strip("-.")[:64] or "run"
        namespace = f"league:{name}:{secrets.token_hex(4)}"
        write_durably(path / "versions.json", _pretty(versions()))
        # the configuration last: a folder is a run from the moment that it is there
        document = {"schema": SCHEMA, "namespace": namespace, "config": config}
        write_durably(path / "config.json", _pretty(document), mode=0o600)  # it may hold a server's password
        return cls.open(path)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a run. Raises RunFolderError where `path` is not one, or one that this program cannot read."""
        path = path.resolve()
        file = path / "config.json"
        if not path.exists():
            raise RunFolderError(f"{path} does not exist")
        if not file.is_file():
            raise RunFolderError(f"{path} is not a run: it has no config.json")
        try:
            document = loads(file.read_text(encoding="utf-8"))
            schema = document["schema"]
        except (LeagueError, UnicodeDecodeError, KeyError, TypeError) as error:
            raise RunFolderError(f"{file} is not a run's configuration: {_said(error)}") from error
        if schema == HALF_DELETED:
            raise RunFolderError(f"{path} is a run that was being deleted: choose another folder, or --force")
        if schema != SCHEMA:
            raise RunFolderError(
                f"{path} is a run of schema {schema}, this program reads schema {SCHEMA}: "
                "use the version of selfplay-league that wrote it"
            )
        try:
            return cls(path, str(document["namespace"]), dict(document["config"]))
        except (KeyError, TypeError, ValueError) as error:
            raise RunFolderError(f"{file} is not a run's configuration: {_said(error)}") from error

    def discard(self) -> None:
        """Delete a run that never began, so that the next try finds its place free; else do nothing."""
        if not (self.snapshots.is_dir() and any(self.snapshots.iterdir())):
            with suppress(RunFolderError), _locked(self.path):
                _empty(self.path)
                shutil.rmtree(self.path)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run, as its only user. Raises RunInUse, naming the process that holds it."""
        with _locked(self.path):
            yield

    def holder(self) -> int | None:
        """Process id of who holds the run; None when nobody does."""
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            return None if _acquire(descriptor, attempts=1) else _lock_pid(self.path)
        finally:
            os.close(descriptor)


def versions() -> dict[str, Any]:
    """What this program runs on: its git revision (None outside a checkout), Python, packages."""
    packages = {found.metadata["Name"]: found.version for found in distributions()}
    return {
        "git": _git_revision(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": dict(sorted(packages.items())),
    }


def _git_revision() -> str | None:
    """Of the checkout that this file is in; `-dirty` where it was changed since."""
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not _acquire(descriptor):
            raise RunInUse(f"{path} is in use by process {_lock_pid(path) or 'unknown'}")
        os.truncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, attempts: int = PATIENCE) -> bool:
    """Take a lock, or find it held."""
    for _ in range(attempts):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(ATTEMPT_SECONDS)
    return False


def _lock_pid(path: Path) -> int | None:
    text = (path / "lock").read_text(encoding="ascii", errors="replace").strip()
    return int(text) if text.isdecimal() else None


def _contents(path: Path) -> list[Path]:
    """What is in a folder, leaving out what a crash in the making of a run may have left."""
    ours = ("lock", "versions.json")
    return [
        entry for entry in path.iterdir() if entry.name not in ours and not entry.name.startswith(TEMPORARY)
    ]


def _empty(path: Path) -> None:
    """Delete a run but for its lock. A crash on the way leaves what can be neither resumed nor mistaken."""
    config = path / "config.json"
    write_durably(config, _pretty({"schema": HALF_DELETED}))
    for entry in path.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name not in ("lock", config.name):
            entry.unlink()
    config.unlink()


def _pretty(plain: dict[str, Any]) -> bytes:
    """Checked as strictly as all our JSON, and laid out for a person."""
    return (json.dumps(loads(dumps(plain)), indent=2, ensure_ascii=False) + "\n").encode()


def _said(error: Exception) -> str:
    return f"it lacks {error}" if isinstance(error, KeyError) else str(error)
