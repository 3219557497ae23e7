"""The LSTM over whole columns is PyTorch's cell, row by row; what is reset and what is left alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from agents.memory import Memory

T, B, F, H = 7, 4, 3, 5


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def literal(
    cell: nn.LSTMCell, features: Tensor, first: Tensor, core: Tensor, acting: Tensor
) -> tuple[Tensor, Tensor]:
    """One column and one row at a time, through the cell's own forward."""
    outputs = torch.zeros(T, B, H)
    cores = []
    for b in range(B):
        hidden, memory = core[b, None, 0], core[b, None, 1]
        for t in range(T):
            if first[t, b]:
                hidden, memory = torch.zeros_like(hidden), torch.zeros_like(memory)
            after = cell(features[t, b, None], (hidden, memory))
            outputs[t, b] = after[0][0]
            if acting[t, b]:
                hidden, memory = after
        cores.append(torch.cat((hidden, memory)))
    return outputs, torch.stack(cores)


def some_columns() -> tuple[Memory, Tensor, Tensor, Tensor, Tensor]:
    features, core = torch.randn(T, B, F, requires_grad=True), torch.randn(B, 2, H)
    return Memory(F, H), features, torch.rand(T, B) < 0.3, core, torch.rand(T, B) < 0.7


def test_columns_are_the_cell_row_by_row_with_the_same_gradients() -> None:
    memory, features, first, core, acting = some_columns()
    assert first.any()
    assert not acting.all()
    wanted = literal(memory, features, first, core, acting)
    got = memory.over_columns(features, first, core, acting)
    torch.testing.assert_close(got[0].view(T, B, H), wanted[0])
    torch.testing.assert_close(got[1], wanted[1])
    inputs = [features, *memory.parameters()]
    weights = torch.randn(T, B, H)
    gradients = (
        torch.autograd.grad((outputs.view(T, B, H) * weights).sum() + core.sum(), inputs)
        for outputs, core in (wanted, got)
    )
    for of_literal, of_columns in zip(*gradients, strict=True):
        torch.testing.assert_close(of_columns, of_literal)


def test_rows_are_columns_of_one_step() -> None:
    memory, features, _, core, _ = some_columns()
    never = torch.zeros(T, B, dtype=torch.bool)
    hidden, last = memory.over_columns(features, never, core, None)
    for row, expected in zip(features, hidden.view(T, B, H), strict=True):
        core = memory.over_rows(row, core)
        torch.testing.assert_close(core[:, 0], expected)
    torch.testing.assert_close(core, last)


def test_parameters_are_those_of_the_cell_so_that_checkpoints_fit() -> None:
    cell, memory = nn.LSTMCell(F, H), Memory(F, H)
    assert [n for n, _ in memory.named_parameters()] == [n for n, _ in cell.named_parameters()]
    memory.load_state_dict(cell.state_dict())
    features, core = torch.randn(B, F), torch.randn(B, 2, H)
    expected = torch.stack(cell(features, (core[:, 0], core[:, 1])), 1)
    torch.testing.assert_close(memory.over_rows(features, core), expected)


def test_the_state_stays_in_full_precision_under_autocast() -> None:
    memory, features, first, core, acting = some_columns()
    full = memory.over_columns(features, first, core, acting)
    with torch.autocast("cpu", torch.bfloat16):
        half = memory.over_columns(features, first, core, acting)
    for low, high in zip(half, full, strict=True):
        assert low.dtype == torch.float32
        torch.testing.assert_close(low, high, atol=0.05, rtol=0)
        assert not torch.equal(low, high)
