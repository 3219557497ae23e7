"""Old results on disk: the part of the result log that nobody needs in the store any more.

    store:  … reported, folded, committed ──> the newest KEPT results stay, for late reports and for faces
    files:  archive/results-<first>-<last>.<SHA-256>.jsonl.gz, SEGMENT results each, one a line

So a run of any length takes the same memory of its server. `ResultLog` reads files and store as one
sequence; whoever wants the whole log reads it there.

A segment is on disk, under its name, before the store forgets its results. A kill in between leaves them
in both places, and the next turn writes the same file again: nothing is lost, nothing is there twice.
Only the coordinator writes here, under the run's lock; it waits for nobody.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from coordinator.files import sync_folder, write_durably
from coordinator.store import Store
from coordinator.store_reader import StoreReader
from coordinator.store_types import LoggedResult, StoreError
from league.codec import from_json, to_json

KEPT = 5_000
"""Newest folded results that stay in the store: one of them that is reported again is known as such."""
SEGMENT = 2_000
"""Results in a segment."""
PAGE = 1_000
"""Results fetched from the store at once."""
NAME = re.compile(r"results-(\d{12})-(\d{12})\.([0-9a-f]{64})\.jsonl\.gz")


class ArchiveError(StoreError):
    """A result that was acknowledged is missing, or a segment is damaged. One line for the user to read."""


@dataclass(frozen=True, order=True)
class Segment:
    """One file of the archive, as its name tells."""

    first: int
    """Sequence number of its first result."""
    last: int
    """Sequence number of its last result."""
    sha256: str
    """Of the file."""

    @property
    def name(self) -> str:
        return f"results-{self.first:012}-{self.last:012}.{self.sha256}.jsonl.gz"


class Archive:
    """The segments of one run."""

    def __init__(self, folder: Path) -> None:
        """folder: theirs; made when there is something to archive."""
        self.folder = folder

    def segments(self) -> list[Segment]:
        """All that are there, oldest first, sound or not."""
        names = [path.name for path in self.folder.iterdir()] if self.folder.is_dir() else []
        found = [match.groups() for name in names if (match := NAME.fullmatch(name))]
        return sorted(Segment(int(first), int(last), digest) for first, last, digest in found)

    def read(self, segment: Segment) -> list[LoggedResult]:
        """Its results, in order. Raises ArchiveError where the file is not what was written."""
        path = self.folder / segment.name
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ArchiveError(f"{path}: {error.strerror or error}") from error
        if sha256(data).hexdigest() != segment.sha256:
            raise ArchiveError(f"{path}: damaged: its SHA-256 is not the one in its name")
        lines = gzip.decompress(data).decode().splitlines()
        results = [from_json(LoggedResult, line) for line in lines]
        if [result.seq for result in results] != list(range(segment.first, segment.last + 1)):
            raise ArchiveError(f"{path}: does not hold results {segment.first} to {segment.last}")
        return results

    def write(self, results: Sequence[LoggedResult]) -> Segment:
        """Have results without a gap on disk, as one segment. Written twice, it is there once."""
        text = "".join(f"{to_json(result)}\n" for result in results)
        data = gzip.compress(text.encode(), mtime=0)  # no time in it: the same results are the same file
        segment = Segment(results[0].seq, results[-1].seq, sha256(data).hexdigest())
        if not self.folder.is_dir():
            self.folder.mkdir()
            sync_folder(self.folder.parent)
        write_durably(self.folder / segment.name, data)
        return segment

    def take_over(self, store: Store, folded: int) -> None:
        """Move what is old out of the store. folded: number of the last result in the committed ledger.

        Raises StoreError, or OSError where the disk takes no more; the results are in the store then.
        """
        while (last := (archived := store.archived()) + SEGMENT) <= folded - KEPT:
            results = store.results(archived, SEGMENT)
            if [result.seq for result in results] != list(range(archived + 1, last + 1)):
                raise ArchiveError(f"the store lacks some of the results {archived + 1} to {last}")
            self._discard_beyond(archived, but=self.write(results))
            store.trim(last)

    def _discard_beyond(self, archived: int, but: Segment) -> None:
        """A segment that the store did not trim after was left by a kill, damaged or of another size."""
        for segment in self.segments():
            if segment.last > archived and segment != but:
                (self.folder / segment.name).unlink()


class ResultLog:
    """Every result of a run, in order, wherever it is."""

    def __init__(self, store: StoreReader, archive: Archive) -> None:
        self._store = store
        self._archive = archive

    def after(self, seq: int) -> Iterator[LoggedResult]:
        """The results beyond a sequence number, 0 for all; also while others are moved to the archive.

        Raises ArchiveError where one is missing or damaged, having given all before it.
        """
        while True:
            archived = self._store.archived()  # asked first: what had left the store is among the segments
            for segment in self._archive.segments():
                if segment.first <= seq + 1 <= segment.last:
                    yield from self._archive.read(segment)[seq + 1 - segment.first :]
                    seq = segment.last
            while page := self._store.results(seq, PAGE):
                unbroken = [result for number, result in enumerate(page, seq + 1) if result.seq == number]
                if not unbroken:
                    break
                yield from unbroken
                seq = unbroken[-1].seq
            if not page:
                return
            if self._store.archived() == archived:
                raise ArchiveError(
                    f"result {seq + 1} is missing: it is neither in the archive nor in the store"
                )

    def last(self, limit: int) -> list[LoggedResult]:
        """The newest results, in order."""
        newest = self._store.last_results(limit)
        if len(newest) == limit or not newest or newest[0].seq == 1:
            return newest
        return list(self.after(max(0, newest[-1].seq - limit)))[-limit:]
