"""Weights on disk: content-addressed, atomic, verified whenever they are read.

A snapshot is a folder named by the SHA-256 of its manifest, which in turn holds the size and the SHA-256 of
the tensors' file: the name vouches for every byte. It is written in five steps, and a crash between any two
leaves nothing that could be taken for a snapshot:

    1. the tensors and the manifest go into a temporary folder, each synced to disk, then the folder itself
    2. the temporary folder is renamed to its hash: one atomic step, never over something else
    3. the folder above is synced
    4. the caller registers the hash in the store, and only then does it count

safetensors refuses a truncated file, but loads a flipped bit or a NaN without a word; `read` does not. The
same class keeps the league's snapshots and the learners' checkpoints. It knows no torch: arrays in and out.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from coordinator.files import TEMPORARY, sync_folder, temporary_beside, write_synced
from league.codec import dumps, loads
from league.players import LeagueError

Tensors = dict[str, npt.NDArray[Any]]

SCHEMA = 1
MANIFEST = "manifest.json"
TENSORS = "tensors.safetensors"
QUARANTINE = "quarantine"
HASH = re.compile(r"[0-9a-f]{64}")


class SnapshotError(Exception):
    """A snapshot cannot be used. The message is one line: where it is and what is wrong with it."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(f"{path}: {what}")
        self.path = path
        self.what = what

    def __reduce__(self) -> tuple[type[SnapshotError], tuple[Path, str]]:
        """It is pickled from the process that found it to the one that tells the user."""
        return type(self), (self.path, self.what)


class SnapshotStore:
    """A folder of snapshots. Many processes may read and write it at a time, on one machine."""

    def __init__(self, root: Path) -> None:
        """Makes the folder where it is missing, and clears away what crashed writers left in it."""
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        self._clear_leftovers()

    def write(self, tensors: Mapping[str, npt.NDArray[Any]], meta: Mapping[str, Any]) -> str:
        """Write a snapshot and have it on disk. Returns its hash; the same contents have the same hash.

        tensors: name -> array of any shape and natural dtype; they may change once this returns.
        meta: plain JSON to be kept with it: step, parent, versions.
        Raises SnapshotError for a number that is not finite, LeagueError for a meta that is not plain JSON.
        """
        arrays = {name: np.asarray(array, order="C") for name, array in sorted(tensors.items())}
        if what := _not_finite(arrays):
            raise SnapshotError(self.root, f"not written: {what}")
        data = save(arrays)
        manifest = _manifest({TENSORS: data}, meta)
        name = sha256(manifest).hexdigest()
        with self._writing():
            self._place(name, {TENSORS: data, MANIFEST: manifest})
        return name

    def read(self, name: str) -> tuple[Tensors, dict[str, Any]]:
        """The tensors and the meta of a snapshot, after verifying all of it.

        name: its hash. Raises SnapshotError when it is missing, or anything in it is not as it was written.
        """
        folder = self.path(name)
        if not folder.is_dir():
            raise SnapshotError(folder, "missing")
        manifest = _read(folder / MANIFEST)
        if sha256(manifest).hexdigest() != name:
            raise SnapshotError(folder / MANIFEST, "damaged: its SHA-256 is not its folder's name")
        try:
            plain = loads(manifest.decode())
        except (LeagueError, UnicodeDecodeError) as error:
            raise SnapshotError(folder / MANIFEST, f"not a manifest: {error}") from error
        if plain["schema"] != SCHEMA:
            raise SnapshotError(folder, f"schema {plain['schema']}, this program reads {SCHEMA}")
        tensors = _verified(folder / TENSORS, plain["files"][TENSORS])
        if what := _not_finite(tensors):
            raise SnapshotError(folder / TENSORS, what)
        return tensors, plain["meta"]

    def path(self, name: str) -> Path:
        """Folder of a snapshot. Raises SnapshotError for what is not a hash, so no name leads elsewhere."""
        if not HASH.fullmatch(name):
            raise SnapshotError(self.root, f"{name!r:.80} is not a SHA-256")
        return self.root / name

    def names(self) -> set[str]:
        """Hashes of all snapshots in the folder, whether registered or not, whole or damaged."""
        return {entry.name for entry in self.root.iterdir() if HASH.fullmatch(entry.name)}

    def leftovers(self) -> list[Path]:
        """Temporary folders of writers that crashed, or are at it."""
        return sorted(self.root.glob(f"{TEMPORARY}*"))

    def quarantine(self, name: str, why: str) -> Path:
        """Move a bad snapshot aside, with a note that says why. Returns where it is now."""
        aside = self.root / QUARANTINE
        aside.mkdir(exist_ok=True)
        target = aside / name
        while target.exists():
            target = target.with_name(f"{target.name}+")
        if self.path(name).exists():
            os.rename(self.path(name), target)
        target.with_name(f"{target.name}.why").write_text(f"{why}\n", encoding="utf-8")
        sync_folder(aside)
        sync_folder(self.root)
        return target

    def prune(self, keep: set[str]) -> list[str]:
        """Delete all snapshots but those in `keep`; returns the deleted.

        `keep` must hold whatever is registered or about to be: prune from where snapshots are registered.
        """
        doomed = sorted(self.names() - keep)
        with self._writing():
            for name in doomed:
                grave = temporary_beside(self.path(name))
                os.rename(self.path(name), grave)  # at once, so that half a snapshot never bears a hash
                shutil.rmtree(grave)
        return doomed

    def _place(self, name: str, files: Mapping[str, bytes]) -> None:
        target = self.path(name)
        if target.exists():
            try:
                self.read(name)
                return
            except SnapshotError as error:
                self.quarantine(name, error.what)
        folder = temporary_beside(target)
        folder.mkdir()
        try:
            for file, data in files.items():
                write_synced(folder / file, data)
            sync_folder(folder)
            os.rename(folder, target)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        sync_folder(self.root)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Held by writers together, and by who clears leftovers alone."""
        descriptor = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            yield
        finally:
            os.close(descriptor)

    def _clear_leftovers(self) -> None:
        descriptor = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for path in self.leftovers():
                shutil.rmtree(path)
        except BlockingIOError:
            return  # somebody writes: what lies there may be his
        finally:
            os.close(descriptor)


def _manifest(files: Mapping[str, bytes], meta: Mapping[str, Any]) -> bytes:
    entries = {
        name: {"size": len(data), "sha256": sha256(data).hexdigest()} for name, data in sorted(files.items())
    }
    return dumps({"schema": SCHEMA, "files": entries, "meta": dict(meta)}).encode()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SnapshotError(path, error.strerror or str(error)) from error


def _verified(path: Path, entry: Mapping[str, Any]) -> Tensors:
    data = _read(path)
    if len(data) != entry["size"]:
        raise SnapshotError(path, f"{len(data)} bytes where {entry['size']} were written")
    if sha256(data).hexdigest() != entry["sha256"]:
        raise SnapshotError(path, "damaged: its SHA-256 is not the manifest's")
    try:
        # load gives views of `data`, which nobody may write to
        return {name: array.copy() for name, array in load(data).items()}
    except SafetensorError as error:
        raise SnapshotError(path, f"not safetensors: {error}") from error


def _not_finite(tensors: Mapping[str, npt.NDArray[Any]]) -> str | None:
    """What is wrong with the first tensor that holds a NaN or an infinity; None when all are finite."""
    for name, array in tensors.items():
        if np.issubdtype(array.dtype, np.inexact) and not np.isfinite(array).all():
            bad = int(np.size(array) - np.isfinite(array).sum())
            return f"tensor {name!r} holds {bad} numbers that are not finite"
    return None
