"""The optimizer against PyTorch's own classes, and Muon's orthogonalisation against the singular values,
RMSProp against TensorFlow's equation."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from torch import Tensor, nn

from agents.config import Precision
from agents.kernels.dense import WORKS
from agents.optimizer import EPSILON, MOMENTUM, Optimizer, muon, orthogonal


def two(shape: tuple[int, ...], seed: int) -> tuple[nn.Parameter, nn.Parameter]:
    start = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return nn.Parameter(start.clone()), nn.Parameter(start.clone())


def gradients(shape: tuple[int, ...], count: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(7)
    return [torch.randn(shape, generator=generator) for _ in range(count)]


def test_adam_is_pytorchs_to_the_last_bit() -> None:
    ours, theirs = two((5, 3), seed=0)
    optimizer = Optimizer(matrices=[], others=[ours])
    reference = torch.optim.Adam([theirs], lr=3e-3, eps=EPSILON, fused=True)
    for gradient in gradients((5, 3), 10):
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        optimizer.step(matrix_learning_rate=1.0, learning_rate=3e-3)
        reference.step()
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize("shape", [(32, 20), (20, 32), (24, 24)])
def test_muon_is_pytorchs_up_to_its_bfloat16(shape: tuple[int, ...]) -> None:
    ours, theirs = two(shape, seed=1)
    optimizer = Optimizer(matrices=[ours], others=[])
    reference = torch.optim.Muon(
        [theirs], lr=0.01, momentum=MOMENTUM, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"
    )
    start = ours.detach().clone()
    for gradient in gradients(shape, 10):
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        optimizer.step(matrix_learning_rate=0.01, learning_rate=1.0)
        reference.step()
    moved = (theirs - start).norm()
    assert (ours - theirs).norm() < 0.03 * moved


@pytest.mark.skipif(not WORKS, reason="the processor does not multiply bfloat16")
@pytest.mark.parametrize(
    "shape", [(1, 1), (3, 1), (2, 33), (33, 7), (84, 128), (128, 84), (130, 150), (8, 4, 3, 3)]
)
def test_muon_in_c_goes_where_float32_goes(shape: tuple[int, ...]) -> None:
    exact, rounded = two(shape, seed=1)
    momenta = [torch.randn(shape, generator=torch.Generator().manual_seed(5)) for _ in range(2)]
    start = exact.detach().clone()
    exact.grad = rounded.grad = gradients(shape, 1)[0]
    muon(exact, momenta[0], learning_rate=0.01, precision=Precision.FLOAT32)
    muon(rounded, momenta[1], learning_rate=0.01, precision=Precision.AUTO)
    assert torch.allclose(momenta[0], momenta[1], atol=1e-6)
    assert (rounded - exact).norm() < 0.05 * (exact - start).norm()
    assert not torch.equal(rounded, exact) or exact.numel() == 1


def test_a_convolution_is_stepped_as_a_matrix() -> None:
    kernel, flat = nn.Parameter(torch.zeros(8, 4, 3, 3)), nn.Parameter(torch.zeros(8, 36))
    gradient = gradients((8, 36), 1)[0]
    flat.grad, kernel.grad = gradient, gradient.view(8, 4, 3, 3)
    Optimizer(matrices=[flat, kernel], others=[]).step(matrix_learning_rate=0.1, learning_rate=1.0)
    assert torch.equal(kernel.flatten(1), flat)


@pytest.mark.parametrize("shape", [(128, 84), (84, 128), (16, 16)])
def test_singular_values_come_out_near_one(shape: tuple[int, int]) -> None:
    values = torch.linalg.svdvals(orthogonal(gradients(shape, 1)[0]))
    assert values.max() < 1.25
    assert values.min() > 0.3  # a square random matrix has singular values near 0, which five rounds lift


def test_what_was_remembered_can_be_loaded() -> None:
    first, again = two((6, 4), seed=2)
    bias, bias_again = two((6,), seed=3)
    one = Optimizer(matrices=[first], others=[bias])
    other = Optimizer(matrices=[again], others=[bias_again])
    for step, gradient in enumerate(gradients((6, 4), 8)):
        if step == 4:
            other.load({name: tensor.clone() for name, tensor in one.tensors.items()})
            again.data.copy_(first.data)
            bias_again.data.copy_(bias.data)
        for matrix, vector, optimizer in ((first, bias, one), (again, bias_again, other)):
            if optimizer is one or step >= 4:
                matrix.grad, vector.grad = gradient.clone(), gradient[:, 0].clone()
                optimizer.step(matrix_learning_rate=0.02, learning_rate=0.01)
    assert torch.equal(first, again)
    assert torch.equal(bias, bias_again)


def test_a_parameter_without_gradient_stays() -> None:
    idle, moved = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
    optimizer = Optimizer(matrices=[], others=[idle, moved])
    moved.grad = torch.ones(3)
    optimizer.step(matrix_learning_rate=1.0, learning_rate=0.1)
    assert torch.equal(idle, torch.ones(3))
    assert not torch.equal(moved, torch.ones(3))


def rmsprop_of_tensorflow(start: float, slopes: list[float], rate: float, epsilon: float) -> float:
    """Where a number ends: the mean of squares begins at 1, epsilon stands inside the root."""
    square = 1.0
    for slope in slopes:
        square += 0.01 * (slope * slope - square)
        start -= rate * slope / math.sqrt(square + epsilon)
    return start


@pytest.mark.parametrize("epsilon", [1e-2, 0.1, 1.5e-7])
def test_rmsprop_is_tensorflows(epsilon: float) -> None:
    ours, theirs = two((5, 3), seed=0)
    optimizer = Optimizer(matrices=[], others=[ours], epsilon=epsilon, rmsprop=True)
    pytorchs = torch.optim.RMSprop([theirs], lr=3e-3, alpha=0.99, eps=epsilon)
    start, steps = ours.detach().clone(), gradients((5, 3), 30)
    for gradient in steps:
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        optimizer.step(matrix_learning_rate=1.0, learning_rate=3e-3)
        pytorchs.step()
    for i, j in product(range(5), range(3)):
        slopes = [step[i, j].item() for step in steps]
        expected = rmsprop_of_tensorflow(start[i, j].item(), slopes, 3e-3, epsilon)
        assert ours[i, j].item() == pytest.approx(expected, abs=1e-6)
    assert not torch.allclose(ours, theirs, atol=1e-2)


def test_what_rmsprop_remembered_can_be_loaded_and_forgotten() -> None:
    first, again = two((6, 4), seed=2)
    one, other = (Optimizer(matrices=[], others=[each], rmsprop=True) for each in (first, again))
    steps = gradients((6, 4), 8)
    for gradient in steps[:4]:
        first.grad = gradient.clone()
        one.step(matrix_learning_rate=1.0, learning_rate=0.01)
    assert list(one.tensors) == ["mean_square.0"]
    other.load({name: tensor.clone() for name, tensor in one.tensors.items()})
    again.data.copy_(first.data)
    for gradient in steps[4:]:
        first.grad = again.grad = gradient.clone()
        one.step(matrix_learning_rate=1.0, learning_rate=0.01)
        other.step(matrix_learning_rate=1.0, learning_rate=0.01)
    assert torch.equal(first, again)
    assert (one.tensors["mean_square.0"] != 1).all()
    one.reset()
    assert (one.tensors["mean_square.0"] == 1).all()
    with pytest.raises(KeyError):
        one.load(Optimizer(matrices=[], others=[first]).tensors)


def test_adams_epsilon_is_the_one_that_is_given() -> None:
    ours, theirs = two((5, 3), seed=0)
    optimizer = Optimizer(matrices=[], others=[ours], epsilon=0.5, momentum=0.3)
    reference = torch.optim.Adam([theirs], lr=3e-3, eps=0.5, betas=(0.3, 0.999), fused=True)
    for gradient in gradients((5, 3), 5):
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        optimizer.step(matrix_learning_rate=1.0, learning_rate=3e-3)
        reference.step()
    assert torch.equal(ours, theirs)
