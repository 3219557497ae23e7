"""Dense layers in bfloat16 on processors that multiply it: see dense.c."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from agents.kernels.compiled import INTEGER, LIBRARY, POINTER, function

WORKS = LIBRARY is not None and bool(LIBRARY.dense_works())
"""Whether C was compiled, and the processor multiplies bfloat16."""
WIDEST = 2048
"""Numbers in a row, at most: a block of rows lies on the stack, and takes half of the usual 8 MB then."""


class Net(ctypes.Structure):
    """`Net` of dense.h."""

    _fields_ = [
        ("layers", INTEGER),
        *[(name, POINTER) for name in ("widths", "by_input", "by_output", "biases")],
        ("relu_last", INTEGER),
    ]


class _Call(ctypes.Structure):
    """`Call` of dense.c."""

    _fields_ = [
        ("net", Net),
        ("rows", INTEGER),
        ("x", POINTER),
        *[(name, INTEGER) for name in ("bytes", "stride")],
        *[(name, POINTER) for name in ("kept", "out", "gradient", "for_weights", "for_biases", "for_x")],
    ]


_pack = function("dense_pack", POINTER, INTEGER, INTEGER, POINTER, POINTER)
_forward = function("dense_forward", ctypes.POINTER(_Call))
_forward_each = function(
    "dense_forward_each",
    ctypes.POINTER(_Call),
    INTEGER,
    *[ctypes.POINTER(kind) for kind in (POINTER, INTEGER, INTEGER)],
)
_backward = function("dense_backward", ctypes.POINTER(_Call))


class Packed:
    """Weights of dense layers, rounded to bfloat16 and laid out for both ways; biases stay float32.

    A ReLU follows every layer but the last, and that too where `relu_last`. It shares no memory with what it
    was made from.
    """

    def __init__(self, layers: Sequence[tuple[Tensor, Tensor]], *, relu_last: bool) -> None:
        """layers: (weight [out, in], bias [out]) of each, float32; see `fits`."""
        self.widths = [layers[0][0].shape[1], *(len(bias) for _, bias in layers)]
        self._by_input, self._by_output = [], []
        for weight, _ in layers:
            out, width = weight.shape
            self._by_input.append(torch.empty(-(-width // 2), _whole(out), dtype=torch.int32))
            self._by_output.append(torch.empty(-(-out // 2), _whole(width), dtype=torch.int32))
            there, back = self._by_input[-1].data_ptr(), self._by_output[-1].data_ptr()
            dense = weight.detach().contiguous()  # a name, so that it lives as long as the call
            _pack(dense.data_ptr(), out, width, there, back)
        self._biases = [bias.detach().float().clone() for _, bias in layers]
        self._arrays: tuple[ctypes.Array[Any], ...] = (
            (INTEGER * len(self.widths))(*self.widths),
            *map(addresses, (self._by_input, self._by_output, self._biases)),
        )
        self.net = Net(len(layers), *(ctypes.addressof(array) for array in self._arrays), relu_last)
        """For C; it points into this object."""

    @staticmethod
    def fits(x: Tensor, layers: Sequence[tuple[Tensor, Tensor]]) -> bool:
        """Whether they can be packed here: float32, of even widths between them, of `WIDEST` at most."""
        parts = [part for layer in layers for part in layer]
        return (
            WORKS
            and len(layers) > 0
            and all(part.is_cpu and part.dtype is torch.float32 for part in parts)
            and x.is_cpu
            and all(len(bias) % 2 == 0 for _, bias in layers[:-1])
            and all(max(weight.shape) <= WIDEST for weight, _ in layers)
        )

    def forward(self, x: Tensor, *, keep: bool) -> tuple[Tensor, list[Tensor]]:
        """[N, in] of any dtype -> float32 [N, out], and x and what hidden layers give, for `backward`.

        Bytes are read as they are, anything else is rounded to bfloat16. Without `keep` nothing is kept.
        Raises ValueError where x has other widths than the first layer.
        """
        x = _readable(x, self.widths[0])
        out = torch.empty(len(x), self.widths[-1])
        hidden = [torch.empty(len(x), w, dtype=torch.bfloat16) for w in self.widths[1:-1]] if keep else []
        array = addresses(hidden)
        call = self._call(x, out)
        call.kept = ctypes.addressof(array) if hidden else None
        _forward(call)
        return out, [x, *hidden]

    def backward(
        self, gradient: Tensor, out: Tensor, kept: Sequence[Tensor], *, for_x: bool
    ) -> tuple[list[Tensor], Tensor | None]:
        """Gradients float32 for every weight and bias in turn, and bfloat16 [N, in] for x if asked.

        gradient: [N, out] for what `forward` gave. kept: from there.
        """
        x, *hidden = kept
        gradient = gradient.float().contiguous()
        _, for_weights, for_biases = self.zeros()
        wanted = torch.empty(x.shape, dtype=torch.bfloat16) if for_x else None
        arrays = addresses(hidden), addresses(for_weights), addresses(for_biases)
        call = self._call(x, out)
        call.kept, call.for_weights, call.for_biases = map(ctypes.addressof, arrays)
        call.gradient = gradient.data_ptr()
        call.for_x = None if wanted is None else wanted.data_ptr()
        _backward(call)
        return [part for pair in zip(for_weights, for_biases, strict=True) for part in pair], wanted

    def zeros(self) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """Where gradients add up: [n], and views of it for weights and for biases, by layer."""
        shapes = list(zip(self.widths[1:], self.widths[:-1], strict=True))
        flat = torch.zeros(sum(out * (width + 1) for out, width in shapes))
        sizes = [size for out, width in shapes for size in (out * width, out)]
        parts = flat.split_with_sizes(sizes)
        weights = [part.view(shape) for part, shape in zip(parts[::2], shapes, strict=True)]
        return flat, weights, list(parts[1::2])

    def _call(self, x: Tensor, out: Tensor) -> _Call:
        return _Call(
            net=self.net,
            rows=len(x),
            x=x.data_ptr(),
            bytes=x.element_size() == 1,
            stride=x.stride(0),
            out=out.data_ptr(),
        )


def forward_each(nets: Sequence[Packed], x: Tensor, spans: Sequence[slice]) -> Tensor:
    """What several networks of the same widths give, each for its own rows: float32 [n, out], in their order.

    x: [N, in] of any dtype, as for `forward`. spans: rows of x, with start and stop, for each network.
    Raises ValueError where x has other widths than their first layer.
    """
    x = _readable(x, nets[0].widths[0])
    first = [span.start for span in spans]
    rows = [span.stop - span.start for span in spans]
    out = torch.empty(sum(rows), nets[0].widths[-1])
    count = len(nets)
    places = (POINTER * count)(*(ctypes.addressof(packed.net) for packed in nets))
    call = _Call(
        net=nets[0].net, x=x.data_ptr(), bytes=x.element_size() == 1, stride=x.stride(0), out=out.data_ptr()
    )
    _forward_each(call, count, places, (INTEGER * count)(*first), (INTEGER * count)(*rows))
    return out


def _readable(x: Tensor, width: int) -> Tensor:
    """Bytes that count, or bfloat16, in dense rows: what C takes for [N, width] without looking."""
    if x.shape[1] != width:
        raise ValueError(f"rows must be {width} numbers wide, not {x.shape[1]}")
    if x.dtype not in (torch.uint8, torch.bool, torch.bfloat16):
        x = x.to(torch.bfloat16)
    return x if x.stride(1) == 1 else x.contiguous()


def addresses(tensors: Sequence[Tensor]) -> ctypes.Array[ctypes.c_void_p]:
    """A C array of where they lie; it keeps nothing alive."""
    return (POINTER * len(tensors))(*(tensor.data_ptr() for tensor in tensors))


def _whole(width: int) -> int:
    """Columns up to a whole register."""
    return -(-width // 16) * 16
