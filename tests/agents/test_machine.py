"""Batches are filled up to sizes that repeat, and computing more rows changes nothing."""

from __future__ import annotations

import pytest
import torch

from agents.machine import FEW_ROWS, VERY_FEW_ROWS, autocast, bfloat16_pays, pad, round_rows


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
