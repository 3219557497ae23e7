"""Buffers that go over batches in order: once, or several times in turn."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save

from agents.buffers import Buffer, Circular, Queue, Sample, Tensors, describe, described
from agents.trajectory import Trajectory
from tests.agents.batches import a_batch, a_spec

GOLDEN = json.loads((Path(__file__).parents[1] / "golden/circular_buffer.json").read_text())["cases"]
SPEC = a_spec()
Case = dict[str, Any]


def numbered(number: int, columns: int = 2) -> Trajectory:
    """A batch that can be told from others by the version of its rows, and its columns by their places."""
    batch = a_batch(SPEC, 2, columns, core=3, seed=number)
    batch.version[:] = number
    batch.place[:, 0] = 100 * number + np.arange(columns)
    return batch


def of(sample: Sample) -> int:
    return int(sample.batch.version[0, 0])


def chance(number: int = 0) -> np.random.Generator:
    return np.random.default_rng([5, number])


def gone_over(buffer: Buffer, updates: int, *, eager: bool = False) -> list[int]:
    """Which batch every update is made of. One arrives when none is left; eager: with every update too."""
    order: list[int] = []
    arriving = count()
    while len(order) < updates:
        buffer.put(numbered(next(arriving)))
        for sample in buffer.take(chance()):
            order.append(of(sample))
            if eager and len(order) < updates:
                buffer.put(numbered(next(arriving)))
    return order[:updates]


def through_a_file(state: Tensors) -> Tensors:
    return load(save({name: np.asarray(array, order="C") for name, array in state.items()}))


def assert_same(one: Trajectory, other: Trajectory) -> None:
    assert one.rows.dtype == other.rows.dtype
    np.testing.assert_array_equal(one.rows, other.rows)
    np.testing.assert_array_equal(one.place, other.place)
    assert one.core is not None
    assert other.core is not None
    np.testing.assert_array_equal(one.core, other.core)


Make = Callable[[int, int, bool], Buffer]


def circular(batches: int, passes: int, ramp_up: bool) -> Buffer:
    return Circular(batches, passes, ramp_up=ramp_up)


def follows(case: Case, make: Make, *, eager: bool) -> bool:
    """Whether a buffer goes over batches as the golden file has it, and lets go of them when that does."""
    trace = case["trace"]
    order = gone_over(make(case["N"], case["K"], case["ramp_up"]), 2 * len(trace), eager=eager)
    return all(
        wanted["batch"] == batch
        and wanted["slot"] == update % case["N"]
        and wanted["pass_index"] == order[:update].count(batch)
        and wanted["released"] == (batch not in order[update + 1 :])
        for update, (wanted, batch) in enumerate(zip(trace, order, strict=False))
    )


@pytest.mark.parametrize("eager", [False, True])
@pytest.mark.parametrize("case", GOLDEN, ids=lambda c: f"{c['N']}x{c['K']}{'-ramp' * c['ramp_up']}")
def test_golden_order_of_batches(case: Case, eager: bool) -> None:
    assert follows(case, circular, eager=eager)


class DropsTheOldest(Circular):
    """RLlib 2.4: a new batch takes the next slot, whatever is left to be done there."""

    def put(self, batch: Trajectory) -> None:
        super().put(batch)
        self._slots[self._turn] = None


class OneSlotAfterTheOther(Circular):
    """All passes over a batch at once."""

    def put(self, batch: Trajectory) -> None:
        super().put(batch)
        self._turn = max(0, self._turn - 1) if self._slots[self._turn - 1] is not None else self._turn


BROKEN: dict[str, Make] = {
    "a pass too few": lambda n, k, ramp: Circular(n, max(1, k - 1), ramp_up=ramp),
    "a pass too many": lambda n, k, ramp: Circular(n, k + 1, ramp_up=ramp),
    "a slot too few": lambda n, k, ramp: Circular(max(1, n - 1), k, ramp_up=ramp),
    "never ramps up": lambda n, k, ramp: Circular(n, k),
    "always ramps up": lambda n, k, ramp: Circular(n, k, ramp_up=True),
    "drops the oldest": lambda n, k, ramp: DropsTheOldest(n, k, ramp_up=ramp),
    "not in turn": lambda n, k, ramp: OneSlotAfterTheOther(n, k, ramp_up=ramp),
    "each once": lambda n, k, ramp: Queue(),
}


@pytest.mark.parametrize("make", BROKEN.values(), ids=list(BROKEN))
def test_the_golden_order_notices_a_broken_buffer(make: Make) -> None:
    assert not all(follows(case, make, eager=eager) for case in GOLDEN for eager in (False, True))


@pytest.mark.parametrize("eager", [False, True])
def test_a_queue_gives_every_batch_once_in_order_as_it_came(eager: bool) -> None:
    assert gone_over(Queue(), 8, eager=eager) == list(range(8))
    queue, batch = Queue(), numbered(3)
    queue.put(batch)
    (sample,) = queue.take(chance())
    assert sample.batch is batch
    assert sample.weights is None
    assert sample.index is None
    queue.reprioritize(np.zeros(2, np.int64), np.ones(2, np.float32))
    assert not list(queue.take(chance()))


@pytest.mark.parametrize(
    ("batches", "passes", "parts", "columns"), [(1, 4, 3, 8), (2, 3, 4, 9), (1, 2, 5, 3)]
)
def test_minibatches_of_a_pass_are_all_columns_each_once(
    batches: int, passes: int, parts: int, columns: int
) -> None:
    buffer = Circular(batches, passes, parts)
    whole = {number: numbered(number, columns) for number in range(batches)}
    for batch in whole.values():
        buffer.put(batch)
    samples = list(buffer.take(chance()))
    size = min(parts, columns)
    assert len(samples) == batches * passes * size
    orders = []
    for at in range(0, len(samples), size):
        parted = samples[at : at + size]
        (number,) = {of(sample) for sample in parted}
        sizes = [sample.batch.columns for sample in parted]
        assert max(sizes) - min(sizes) <= 1
        order = np.concatenate([sample.batch.place[:, 0] for sample in parted]) - 100 * number
        assert sorted(order) == list(range(columns))
        orders.append(order.tolist())
        for sample in parted:
            assert_same(sample.batch, whole[number].select(sample.batch.place[:, 0] - 100 * number))
    assert len({tuple(order) for order in orders}) > 1, "shuffled anew in every pass"


def test_one_part_is_the_batch_unshuffled() -> None:
    buffer, batch = Circular(1, 3), numbered(0, 6)
    buffer.put(batch)
    samples = list(buffer.take(chance()))
    assert len(samples) == 3
    for sample in samples:
        assert_same(sample.batch, batch)


def test_a_batch_that_is_held_for_long_is_the_buffers_own() -> None:
    """What arrives may lie in memory that is given back once it was gone through."""
    buffer, kept = Circular(2, 3), {}
    for number in range(6):
        batch = numbered(number)
        kept[number] = numbered(number)
        buffer.put(batch)
        for sample in buffer.take(chance()):
            assert_same(sample.batch, kept[of(sample)])
        batch.rows.view(np.uint8)[:] = 255
        batch.place[:] = -1


@pytest.mark.parametrize(
    "make",
    [Queue, lambda: Circular(3, 4, 2), lambda: Circular(1, 2, 3), lambda: Circular(3, 2, ramp_up=True)],
    ids=["queue", "circular", "epochs", "ramp"],
)
@pytest.mark.parametrize("taken", range(5))
def test_going_on_from_a_file_gives_the_same_samples(make: Callable[[], Buffer], taken: int) -> None:
    def round_of(buffer: Buffer, number: int) -> list[Trajectory]:
        for arrived in range(2 * number, 2 * number + 1 + number % 2):
            buffer.put(numbered(arrived, 5))
        return [sample.batch for sample in buffer.take(chance(number))]

    straight, stopped = make(), make()
    for number in range(taken):
        round_of(straight, number)
        round_of(stopped, number)
    for waiting in range(50, 61):  # more than one digit, and not gone through when it stopped
        stopped.put(numbered(waiting, 5))
        straight.put(numbered(waiting, 5))
    resumed = make()
    resumed.load_state(through_a_file(stopped.state()))
    for number in range(taken, taken + 6):
        wanted, got = round_of(straight, number), round_of(resumed, number)
        assert len(wanted) == len(got)
        for one, other in zip(wanted, got, strict=True):
            assert_same(one, other)


@pytest.mark.parametrize("make", [Queue, lambda: Circular(3, 2), lambda: Circular(3, 2, ramp_up=True)])
def test_cleared_it_is_as_new(make: Callable[[], Buffer]) -> None:
    buffer = make()
    for number in range(4):
        buffer.put(numbered(50 + number))
        next(buffer.take(chance()))
    buffer.clear()
    assert not list(buffer.take(chance()))
    assert gone_over(buffer, 20) == gone_over(make(), 20)


def test_the_fields_of_a_row_survive_a_file() -> None:
    for spec in (SPEC, a_spec("float32", seats=2, shape=(1,)), a_spec("bool", shape=(3, 2, 2))):
        dtype = a_batch(spec, 1, 1).rows.dtype
        assert described(describe(dtype)) == dtype
