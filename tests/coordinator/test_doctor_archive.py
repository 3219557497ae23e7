"""What the doctor finds in an archive."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from coordinator import archive as archive_module
from coordinator.archive import Archive, ResultLog
from coordinator.doctor import Check, diagnose
from coordinator.run_folder import RunFolder
from coordinator.run_store import serve_store
from coordinator.store import Commit, Store
from league.ledger import Ledger
from tests.contracts.nouns import a_match, an_outcome


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "run", {"game": "tictactoe"})


@pytest.fixture
def archive(run: RunFolder) -> Archive:
    return Archive(run.archive)


@pytest.fixture
def store(run: RunFolder, archive: Archive, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """Eleven results, of which nine are in three segments."""
    monkeypatch.setattr(archive_module, "SEGMENT", 3)
    monkeypatch.setattr(archive_module, "KEPT", 1)
    results = tuple((a_match(id), an_outcome(id, wins=id % 4)) for id in range(1, 12))
    ledger = Ledger()
    for seq, (match, outcome) in enumerate(results, start=1):
        ledger.apply(seq, match, outcome)
    with serve_store(run) as (store, _):
        store.create(run.config)
        store.begin_epoch()
        store.commit(Commit(results=results, fold=ledger.to_json()))
        archive.take_over(store, folded=11)
        assert len(archive.segments()) == 3
        yield store


def found(run: RunFolder, store: Store) -> dict[str, Check]:
    return {check.name: check for check in diagnose(run, store)}


def test_a_sound_archive(run: RunFolder, store: Store) -> None:
    checks = found(run, store)
    assert [check for check in checks.values() if not check.ok] == []
    assert checks["archive"].detail == "9 results in 3 segments, each as it was written"
    assert checks["log"].detail == "11 results without a gap"


def test_what_a_kill_left_between_writing_and_trimming_is_sound(
    run: RunFolder, store: Store, archive: Archive
) -> None:
    archive.write(list(ResultLog(store, archive).after(9))[:2])
    assert found(run, store)["archive"] == Check(
        "archive", True, "11 results in 4 segments, each as it was written"
    )
    assert found(run, store)["log"].ok


def flip_a_bit(archive: Archive) -> None:
    path = archive.folder / archive.segments()[1].name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 16
    path.write_bytes(data)


def delete(which: int) -> Callable[[Archive], None]:
    return lambda archive: (archive.folder / archive.segments()[which].name).unlink()


def overlap(archive: Archive) -> None:
    results = [result for segment in archive.segments() for result in archive.read(segment)]
    archive.write(results[4:7])


@pytest.mark.parametrize(
    ("damage", "what", "log_as_well"),
    [
        (flip_a_bit, "damaged: its SHA-256", True),
        (delete(0), "result 1 is missing", True),
        (delete(1), "result 4 is missing", True),
        (delete(2), "result 7 is missing", True),
        (overlap, "results up to 6 are in another segment too", False),
    ],
    ids=["flipped bit", "first missing", "one missing between", "last missing", "overlap"],
)
def test_damage_is_found(
    run: RunFolder,
    store: Store,
    archive: Archive,
    damage: Callable[[Archive], None],
    what: str,
    log_as_well: bool,
) -> None:
    damage(archive)
    checks = found(run, store)
    assert not checks["archive"].ok
    assert what in checks["archive"].detail
    assert checks["log"].ok is not log_as_well
    assert checks["fold"].ok is not log_as_well


def test_a_segment_that_a_killed_run_was_writing_is_cleared_away(run: RunFolder) -> None:
    run.archive.mkdir()
    (run.archive / ".tmp-0").touch()
    with serve_store(run) as (store, _):
        store.create(run.config)
        assert found(run, store)["leftovers"].ok
