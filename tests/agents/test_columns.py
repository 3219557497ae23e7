"""Columns: T rows and one more, which is also the first row of what follows."""

from __future__ import annotations

import numpy as np
import pytest

from agents.columns import Columns
from agents.trajectory import TIMED, Trajectory
from envs.game import ArraySpec, Discrete, GameSpec

SPEC = GameSpec(
    name="columns",
    seats=("a", "b"),
    teams={"a": (0,), "b": (1,)},
    observation=ArraySpec((2,), "int32"),
    actions=Discrete(3),
    slots=1,
    symmetric=True,
    state=ArraySpec((1,), "int32"),
)
KNOWN_AT_ONCE = set(TIMED) - {"reward", "terminated"}
"""What a row holds from the moment it is written; the rest comes until the next."""


def columns(streams: int, unroll: int, batch: int, *, core: int = 0, everything: bool = False) -> Columns:
    """everything: whether all that may be kept is."""
    places, core = np.arange(streams)[:, None], core or int(everything)
    return Columns(
        SPEC, places=places, unroll=unroll, batch=batch, state=everything, core=core, values=everything
    )


def decide(table: Columns, streams: list[int], now: int, version: int = 0, *, at_once: bool = True) -> None:
    """One decision of each of these streams; what it saw, did and claims is told by stream and `now`."""
    who = np.array(streams)
    core = np.full((len(who), 1, 2, 1), now, np.float32)
    state = np.full((len(who), 1), now)
    observation = np.stack([who, np.full_like(who, now)], axis=1)
    decided = (observation, np.ones((len(who), 3), bool), who % 3, -(now + who / 8))
    q = np.stack([who, np.full_like(who, now)], axis=1) / 4
    if at_once:
        table.add(who, version, *decided, state, core, q)
    else:
        rows = table.begin_row(who, version, state, core)
        table.write(rows, who, 0, *decided, q)
        table.end_row(rows, who)


def test_columns_overlap_by_one_row_whatever_pauses_between() -> None:
    """Streams act at random; a column of each is followed by one that begins with its last row."""
    generator = np.random.default_rng(0)
    table, last = columns(5, unroll=3, batch=1, everything=True), {}
    followed = 0
    for now in range(200):
        who = np.flatnonzero(generator.random(5) < [0.05, 0.2, 0.5, 0.9, 1.0]).tolist()
        if who:
            decide(table, who, now, version=now)
        table.reward(np.arange(5), 0, generator.integers(0, 3, 5).astype(np.float32))
        if now % 17 == 16:
            table.terminate(generator.permutation(5)[:2])
        for column in table.take():
            stream = int(column.observation[0, 0, 0, 0])
            assert (column.observation[:, 0, 0, 0] == stream).all()
            assert column.place.tolist() == [[stream]]
            assert column.core is not None
            assert (column.core == column.observation[0, 0, 0, 1]).all()
            if stream in last:
                followed += 1
                for name in KNOWN_AT_ONCE:
                    before, after = getattr(last[stream], name)[-1], getattr(column, name)[0]
                    np.testing.assert_array_equal(before, after, err_msg=name)
            last[stream] = column
    assert followed > 100


@pytest.mark.parametrize("columns_taken", [np.array([True, False, True]), slice(1, 3)])
def test_selected_columns_keep_every_field(columns_taken: slice) -> None:
    table = columns(3, unroll=2, batch=3, everything=True)
    for now in range(3):
        decide(table, [0, 1, 2], now)
    (whole,) = table.take()
    kept = whole.select(columns_taken)
    for name in TIMED:
        np.testing.assert_array_equal(
            getattr(kept, name), getattr(whole, name)[:, columns_taken], err_msg=name
        )
    for name in ("place", "core"):
        np.testing.assert_array_equal(getattr(kept, name), getattr(whole, name)[columns_taken], err_msg=name)


def test_a_row_written_at_once_is_that_written_in_parts() -> None:
    tables = [columns(3, unroll=2, batch=2, everything=True) for _ in range(2)]
    for now, who in enumerate([[0, 1], [2], [0, 1, 2], [1, 0], [2, 1], [0, 2], [1, 2], [0], [1]]):
        for at_once, table in enumerate(tables):
            decide(table, who, now, version=now, at_once=bool(at_once))
            table.reward(np.arange(3), 0, np.ones(3, np.float32))
            if now in (2, 5):
                table.terminate(np.array([1]))
    left, right = (table.take() for table in tables)
    assert len(left) == len(right) > 1
    for one, other in zip(left, right, strict=True):
        for name in (*TIMED, "place", "core"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


@pytest.mark.parametrize("at_once", [True, False])
def test_values_are_kept_beside_the_decision_and_are_zero_where_there_are_none(at_once: bool) -> None:
    table, only = columns(1, unroll=3, batch=1, everything=True), np.array([0])
    for now in range(1, 8):
        decide(table, [0], now, at_once=at_once)
        if now == 5:
            table.truncate(only, np.ones((1, 1, 2), int), np.ones((1, 1), bool), np.ones((1, 1)))
    decided = np.zeros((1, 2)), np.ones((1, 3), bool), np.zeros(1), np.zeros(1)
    table.add(only, 0, *decided)  # by one that knows no values
    kept = [column.q[:, 0, 0, 1].tolist() for column in table.take() if column.q is not None]
    assert kept == [[0.25, 0.5, 0.75, 1.0], [1.0, 1.25, 0.0, 1.5]]
    for now in range(9, 10):
        decide(table, [0], now, at_once=at_once)
    (column,) = table.take()
    assert column.q is not None
    assert column.q[:, 0, 0, 1].tolist() == [1.5, 1.75, 0.0, 2.25]
    plain = columns(1, unroll=1, batch=1)
    decide(plain, [0], 1, at_once=at_once)
    decide(plain, [0], 2, at_once=at_once)
    assert plain.take()[0].q is None


def test_rewards_go_to_the_pending_decision_alone() -> None:
    table = columns(2, unroll=1, batch=1)
    both = np.arange(2)
    table.reward(both, 0, np.array([50.0, 50.0]))  # nobody has acted: it belongs to no decision
    decide(table, [0], 0)
    table.reward(both, 0, np.array([1.0, 50.0]))
    table.reward(both, 0, np.array([2.0, 50.0]))
    decide(table, [0, 1], 1)
    table.reward(both, 0, np.array([8.0, 16.0]))
    table.terminate(both)
    table.reward(both, 0, np.array([50.0, 50.0]))  # the episode is over, the next has not begun
    decide(table, [1, 0], 2)
    first, *others = table.take()
    assert first.reward[0].item() == 3.0
    by_stream = {int(other.observation[0, 0, 0, 0]): other for other in others}
    assert by_stream[0].reward[0].item() == 8.0
    assert by_stream[1].reward[0].item() == 16.0
    for other in others:
        assert other.terminated[:, 0].tolist() == [True, False]
        assert other.first[1, 0]
        assert other.reward[1].item() == 0.0


def test_ending_what_has_not_begun_changes_nothing() -> None:
    table = columns(1, unroll=1, batch=1)
    only = np.array([0])
    table.terminate(only)
    table.truncate(only, np.full((1, 1, 2), 7), np.ones((1, 1), bool), np.zeros((1, 1)))
    decide(table, [0], 0)
    table.terminate(only)
    table.terminate(only)
    decide(table, [0], 1)
    (column,) = table.take()
    assert column.observation[:, 0, 0].tolist() == [[0, 0], [0, 1]]
    assert column.first[:, 0].tolist() == [True, True]


def test_truncation_appends_a_row_to_those_that_await_something() -> None:
    table = columns(3, unroll=2, batch=1, everything=True)
    decide(table, [0, 2], 0, version=4)
    final = np.array([[[0, 9]], [[1, 9]], [[2, 9]]])
    state, core = np.array([[70], [71], [72]]), np.array([60, 61, 62], np.float32)
    cores = np.broadcast_to(core[:, None, None, None], (3, 1, 2, 1))
    table.truncate(np.arange(3), final, np.ones((3, 1), bool), state, cores)
    decide(table, [0, 1, 2], 1, version=5)
    decide(table, [0, 1, 2], 2, version=5)
    decide(table, [0, 2], 3, version=5)
    short, long, *later = table.take()
    for column, stream in ((short, 0), (long, 2)):
        assert column.observation[:, 0, 0].tolist() == [[stream, 0], [stream, 9], [stream, 1]]
        assert column.acting[:, 0, 0].tolist() == [True, False, True]
        assert column.terminated[:2, 0].tolist() == [False, True]
        assert column.first[:, 0].tolist() == [True, False, True]
        assert column.version[:, 0].tolist() == [4, 4, 5]
        assert column.state is not None
        assert column.state[1, 0, 0] == 70 + stream
        assert column.mask[1].all()
        assert column.action[1].item() == 0
        assert column.decisions == 1
    assert len(later) == 2


def test_a_truncated_row_that_begins_a_column_brings_its_own_core() -> None:
    table = columns(3, unroll=1, batch=1, core=1)
    decide(table, [0, 2], 5)
    cores = np.arange(60, 63, dtype=np.float32)[:, None, None, None] * np.ones((1, 1, 2, 1), np.float32)
    table.truncate(np.arange(3), np.zeros((3, 1, 2), int), np.ones((3, 1), bool), None, cores)
    decide(table, [0, 2], 6)
    assert [float(c.core[0, 0, 0, 0]) for c in table.take() if c.core is not None] == [5, 5, 60, 62]


@pytest.mark.parametrize("batch", [1, 2, 3, 8])
def test_batches_are_whole_in_order_and_nobodys_but_the_takers(batch: int) -> None:
    table = columns(7, unroll=1, batch=batch)
    taken, copies = [], []
    for now in range(12):
        decide(table, list(range(7)), now)
        new = table.take()
        assert not table.take()
        taken += new
        copies += [column.observation.copy() for column in new]
    assert len(taken) == 7 * 11 // batch
    for column, copied in zip(taken, copies, strict=True):
        assert column.columns == batch
        np.testing.assert_array_equal(column.observation, copied)  # later rows did not touch it
    first = np.concatenate([column.observation[0, :, 0] for column in taken])
    wanted = [[stream, now] for now in range(11) for stream in range(7)][: len(first)]
    assert first.tolist() == wanted


def test_forgetting_leaves_no_trace() -> None:
    def filled(table: Columns) -> list[Trajectory]:
        decide(table, [0, 1], 0)
        table.truncate(np.array([0]), np.ones((1, 1, 2), int), np.ones((1, 1), bool), np.ones((1, 1)))
        for now in range(1, 6):
            decide(table, [0, 1], now)
        return table.take()

    table = columns(2, unroll=2, batch=2, everything=True)
    for now in range(50, 60):
        decide(table, [1] if now % 2 else [0, 1], now, version=9)
    table.forget()
    again, new = filled(table), filled(columns(2, unroll=2, batch=2, everything=True))
    assert len(again) == len(new) > 1
    for left, right in zip(again, new, strict=True):
        for name in TIMED:
            np.testing.assert_array_equal(getattr(left, name), getattr(right, name), err_msg=name)
