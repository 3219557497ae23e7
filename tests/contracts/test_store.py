"""What every store promises of a run: a commit is whole, and a coordinator can be replaced."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from coordinator import store as store_module
from coordinator.store import (
    Checkpoint,
    Commit,
    RunState,
    SchemaMismatch,
    StaleEpoch,
    Store,
    StoreError,
    Verdict,
)
from tests.contracts.nouns import a_match, a_player, a_snapshot, an_outcome, outcome_of

Connect = Callable[[], Store]


class TestRun:
    def test_it_reads_what_it_was_created_with(self, connect: Connect) -> None:
        store = connect()
        assert not store.exists()
        store.create({"game": "tictactoe", "rate": 1e-3})
        assert store.exists()
        assert store.config() == {"game": "tictactoe", "rate": 1e-3}
        assert (store.epoch(), store.next_match(), store.state()) == (0, 1, RunState.STOPPED)
        assert store.fold() is None
        assert store.status() == {}

    def test_a_run_is_never_created_over_another(self, store: Store) -> None:
        with pytest.raises(StoreError, match="a run is there already"):
            store.create({"game": "kuhn"})
        assert store.config() == {"game": "tictactoe"}

    def test_no_run(self, connect: Connect) -> None:
        with pytest.raises(StoreError, match="there is no run"):
            connect().config()
        with pytest.raises(StoreError, match="there is no run"):
            connect().begin_epoch()
        assert not connect().exists()

    def test_a_run_of_another_schema_is_refused(
        self, connect: Connect, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as newer:
            newer.setattr(store_module, "SCHEMA", 2)
            connect().create({})
        with pytest.raises(SchemaMismatch, match="has schema 2, this program reads schema 1"):
            connect().config()
        with pytest.raises(SchemaMismatch, match="has schema 2"):
            connect().begin_epoch()

    def test_state_and_status(self, store: Store) -> None:
        store.set_state("running")
        store.put_status({"steps": 12, "policy_lag": 0.5})
        assert store.state() == RunState.RUNNING
        assert store.status() == {"steps": 12, "policy_lag": 0.5}
        with pytest.raises(StoreError, match="state is 'paused', but must be stopped or running or finished"):
            store.set_state("paused")


class TestEpoch:
    def test_every_coordinator_has_a_new_one(self, connect: Connect, store: Store) -> None:
        assert store.epoch() == 1
        assert connect().begin_epoch() == 2
        assert store.epoch() == 2

    @pytest.mark.parametrize(
        "write",
        [
            lambda store: store.commit(Commit(players=(a_player(),))),
            lambda store: store.offer([a_match(2)]),
            lambda store: store.expire(now=1e12),
            lambda store: store.release("actor-1"),
            lambda store: store.withdraw([1]),
            lambda store: store.set_state("finished"),
            lambda store: store.put_status({"steps": 1}),
        ],
        ids=["commit", "offer", "expire", "release", "withdraw", "set_state", "put_status"],
    )
    def test_a_stale_coordinator_changes_nothing(
        self, connect: Connect, store: Store, write: Callable[[Store], object]
    ) -> None:
        store.offer([a_match(1)])
        store.lease("actor-1", 1, deadline=10.0)
        before = store.open_matches(), store.counts(), store.players(), store.state(), store.status()
        connect().begin_epoch()
        with pytest.raises(StaleEpoch, match="another coordinator has taken over the run: this is epoch 1"):
            write(store)
        assert (
            store.open_matches(),
            store.counts(),
            store.players(),
            store.state(),
            store.status(),
        ) == before

    def test_who_never_began_one_may_not_coordinate(self, connect: Connect, store: Store) -> None:
        with pytest.raises(StaleEpoch, match="offer before begin_epoch"):
            connect().offer([a_match(1)])
        assert store.open_matches() == []

    def test_actors_do_not_care_who_coordinates(self, connect: Connect, store: Store) -> None:
        store.offer([a_match(1)])
        (lease,) = store.lease("actor-1", 1, deadline=10.0)
        connect().begin_epoch()
        assert connect().report([outcome_of(lease)]) == [Verdict.ACCEPTED]


class TestCommit:
    WHOLE = Commit(
        players=(a_player(2),),
        snapshots=(a_snapshot(1), a_snapshot(0)),
        checkpoints={"main": Checkpoint("main", "b" * 64, steps=2000, version=17, generation=2)},
        fold='{"seq":2}',
        results=((a_match(1), an_outcome(1)), (a_match(2), an_outcome(2, wins=0))),
        status={"steps": 2000},
        state=RunState.RUNNING,
    )

    def test_all_of_it_is_written(self, store: Store) -> None:
        assert store.commit(self.WHOLE) == 2
        assert store.players() == {"main": a_player(2)}
        assert store.snapshots() == [a_snapshot(0), a_snapshot(1)]
        assert store.checkpoints() == self.WHOLE.checkpoints
        assert store.fold() == '{"seq":2}'
        assert tuple((result.match, result.outcome) for result in store.results(0)) == self.WHOLE.results
        assert store.next_match() == 3
        assert (store.state(), store.status()) == (RunState.RUNNING, {"steps": 2000})

    def test_results_come_in_the_order_in_which_matches_ended(self, store: Store) -> None:
        change = Commit(results=tuple((a_match(id), an_outcome(id)) for id in (3, 1, 2)))
        assert [store.commit(change) for _ in range(2)] == [3, 3]
        assert [result.match.id for result in store.results(0)] == [3, 1, 2]
        assert store.next_match() == 4

    def test_sent_twice_it_changes_nothing_more(self, store: Store) -> None:
        assert [store.commit(self.WHOLE) for _ in range(2)] == [2, 2]
        assert [result.seq for result in store.results(0)] == [1, 2]

    @pytest.mark.parametrize(
        ("bad", "message"),
        [
            ({"snapshots": (a_snapshot(2), a_snapshot(0, "c" * 64))}, "snapshot main@0 is there already"),
            (
                {"results": ((a_match(3), an_outcome(3)), (a_match(2), an_outcome(2, wins=3)))},
                "of match 2 is not",
            ),
            ({"results": ((a_match(4), an_outcome(4)),) * 2}, "of match 4 is not of a new match"),
            ({"results": ((a_match(3), an_outcome(4)),)}, "the outcome of match 4 came with match 3"),
        ],
    )
    def test_one_bad_part_spoils_all_of_it(self, store: Store, bad: dict[str, object], message: str) -> None:
        store.commit(self.WHOLE)
        before = self.everything(store)
        change = Commit(
            players=(a_player(3),), fold="{}", results=((a_match(3), an_outcome(3)),), status={"steps": 1}
        )
        with pytest.raises(StoreError, match=message):
            store.commit(replace(change, **bad))  # type: ignore[arg-type]
        assert self.everything(store) == before

    def test_a_match_on_offer_cannot_be_recorded_past_its_actor(self, store: Store) -> None:
        store.offer([a_match(1)])
        with pytest.raises(StoreError, match="of match 1 is not of a new match"):
            store.commit(Commit(results=((a_match(1), an_outcome(1)),)))

    def test_what_it_leaves_out_is_left_alone(self, store: Store) -> None:
        store.commit(self.WHOLE)
        before = self.everything(store)
        assert store.commit(Commit()) == 2
        assert self.everything(store) == before

    @staticmethod
    def everything(store: Store) -> tuple[object, ...]:
        return (
            store.players(),
            store.snapshots(),
            store.checkpoints(),
            store.fold(),
            store.results(0),
            store.next_match(),
            store.state(),
            store.status(),
            store.counts(),
        )


def test_the_log_is_read_in_pages(store: Store) -> None:
    store.commit(Commit(results=tuple((a_match(id), an_outcome(id)) for id in range(1, 8))))
    assert [result.seq for result in store.results(after=2, limit=3)] == [3, 4, 5]
    assert [result.seq for result in store.results(after=5)] == [6, 7]
    assert store.results(after=7) == []
    assert [result.match.id for result in store.last_results(2)] == [6, 7]


def test_runs_on_one_server_do_not_meet(server_url: str, store: Store) -> None:
    store.offer([a_match(1)])
    with Store.connect(server_url, "another") as other:
        assert not other.exists()
        assert other.open_matches() == []
