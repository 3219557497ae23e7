"""What archiving promises on every store: results move to files, and none is lost, doubled or seen twice."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from coordinator import archive as archive_module
from coordinator.archive import Archive, ArchiveError, ResultLog, Segment
from coordinator.store import Commit, LoggedResult, StaleEpoch, Store, StoreError, Verdict
from tests.contracts.nouns import a_match, an_outcome, outcome_of

Connect = Callable[[], Store]


@pytest.fixture(autouse=True)
def _by_the_handful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_module, "SEGMENT", 4)
    monkeypatch.setattr(archive_module, "KEPT", 3)
    monkeypatch.setattr(archive_module, "PAGE", 3)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive")


def record(store: Store, count: int) -> list[LoggedResult]:
    """Commit the next so many results; match N is result N."""
    first = store.next_match()
    ids = range(first, first + count)
    store.commit(Commit(results=tuple((a_match(id), an_outcome(id, wins=id % 4)) for id in ids)))
    return [LoggedResult(id, a_match(id), an_outcome(id, wins=id % 4)) for id in ids]


def dies(*_: object) -> None:
    raise KeyboardInterrupt


def trims_and_dies(store: Store, upto: int, trim: Callable[[Store, int], int] = Store.trim) -> None:
    trim(store, upto)
    raise KeyboardInterrupt


def seqs(results: list[LoggedResult]) -> list[int]:
    return [result.seq for result in results]


class TestTrim:
    def test_trimmed_results_are_gone_and_the_others_stay(self, store: Store) -> None:
        record(store, 6)
        assert store.archived() == 0
        assert store.trim(4) == 4
        assert store.archived() == 4
        assert seqs(store.results(0)) == seqs(store.last_results(9)) == [5, 6]
        assert store.counts().done == 6
        assert seqs(record(store, 1)) == [7]

    def test_sent_again_it_changes_nothing_more(self, store: Store) -> None:
        record(store, 6)
        assert [store.trim(upto) for upto in (4, 4, 2)] == [4, 4, 4]
        assert seqs(store.results(0)) == [5, 6]

    @pytest.mark.parametrize("upto", [6, 7])
    def test_the_newest_stays(self, store: Store, upto: int) -> None:
        record(store, 6)
        with pytest.raises(StoreError, match="which ends at 6 and keeps its newest"):
            store.trim(upto)
        assert len(store.results(0)) == 6

    def test_a_stale_coordinator_trims_nothing(self, connect: Connect, store: Store) -> None:
        record(store, 6)
        connect().begin_epoch()
        with pytest.raises(StaleEpoch):
            store.trim(4)
        assert len(store.results(0)) == 6

    def test_reports_of_a_trimmed_result_are_stale_and_count_neither_way(self, store: Store) -> None:
        store.offer([a_match(id) for id in (1, 2, 3)])
        leases = store.lease("a", 3, 10.0)
        outcomes = [outcome_of(lease) for lease in leases]
        store.report(outcomes)
        store.trim(1)
        assert store.report(outcomes) == [Verdict.STALE, Verdict.REPEATED, Verdict.REPEATED]
        assert store.report([outcome_of(lease, wins=3) for lease in leases[:2]]) == [
            Verdict.STALE,
            Verdict.CONFLICT,
        ]
        assert store.counts().done == 3
        assert store.open_matches() == []

    def test_a_trimmed_match_is_neither_offered_nor_recorded_again(self, store: Store) -> None:
        record(store, 3)
        store.trim(2)
        with pytest.raises(StoreError, match="match 1 is not new"):
            store.offer([a_match(1)])
        with pytest.raises(StoreError, match="of match 1 is not of a new match"):
            store.commit(Commit(results=((a_match(1), an_outcome(1)),)))


class TestTakingOver:
    @pytest.mark.parametrize(
        ("results", "folded", "archived"), [(6, 6, 0), (7, 7, 4), (20, 20, 16), (20, 10, 4), (20, 0, 0)]
    )
    def test_whole_segments_of_old_folded_results_move(
        self, store: Store, archive: Archive, results: int, folded: int, archived: int
    ) -> None:
        log = record(store, results)
        archive.take_over(store, folded)
        segments = archive.segments()
        assert [(segment.first, segment.last) for segment in segments] == [
            (first, first + 3) for first in range(1, archived, 4)
        ]
        assert store.archived() == archived
        assert [result for segment in segments for result in archive.read(segment)] == log[:archived]
        assert store.results(0) == log[archived:]

    def test_it_goes_on_where_it_was(self, store: Store, archive: Archive) -> None:
        log: list[LoggedResult] = []
        for count in (5, 1, 9, 0, 4):
            log += record(store, count)
            archive.take_over(store, len(log))
            assert list(ResultLog(store, archive).after(0)) == log
        assert seqs(store.results(0)) == [17, 18, 19]

    @pytest.mark.parametrize(
        ("where", "killed", "written"),
        [
            pytest.param("coordinator.files.os.replace", dies, 0, id="before the file has its name"),
            pytest.param("coordinator.store.Store.trim", dies, 1, id="before the store forgets"),
            pytest.param("coordinator.store.Store.trim", trims_and_dies, 1, id="before that is known"),
        ],
    )
    def test_killed_in_between(
        self,
        store: Store,
        archive: Archive,
        where: str,
        killed: Callable[..., object],
        written: int,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        log = record(store, 12)
        with monkeypatch.context() as kill:
            kill.setattr(where, killed)
            with pytest.raises(KeyboardInterrupt):
                archive.take_over(store, 12)
        assert len(archive.segments()) == written
        assert list(ResultLog(store, archive).after(0)) == log
        archive.take_over(store, 12)
        assert [segment.first for segment in archive.segments()] == [1, 5]
        assert list(ResultLog(store, archive).after(0)) == log
        assert seqs(store.results(0)) == [9, 10, 11, 12]

    @pytest.mark.parametrize("left", ["damaged", "of another size"])
    def test_what_a_kill_left_is_replaced(self, store: Store, archive: Archive, left: str) -> None:
        log = record(store, 12)
        segment = archive.write(log[:6] if left == "of another size" else log[:4])
        if left == "damaged":
            (archive.folder / segment.name).rename(archive.folder / Segment(1, 4, "0" * 64).name)
        archive.take_over(store, 12)
        assert [(segment.first, segment.last) for segment in archive.segments()] == [(1, 4), (5, 8)]
        assert list(ResultLog(store, archive).after(0)) == log

    def test_a_store_that_lost_results_is_not_archived(self, store: Store, archive: Archive) -> None:
        record(store, 12)
        store._connection.client.xdel(store._connection.key("log"), "2-0")
        with pytest.raises(ArchiveError, match="the store lacks some of the results 1 to 4"):
            archive.take_over(store, 12)
        assert archive.segments() == []
        assert store.archived() == 0


class TestSegments:
    def test_the_same_results_are_the_same_file_at_any_time(
        self, store: Store, archive: Archive, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        log = record(store, 4)
        first = archive.write(log)
        monkeypatch.setattr("time.time", lambda: 1e9)
        assert archive.write(log) == first
        assert len(archive.segments()) == 1
        assert archive.read(archive.segments()[0]) == log

    def test_every_flipped_bit_is_found(self, store: Store, archive: Archive) -> None:
        segment = archive.write(record(store, 4))
        path = archive.folder / segment.name
        whole, chance = path.read_bytes(), random.Random(3)
        for place in chance.sample(range(8 * len(whole)), 40):
            data = bytearray(whole)
            data[place // 8] ^= 1 << place % 8
            path.write_bytes(data)
            with pytest.raises(ArchiveError, match=r"damaged: its SHA-256 is not the one in its name"):
                archive.read(segment)

    def test_one_that_is_gone_is_named(self, store: Store, archive: Archive) -> None:
        segment = archive.write(record(store, 4))
        (archive.folder / segment.name).unlink()
        with pytest.raises(ArchiveError, match=rf"{segment.name}: No such file"):
            archive.read(segment)

    def test_one_of_other_results_than_its_name_says(self, store: Store, archive: Archive) -> None:
        segment = archive.write(record(store, 4))
        renamed = Segment(5, 8, segment.sha256)
        (archive.folder / segment.name).rename(archive.folder / renamed.name)
        with pytest.raises(ArchiveError, match="does not hold results 5 to 8"):
            archive.read(renamed)

    def test_other_files_are_left_alone(self, archive: Archive) -> None:
        assert archive.segments() == []
        archive.folder.mkdir()
        (archive.folder / "notes.txt").touch()
        assert archive.segments() == []


class TestResultLog:
    @pytest.fixture
    def log(self, store: Store, archive: Archive) -> list[LoggedResult]:
        """Fourteen results, of which eight are archived."""
        log = record(store, 14)
        archive.take_over(store, 13)
        return log

    def test_any_part_is_read_as_one_sequence(
        self, store: Store, archive: Archive, log: list[LoggedResult]
    ) -> None:
        assert store.archived() == 8
        for seq in range(16):
            assert list(ResultLog(store, archive).after(seq)) == log[seq:]
        for limit in range(1, 17):
            assert ResultLog(store, archive).last(limit) == log[-limit:]

    def test_a_run_without_results(self, store: Store, archive: Archive) -> None:
        assert list(ResultLog(store, archive).after(0)) == ResultLog(store, archive).last(3) == []

    @pytest.mark.parametrize("read", range(15))
    def test_results_that_move_while_they_are_read(
        self, store: Store, archive: Archive, log: list[LoggedResult], read: int
    ) -> None:
        log += record(store, 6)
        reading = ResultLog(store, archive).after(0)
        begun = [next(reading) for _ in range(read)]
        archive.take_over(store, 20)
        assert store.archived() == 16
        assert begun + list(reading) == log

    def test_a_gap_is_never_passed_over(
        self, store: Store, archive: Archive, log: list[LoggedResult]
    ) -> None:
        store._connection.client.xdel(store._connection.key("log"), "11-0")
        reading = ResultLog(store, archive).after(0)
        assert [next(reading) for _ in range(10)] == log[:10]
        with pytest.raises(ArchiveError, match="result 11 is missing"):
            next(reading)

    def test_a_missing_segment_is_never_passed_over(
        self, store: Store, archive: Archive, log: list[LoggedResult]
    ) -> None:
        (archive.folder / archive.segments()[1].name).unlink()
        with pytest.raises(ArchiveError, match="result 5 is missing"):
            list(ResultLog(store, archive).after(0))
