"""A sound run is sound in every check; each kind of damage is found by the check that is meant for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from coordinator.doctor import CHECKS, Check, diagnose
from coordinator.run_folder import RunFolder, RunInUse
from coordinator.run_store import open_store, serve_store
from coordinator.snapshots import TENSORS, SnapshotStore
from coordinator.store import Checkpoint, Commit, Store, StoreUnavailable
from league.ledger import Ledger
from tests.contracts.nouns import a_match, a_player, a_snapshot, an_outcome, outcome_of

Damage = Callable[[RunFolder, Store], object]


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "run", {"game": "tictactoe"})


@pytest.fixture
def store(run: RunFolder) -> Iterator[Store]:
    """A sound run with two generations, three results, a match of each state."""
    with serve_store(run) as (store, _):
        store.create(run.config)
        store.begin_epoch()
        results = tuple((a_match(id), an_outcome(id, wins=id)) for id in (1, 2, 3))
        ledger = Ledger()
        for seq, (match, outcome) in enumerate(results, start=1):
            ledger.apply(seq, match, outcome)
        weights = SnapshotStore(run.snapshots)
        hashes = [weights.write({"weights": np.full(3, i)}, {}) for i in range(2)]
        checkpoint = SnapshotStore(run.checkpoints).write({"weights": np.full(3, 2.0)}, {})
        store.commit(
            Commit(
                players=(a_player(2),),
                snapshots=tuple(a_snapshot(i, hash) for i, hash in enumerate(hashes)),
                checkpoints={"main": Checkpoint("main", checkpoint, steps=9, version=1, generation=2)},
                fold=ledger.to_json(),
                results=results,
            )
        )
        store.offer([a_match(4), a_match(5), a_match(6)])
        store.lease("actor", 1, deadline=time.time() + 1000)
        store.lease("other", 1, deadline=time.time() - 1000)
        yield store


def test_a_sound_run(run: RunFolder, store: Store) -> None:
    checks = diagnose(run, store)
    assert [check for check in checks if not check.ok] == []
    assert [check.name for check in checks] == list(CHECKS)
    assert named(checks, "durability").detail == "every write is on disk, nothing evicted"


def named(checks: list[Check], name: str) -> Check:
    (check,) = (check for check in checks if check.name == name)
    return check


def raw(command: str, name: str, *args: object) -> Damage:
    """Damage done behind the store's back."""
    return lambda _, store: getattr(store._connection.client, command)(store._connection.key(name), *args)


def cut_tensors(folder: Path) -> None:
    (path, *_) = folder.glob(f"*/{TENSORS}")
    path.write_bytes(path.read_bytes()[:-1])


def contradict(_: RunFolder, store: Store) -> None:
    (lease,) = store.lease("third", 1, deadline=time.time() + 1000)
    store.report([outcome_of(lease, wins=1)])
    store.report([outcome_of(lease, wins=2)])


def wrong_fold(_: RunFolder, store: Store) -> None:
    ledger = Ledger.from_json(store.fold() or "")
    ledger.elo["main@4"] += 1e-9
    store.commit(Commit(fold=ledger.to_json()))


def miscounted(_: RunFolder, store: Store) -> None:
    ledger = Ledger.from_json(store.fold() or "")
    ledger.seats["main@4"].first[0] += 1
    store.commit(Commit(fold=ledger.to_json()))


@pytest.mark.parametrize(
    ("check", "damage", "what"),
    [
        ("configuration", raw("hset", "meta", "config", "{}"), "not what the run was created with"),
        ("configuration", raw("hset", "meta", "schema", "2"), "has schema 2"),
        ("configuration", lambda run, _: (run.path / "config.json").unlink(), "is not a run"),
        ("snapshots", lambda run, _: cut_tensors(run.snapshots), "bytes where"),
        ("checkpoints", lambda run, _: cut_tensors(run.checkpoints), "bytes where"),
        ("generations", raw("hdel", "snapshots", "main@0"), "which is not there"),
        ("generations", lambda _, store: store.commit(Commit(players=(a_player(3),))), "its snapshots are"),
        ("generations", raw("hset", "snapshots", "main@0", "{}"), "lacks the key"),
        ("log", raw("xdel", "log", "2-0"), "result 2 is missing"),
        ("log", raw("xdel", "log", "3-0"), "it ends at 2, acknowledged were 3"),
        ("log", raw("hset", "meta", "last_seq", 4), "it ends at 3, acknowledged were 4"),
        ("fold", wrong_fold, "is not what the log folds to"),
        ("fold", raw("set", "fold", "{"), "not valid JSON"),
        ("payoff", miscounted, "12 games in the log, 13 and 12"),
        (
            "matches",
            raw("hset", "open", "6", '{"attempt":1,"failures":0,"owner":"","state":"leased","why":""}'),
            "6",
        ),
        ("refused", contradict, "match 6"),
        ("leftovers", lambda run, _: (run.path / ".tmp-0").touch(), ".tmp-0"),
    ],
)
def test_damage_is_found(run: RunFolder, store: Store, check: str, damage: Damage, what: str) -> None:
    damage(run, store)
    found = named(diagnose(run, store), check)
    assert not found.ok
    assert what in found.detail


def test_a_match_both_open_and_done(run: RunFolder, store: Store) -> None:
    for name in ("open", "matches"):
        text = store._connection.client.hget(store._connection.key(name), "6")
        store._connection.client.hset(store._connection.key(name), "1", text.replace('"id":6', '"id":1'))
    assert named(diagnose(run, store), "matches") == Check("matches", False, "both open and done: match 1")


def test_a_match_recorded_twice(run: RunFolder, store: Store) -> None:
    text = store._connection.client.xrange(store._connection.key("log"), "3-0", "3-0")[0][1]
    store._connection.client.xadd(store._connection.key("log"), text, id="4-0")
    store._connection.client.hset(store._connection.key("meta"), "last_seq", 4)
    assert named(diagnose(run, store), "log").detail == "recorded more than once: match 3"


def test_only_a_living_coordinator_is_blamed_for_overdue_leases(
    run: RunFolder, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert named(diagnose(run, store), "leases").ok
    monkeypatch.setattr(run, "holder", lambda: 1)
    assert named(diagnose(run, store), "leases") == Check("leases", False, "overdue: match 5")


def test_a_server_that_may_forget_is_pointed_out(run: RunFolder, store: Store) -> None:
    store._connection.client.config_set("appendfsync", "everysec")
    found = named(diagnose(run, store), "durability")
    assert found.ok
    assert "appendfsync is 'everysec'" in found.detail


def test_every_check_fails_where_the_store_is_gone(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coordinator.store_connection.RETRIES", 0)
    with serve_store(run) as (store, _):
        store.create(run.config)
    failed = [check.name for check in diagnose(run, store) if not check.ok]
    assert set(failed) == set(CHECKS) - {"leftovers"}


def test_a_resting_run_is_opened_for_a_look(run: RunFolder, store: Store) -> None:
    with open_store(run) as looking:  # it lives
        assert looking.counts() == store.counts()
        assert run.holder() is None


def test_a_run_that_rests_is_served_while_it_is_looked_at(run: RunFolder) -> None:
    with serve_store(run) as (store, _):
        store.create(run.config)
    with open_store(run) as store:
        assert store.config() == run.config
        with pytest.raises(RunInUse), run.lock():
            pass
    with run.lock(), pytest.raises(RunInUse), open_store(run):  # somebody is about to start its server
        pass


def test_a_store_elsewhere(run: RunFolder, tmp_path: Path) -> None:
    elsewhere = RunFolder.create(tmp_path / "elsewhere", {})
    with serve_store(elsewhere) as (_, url):
        with serve_store(run, url) as (store, same):
            assert same == url
            store.create(run.config)
        with open_store(run, url) as store:
            assert store.config() == run.config
        assert not run.redis.exists()
    with pytest.raises(StoreUnavailable, match="does not answer"), open_store(run, url):
        pass
