"""Columns that overlap, and columns that end with their episode, against an oracle that cuts whole lives."""

from __future__ import annotations

import numpy as np
import pytest

from agents.columns import Columns
from agents.streams import StreamConfig
from agents.trajectory import TIMED
from tests.agents.column_oracle import STREAMS, Lives, cut, lived, spec_of
from tests.agents.fakes import FINAL, Moment, Row, ScriptedGame, Teller, play, row_of

CUTS = [(1, 0), (2, 0), (2, 1), (5, 0), (5, 1), (5, 3), (5, 4), (7, 5)]
"""Unroll and overlap: a column that holds the starts of none, one, two and four later ones."""


@pytest.mark.parametrize("seats", [1, 2])
@pytest.mark.parametrize("episodic", [False, True])
@pytest.mark.parametrize(("unroll", "overlap"), CUTS)
def test_every_row_of_every_column_is_the_oracles(
    unroll: int, overlap: int, episodic: bool, seats: int
) -> None:
    lives, left = lived(unroll, overlap, episodic, seats)
    size = seats, unroll, overlap
    for episodes, columns in zip(lives.episodes, left, strict=True):
        if episodic:
            wanted = [c for e in episodes for c in cut(e.rows, e.decisions, e.over, *size)]
        else:
            wanted = cut([row for episode in episodes for row in episode.rows], 0, False, *size)
        assert len(columns) == len(wanted) > 2
        for column, rows in zip(columns, wanted, strict=True):
            assert column.core is not None
            assert (column.core == rows[0].core).all()
            for name in TIMED:
                known = slice(None) if name not in ("reward", "terminated") else slice(-1)
                got, truth = getattr(column, name)[:, 0], np.array([getattr(row, name) for row in rows])
                np.testing.assert_array_equal(got[known], truth[known], err_msg=name)


@pytest.mark.parametrize("seats", [1, 2])
@pytest.mark.parametrize("episodic", [False, True])
@pytest.mark.parametrize(("unroll", "overlap"), CUTS)
def test_every_decision_is_trained_once(unroll: int, overlap: int, episodic: bool, seats: int) -> None:
    """As a row from `overlap` to T-1, whatever overlaps and wherever an episode ends."""
    lives, left = lived(unroll, overlap, episodic, seats)
    for episodes, columns in zip(lives.episodes, left, strict=True):
        trained = [
            (
                column.observation[t, 0, 0, 0],
                *column.action[t, 0],
                *column.reward[t, 0],
                column.terminated[t, 0],
            )
            for column in columns
            for t in range(overlap, unroll)
            if column.acting[t].any()
        ]
        rows = [row for episode in episodes for row in episode.rows if row.decides]
        decided = [(row.observation[0, 0], *row.action, *row.reward, row.terminated) for row in rows]
        waiting = len(decided) - len(trained)
        assert trained == decided[: len(trained)]
        assert waiting <= (episodes[-1].decisions if episodic else unroll - overlap)


@pytest.mark.parametrize("seats", [1, 2])
@pytest.mark.parametrize(("unroll", "overlap"), CUTS)
def test_an_episodic_column_is_of_one_episode(unroll: int, overlap: int, seats: int) -> None:
    for columns in lived(unroll, overlap, True, seats)[1]:
        for column in columns:
            acting = column.acting[:, 0].any(1)
            for begin in np.flatnonzero(column.first[:, 0]):
                assert not acting[:begin].any()
            for end in np.flatnonzero(column.terminated[:-1, 0] & acting[:-1]):
                assert not acting[end + 1 :].any()
            assert acting[overlap:-1].any(), "a column without a decision"


def test_a_game_forgotten_leaves_no_trace_where_columns_overlap() -> None:
    left = []
    for before in (0, 3, 40):
        columns = Columns(
            spec_of(1), places=np.arange(STREAMS)[:, None], unroll=4, batch=1, state=True, core=1, overlap=3,
            values=True,
        )  # fmt: skip
        used = Lives(np.random.default_rng(before), columns, 1)
        for now in range(before):
            used.tick(now)
        columns.forget()
        fresh = Lives(np.random.default_rng(7), columns, 1)
        for now in range(1, 30):
            fresh.tick(now)
        left.append(columns.take())
    for again in left[1:]:
        assert len(again) == len(left[0]) > 20
        for one, other in zip(left[0], again, strict=True):
            for name in (*TIMED, "core"):
                np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def test_a_rollout_cuts_by_its_configuration() -> None:
    script = [
        Moment((0,)),
        Moment((0,), (1.0,)),
        Moment((0,), (2.0,), terminated=(0,)),
        Moment((0,), (), (), (0,)),
    ]
    config = StreamConfig(unroll=3, batch=1, core=1, overlap=1, episodic=True, values=True)
    columns = play(ScriptedGame([script], [[0]]), 8, config, behaviours={"main": Teller(core=1)})
    nothing = Row(0, terminated=True, acting=False)
    assert [[row_of(column, t, 0) for t in range(3)] for column in columns[:3]] == [
        [nothing, Row(0, first=True), Row(1, 1.0)],
        [Row(1, 1.0), Row(2, 2.0, terminated=True), nothing],
        [nothing, Row(3, first=True), Row(FINAL + 3, terminated=True, acting=False)],
    ]
    cores = [column.core.item(0) for column in columns if column.core is not None]
    assert cores == [0, 1, 0] * 2, "a Teller counts the decisions of an episode"
    assert all(column.q is not None for column in columns)


@pytest.mark.parametrize("overlap", [-1, 3, 4])
def test_columns_that_would_never_move_on_are_refused(overlap: int) -> None:
    with pytest.raises(ValueError, match=rf"overlap is {overlap} and unroll 3, "):
        StreamConfig(unroll=3, batch=1, overlap=overlap)
