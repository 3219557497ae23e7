"""How a step is made of a gradient: Muon for the matrices inside a network, Adam for everything else.

PyTorch's optimizer classes are not used, only its fused Adam kernel: they load PyTorch's compiler, which
costs a second and 75 MB in every learner. Everything an optimizer remembers is in `tensors`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.optim.adam import adam

from agents.config import Precision
from agents.kernels import muon as compiled
from agents.machine import ALONE, Crew

BETAS = (0.9, 0.999)
EPSILON = 1e-5
SQUARES = 0.99
"""What RMSProp's running mean of squares keeps at a step."""
MOMENTUM = 0.95
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of the iteration (Jordan et al. 2024): steep at 0, so that five rounds are enough."""
ROUNDS = 5


class Optimizer:
    """Steps parameters in place: `matrices` by Muon, `others` by Adam (Kingma, Ba 2015) or RMSProp."""

    def __init__(
        self,
        *,
        matrices: Sequence[Tensor],
        others: Sequence[Tensor],
        momentum: float = BETAS[0],
        precision: Precision = Precision.AUTO,
        epsilon: float = EPSILON,
        rmsprop: bool = False,
    ) -> None:
        """matrices: of 2 axes or more, those beyond the first taken together; may be empty.

        momentum: Adam's beta_1.
        precision: of the products in Muon; bfloat16 serves it as well (Jordan et al. 2024).
        epsilon: Adam's, or RMSProp's. rmsprop: whether that steps the others.
        """
        self._momentum = momentum
        self._epsilon = epsilon
        self._rmsprop = rmsprop
        self._precision = precision
        self._matrices = list(matrices)
        self._others = list(others)
        self.reset()

    def reset(self) -> None:
        """Remember nothing."""
        self._momenta = [torch.zeros_like(p) for p in self._matrices]
        self._means = [torch.zeros_like(p) for p in self._others]
        self._squares = [(torch.ones_like if self._rmsprop else torch.zeros_like)(p) for p in self._others]
        self._counts = [torch.zeros((), dtype=torch.float32) for _ in self._others]

    @property
    def tensors(self) -> dict[str, Tensor]:
        """All that is remembered, by name; the tensors themselves, not copies."""
        adams = {"mean": self._means, "square": self._squares, "count": self._counts}
        others = {"mean_square": self._squares} if self._rmsprop else adams
        named = {"momentum": self._momenta, **others}
        return {f"{name}.{i}": tensor for name, group in named.items() for i, tensor in enumerate(group)}

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Copy what `tensors` once gave. Raises KeyError where something is missing."""
        for name, own in self.tensors.items():
            own.copy_(tensors[name])

    @torch.no_grad()
    def step(self, *, matrix_learning_rate: float, learning_rate: float, crew: Crew = ALONE) -> None:
        """One step along the gradients. Parameters without one stay as they are. crew: who computes."""
        crew.map(
            lambda pair: muon(*pair, learning_rate=matrix_learning_rate, precision=self._precision),
            list(zip(self._matrices, self._momenta, strict=True)),
        )
        groups = zip(self._others, self._means, self._squares, self._counts, strict=True)
        moving = [(p, p.grad, *slots) for p, *slots in groups if p.grad is not None]
        if not moving:
            return
        parameters, gradients, means, squares, counts = map(list, zip(*moving, strict=True))
        if self._rmsprop:
            rmsprop(parameters, gradients, squares, learning_rate=learning_rate, epsilon=self._epsilon)
            return
        adam(
            parameters,
            gradients,
            means,
            squares,
            [],
            counts,
            fused=True,
            amsgrad=False,
            beta1=self._momentum,
            beta2=BETAS[1],
            lr=learning_rate,
            weight_decay=0.0,
            eps=self._epsilon,
            maximize=False,
        )


def rmsprop(
    parameters: Sequence[Tensor],
    gradients: Sequence[Tensor],
    squares: Sequence[Tensor],
    *,
    learning_rate: float,
    epsilon: float,
) -> None:
    """One step of RMSProp in place, as TensorFlow has it: epsilon is added inside the root.

    squares: running means of squared gradients; they begin at 1.
    """
    for parameter, gradient, square in zip(parameters, gradients, squares, strict=True):
        square.lerp_(gradient.square(), 1 - SQUARES)
        parameter.addcdiv_(gradient, (square + epsilon).sqrt(), value=-learning_rate)


@torch.no_grad()
def muon(
    parameter: Tensor, momentum: Tensor, *, learning_rate: float, precision: Precision = Precision.AUTO
) -> None:
    """One step of Muon (Jordan et al. 2024): the momentum's nearest semi-orthogonal matrix, in place.

    Scaled by 0.2 sqrt(larger side), so that a number moves as far as Adam would move it at the same
    learning rate (Liu et al. 2025, equation 4).
    """
    gradient = parameter.grad
    if gradient is None:
        return
    rate = learning_rate * 0.2 * max(parameter.flatten(1).shape) ** 0.5
    if precision is not Precision.FLOAT32 and compiled.serves(parameter, gradient, momentum):
        compiled.step(
            parameter, gradient, momentum, keep=MOMENTUM, coefficients=NEWTON_SCHULZ, rounds=ROUNDS, rate=rate
        )
        return
    momentum.lerp_(gradient, 1 - MOMENTUM)
    ahead = gradient.lerp(momentum, MOMENTUM)
    parameter.sub_(orthogonal(ahead.flatten(1)).view_as(parameter), alpha=rate)


def orthogonal(matrix: Tensor) -> Tensor:
    """The nearest matrix whose singular values are all about 1, by five rounds of Newton-Schulz.

    matrix: [rows, columns] float32. They come out between 0.7 and 1.2, which serves as well as 1.
    """
    a, b, c = NEWTON_SCHULZ
    x = matrix if len(matrix) <= matrix.shape[1] else matrix.T
    x = x / (x.norm() + 1e-7)
    for _ in range(ROUNDS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x if len(matrix) <= matrix.shape[1] else x.T
