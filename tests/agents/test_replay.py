"""Prioritized replay: who is drawn how often, what is weighed how, what is forgotten, and when."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.replay import Replay
from agents.trajectory import Trajectory
from tests.agents.batches import silenced
from tests.agents.replays import UNROLL, chance, columns, numbers, replay, weights_of

GOLDEN = np.load(Path(__file__).parents[1] / "golden/r2d2.npz")
PER = [name for name in json.loads(str(GOLDEN["_meta"]))["cases"] if name.startswith("per_")]
"""Priorities, the chances that follow, and the importance weights of some that were drawn."""


def golden(case: str) -> dict[str, Any]:
    return {name.split("/")[1]: GOLDEN[name] for name in GOLDEN.files if name.startswith(f"{case}/")}


def prioritized(case: dict[str, Any], **options: Any) -> Replay:
    """With the golden priorities of so many columns in it."""
    count = len(case["priorities"])
    buffer = replay(
        capacity=count,
        priority_exponent=float(case["priority_exponent"]),
        importance_exponent=float(case["is_exponent"]),
        initial=lambda batch: case["priorities"][batch.version[0]],
        **options,
    )
    buffer.put(columns(count))
    return buffer


class Pointing(np.random.Generator):
    """Draws what makes a replay find certain entries, whatever part of all weights they lie in."""

    def __init__(self, chances: np.ndarray, wanted: np.ndarray) -> None:
        super().__init__(np.random.PCG64(0))
        middles = chances.cumsum() - chances / 2
        self._points = len(wanted) * middles[wanted] - np.arange(len(wanted))

    def random(self, *args: Any, **kwargs: Any) -> Any:
        return self._points


@pytest.mark.parametrize("name", PER)
def test_golden_importance_weights(name: str) -> None:
    case = golden(name)
    drawn = case["sampled_indices"]
    buffer = prioritized(case, batch=len(drawn))
    sample = next(buffer.take(Pointing(case["probabilities"], drawn)))
    assert sample.index is not None
    assert sample.weights is not None
    np.testing.assert_array_equal(sample.index, drawn)
    assert numbers(sample) == drawn.tolist()
    np.testing.assert_allclose(sample.weights, case["is_weights_batch_max"], rtol=1e-6)


@pytest.mark.parametrize("name", PER)
def test_golden_chances(name: str) -> None:
    case = golden(name)
    weights = weights_of(prioritized(case), 12)
    np.testing.assert_allclose(weights / weights.sum(), case["probabilities"], rtol=1e-12)


@pytest.mark.parametrize("name", PER)
@pytest.mark.parametrize("batch", [1, 5])
def test_columns_are_drawn_as_often_as_their_chances_say(name: str, batch: int) -> None:
    """Chi-square with 11 degrees of freedom: above 31.3 with chance 0.001, were the draws apart (batch 1)."""
    case, draws = golden(name), 5000
    buffer = prioritized(case, batch=batch, ratio=draws / 12)
    drawn = np.concatenate([numbers(sample) for sample in buffer.take(chance(batch))])
    assert len(drawn) == draws
    expected = draws * case["probabilities"]
    assert ((np.bincount(drawn, minlength=12) - expected) ** 2 / expected).sum() < 31.3
    uniform = draws / 12
    assert ((np.bincount(drawn, minlength=12) - uniform) ** 2 / uniform).sum() > 100


def test_a_sample_takes_one_from_each_part_of_all_weights() -> None:
    buffer = replay(batch=8, ratio=5.0)
    buffer.put(columns(8))
    samples = list(buffer.take(chance()))
    assert len(samples) == 5
    for sample in samples:
        assert sample.weights is None
        assert numbers(sample) == list(range(8))


def test_the_newest_columns_are_kept_and_given_as_they_came() -> None:
    buffer, drawn = replay(capacity=5, batch=5), 0
    batches = [columns(3, 3 * k, core=2) for k in range(6)]
    for arrived, batch in enumerate(batches, 1):
        buffer.put(batch)
        for sample in buffer.take(chance(arrived)):
            assert sorted(numbers(sample)) == list(range(3 * arrived - 5, 3 * arrived))
            drawn += 1
            for at, number in enumerate(numbers(sample)):
                of, there = batches[number // 3], number % 3
                np.testing.assert_array_equal(sample.batch.rows[:, at], of.rows[:, there])
                np.testing.assert_array_equal(sample.batch.place[at], of.place[there])
                assert of.core is not None
                assert sample.batch.core is not None
                np.testing.assert_array_equal(sample.batch.core[at], of.core[there])
    assert drawn == 3 * 6 // 5


def test_a_sample_is_a_copy() -> None:
    buffer, batch = replay(batch=4), columns(4)
    whole = columns(4)
    buffer.put(batch)
    batch.rows.view(np.uint8)[:] = 255
    (sample,) = buffer.take(chance())
    np.testing.assert_array_equal(sample.batch.rows, whole.rows)
    sample.batch.rows.view(np.uint8)[:] = 255
    buffer.put(columns(4, 4))
    (sample,) = buffer.take(chance())
    assert all(version in range(8) for version in numbers(sample))


def test_more_columns_at_once_than_are_kept_leave_the_last() -> None:
    buffer = replay(capacity=3, batch=3)
    buffer.put(columns(8))
    sample, _ = buffer.take(chance())
    assert sorted(numbers(sample)) == [5, 6, 7]
    buffer.put(columns(1, 8))
    assert sorted(np.concatenate([numbers(s) for s in buffer.take(chance())])) == [6, 7, 8]


@pytest.mark.parametrize(("ratio", "least", "batch"), [(0.75, 5, 3), (1.5, 0, 4), (8.0, 6, 5), (0.1, 2, 1)])
def test_samples_are_owed_for_what_comes_after_the_first_columns(
    ratio: float, least: int, batch: int
) -> None:
    buffer, drawn, arrived = replay(ratio=ratio, least=least, batch=batch), 0, 0
    for count in (1, 4, 3, 1, 2, 7, 1, 1, 8, 2):
        buffer.put(columns(count, arrived))
        arrived += count
        samples = list(buffer.take(chance(arrived)))
        drawn += len(samples)
        assert all(sample.batch.columns == batch for sample in samples)
        assert drawn == int(ratio * max(0, arrived - least) / batch + 1e-9)


def test_nothing_is_owed_for_columns_without_a_decision() -> None:
    buffer = replay(batch=1)
    buffer.put(silenced(columns(6), slice(1, 5)))
    drawn = [number for sample in buffer.take(chance()) for number in numbers(sample)]
    assert len(drawn) == 2
    assert set(drawn) <= {0, 5}


def test_columns_that_train_nothing_are_never_drawn() -> None:
    """Where somebody acts only during burn-in, or in the row to bootstrap from, nothing is to be learnt."""
    batch = columns(6)
    for column, rows in enumerate([[], [0, 1], [UNROLL], [0, UNROLL], [2], [3]]):
        batch.acting[:, column] = np.isin(np.arange(UNROLL + 1), rows)[:, None]
    for alpha in (0.0, 1.0):
        buffer = replay(burn_in=2, batch=2, ratio=50.0, priority_exponent=alpha)
        buffer.put(batch)
        drawn = {number for sample in buffer.take(chance()) for number in numbers(sample)}
        assert drawn == {4, 5}
    silent = replay()
    silent.put(silenced(columns(6), slice(0, 6)))
    assert not list(silent.take(chance()))


def test_new_columns_get_the_largest_priority_that_was_ever_told() -> None:
    buffer = replay(priority_exponent=0.5, batch=2)
    buffer.put(columns(2))
    np.testing.assert_array_equal(weights_of(buffer, 2), [1, 1])
    buffer.reprioritize(np.array([0, 1]), np.array([9.0, 0.25], np.float32))
    buffer.put(columns(1, 2))
    buffer.reprioritize(np.array([0]), np.array([0.25], np.float32))
    buffer.put(columns(1, 3))
    np.testing.assert_array_equal(weights_of(buffer, 4), [0.5, 0.5, 3, 3])


def test_first_priorities_are_those_that_the_caller_finds() -> None:
    def initial(batch: Trajectory) -> Any:
        return np.where(batch.version[0] == 2, np.nan, 4.0 * batch.version[0]).astype(np.float32)

    buffer = replay(priority_exponent=0.5, batch=2, initial=initial)
    buffer.put(columns(4))
    assert weights_of(buffer, 4).tolist() == [1e-3, 2, 1, 12**0.5]
    by_window = replay(
        priority_exponent=1.0, window=2, initial=lambda batch: 1.0 + batch.version[:3].T + np.arange(3)
    )
    by_window.put(columns(2))
    assert weights_of(by_window, 6).tolist() == [1, 2, 3, 2, 3, 4]


def test_a_priority_for_a_column_that_is_gone_changes_nothing() -> None:
    buffer = replay(capacity=4, batch=4, priority_exponent=1.0)
    buffer.put(columns(4))
    (sample,) = buffer.take(chance())
    assert sample.index is not None
    np.testing.assert_array_equal(sample.index, range(4))
    buffer.put(columns(2, 4))  # in place of 0 and 1
    buffer.reprioritize(sample.index, np.array([700, 71, 72, 73], np.float32))
    np.testing.assert_array_equal(weights_of(buffer, 4), [1, 1, 72, 73])
    buffer.put(columns(4, 6))
    before = weights_of(buffer, 4).copy()
    buffer.reprioritize(sample.index, np.full(4, 1e6, np.float32))
    np.testing.assert_array_equal(weights_of(buffer, 4), before)
    buffer.put(columns(1, 10))
    assert weights_of(buffer, 4)[10 % 4] == 73, "what was not heeded is not the largest either"


def test_samples_name_columns_by_their_numbers_however_often_slots_were_filled() -> None:
    buffer = replay(capacity=4, batch=4, priority_exponent=1.0)
    for first in range(0, 30, 3):
        buffer.put(columns(3, first))
        for sample in buffer.take(chance(first)):
            assert sample.index is not None
            np.testing.assert_array_equal(sample.index, numbers(sample))
            buffer.reprioritize(sample.index, sample.index.astype(np.float32) + 1)
            for number in set(numbers(sample)):
                assert weights_of(buffer, 4)[number % 4] == number + 1


def test_what_is_not_finite_is_passed_over_and_nothing_falls_to_zero() -> None:
    buffer = replay(priority_exponent=1.0)
    buffer.reprioritize(np.array([0]), np.array([3.0], np.float32))  # before anything came
    buffer.put(columns(4))
    buffer.reprioritize(np.arange(4), np.array([np.nan, np.inf, 0.0, 2.0], np.float32))
    assert weights_of(buffer, 4).tolist() == [1, 1, 1e-6, 2]


def test_priorities_found_for_one_sample_decide_the_next() -> None:
    buffer = replay(capacity=4, batch=4, ratio=2.0, priority_exponent=1.0)
    buffer.put(columns(4))
    taking = buffer.take(chance())
    first = next(taking)
    assert first.index is not None
    assert sorted(numbers(first)) == [0, 1, 2, 3]
    buffer.reprioritize(first.index, np.where(first.index == 2, 1e6, 0.0).astype(np.float32))
    assert numbers(next(taking)) == [2] * 4
