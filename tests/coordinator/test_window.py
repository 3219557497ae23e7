"""Shared memory: what is put is what is read, nothing torn, nothing lost, and no file is left."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import ray

from agents.trajectory import Trajectory
from coordinator import window as module
from coordinator.ray_links import RayLink
from coordinator.window import (
    FEWEST_SLOTS,
    MOST_SLOTS,
    OFFER_SECONDS,
    Parcel,
    Window,
    WindowLayout,
    clear_leftovers,
    layout_for,
    new_path,
)
from tests.agents.batches import a_batch, a_spec

SIZES = {"main": 1000, "other": 7}
Sides = tuple[Window, Window]


def weights(seed: int, numbers: int = 1000) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(seed).normal(size=numbers).astype(np.float32)


def a_batch_of(columns: int = 5, core: int = 0, seed: int = 0) -> Trajectory:
    return a_batch(a_spec(seats=2), unroll=4, columns=columns, core=core, seed=seed)


def a_layout(batch: Trajectory | None = None) -> WindowLayout:
    layout = layout_for(batch or a_batch_of(core=3), SIZES)
    assert layout is not None
    return layout


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "window"


@pytest.fixture
def sides(path: Path) -> Sides:
    """An actor's, and the learner's."""
    return Window(path, a_layout(), create=True), Window(path, a_layout(), create=False)


def put(window: Window, batch: Trajectory) -> Parcel:
    parcel = window.put(batch)
    assert parcel is not None
    return parcel


def same(got: Trajectory, expected: Trajectory) -> bool:
    """In all fields, with their dtypes."""
    if (got.core is None) is not (expected.core is None):
        return False
    pairs = [(got.rows, expected.rows), (got.place, expected.place), (got.core, expected.core)]
    return all(a is b is None or (a.dtype == b.dtype and np.array_equal(a, b)) for a, b in pairs)


@pytest.mark.parametrize("core", [0, 3])
def test_a_batch_that_one_side_puts_is_what_the_other_finds(core: int, sides: Sides) -> None:
    actor, learner = sides
    batches = [a_batch_of(core=core, seed=seed) for seed in range(MOST_SLOTS)]
    parcels = [put(actor, batch) for batch in batches]
    assert sorted(parcel.slot for parcel in parcels) == list(range(MOST_SLOTS))
    for batch, parcel in zip(batches, parcels, strict=True):
        assert same(learner.look(parcel), batch)
    assert not same(learner.look(parcels[0]), batches[1])


def test_columns_are_put_in_whatever_stride_they_lie(sides: Sides) -> None:
    actor, learner = sides
    part = a_batch_of(core=3).select(slice(1, 4))
    assert not part.rows.flags.c_contiguous
    assert same(learner.look(put(actor, part)), part)


def test_a_full_window_takes_nothing_until_a_slot_is_free(sides: Sides) -> None:
    actor, learner = sides
    parcels = [put(actor, a_batch_of(seed=seed)) for seed in range(MOST_SLOTS)]
    other = a_batch_of(seed=99)
    assert actor.put(other) is None
    learner.free(parcels[5])
    again = put(actor, other)
    assert again.slot == parcels[5].slot
    assert actor.put(other) is None
    assert same(learner.look(again), other)
    assert same(learner.look(parcels[4]), a_batch_of(seed=4))
    assert same(learner.look(parcels[6]), a_batch_of(seed=6))


def test_a_batch_that_is_larger_than_a_slot_goes_another_way(sides: Sides) -> None:
    actor, _ = sides
    assert actor.put(a_batch_of(columns=6, core=3)) is None
    assert [put(actor, a_batch_of()).slot for _ in range(MOST_SLOTS)] == list(range(MOST_SLOTS))


def test_a_board_shows_every_version_once(sides: Sides) -> None:
    actor, learner = sides
    assert actor.read("main", None) is None
    for version in (1, 2, 7, 2**33):
        learner.write("main", weights(version), version)
        got = actor.read("main", version - 1)
        assert got is not None
        np.testing.assert_array_equal(got[0], weights(version))
        assert got[1] == version
        assert actor.read("main", version) is None
    assert actor.read("other", None) is None


def test_what_was_read_stays_as_it_was(sides: Sides) -> None:
    actor, learner = sides
    learner.write("main", weights(1), 1)
    got = actor.read("main", None)
    learner.write("main", weights(2), 2)
    assert got is not None
    np.testing.assert_array_equal(got[0], weights(1))


def test_boards_and_slots_do_not_overlap(sides: Sides) -> None:
    actor, learner = sides
    batches = [a_batch_of(core=3, seed=seed) for seed in range(MOST_SLOTS)]
    parcels = [put(actor, batch) for batch in batches]
    learner.write("main", weights(1), 1)
    learner.write("other", weights(2, 7), 2)
    for player, version, expected in (("main", 1, weights(1)), ("other", 2, weights(2, 7))):
        got = actor.read(player, None)
        assert got is not None
        assert got[1] == version
        np.testing.assert_array_equal(got[0], expected)
    assert all(same(learner.look(p), b) for p, b in zip(parcels, batches, strict=True))
    assert actor.put(batches[0]) is None  # no slot became free


@pytest.mark.parametrize("byte", [0, 8, 16, 16 + 4 * 500, 16 + 4 * 999 + 3])
def test_a_version_that_is_not_whole_is_left_for_the_next_time(byte: int, path: Path, sides: Sides) -> None:
    """One byte is still, or already, another: of the version, the checksum, or any weight."""
    actor, learner = sides
    learner.write("main", weights(1), 1)
    at = a_layout().board("main")[0] + byte
    with path.open("r+b", buffering=0) as file:
        was = os.pread(file.fileno(), 1, at)
        os.pwrite(file.fileno(), bytes([was[0] ^ 1]), at)
        assert actor.read("main", None) is None
        os.pwrite(file.fileno(), was, at)
    assert actor.read("main", None) is not None


def test_the_version_before_is_not_taken_for_the_next(path: Path, sides: Sides) -> None:
    """New weights under the old heading, as in the middle of a write."""
    actor, learner = sides
    learner.write("main", weights(1), 1)
    with path.open("r+b", buffering=0) as file:
        os.pwrite(file.fileno(), weights(2).tobytes(), a_layout().board("main")[0] + 16)
    assert actor.read("main", None) is None


def test_a_player_that_has_no_board_is_an_error(sides: Sides) -> None:
    with pytest.raises(KeyError, match="nobody"):
        sides[0].read("nobody", None)


def test_everything_begins_on_a_line_of_its_own_and_within_the_window() -> None:
    layout = a_layout()
    starts = [layout.board(player)[0] for player in SIZES] + [layout.offset(i) for i in range(layout.slots)]
    assert all(start % 64 == 0 for start in starts)
    sizes = [16 + 4 * numbers for numbers in SIZES.values()] + [layout.slot_bytes] * layout.slots
    ends = [start + size for start, size in zip(starts, sizes, strict=True)]
    assert starts[0] >= layout.slots
    assert all(end <= start for end, start in zip(ends, [*starts[1:], layout.size], strict=True))


@pytest.mark.parametrize(("limit", "slots"), [(10**9, MOST_SLOTS), (10, 10), (FEWEST_SLOTS, FEWEST_SLOTS)])
def test_there_are_as_many_slots_as_memory_allows(
    limit: int, slots: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", limit * a_layout().slot_bytes)
    assert a_layout().slots == slots


def test_there_is_no_window_for_batches_that_are_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", FEWEST_SLOTS * a_layout().slot_bytes - 1)
    assert layout_for(a_batch_of(core=3), SIZES) is None


def test_a_full_file_system_is_told_and_nothing_is_left(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    with pytest.raises(OSError, match="No space left"):
        Window(path, a_layout(), create=True)
    assert not path.exists()
    assert not before or len(os.listdir("/proc/self/fd")) == before


def test_somebody_elses_file_is_neither_taken_nor_deleted(path: Path) -> None:
    path.write_text("mine")
    with pytest.raises(FileExistsError):
        Window(path, a_layout(), create=True)
    assert path.read_text() == "mine"


def test_a_window_that_is_on_another_machine_is_told(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Window(path, a_layout(), create=False)


def test_a_window_is_nobody_elses_to_read(path: Path, sides: Sides) -> None:
    assert path.stat().st_mode & 0o777 == 0o600


def test_names_are_new() -> None:
    assert len({new_path() for _ in range(100)}) == 100
    assert not new_path().exists()


def test_windows_that_nobody_opened_are_cleared_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_memory", lambda: tmp_path)
    (old := new_path()).touch()
    (new := new_path()).touch()
    (other := tmp_path / "league-report").touch()
    (folder := new_path()).mkdir()  # whatever cannot be deleted stays, as a file of another user does
    for path in (old, other, folder):
        os.utime(path, (0, time.time() - OFFER_SECONDS - 1))
    clear_leftovers()
    assert sorted(tmp_path.iterdir()) == sorted([new, other, folder])


class Learner:
    """Stands for the handle of a learner process."""

    def __init__(self, answer: Callable[[Path, WindowLayout], bool]) -> None:
        self.paths: list[Path] = []
        self._answer = answer
        self.attach = self

    def remote(self, owner: str, path: Path, layout: WindowLayout) -> bool:
        assert owner == "actor-0"
        assert path.exists()
        self.paths.append(path)
        return self._answer(path, layout)


@pytest.fixture
def link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RayLink:
    monkeypatch.setattr(ray, "get", lambda answer, timeout: answer)
    monkeypatch.setattr(module, "new_path", lambda: tmp_path / "window")
    return RayLink("learner", "actor-0")


def test_no_name_is_left_once_both_sides_are_there(link: RayLink) -> None:
    learners: list[Window] = []

    def attach(path: Path, layout: WindowLayout) -> bool:
        learners.append(Window(path, layout, create=False))
        return True

    link._handle = learner = Learner(attach)
    batch = a_batch_of()
    link._offer_window(batch)
    assert [path.exists() for path in learner.paths] == [False]
    assert link._window is not None
    assert same(learners[0].look(put(link._window, batch)), batch)


def test_a_learner_on_another_machine_is_sent_the_batches(link: RayLink) -> None:
    link._handle = learner = Learner(lambda *_: False)
    link._offer_window(a_batch_of())
    assert [path.exists() for path in learner.paths] == [False]
    assert link._window is None


def test_a_learner_that_does_not_answer_is_sent_the_batches(link: RayLink) -> None:
    def busy(*_: object) -> bool:
        raise ray.exceptions.GetTimeoutError("busy")

    link._handle = learner = Learner(busy)
    link._offer_window(a_batch_of())
    assert [path.exists() for path in learner.paths] == [False]
    assert link._window is None


def test_where_memory_is_full_batches_travel_with_the_calls(
    link: RayLink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    link._handle = learner = Learner(lambda *_: True)
    link._offer_window(a_batch_of())
    assert learner.paths == []
    assert link._window is None
    assert not [*tmp_path.iterdir()]


def test_a_batch_of_another_network_finds_its_own_room(sides: Sides) -> None:
    """What a slot holds is told by its parcel, not by the batch that the window was made for."""
    actor, learner = sides
    small = a_batch(a_spec("float32", shape=(2,)), unroll=1, columns=3, seed=4)
    assert same(learner.look(put(actor, small)), small)
    several = replace(small, rows=small.rows[:, :2], place=small.place[:2])
    assert same(learner.look(put(actor, several)), several)


def test_an_actor_that_knows_nothing_any_more_is_told_again(
    link: RayLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its game failed an actor begins anew: it must hear again what the board last said."""
    learners: list[Window] = []

    def attach(path: Path, layout: WindowLayout) -> bool:
        learners.append(Window(path, layout, create=False))
        return True

    learner = Learner(attach)
    monkeypatch.setattr(learner, "submit", SimpleNamespace(remote=lambda *_: None), raising=False)
    link._handle, link._sizes = learner, {"main": 1000}
    link._offer_window(a_batch_of())
    monkeypatch.setattr(ray, "wait", lambda flight, num_returns, timeout: ([], flight))
    monkeypatch.setattr("coordinator.ray_links.LOOK_SECONDS", 0.0)
    learners[0].write("main", weights(1), 7)
    assert [version for _, version in link.receive(0.0)[1].values()] == [7]
    link.send([], {"main": 7})
    assert not link.receive(0.0)[1]
    link.send([], {})
    assert [version for _, version in link.receive(0.0)[1].values()] == [7]


def test_a_successor_takes_a_dead_actors_place(tmp_path: Path) -> None:
    """Nothing of the dead one's is kept or written to, and what it sent late is not read from the other's."""
    from coordinator.processes import LearnerProcess

    class Loop:
        readers: dict[str, object] = {}  # noqa: RUF012 - of one test

        def listen(self, place: str, reader: object) -> None:
            self.readers[place] = reader

        def submit(self, deliveries: list[object], known: object) -> int:
            return len(deliveries)

    process = LearnerProcess.__new__(LearnerProcess)
    process._loop, process._windows = Loop(), {}  # type: ignore[assignment]
    batch, parcels = a_batch_of(), {}
    for owner in ("actor-0.1.1", "actor-0.1.2"):
        layout = a_layout()
        actor = Window(tmp_path / owner, layout, create=True)
        assert process.attach(owner, tmp_path / owner, layout)
        parcels[owner] = [("main", put(actor, batch))]
    assert len(process._windows) == len(Loop.readers) == 1
    assert process.submit("actor-0.1.2", parcels["actor-0.1.2"], None) == 1  # type: ignore[comparison-overlap]
    assert process.submit("actor-0.1.1", parcels["actor-0.1.1"], None) == 0  # type: ignore[comparison-overlap]
