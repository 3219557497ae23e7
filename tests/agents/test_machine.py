"""Batches are filled up to sizes that repeat; threads that compute side by side, and wait for nobody."""

from __future__ import annotations

import os
from queue import SimpleQueue
from threading import Barrier, Event, Thread, get_ident

import numpy as np
import pytest
import torch

from agents import machine
from agents.config import LearnerConfig, NetworkConfig, Precision, Torso
from agents.machine import (
    FEW_ROWS,
    VERY_FEW_ROWS,
    Crew,
    autocast,
    bfloat16_pays,
    keep_to,
    pad,
    round_rows,
)
from agents.policy import NetworkPolicy
from agents.scripted.base import Rows
from envs.catalogue import make_game


@pytest.mark.parametrize("rows", [1, 7, VERY_FEW_ROWS - 1])
def test_small_batches_keep_their_size(rows: int) -> None:
    assert round_rows(rows) == rows


@pytest.mark.parametrize("rows", [VERY_FEW_ROWS, 65, FEW_ROWS, FEW_ROWS + 1, 1000, 4096])
def test_large_batches_are_filled_up_to_the_next_multiple(rows: int) -> None:
    rounded, step = round_rows(rows), 32 if rows < FEW_ROWS else 128
    assert rounded % step == 0
    assert rows <= rounded < rows + step


def test_few_sizes_are_left() -> None:
    assert len({round_rows(rows) for rows in range(VERY_FEW_ROWS, 4097)}) <= 45


def test_padding_repeats_the_first_rows_behind_the_others() -> None:
    rows = torch.arange(6).view(3, 2)
    assert pad(rows, 5).tolist() == [[0, 1], [2, 3], [4, 5], [0, 1], [2, 3]]
    assert pad(rows, 3) is rows


@pytest.mark.parametrize("rows", [FEW_ROWS - 1, FEW_ROWS])
def test_products_are_in_bfloat16_only_where_that_pays(rows: int) -> None:
    with autocast(rows):
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    lower = rows >= FEW_ROWS and bfloat16_pays()
    assert product.dtype == (torch.bfloat16 if lower else torch.float32)


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("precision", Precision)
def test_precision_forbids_bfloat16_and_cannot_force_it(
    precision: Precision, there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "bfloat16_pays", lambda: there)
    with autocast(FEW_ROWS, precision=precision):
        lower = torch.is_autocast_enabled("cpu")
    assert lower is (there and precision is not Precision.FLOAT32)


@pytest.mark.parametrize("torso", [Torso.MLP, Torso.RESNET])
@pytest.mark.parametrize("precision", Precision)
def test_a_policy_keeps_to_its_precision(
    precision: Precision, torso: Torso, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the pass over all rows, and within the deep torso, which decides by its pixels."""
    monkeypatch.setattr(machine, "bfloat16_pays", lambda: True)
    with make_game("connect_four", 1) as game:
        spec = game.spec
    network = NetworkConfig(torso=torso, hidden=(8,), channels=(4,))
    policy = NetworkPolicy(LearnerConfig(network=network, precision=precision), spec, team=None)
    lower: list[bool] = []
    whole = policy._network.features.torso
    for module in [whole, *([whole.layers] if torso is Torso.RESNET else [])]:
        module.register_forward_pre_hook(lambda *_: lower.append(torch.is_autocast_enabled("cpu")))
    rows = VERY_FEW_ROWS
    observation = np.zeros((rows, *spec.observation.shape), spec.observation.dtype)
    seats = np.zeros(rows, np.intp)
    policy.consider(Rows(observation, np.ones((rows, spec.choices), np.bool_), seats, seats), None)
    assert len(lower) == (2 if torso is Torso.RESNET else 1)
    assert set(lower) == {precision is not Precision.FLOAT32}


PATIENCE = 60.0
"""Seconds after which a test that hangs fails."""


@pytest.mark.parametrize("threads", [1, 2, 7])
@pytest.mark.parametrize("items", [0, 1, 2, 1000])
def test_results_come_in_the_order_of_the_items(items: int, threads: int) -> None:
    crew = Crew(threads)
    for _ in range(3):
        assert crew.map(lambda item: item * item, range(items)) == [item * item for item in range(items)]


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_caller_is_told_what_the_first_item_raised(threads: int) -> None:
    def work(item: int) -> int:
        if item in (3, 7):
            raise ValueError(f"item {item}")
        return item

    crew = Crew(threads)
    for _ in range(20):
        with pytest.raises(ValueError, match="item 3"):
            crew.map(work, range(9))
        assert crew.map(work, range(3)) == [0, 1, 2]


@pytest.mark.parametrize("threads", [2, 3])
def test_what_a_helper_raises_reaches_the_caller(threads: int) -> None:
    caller, all_work = get_ident(), Barrier(threads)

    def work(_: int) -> None:
        all_work.wait(PATIENCE)
        if get_ident() != caller:
            raise KeyError("of a helper")

    with pytest.raises(KeyError, match="of a helper"):
        Crew(threads).map(work, range(threads))


@pytest.mark.parametrize("threads", [2, 5])
def test_all_threads_work_at_once_and_each_on_one_core(threads: int) -> None:
    meeting = Barrier(threads)

    def work(_: int) -> tuple[int, int]:
        meeting.wait(PATIENCE)  # nobody passes alone
        return get_ident(), torch.get_num_threads()

    crew = Crew(threads)
    workers, widths = zip(*crew.map(work, range(threads)), strict=True)
    assert get_ident() in workers
    assert len(set(workers)) == threads
    assert set(widths) == {1}


def test_a_helper_that_does_not_come_holds_nobody_up() -> None:
    """It is kept by an earlier job, as if the system let it wait."""
    crew, begun, go_on = Crew(2), SimpleQueue[int](), Event()

    def stuck(item: int) -> int:
        begun.put(get_ident())
        assert go_on.wait(PATIENCE)
        return item

    done = SimpleQueue[list[int]]()
    other = Thread(target=lambda: done.put(crew.map(stuck, range(2))))
    other.start()
    assert begun.get(timeout=PATIENCE) != begun.get(timeout=PATIENCE)  # the other caller, and the helper
    for _ in range(3):
        assert crew.map(lambda item: (item, get_ident()), range(4)) == [(i, get_ident()) for i in range(4)]
    go_on.set()
    assert done.get(timeout=PATIENCE) == [0, 1]
    other.join()
    assert crew.map(lambda item: item, range(3)) == [0, 1, 2]  # what it missed does not confuse it


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot keep a thread to a core")
def test_a_thread_keeps_to_its_core_and_others_do_not() -> None:
    before, seen = os.sched_getaffinity(0), []
    core = max(before)

    def kept() -> None:
        keep_to(None)
        seen.append(os.sched_getaffinity(0))
        keep_to(core)
        seen.append(os.sched_getaffinity(0))

    thread = Thread(target=kept)
    thread.start()
    thread.join()
    assert seen == [before, {core}]
    assert os.sched_getaffinity(0) == before
