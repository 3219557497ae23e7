"""The IMPALA loss against golden numbers, gradients included."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from agents.distributions import Categorical
from agents.losses import ImpalaLoss, Reduction, impala_gradient, impala_loss, reduce
from agents.returns import vtrace

with np.load(Path(__file__).parents[1] / "golden/impala_loss.npz") as file:
    GOLDEN = {key: file[key] for key in file.files if key != "_meta"}


def loss_of(
    dtype: torch.dtype, reduction: Reduction, decisions: Tensor | None = None
) -> tuple[ImpalaLoss, Tensor, Tensor]:
    """The loss of the golden inputs, and the gradients of its total by logits and values."""
    inputs = {name: torch.as_tensor(array) for name, array in GOLDEN.items() if "/" not in name}
    inputs = {name: x.to(dtype) if x.is_floating_point() else x for name, x in inputs.items()}
    logits = inputs["target_logits"].requires_grad_()
    values = inputs["values"].requires_grad_()
    actions = inputs["actions"]
    mask = torch.ones(logits.shape, dtype=torch.bool)
    categorical = Categorical(logits.shape[-1])
    log_probs, entropies = categorical.evaluate(logits, actions, mask)
    targets = vtrace(
        log_rhos=log_probs - categorical.log_prob(inputs["behaviour_logits"], actions, mask),
        discounts=inputs["discounts"],
        rewards=inputs["rewards"],
        values=values,
        bootstrap_value=inputs["bootstrap_value"],
        decisions=decisions,
    )
    terms: dict[str, Any] = {
        "values": values,
        "vs": targets.vs,
        "pg_advantages": targets.pg_advantages,
        "entropy_cost": float(GOLDEN["entropy_cost"]),
        "baseline_cost": float(GOLDEN["baseline_cost"]),
        "reduction": reduction,
        "decisions": decisions,
    }
    loss = impala_loss(log_probs=log_probs, entropies=entropies, **terms)
    written = impala_gradient(**terms)
    (by_logits,) = torch.autograd.grad([log_probs, entropies], logits, written[:2], retain_graph=True)
    found = torch.autograd.grad(loss.total, (logits, values))
    torch.testing.assert_close((by_logits, written.values), found)
    return loss, *found


@pytest.mark.parametrize(
    ("dtype", "rtol", "atol"), [(torch.float64, 1e-9, 1e-12), (torch.float32, 1e-4, 1e-5)]
)
@pytest.mark.parametrize("reduction", Reduction)
def test_loss_and_gradients_are_golden(
    reduction: Reduction, dtype: torch.dtype, rtol: float, atol: float
) -> None:
    loss, grad_logits, grad_values = loss_of(dtype, reduction)
    got = {**loss._asdict(), "grad_target_logits": grad_logits, "grad_values": grad_values}
    for name, tensor in got.items():
        golden = GOLDEN[f"{reduction}/{name}"]
        assert tensor.dtype == dtype, name
        np.testing.assert_allclose(tensor.detach().numpy(), golden, rtol=rtol, atol=atol, err_msg=name)


@pytest.mark.parametrize("reduction", Reduction)
def test_rows_without_decision_count_nothing(reduction: Reduction) -> None:
    decisions = torch.ones(7, 3, dtype=torch.bool)
    decisions[3] = False
    decisions[5:, 1] = False
    loss, grad_logits, grad_values = loss_of(torch.float64, reduction, decisions)
    assert not grad_logits[~decisions].any()
    assert not grad_values[~decisions].any()
    assert grad_logits[decisions].any(-1).all()
    whole, *_ = loss_of(torch.float64, reduction)
    assert loss.entropy < whole.entropy * (0.95 if reduction is Reduction.SUM else 2)


def test_the_mean_is_over_decisions() -> None:
    losses = torch.tensor([[1.0, torch.nan], [5.0, 3.0]])
    decisions = torch.tensor([[True, False], [True, True]])
    assert reduce(losses, Reduction.MEAN, decisions) == 3
    assert reduce(losses, Reduction.SUM, decisions) == 9
    assert reduce(losses, Reduction.MEAN, torch.zeros_like(decisions)) == 0
