"""What must not go by unseen in an update by one call: numbers that are none, networks that do not fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from agents import machine
from agents.kernels.dense import Packed
from agents.kernels.learn import Nets, serves
from agents.trajectory import Trajectory
from envs.game import ArraySpec
from tests.agents.batches import a_spec
from tests.agents.test_dense import a_network
from tests.agents.test_gradient import FREE, JOINT, PULLED, Setting, served, with_fields, works

pytestmark = works

SPEC = a_spec("float32", state=ArraySpec((9,), "float32"))
LOSSES = {"gradient": {}, "neurd": FREE, "pulled": PULLED}


@pytest.fixture(autouse=True)
def _many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small batches compute in bfloat16 like large ones."""
    monkeypatch.setattr(machine.autocast, "__defaults__", (1,))


def setting(loss: str = "gradient") -> Setting:
    return Setting(with_fields(JOINT, LOSSES[loss]), SPEC)


def with_value(batch: Trajectory, field: str, value: float) -> Trajectory:
    """The same, with one number of one decision replaced."""
    rows = batch.rows.copy()
    rows["acting"][2, 18] = True
    rows[field][2, 18].reshape(-1)[-1] = value
    return replace(batch, rows=rows)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("field", ["observation", "state", "reward", "log_prob"])
def test_one_number_that_is_none_makes_the_update_none(field: str, loss: str) -> None:
    batch = setting().batch()
    found = setting(loss).find(with_value(batch, field, np.nan))
    assert served(setting(loss), batch)
    assert not np.isfinite([found.means.total, float(found.gradient.norm())]).all()
    fine = setting(loss).find(batch)
    assert np.isfinite([fine.means.total, float(fine.gradient.norm())]).all()


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("action", [-1, 7, 10**9])
def test_an_action_that_there_is_not_makes_the_update_none(action: int, loss: str) -> None:
    found = setting(loss).find(with_value(setting().batch(), "action", action))
    assert not np.isfinite(found.means.total)


def test_rows_may_lie_at_any_address() -> None:
    batch = setting().batch()
    odd = np.zeros(batch.rows.nbytes + 1, np.uint8)[1:].view(batch.rows.dtype).reshape(batch.rows.shape)
    odd[:] = batch.rows
    assert not odd.flags.aligned
    got, expected = setting().find(replace(batch, rows=odd)), setting().find(batch)
    assert torch.equal(got.gradient, expected.gradient)
    assert got.means == expected.means


def a_net(*widths: int) -> Packed:
    return Packed(a_network(widths), relu_last=False)


def test_networks_that_do_not_fit_each_other_are_not_served() -> None:
    """C has room for one set of layers, and for one value."""
    rows = setting().batch().rows
    policy, critic = a_net(15, 8, 7), a_net(9, 4, 1)
    assert serves(rows, Nets(policy, critic, None))
    assert serves(rows, Nets(policy, critic, a_net(15, 8, 7)))
    assert not serves(rows, Nets(policy, critic, a_net(15, 16, 7)))
    assert not serves(rows, Nets(policy, critic, a_net(15, 8, 8, 7)))
    assert not serves(rows, Nets(policy, a_net(9, 4, 2), None))
    assert not serves(rows, Nets(policy, a_net(8, 4, 1), None))
    assert not serves(rows, Nets(a_net(15, 8, 8), critic, None))
    assert serves(rows, Nets(a_net(15, 8, 8), None, None))
