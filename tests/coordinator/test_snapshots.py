"""What is read is what was written, or an error says what is wrong."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from coordinator.snapshots import (
    MANIFEST,
    QUARANTINE,
    TENSORS,
    SnapshotError,
    SnapshotStore,
    Tensors,
    _manifest,
)
from league.players import LeagueError

META = {"step": 12, "parent": None, "rate": 1e-3}

CRASH = """
import os, sys
from pathlib import Path
import numpy as np
import coordinator.files, coordinator.snapshots as snapshots

step = sys.argv[2]

def die(*_):
    os._exit(9)

match step:
    case "before the manifest is written":
        write_synced = snapshots.write_synced
        snapshots.write_synced = lambda path, data: (
            die() if path.name == snapshots.MANIFEST else write_synced(path, data)
        )
    case "before the folder is synced":
        snapshots.sync_folder = die
    case "before the rename":
        os.rename = die
    case "after the rename":
        rename = os.rename
        os.rename = lambda *names: (rename(*names), die())
snapshots.SnapshotStore(Path(sys.argv[1])).write({"weights": np.ones(3)}, {})
"""


def tensors(seed: int = 0) -> Tensors:
    chance = np.random.default_rng(seed)
    return {
        "model.weight": chance.normal(size=(4, 3)).astype(np.float32),
        "model.transposed": chance.normal(size=(5, 2)).T,
        "optimizer.step": np.array(7, np.int64),
        "mask": np.array([True, False]),
        "board": chance.integers(0, 255, (2, 3), dtype=np.uint8),
        "empty": np.zeros((0, 3), np.float32),
    }


@pytest.fixture
def store(tmp_path: Path) -> SnapshotStore:
    return SnapshotStore(tmp_path / "snapshots")


def test_it_reads_what_was_written(store: SnapshotStore) -> None:
    read, meta = store.read(store.write(tensors(), META))
    assert meta == META
    assert read.keys() == tensors().keys()
    for name, array in tensors().items():
        assert read[name].dtype == array.dtype
        assert read[name].shape == array.shape
        np.testing.assert_array_equal(read[name], array)
        assert read[name].flags.writeable


def test_the_same_contents_have_the_same_name(store: SnapshotStore) -> None:
    first = store.write(tensors(), META)
    assert store.write(dict(reversed(tensors().items())), META) == first
    assert store.names() == {first}
    others = {store.write(tensors(1), META), store.write(tensors(), {**META, "step": 13})}
    assert len(others | {first}) == 3
    assert store.leftovers() == []


def test_it_shares_no_memory_with_live_weights(store: SnapshotStore) -> None:
    live = {"weights": np.ones(3)}
    name = store.write(live, {})
    live["weights"][:] = 5
    np.testing.assert_array_equal(store.read(name)[0]["weights"], np.ones(3))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_not_written(store: SnapshotStore, bad: float) -> None:
    with pytest.raises(
        SnapshotError, match="not written: tensor 'weights' holds 1 numbers that are not finite"
    ):
        store.write({"weights": np.array([1.0, bad])}, {})
    assert list(store.root.iterdir()) == []


@pytest.mark.parametrize("meta", [{"rate": float("nan")}, {"path": Path()}])
def test_meta_is_strict_json(store: SnapshotStore, meta: dict[str, object]) -> None:
    with pytest.raises(LeagueError):
        store.write(tensors(), meta)
    assert list(store.root.iterdir()) == []


def flip_one_bit(path: Path, at: float) -> None:
    data = bytearray(path.read_bytes())
    data[int(at * (len(data) - 1))] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "file", "what"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), TENSORS, "bytes where"),
        (lambda path: path.write_bytes(b""), TENSORS, "0 bytes where"),
        (lambda path: flip_one_bit(path, 0.0), TENSORS, "damaged"),
        (lambda path: flip_one_bit(path, 0.5), TENSORS, "damaged"),
        (lambda path: flip_one_bit(path, 1.0), TENSORS, "damaged"),
        (lambda path: path.unlink(), TENSORS, "No such file"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), MANIFEST, "damaged"),
        (lambda path: flip_one_bit(path, 0.5), MANIFEST, "damaged"),
        (lambda path: path.unlink(), MANIFEST, "No such file"),
    ],
    ids=[
        *("truncated", "emptied", "first bit", "middle bit", "last bit", "missing"),
        *("manifest truncated", "manifest bit", "manifest missing"),
    ],
)
def test_damage_is_found_and_named(
    store: SnapshotStore, damage: Callable[[Path], object], file: str, what: str
) -> None:
    name = store.write(tensors(), META)
    damage(store.root / name / file)
    with pytest.raises(SnapshotError, match=what) as caught:
        store.read(name)
    assert caught.value.path == store.root / name / file
    assert str(caught.value).startswith(str(store.root / name / file))
    assert "\n" not in str(caught.value)


def test_a_missing_snapshot(store: SnapshotStore) -> None:
    with pytest.raises(SnapshotError, match="missing"):
        store.read("a" * 64)


def plant(store: SnapshotStore, data: bytes) -> str:
    """A snapshot whose hashes are right, whatever is in it."""
    manifest = _manifest({TENSORS: data}, {})
    name = sha256(manifest).hexdigest()
    folder = store.root / name
    folder.mkdir()
    (folder / TENSORS).write_bytes(data)
    (folder / MANIFEST).write_bytes(manifest)
    return name


def test_nan_weights_are_refused_even_where_the_hashes_are_right(store: SnapshotStore) -> None:
    name = plant(store, save({"weights": np.array([1.0, np.nan, np.nan])}))
    with pytest.raises(SnapshotError, match="tensor 'weights' holds 2 numbers that are not finite"):
        store.read(name)


def test_what_is_not_safetensors_is_refused(store: SnapshotStore) -> None:
    with pytest.raises(SnapshotError, match="not safetensors"):
        store.read(plant(store, b"\x80\x04pickle"))


@pytest.mark.parametrize("name", ["../../etc", "", "A" * 64, "a" * 63, "a" * 64 + "\n"])
def test_only_a_hash_names_a_snapshot(store: SnapshotStore, name: str) -> None:
    with pytest.raises(SnapshotError, match="is not a SHA-256"):
        store.read(name)


@pytest.mark.parametrize(
    ("step", "whole"),
    [
        ("before the manifest is written", False),
        ("before the folder is synced", False),
        ("before the rename", False),
        ("after the rename", True),
    ],
)
def test_a_crash_leaves_a_whole_snapshot_or_none(tmp_path: Path, step: str, whole: bool) -> None:
    crashed = subprocess.run([sys.executable, "-c", CRASH, str(tmp_path), step], cwd=Path.cwd(), check=False)
    assert crashed.returncode == 9
    assert (len(list(tmp_path.glob(".tmp-*"))) == 0) is whole
    store = SnapshotStore(tmp_path)
    assert store.leftovers() == []
    assert len(store.names()) == whole
    for name in store.names():
        store.read(name)
    store.read(store.write({"weights": np.ones(3)}, {}))


def test_opening_leaves_alone_what_another_is_writing(store: SnapshotStore) -> None:
    unfinished = store.root / ".tmp-0"
    unfinished.mkdir()
    with store._writing():
        SnapshotStore(store.root)
        assert unfinished.exists()
    SnapshotStore(store.root)
    assert not unfinished.exists()


def test_a_bad_one_is_put_aside_with_the_reason(store: SnapshotStore) -> None:
    name = store.write(tensors(), META)
    flip_one_bit(store.root / name / TENSORS, 0.5)
    aside = store.quarantine(name, "one bit is wrong")
    assert store.names() == set()
    assert aside == store.root / QUARANTINE / name
    assert aside.with_name(f"{name}.why").read_text() == "one bit is wrong\n"
    store.quarantine("a" * 64, "missing")  # nothing to move, the reason stays
    assert (store.root / QUARANTINE / f"{'a' * 64}.why").read_text() == "missing\n"


def test_writing_heals_a_damaged_one(store: SnapshotStore) -> None:
    name = store.write(tensors(), META)
    for _ in range(2):
        flip_one_bit(store.root / name / TENSORS, 0.5)
        assert store.write(tensors(), META) == name
        store.read(name)
    assert len(list((store.root / QUARANTINE).glob("*.why"))) == 2


def test_prune_keeps_what_it_is_told(store: SnapshotStore) -> None:
    names = [store.write(tensors(seed), {}) for seed in range(3)]
    assert store.prune(keep={names[1], "a" * 64}) == sorted([names[0], names[2]])
    assert store.names() == {names[1]}
    store.read(names[1])
    assert store.leftovers() == []
