"""Batches are filled up to sizes that repeat, and computing more rows changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from agents import machine
from agents.config import LearnerConfig, NetworkConfig, Precision, Torso
from agents.machine import FEW_ROWS, VERY_FEW_ROWS, autocast, bfloat16_pays, pad, round_rows
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
