"""Replay: going on after a stop, beginning anew, and what it takes of memory."""

from __future__ import annotations

import numpy as np
import psutil
import pytest
from safetensors.numpy import load, save

from agents.buffers import Sample, Tensors
from agents.errors import AgentError
from agents.replay import Replay, memory
from agents.streams import StreamConfig
from tests.agents.replays import SPEC, UNROLL, chance, columns, numbers, replay, weights_of


def through_a_file(state: Tensors) -> Tensors:
    return load(save({name: np.asarray(array, order="C") for name, array in state.items()}))


@pytest.mark.parametrize("window", [None, 2])
@pytest.mark.parametrize("rounds", [0, 1, 3, 7])
@pytest.mark.parametrize("cleared", [False, True])
def test_going_on_from_a_file_gives_the_same_samples(window: int | None, rounds: int, cleared: bool) -> None:
    options = {"window": window, "capacity": 10, "least": 4, "batch": 3, "ratio": 0.7}
    exponents = {"priority_exponent": 0.6, "importance_exponent": 0.4}
    core = 0 if window else 2

    def round_of(buffer: Replay, number: int) -> list[Sample]:
        buffer.put(columns(3, 3 * number, core=core, all_act=False))
        samples = []
        for sample in buffer.take(chance(number)):
            assert sample.index is not None
            buffer.reprioritize(sample.index, np.sqrt(1 + sample.index).astype(np.float32))
            samples.append(sample)
        return samples

    straight, stopped, resumed = (replay(**options, **exponents) for _ in range(3))
    for number in range(rounds):
        for buffer in (straight, stopped):
            round_of(buffer, number)
            if cleared and number == rounds - 2:
                buffer.clear()
    resumed.load_state(through_a_file(stopped.state()))
    drawn = 0
    for number in range(rounds, rounds + 8):
        wanted, got = round_of(straight, number), round_of(resumed, number)
        assert len(wanted) == len(got)
        drawn += len(wanted)
        for one, other in zip(wanted, got, strict=True):
            np.testing.assert_array_equal(one.batch.rows, other.batch.rows)
            np.testing.assert_array_equal(one.batch.place, other.batch.place)
            for left, right in ((one.weights, other.weights), (one.index, other.index)):
                assert left is not None
                assert right is not None
                np.testing.assert_array_equal(left, right)
            if one.batch.core is not None:
                assert other.batch.core is not None
                np.testing.assert_array_equal(one.batch.core, other.batch.core)
    assert drawn > 3


def test_cleared_it_draws_nothing_old_and_waits_for_the_first_columns_again() -> None:
    buffer = replay(capacity=4, batch=4, least=3, priority_exponent=1.0)
    buffer.put(columns(7))
    (sample,) = buffer.take(chance())
    assert sample.index is not None
    buffer.reprioritize(sample.index, np.full(4, 50, np.float32))
    buffer.put(columns(3, 7))
    buffer.clear()
    assert not list(buffer.take(chance()))
    buffer.reprioritize(sample.index, np.full(4, 99, np.float32))
    buffer.put(columns(2, 20))
    assert not list(buffer.take(chance()))
    assert sorted(weights_of(buffer, 4)) == [0, 0, 1, 1]
    buffer.put(columns(4, 22))
    assert not list(buffer.take(chance())), "three are owed, of four"
    buffer.put(columns(1, 26))
    (sample,) = buffer.take(chance())
    assert sorted(numbers(sample)) == [23, 24, 25, 26]


def test_a_state_of_another_configuration_is_refused() -> None:
    buffer = replay()
    buffer.put(columns(3))
    with pytest.raises(AgentError, match="keeps 8 columns, but this configuration's 9"):
        replay(capacity=9).load_state(buffer.state())
    with pytest.raises(
        AgentError, match="has 3 entries in 3 columns, but this configuration's has 3 in each"
    ):
        replay(window=2).load_state(buffer.state())


@pytest.mark.parametrize(("window", "core"), [(None, 0), (None, 5), (3, 0)])
def test_memory_is_what_the_slots_and_the_tree_take(window: int | None, core: int) -> None:
    config = StreamConfig(unroll=UNROLL, batch=1, core=core)
    buffer = replay(capacity=13, window=window)
    buffer.put(columns(2, core=core))
    kept = buffer._kept
    assert kept is not None
    slots = kept.rows.nbytes + kept.place.nbytes + (0 if kept.core is None else kept.core.nbytes)
    size = config.column_bytes(SPEC)
    told = memory(capacity=13, column_bytes=size, unroll=UNROLL, window=window)
    assert told == slots + kept.tree._nodes.nbytes


def test_room_for_many_columns_takes_no_memory_until_they_come() -> None:
    column = columns(1, unroll=1000)
    before = psutil.Process().memory_info().rss
    buffer = replay(capacity=2**31 // column.rows.nbytes)
    buffer.put(column)
    assert buffer._kept is not None
    assert buffer._kept.rows.nbytes > 2**30
    assert psutil.Process().memory_info().rss - before < 2**28
