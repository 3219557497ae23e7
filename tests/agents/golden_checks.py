"""Whether a function gives the numbers of a golden file: one check for every function and file.

A check takes the function, so that a test can hand it ours, and test_mutations.py a broken one. It raises
AssertionError where the numbers differ.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from agents.losses import Reduction
from agents.normalisation import ValueNorm
from agents.returns import vtrace as true_vtrace

Array = npt.NDArray[Any]
Case = dict[str, Array]
Function = Callable[..., Any]


class Precision(NamedTuple):
    """In which dtype to compute, and how close the result must be."""

    dtype: torch.dtype
    rtol: float
    atol: float


FLOAT64 = Precision(torch.float64, 1e-9, 1e-12)
FLOAT32 = Precision(torch.float32, 1e-4, 1e-5)


def load(name: str) -> dict[str, Case]:
    """The cases of a golden file; a file without cases is the one case ""."""
    cases: dict[str, Case] = {}
    with np.load(Path(__file__).parents[1] / "golden" / name) as file:
        for key in file.files:
            case, _, field = key.rpartition("/")
            if field != "_meta":
                cases.setdefault(case, {})[field] = file[key]
    return cases


def arguments(case: Case, names: str, dtype: torch.dtype) -> dict[str, Any]:
    """These fields of a case, as a function takes them: tensors, and plain numbers where there is one."""
    return {name: argument(case[name], dtype) for name in names.split()}


def argument(array: Array, dtype: torch.dtype) -> Any:
    if not array.ndim:
        return array.item()
    tensor = torch.as_tensor(array)
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


def same(got: Tensor, golden: Array, precision: Precision) -> None:
    """They have to be of the precision's dtype, and close."""
    assert got.dtype == precision.dtype
    np.testing.assert_allclose(got.detach().numpy(), golden, rtol=precision.rtol, atol=precision.atol)


def vtrace(function: Function, precision: Precision = FLOAT64) -> None:
    names = "log_rhos discounts rewards values bootstrap_value rho_bar c_bar pg_rho_bar lam"
    for case in load("vtrace.npz").values():
        got = function(**arguments(case, names, precision.dtype))
        same(got.vs, case["vs"], precision)
        same(got.pg_advantages, case["pg_advantages"], precision)


def gae(function: Function, precision: Precision = FLOAT64) -> None:
    for case in load("gae.npz").values():
        names = "rewards values next_values terminated truncated gamma lam"
        got = function(**arguments(case, names, precision.dtype))
        same(got.advantages, case["advantages"], precision)
        same(got.returns, case["returns"], precision)


def gae_columns(function: Function, precision: Precision = FLOAT64) -> None:
    """Every column on its own, with the final observations of truncated episodes in rows of their own."""
    for case in load("gae.npz").values():
        for column in range(case["rewards"].shape[1]):
            given, decided = in_rows({name: x[:, column] for name, x in case.items() if x.ndim}, case)
            got = function(**arguments(given, " ".join(given), precision.dtype), lam=case["lam"].item())
            same(got.advantages[decided, 0], case["advantages"][:, column], precision)
            same(got.returns[decided, 0], case["returns"][:, column], precision)
            same(got.returns[~decided], given["values"][~decided], precision)
            assert not got.advantages[~decided].any()


def in_rows(column: Case, case: Case) -> tuple[Case, npt.NDArray[np.bool_]]:
    """One column of gae.npz as trajectories have it, B = 1, and which rows are decisions.

    Rewards and discounts of rows that are none are numbers that would do harm.
    """
    rows: list[tuple[float, float, float, bool]] = []
    for t, (reward, value) in enumerate(zip(column["rewards"], column["values"], strict=True)):
        rows.append((reward, case["gamma"] * (1 - column["terminated"][t]), value, True))
        if column["truncated"][t]:
            rows.append((1e3, 1.0, column["next_values"][t], False))
    rewards, discounts, values, decisions = (np.array(x)[:, None] for x in zip(*rows, strict=True))
    given = {"rewards": rewards, "discounts": discounts, "values": values, "decisions": decisions}
    return given | {"bootstrap_value": column["next_values"][-1:]}, decisions[:, 0]


def td_lambda(function: Function, precision: Precision = FLOAT64) -> None:
    for case in load("td_lambda.npz").values():
        got = function(**arguments(case, "rewards discounts values lam", precision.dtype))
        same(got, case["returns"], precision)


def upgo(function: Function, precision: Precision = FLOAT64) -> None:
    for case in load("upgo.npz").values():
        got = function(**arguments(case, "rewards discounts values log_rhos", precision.dtype))
        same(got.upgo_returns, case["upgo_returns"], precision)
        same(got.upgo_advantages, case["upgo_advantages"], precision)


def impala_loss(function: Function, precision: Precision = FLOAT64) -> None:
    cases = load("impala_loss.npz")
    names = "behaviour_logits target_logits actions discounts rewards values bootstrap_value"
    given = arguments(cases[""], names, precision.dtype)
    logits, values = given["target_logits"].requires_grad_(), given["values"].requires_grad_()
    log_policies = logits.log_softmax(-1)
    log_probs = taken(log_policies, given["actions"])
    targets = true_vtrace(
        log_rhos=log_probs - taken(given["behaviour_logits"].log_softmax(-1), given["actions"]),
        **{name: given[name] for name in ("discounts", "rewards", "values", "bootstrap_value")},
    )
    for reduction in Reduction:
        golden = cases[str(reduction)]
        got = function(
            log_probs=log_probs,
            entropies=-(log_policies.exp() * log_policies).sum(-1),
            values=values,
            **targets._asdict(),
            **arguments(cases[""], "entropy_cost baseline_cost", precision.dtype),
            reduction=reduction,
        )
        gradients = torch.autograd.grad(got.total, (logits, values), retain_graph=True)
        for name, tensor in got._asdict().items():
            same(tensor, golden[name], precision)
        for name, tensor in zip(("grad_target_logits", "grad_values"), gradients, strict=True):
            same(tensor, golden[name], precision)


def ppo_surrogate(function: Function, precision: Precision = FLOAT64) -> None:
    case = load("ppo.npz")[""]
    given = arguments(case, "new_logp old_logp advantages clip_eps", precision.dtype)
    given["new_logp"].requires_grad_()
    got = function(**given)
    same(got.ratio, case["ratio"], precision)
    same(got.objective, case["objective"], precision)
    (gradient,) = torch.autograd.grad(-got.objective.mean(), given["new_logp"])
    same(gradient, case["grad_new_logp"], precision)
    same(function(**given, dual_c=case["dual_c"].item()).objective, case["objective_dual"], precision)


def clipped_value_loss(function: Function, precision: Precision = FLOAT64) -> None:
    case = load("ppo.npz")[""]
    given = arguments(case, "v_new v_old returns clip_eps", precision.dtype)
    same(function(**given), case["value_loss_clipped_mse"], precision)
    huber = function(**given, huber_delta=case["huber_delta"].item())
    same(huber, case["value_loss_clipped_huber"], precision)


def _mean_of_ppo(field: str, names: str, function: Function, precision: Precision = FLOAT64) -> None:
    case = load("ppo.npz")[""]
    same(function(**arguments(case, names, precision.dtype)).mean(), case[field], precision)


approx_kl_k1 = partial(_mean_of_ppo, "approx_kl_k1", "new_logp old_logp")
approx_kl_k3 = partial(_mean_of_ppo, "approx_kl_k3", "new_logp old_logp")
clip_fraction = partial(_mean_of_ppo, "clip_fraction", "ratio clip_eps")


def impact_advantages(function: Function, precision: Precision = FLOAT64) -> None:
    names = "logp_target logp_worker discounts rewards values bootstrap_value lam rho_bar c_bar"
    for case in load("impact.npz").values():
        got = function(**arguments(case, names, precision.dtype))
        same(got.advantages, case["advantages"], precision)
        same(got.value_targets, case["value_targets"], precision)


def impact_surrogate(function: Function, precision: Precision = FLOAT64) -> None:
    names = "logp_target logp_worker advantages clip_eps target_worker_clip"
    for case in load("impact.npz").values():
        logits = argument(case["current_logits"], precision.dtype).requires_grad_()
        logp_current = taken(logits.log_softmax(-1), torch.as_tensor(case["actions"]))
        got = function(logp_current=logp_current, **arguments(case, names, precision.dtype))
        same(got.ratio, case["ratio"], precision)
        same(got.surrogate, case["surrogate"], precision)
        loss = -got.surrogate.mean()
        same(loss, case["policy_loss"], precision)
        same(torch.autograd.grad(loss, logits)[0], case["grad_current_logits"], precision)


def n_step_targets(function: Function, precision: Precision = FLOAT64) -> None:
    for name in ("n1", "n3", "n5"):
        case = load("r2d2.npz")[name]
        given = arguments(case, "q_online q_target rewards dones gamma n", precision.dtype)
        got = function(**given, eps=case["eps"].item())
        same(got, case["targets"], precision)
        chosen = taken(given["q_online"], torch.as_tensor(case["actions"]))
        same(got - chosen[:-1], case["td_errors"], precision)
        same(function(**given, eps=0.0), case["targets_no_rescale"], precision)


def sequence_priority(function: Function, precision: Precision = FLOAT64) -> None:
    for name in ("n1", "n3", "n5"):
        case = load("r2d2.npz")[name]
        same(function(**arguments(case, "td_errors eta", precision.dtype)), case["priority"], precision)


def sampling_probabilities(function: Function, precision: Precision = FLOAT64) -> None:
    for name in ("per_seed", "per_apex"):
        case = load("r2d2.npz")[name]
        got = function(**arguments(case, "priorities priority_exponent", precision.dtype))
        same(got, case["probabilities"], precision)


def importance_weights(function: Function, precision: Precision = FLOAT64) -> None:
    for name in ("per_seed", "per_apex"):
        case = load("r2d2.npz")[name]
        everything = argument(case["probabilities"], precision.dtype)
        given = {
            "probabilities": everything[case["sampled_indices"]],
            "is_exponent": case["is_exponent"].item(),
        }
        same(function(**given), case["is_weights_batch_max"], precision)
        got = function(**given, least_probability=everything.min())
        same(got, case["is_weights_buffer_max"], precision)


def epsilons(function: Function) -> None:
    for name, golden in load("r2d2.npz")["epsilons"].items():
        np.testing.assert_allclose(function(int(name[1:])), golden, rtol=1e-12)


def retrace(function: Function, precision: Precision = FLOAT64) -> None:
    case = load("retrace.npz")[""]
    given = arguments(case, "q pi mu actions rewards discounts", precision.dtype)
    got = function(**given, lam=case["lam"].item())
    same(got.targets, case["targets"], precision)
    same(got.td_errors, case["td_errors"], precision)
    same(function(**given, lam=1.0).targets, case["targets_lam1"], precision)


def rescale(function: Function, precision: Precision = FLOAT64) -> None:
    case = load("value_rescale.npz")[""]
    for eps in (1e-2, 1e-3):
        same(function(argument(case["x"], precision.dtype), eps), case[f"h_eps{eps}"], precision)


def unrescale(function: Function, precision: Precision = FLOAT64) -> None:
    case = load("value_rescale.npz")[""]
    for eps in (1e-2, 1e-3):
        same(function(argument(case["x"], precision.dtype), eps), case[f"hinv_eps{eps}"], precision)


def dueling(function: Function, precision: Precision = FLOAT64) -> None:
    case = load("dueling.npz")[""]
    given = arguments(case, "v a legal", precision.dtype)
    same(function(v=given["v"], a=given["a"]), case["q"], precision)
    got = function(**given)
    same(got, case["q_legal_mean"], precision)
    greedy = got.masked_fill(~given["legal"], -torch.inf).argmax(-1)
    assert np.array_equal(greedy.numpy(), case["greedy_legal"])


def value_norm(kind: type[ValueNorm], precision: Precision = FLOAT64) -> None:
    case = load("valuenorm.npz")[""]
    norm = kind(**{name: case[name].item() for name in ("beta", "eps", "min_var")})
    moments = norm.start()
    for i in range(5):
        batch = argument(case[f"batch{i}"], precision.dtype)
        moments = norm.update(moments, batch)
        for got, name in zip(norm.statistics(moments), ("mean", "var"), strict=True):
            np.testing.assert_allclose(got.numpy(), case[f"{name}{i}"], rtol=precision.rtol)
        same(norm.normalise(moments, batch), case[f"normalized{i}"], precision)
        same(norm.denormalise(moments, batch), case[f"denorm_of_batch{i}"], precision)


def popart(function: Function, precision: Precision = FLOAT64) -> None:
    case = load("popart.npz")[""]
    start = {"mu": torch.zeros(2, dtype=precision.dtype), "nu": torch.ones(2, dtype=precision.dtype)}
    got = function(**start, **arguments(case, "W b targets indices step_size", precision.dtype))
    for name, tensor in got._asdict().items():
        same(tensor, case[name], precision)


def taken(of_choices: Tensor, actions: Tensor) -> Tensor:
    """[..., A] at the actions [...]."""
    return of_choices.gather(-1, actions[..., None]).squeeze(-1)
