"""Writing files so that a crash at any moment leaves the old contents or the new ones, whole."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

TEMPORARY = ".tmp-"
"""How the names of unfinished files and folders begin; whatever bears it is left over from a crash."""


def temporary_beside(path: Path) -> Path:
    """A fresh name in the same folder, for something that will be renamed to `path`."""
    return path.with_name(f"{TEMPORARY}{secrets.token_hex(8)}")


def clear_leftovers(folder: Path) -> None:
    """Delete what a killed `write_durably` left behind. For whoever alone may write to the folder."""
    for path in folder.glob(f"{TEMPORARY}*"):
        path.unlink()


def write_durably(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Replace a file's contents at once, and have them on disk when this returns."""
    temporary = temporary_beside(path)
    try:
        write_synced(temporary, data, mode)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_synced(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a new file and wait until the disk has its contents; its name may still be lost."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Wait until the disk has the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
