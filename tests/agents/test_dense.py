"""Dense layers in bfloat16 against the same in PyTorch: exactly on whole numbers, closely on any."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from agents.dense import Cast, Layer, dense, prepare
from agents.kernels.dense import WIDEST, WORKS, Packed, forward_each
from agents.machine import Crew

works = pytest.mark.skipif(not WORKS, reason="not compiled, or the processor does not multiply bfloat16")

SHAPES = [
    ((1, 2, 1), 1), ((3, 8), 191), ((17, 130, 9), 192), ((84, 130, 256, 8), 193), ((15, 16, 6, 34, 1), 400),
    ((127, 1), 3), ((2, 256, 130, 9), 5),
]  # fmt: skip
"""Widths, from the input on, and rows: 192 rows are a block, 128 columns and 3 rows a strip."""


class Passed(NamedTuple):
    """What a forward pass and one back give."""

    out: Tensor
    for_parameters: list[Tensor]
    for_x: Tensor | None


def whole_numbers(*shape: int, generator: torch.Generator) -> Tensor:
    """-1, 0 and 1: every sum is exact, in whatever order."""
    return torch.randint(-1, 2, shape, generator=generator).float()


def any_numbers(*shape: int, generator: torch.Generator) -> Tensor:
    return torch.randn(*shape, generator=generator) / shape[-1] ** 0.5


Kind = Callable[..., Tensor]


def a_network(widths: tuple[int, ...], kind: Kind = any_numbers) -> list[Layer]:
    generator = torch.Generator().manual_seed(0)
    return [
        (kind(out, width, generator=generator), kind(out, generator=generator))
        for width, out in pairwise(widths)
    ]


def some_rows(rows: int, width: int, kind: Kind = any_numbers, seed: int = 1) -> Tensor:
    return kind(rows, width, generator=torch.Generator().manual_seed(seed))


def passed(net: Packed | Cast, x: Tensor, gradient: Tensor, *, for_x: bool = True) -> Passed:
    out, kept = net.forward(x, keep=True)
    return Passed(out, *net.backward(gradient, out, kept, for_x=for_x))


def rounded(x: Tensor) -> Tensor:
    """To bfloat16, in numbers that sum exactly enough."""
    return x.to(torch.bfloat16).double()


def literally(layers: list[Layer], x: Tensor, gradient: Tensor, *, relu_last: bool) -> Passed:
    """One product after the other: factors are rounded, sums are not."""
    given = [rounded(x)]
    for i, (weight, bias) in enumerate(layers):
        y = given[-1] @ rounded(weight).t() + bias.double()
        last = i == len(layers) - 1
        y = y.relu() if relu_last or not last else y
        given.append(y if last else rounded(y.float()))
    found: list[Tensor] = []
    slope = rounded(gradient.double().where(given[-1] > 0, 0) if relu_last else gradient)
    for i in reversed(range(len(layers))):
        found[:0] = [slope.t() @ given[i], slope.sum(0)]
        slope = rounded((slope @ rounded(layers[i][0])).float())
        if i:
            slope = slope.where(given[i] > 0, 0)
    return Passed(given[-1], found, slope)


def parts(result: Passed) -> list[Tensor]:
    assert result.for_x is not None
    return [result.out, *result.for_parameters, result.for_x]


def difference(got: Tensor, expected: Tensor) -> float:
    """Relative to what is expected, in the Euclidean norm."""
    return float((got.double() - expected).norm() / expected.double().norm())


@works
@pytest.mark.parametrize("relu_last", [False, True])
@pytest.mark.parametrize(("widths", "rows"), SHAPES)
def test_whole_numbers_are_exact(widths: tuple[int, ...], rows: int, relu_last: bool) -> None:
    layers, x = a_network(widths, whole_numbers), some_rows(rows, widths[0], whole_numbers)
    gradient = some_rows(rows, widths[-1], whole_numbers, seed=2)
    got = passed(Packed(layers, relu_last=relu_last), x, gradient)
    expected = literally(layers, x, gradient, relu_last=relu_last)
    for mine, exact in zip(parts(got), parts(expected), strict=True):
        assert mine.shape == exact.shape
        assert torch.equal(mine.double(), exact)


@works
@pytest.mark.parametrize("relu_last", [False, True])
@pytest.mark.parametrize(("widths", "rows"), SHAPES)
def test_any_numbers_are_rounded_and_nothing_else(
    widths: tuple[int, ...], rows: int, relu_last: bool
) -> None:
    layers, x = a_network(widths), some_rows(rows, widths[0])
    gradient = some_rows(rows, widths[-1], seed=2)
    got = passed(Packed(layers, relu_last=relu_last), x, gradient)
    literal = literally(layers, x, gradient, relu_last=relu_last)
    twin = passed(Cast(layers, torch.float32, relu_last=relu_last), x, gradient)
    for mine, exact, unrounded in zip(parts(got), parts(literal), parts(twin), strict=True):
        if not exact.any():
            assert not mine.any()
            continue
        assert difference(mine, exact) < 1e-3  # a sum between two bfloat16 numbers may fall to either
        assert difference(mine, unrounded) < 0.15  # 2^-8 for every rounding, and ReLUs that it turns


@works
@pytest.mark.parametrize("dtype", [torch.uint8, torch.bool, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("strided", [False, True])
def test_inputs_are_read_in_every_dtype_and_stride(dtype: torch.dtype, strided: bool) -> None:
    layers, width = a_network((37, 130, 3), whole_numbers), 37
    x = torch.randint(0, 2 if dtype is torch.bool else 250, (200, width)).to(dtype)
    gradient = some_rows(200, 3, whole_numbers)
    given = torch.cat([x, x], 1)[:, :width] if strided else x
    got = passed(Packed(layers, relu_last=False), given, gradient)
    expected = literally(layers, x.float(), gradient, relu_last=False)
    for mine, exact in zip(parts(got), parts(expected), strict=True):
        assert torch.equal(mine.double(), exact)
    assert torch.equal(
        Packed(layers, relu_last=False).forward(x.t().contiguous().t(), keep=False)[0], got.out
    )


@works
def test_what_nobody_asks_for_is_not_kept() -> None:
    layers, x = a_network((5, 16, 16, 3)), some_rows(200, 5)
    net = Packed(layers, relu_last=False)
    out, kept = net.forward(x, keep=False)
    assert len(kept) == 1
    with_hidden, kept = net.forward(x, keep=True)
    assert torch.equal(out, with_hidden)
    assert len(kept) == 3
    assert net.backward(torch.ones_like(out), out, kept, for_x=False)[1] is None


@works
def test_a_network_as_wide_as_fits_leaves_its_thread_room() -> None:
    """Blocks lie on the stack, that of a helper too."""
    layers = a_network((WIDEST, WIDEST, 2), whole_numbers)
    x, gradient = some_rows(193, WIDEST, whole_numbers), some_rows(193, 2, whole_numbers)
    net = Packed(layers, relu_last=False)
    first, second = Crew(2).map(lambda each: passed(net, each, gradient), [x, x])
    expected = literally(layers, x, gradient, relu_last=False)
    assert torch.equal(first.out.double(), expected.out)
    assert torch.equal(second.for_parameters[0].double(), expected.for_parameters[0])


@works
@pytest.mark.parametrize(
    ("widths", "fits"),
    [
        ((3, 4, 5), True), ((3, 5), True), ((1, 6, 6, 1), True), ((3, 5, 4), False), ((4, 4, 7, 2), False),
        ((WIDEST, 2, 1), True), ((WIDEST + 1, 2, 1), False), ((2, WIDEST + 2, 1), False),
    ],
)  # fmt: skip
def test_hidden_widths_must_be_even_and_none_too_wide(widths: tuple[int, ...], fits: bool) -> None:
    layers, x = a_network(widths), torch.zeros(1, widths[0])
    assert Packed.fits(x, layers) is fits
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert isinstance(prepare(x, layers, relu_last=False), Packed if fits else Cast)
    assert isinstance(prepare(x, layers, relu_last=False), Cast)


@works
@pytest.mark.parametrize("widths", [(16, 8), (64, 64), (512, 512)])
def test_weights_are_read_in_every_stride(widths: tuple[int, int]) -> None:
    ((weight, bias),), x = a_network(widths, whole_numbers), some_rows(5, widths[0], whole_numbers)
    standing = weight.t().contiguous().t()
    assert not standing.is_contiguous()
    out, _ = Packed([(standing, bias)], relu_last=False).forward(x, keep=False)
    assert torch.equal(out, x @ weight.t() + bias)


@works
@pytest.mark.parametrize("width", [0, 4, 6, 4000])
def test_rows_of_another_width_are_refused(width: int) -> None:
    """C would read what lies beside them."""
    net = Packed(a_network((5, 8)), relu_last=False)
    message = f"rows must be 5 numbers wide, not {width}"
    with pytest.raises(ValueError, match=message):
        net.forward(torch.zeros(3, width), keep=False)
    with pytest.raises(ValueError, match=message):
        forward_each([net], torch.zeros(3, width), [slice(0, 3)])


@works
def test_only_layers_of_float32_are_packed() -> None:
    layers = a_network((3, 4, 5))
    assert not Packed.fits(torch.zeros(1, 3), [(w.double(), b.double()) for w, b in layers])
    assert not Packed.fits(torch.zeros(1, 3), [])


@pytest.mark.parametrize("kind", [pytest.param("packed", marks=works), "float32", "bfloat16"])
def test_it_shares_no_memory_with_the_weights(kind: str) -> None:
    layers, x, gradient = a_network((5, 16, 3)), some_rows(7, 5), some_rows(7, 3)
    dtype = getattr(torch, kind, torch.float32)
    net = Packed(layers, relu_last=True) if kind == "packed" else Cast(layers, dtype, relu_last=True)
    before = passed(net, x, gradient)
    for part in (part for layer in layers for part in layer):
        part.fill_(torch.nan)
    for after, kept in zip(parts(passed(net, x, gradient)), parts(before), strict=True):
        assert torch.equal(after, kept)


@pytest.mark.parametrize("relu_last", [False, True])
@pytest.mark.parametrize("lower", [False, True])
def test_as_one_operation_it_has_the_gradients_of_its_layers(lower: bool, relu_last: bool) -> None:
    layers = [(w.requires_grad_(), b.requires_grad_()) for w, b in a_network((5, 16, 8, 3))]
    leaves = [part for layer in layers for part in layer]
    x, gradient = some_rows(50, 5).requires_grad_(), some_rows(50, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=lower):
        found = torch.autograd.grad(dense(x, layers, relu_last=relu_last), [x, *leaves], gradient)
    y = x
    for i, (weight, bias) in enumerate(layers):
        y = torch.nn.functional.linear(y, weight, bias)
        y = y.relu() if relu_last or i < 2 else y
    for got, expected in zip(found, torch.autograd.grad(y, [x, *leaves], gradient), strict=True):
        assert got.dtype is torch.float32
        assert difference(got, expected) < (0.03 if lower else 1e-6)
