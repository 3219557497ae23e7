"""Dense layers in bfloat16 on processors that multiply it: see dense.c."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor

from agents.kernels.compiled import INTEGER, LIBRARY, POINTER, function

WORKS = LIBRARY is not None and bool(LIBRARY.dense_works())
"""Whether C was compiled, and the processor multiplies bfloat16."""


class _Call(ctypes.Structure):
    """`Dense` of dense.c."""

    _fields_ = [
        *[(name, INTEGER) for name in ("layers", "rows")],
        *[(name, POINTER) for name in ("widths", "x")],
        *[(name, INTEGER) for name in ("bytes", "stride", "relu_last")],
        *[(name, POINTER) for name in ("weights", "biases", "kept", "out")],
        *[(name, POINTER) for name in ("gradient", "for_weights", "for_biases", "for_x")],
    ]


_pack = function("dense_pack", POINTER, INTEGER, INTEGER, POINTER, POINTER)
_forward = function("dense_forward", ctypes.POINTER(_Call))
_backward = function("dense_backward", ctypes.POINTER(_Call))


class Packed:
    """Weights of dense layers, rounded to bfloat16 and laid out for both ways; biases stay float32.

    A ReLU follows every layer but the last, and that too where `relu_last`. It shares no memory with what it
    was made from.
    """

    def __init__(self, layers: Sequence[tuple[Tensor, Tensor]], *, relu_last: bool) -> None:
        """layers: (weight [out, in], bias [out]) of each, float32; see `fits`."""
        self._relu_last = relu_last
        self._widths = [layers[0][0].shape[1], *(len(bias) for _, bias in layers)]
        self._by_input, self._by_output = [], []
        for weight, _ in layers:
            out, width = weight.shape
            self._by_input.append(torch.empty(-(-width // 2), _whole(out), dtype=torch.int32))
            self._by_output.append(torch.empty(-(-out // 2), _whole(width), dtype=torch.int32))
            there, back = self._by_input[-1].data_ptr(), self._by_output[-1].data_ptr()
            _pack(weight.detach().contiguous().data_ptr(), out, width, there, back)
        self._biases = [bias.detach().float().clone() for _, bias in layers]
        self._c_widths = (INTEGER * len(self._widths))(*self._widths)
        self._c_by_input, self._c_by_output = _addresses(self._by_input), _addresses(self._by_output)
        self._c_biases = _addresses(self._biases)

    @staticmethod
    def fits(x: Tensor, layers: Sequence[tuple[Tensor, Tensor]]) -> bool:
        """Whether these layers can be packed: on this machine, float32, of even widths between them."""
        parts = [part for layer in layers for part in layer]
        return (
            WORKS
            and len(layers) > 0
            and all(part.is_cpu and part.dtype is torch.float32 for part in parts)
            and x.is_cpu
            and all(len(bias) % 2 == 0 for _, bias in layers[:-1])
        )

    def forward(self, x: Tensor, *, keep: bool) -> tuple[Tensor, list[Tensor]]:
        """[N, in] of any dtype -> float32 [N, out], and x and what hidden layers give, for `backward`.

        Bytes are read as they are, anything else is rounded to bfloat16. Without `keep` nothing is kept.
        """
        x = _readable(x)
        out = torch.empty(len(x), self._widths[-1])
        hidden = [torch.empty(len(x), w, dtype=torch.bfloat16) for w in self._widths[1:-1]] if keep else []
        addresses = _addresses(hidden)
        call = self._call(x, self._c_by_input, out)
        call.biases = ctypes.addressof(self._c_biases)
        call.kept = ctypes.addressof(addresses) if hidden else None
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
        shapes = list(zip(self._widths[1:], self._widths[:-1], strict=True))
        for_weights = [torch.zeros(shape) for shape in shapes]
        for_biases = [torch.zeros(width) for width in self._widths[1:]]
        wanted = torch.empty(x.shape, dtype=torch.bfloat16) if for_x else None
        arrays = _addresses(hidden), _addresses(for_weights), _addresses(for_biases)
        call = self._call(x, self._c_by_output, out)
        call.kept, call.for_weights, call.for_biases = map(ctypes.addressof, arrays)
        call.gradient = gradient.data_ptr()
        call.for_x = None if wanted is None else wanted.data_ptr()
        _backward(call)
        return [part for pair in zip(for_weights, for_biases, strict=True) for part in pair], wanted

    def _call(self, x: Tensor, weights: ctypes.Array[ctypes.c_void_p], out: Tensor) -> _Call:
        return _Call(
            layers=len(self._biases),
            rows=len(x),
            widths=ctypes.addressof(self._c_widths),
            x=x.data_ptr(),
            bytes=x.element_size() == 1,
            stride=x.stride(0),
            relu_last=self._relu_last,
            weights=ctypes.addressof(weights),
            out=out.data_ptr(),
        )


def _readable(x: Tensor) -> Tensor:
    """Bytes that count, or bfloat16, in dense rows."""
    if x.dtype not in (torch.uint8, torch.bool, torch.bfloat16):
        x = x.to(torch.bfloat16)
    return x if x.stride(1) == 1 else x.contiguous()


def _addresses(tensors: Sequence[Tensor]) -> ctypes.Array[ctypes.c_void_p]:
    return (POINTER * len(tensors))(*(tensor.data_ptr() for tensor in tensors))


def _whole(width: int) -> int:
    """Columns up to a whole register."""
    return -(-width // 16) * 16
