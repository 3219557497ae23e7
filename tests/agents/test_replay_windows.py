"""Replay of transitions: entries that are some rows of a column."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.agents.column_oracle import lived
from tests.agents.replays import UNROLL, chance, columns, replay, weights_of


@pytest.mark.parametrize("window", [1, 2, 3, 4])
def test_windows_are_rows_that_follow_one_another_from_a_decision_on(window: int) -> None:
    batch = columns(5, all_act=False)
    starts = UNROLL - window + 1
    wanted = {(c, t) for c in range(5) for t in range(starts) if batch.acting[t, c].any()}
    assert 0 < len(wanted) < 5 * starts or window == UNROLL
    buffer = replay(window=window, batch=len(wanted))
    buffer.put(batch)
    (sample,) = buffer.take(chance())
    assert sample.index is not None
    column, first = np.divmod(sample.index, starts)
    assert set(zip(column.tolist(), first.tolist(), strict=True)) == wanted
    assert sample.batch.unroll == window
    np.testing.assert_array_equal(sample.batch.place, batch.place[column])
    for row in range(window + 1):
        np.testing.assert_array_equal(sample.batch.rows[row], batch.rows[first + row, column])


def test_a_priority_is_its_windows_own() -> None:
    buffer = replay(capacity=2, window=2, batch=6, ratio=3.0, priority_exponent=1.0)
    buffer.put(columns(2))
    buffer.put(columns(1, 2))  # in place of 0
    sample = next(buffer.take(chance()))
    assert sample.index is not None
    assert sorted(sample.index.tolist()) == [3, 4, 5, 6, 7, 8]
    buffer.reprioritize(np.arange(9), np.arange(9, dtype=np.float32) + 1)
    np.testing.assert_array_equal(weights_of(buffer, 6), [7, 8, 9, 4, 5, 6])


@pytest.mark.parametrize("seats", [1, 2])
@pytest.mark.parametrize(("unroll", "overlap"), [(5, 0), (5, 1), (5, 3), (5, 4), (7, 5)])
def test_every_decision_of_a_rollout_is_the_first_of_one_window(
    unroll: int, overlap: int, seats: int
) -> None:
    """Columns that overlap by n - 1 rows, across the ends of episodes; and n rewards are there for each."""
    lives, left = lived(unroll, overlap, False, seats)
    for episodes, cut in zip(lives.episodes, left, strict=True):
        rows = [row for episode in episodes for row in episode.rows]
        buffer = replay(capacity=len(cut), window=overlap + 1, batch=1)
        for column in cut:
            buffer.put(replace(column, core=None))
        assert buffer._kept is not None
        owed = int(buffer._owed)
        buffer._batch = owed
        (sample,) = buffer.take(chance())
        batch, decided = sample.batch, [at for at, row in enumerate(rows) if row.decides]
        assert len(decided) - owed <= unroll
        for at, begin in enumerate(decided[:owed]):
            for t in range(overlap + 2):
                row = rows[begin + t]
                np.testing.assert_array_equal(batch.observation[t, at], row.observation)
                assert batch.first[t, at] == row.first
                if t <= overlap:
                    np.testing.assert_array_equal(batch.reward[t, at], row.reward)
                    assert batch.terminated[t, at] == row.terminated


def test_windows_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="windows of 5 steps do not fit into columns of 4"):
        replay(window=5).put(columns(1))
    with pytest.raises(ValueError, match="whose recurrent state is kept before row 0 only"):
        replay(window=2).put(columns(1, core=3))
