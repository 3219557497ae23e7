"""Dense layers with ReLUs between them as one operation, forward and backward.

Where most of the time of a small network goes. Beside the matrix products there is nothing left that takes
time: weights are rounded once, ReLUs and biases come with the products.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from agents.kernels.dense import Packed
from agents.machine import pad, round_rows

Layer = tuple[Tensor, Tensor]
"""Weight [out, in] and bias [out]."""


class Dense(nn.Sequential):
    """Hidden layers, each with a ReLU: the modules hold the weights, `dense` does the work."""

    def __init__(self, width: int, hidden: tuple[int, ...]) -> None:
        """width: of what goes in. hidden: of every layer."""
        layers: list[nn.Module] = []
        self.width = width
        """Of what comes out."""
        for wide in hidden:
            layers += [nn.Linear(self.width, wide), nn.ReLU()]
            self.width = wide
        super().__init__(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """[N, in] of any dtype -> [N, width]."""
        return dense(x, self.layers(), relu_last=True)

    def layers(self) -> list[Layer]:
        """Their parameters."""
        return [(layer.weight, layer.bias) for layer in self if isinstance(layer, nn.Linear)]


def dense(x: Tensor, layers: Sequence[Layer], *, relu_last: bool) -> Tensor:
    """[N, in] of any dtype -> float32 [N, out], with a ReLU after every layer; after the last if `relu_last`.

    Products are of numbers in the dtype that autocast asks for on x's device, else float32; sums and
    gradients for weights are float32. There are no second derivatives.
    """
    out: Tensor = _Dense.apply(  # type: ignore[no-untyped-call]
        x, prepare(x, layers, relu_last=relu_last), *(part for layer in layers for part in layer)
    )
    return out


def prepare(x: Tensor, layers: Sequence[Layer], *, relu_last: bool) -> Packed | Cast:
    """Layers made ready for inputs like x, under the present autocast; it shares no memory with them."""
    dtype = computed_in(x)
    if dtype is torch.bfloat16 and Packed.fits(x, layers):
        return Packed(layers, relu_last=relu_last)
    return Cast(layers, dtype, relu_last=relu_last)


def computed_in(x: Tensor) -> torch.dtype:
    """The dtype that autocast asks for on x's device, else float32."""
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else torch.float32


class Cast:
    """What `Packed` does, in PyTorch: for any device and dtype."""

    def __init__(self, layers: Sequence[Layer], dtype: torch.dtype, *, relu_last: bool) -> None:
        self._layers = [(w.detach().to(dtype, copy=True), b.detach().to(dtype, copy=True)) for w, b in layers]
        self._dtype = dtype
        self._relu_last = relu_last

    def forward(self, x: Tensor, *, keep: bool) -> tuple[Tensor, list[Tensor]]:
        """See `Packed.forward`."""
        rows = len(x)
        passed = [x.to(self._dtype)]
        if self._dtype is torch.bfloat16:
            passed = [pad(passed[0], round_rows(rows))]
        with torch.autocast(x.device.type, enabled=False):
            for i, (weight, bias) in enumerate(self._layers):
                passed.append(nn.functional.linear(passed[-1], weight, bias))
                if i < len(self._layers) - 1 or self._relu_last:
                    passed[-1].relu_()
        return passed[-1][:rows].float(), [part[:rows] for part in passed[:-1]] if keep else []

    def backward(
        self, gradient: Tensor, out: Tensor, kept: Sequence[Tensor], *, for_x: bool
    ) -> tuple[list[Tensor], Tensor | None]:
        """See `Packed.backward`."""
        if self._relu_last and self._layers:
            gradient = gradient.where(out > 0, 0)
        gradient = gradient.to(self._dtype)
        found: list[Tensor] = []
        for i, (weight, _) in reversed(list(enumerate(self._layers))):
            if i < len(self._layers) - 1:
                gradient = torch.ops.aten.threshold_backward(gradient, kept[i + 1], 0)
            found[:0] = [(gradient.t() @ kept[i]).float(), gradient.sum(0, dtype=torch.float32)]
            if i or for_x:
                gradient = gradient @ weight
        return found, gradient if for_x else None


class _Dense(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, prepared: Packed | Cast, *_parameters: Tensor) -> Tensor:
        out, kept = prepared.forward(x, keep=True)
        ctx.prepared = prepared
        ctx.save_for_backward(out, *kept)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        out, *kept = ctx.saved_tensors
        for_parameters, for_x = ctx.prepared.backward(gradient, out, kept, for_x=ctx.needs_input_grad[0])
        return (for_x, None, *for_parameters)
