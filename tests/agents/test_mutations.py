"""The golden numbers notice typical bugs: break a line of a function and its check must fail."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any

import pytest

from agents import losses, normalisation, q_targets, returns, surrogates
from tests.agents import golden_checks as golden

Check = Callable[[Any], None]

FILES = [
    *("vtrace", "gae", "td_lambda", "upgo", "impala_loss", "ppo", "impact"),
    *("r2d2", "retrace", "value_rescale", "dueling", "valuenorm", "popart"),
]
# (golden file, check, what is checked): {bug: (snippet of the source, what stands there with the bug)}
MUTATIONS: dict[tuple[str, Check, Any], dict[str, tuple[str, str]]] = {
    ("vtrace", golden.vtrace, returns.vtrace): {
        "c without lambda": ("rhos.clamp(max=c_bar) * lam", "rhos.clamp(max=c_bar)"),
        "c clipped at rho_bar": ("rhos.clamp(max=c_bar)", "clipped_rhos"),
        "rho inverted": ("log_rhos.exp()", "(-log_rhos).exp()"),
        "rho on the reward only": (
            "clipped_rhos * (rewards + discounts * next_values - values)",
            "clipped_rhos * rewards + discounts * next_values - values",
        ),
        "advantage from V of the next step": (
            "discounts * next_vs - values",
            "discounts * next_values - values",
        ),
        "terminals ignored": (
            "rhos = log_rhos.exp()",
            "rhos = log_rhos.exp(); discounts = discounts * 0 + 0.97",
        ),
    },
    ("gae", golden.gae, returns.gae): {
        "truncation ignored": ("lam * discounts * (1 - truncated.to(values.dtype))", "lam * discounts"),
        "truncation taken for an end": (
            "terminated.to(values.dtype))",
            "(terminated + truncated).clamp(max=1))",
        ),
        "ends ignored": ("gamma * (1 - terminated.to(values.dtype))", "gamma"),
        "no lambda": ("lam * discounts", "discounts"),
    },
    ("gae", golden.gae_columns, returns.gae_columns): {
        "decisions ignored": ("if decisions is not None", "if decisions is None"),
        "the trace passes": ("advantages = advantages.where(decisions, 0)", "pass"),
        "no lambda": ("lam * discounts", "discounts"),
    },
    ("td_lambda", golden.td_lambda, returns.td_lambda): {
        "no lambda": ("lam=lam", "lam=1.0"),
        "advantages, not returns": (").returns", ").advantages"),
        "values of the next step": ("values=values[:-1]", "values=values[1:]"),
    },
    ("upgo", golden.upgo, returns.upgo): {
        "the trace of its own step": ("errors.roll(-1, 0) >= 0", "errors >= 0"),
        "follows what goes worse": (">= 0)", "<= 0)"),
        "rho not clipped": (".exp().clamp(max=1.0)", ".exp()"),
        "ends ignored": ("traces = discounts * (", "traces = discounts.amax() * ("),
    },
    ("impala_loss", golden.impala_loss, losses.impala_loss): {
        "entropy is a cost": ("- entropy_cost * entropy", "+ entropy_cost * entropy"),
        "no baseline cost": ("baseline_cost * baseline", "baseline"),
        "always the mean": ("reduce(entropies, reduction", "reduce(entropies, Reduction.MEAN"),
        "entropy without gradient": ("reduce(entropies, ", "reduce(entropies.detach(), "),
    },
    ("ppo", golden.ppo_surrogate, surrogates.ppo_surrogate): {
        "ratio inverted": (
            "new_logp=new_logp, old_logp=old_logp",
            "new_logp=2 * old_logp.detach() - new_logp, old_logp=old_logp",
        ),
        "dual clip of good actions too": ("advantages < 0", "advantages < 10"),
        "dual clip from above": ("torch.max(", "torch.min("),
    },
    ("ppo", golden.clipped_value_loss, surrogates.clipped_value_loss): {
        "the lesser value loss": ("torch.max(", "torch.min("),
        "the value clipped to the return": ("v_old + (v_new - v_old)", "returns + (v_new - returns)"),
        "value loss not halved": ("0.5 * (returns", "1.0 * (returns"),
        "Huber's delta not given on": (", delta=huber_delta", ""),
    },
    ("ppo", golden.approx_kl_k1, surrogates.approx_kl_k1): {
        "k1 of the wrong sign": ("old_logp.detach() - new_logp", "new_logp - old_logp"),
    },
    ("ppo", golden.approx_kl_k3, surrogates.approx_kl_k3): {
        "k3 of the other order": ("- (new_logp - old", "+ (new_logp - old"),
    },
    ("ppo", golden.clip_fraction, surrogates.clip_fraction): {
        "clipped on one side only": ("(ratio.detach() - 1).abs()", "(ratio - 1)"),
    },
    ("impact", golden.impact_advantages, surrogates.impact_advantages): {
        "advantages of the worker for the target": ("logp_target - logp_worker", "logp_worker - logp_target"),
        "advantages without lambda": ("        lam=lam,\n", ""),
        "lambda in the discount": ("discounts=discounts", "discounts=lam * discounts"),
    },
    ("impact", golden.impact_surrogate, surrogates.impact_surrogate): {
        "the product clipped, not the worker's ratio": (
            "torch.max(logp_target, logp_worker - math.log(target_worker_clip))",
            "torch.max(logp_target, logp_current - math.log(target_worker_clip))",
        ),
        "the target's ratio clipped": (
            "torch.max(logp_target, logp_worker - math.log(target_worker_clip))",
            "torch.max(logp_worker, logp_target - math.log(target_worker_clip))",
        ),
        "rho inverted": ("- math.log(", "+ math.log("),
        "R2 for R3": ("= Ratio.BOTH", "= Ratio.TARGET"),
    },
    ("r2d2", golden.n_step_targets, q_targets.n_step_targets): {
        "the target network chooses": ("q_online if double", "q_target if double"),
        "the online network evaluates": ("q_target.gather(", "q_online.gather("),
        "no inverse of h": (".squeeze(-1), eps)", ".squeeze(-1), 0)"),
        "h before the sum": ("[rewards + ", "[rescale(rewards, eps) + "),
        "ends ignored": ("gamma * (1 - dones.to(values.dtype))", "gamma"),
        "one step less": ("range(n)", "range(n - 1)"),
    },
    ("r2d2", golden.sequence_priority, q_targets.sequence_priority): {
        "priority of the mean alone": ("eta * sizes.amax(0) + (1 - eta) * sizes.mean(0)", "sizes.mean(0)"),
        "eta the other way round": (
            "eta * sizes.amax(0) + (1 - eta) * sizes.mean(0)",
            "eta * sizes.mean(0) + (1 - eta) * sizes.amax(0)",
        ),
        "signs of errors kept": ("td_errors.abs()", "td_errors"),
    },
    ("r2d2", golden.sampling_probabilities, q_targets.sampling_probabilities): {
        "priorities without exponent": (" ** priority_exponent", ""),
    },
    ("r2d2", golden.importance_weights, q_targets.importance_weights): {
        "weights inverted": ("(least / probabilities)", "(probabilities / least)"),
        "weights over the batch only": ("else least_probability", "else probabilities.min()"),
    },
    ("r2d2", golden.epsilons, q_targets.epsilons): {
        "one epsilon too many": ("max(1, count - 1)", "count"),
    },
    ("retrace", golden.retrace, q_targets.retrace): {
        "c of its own step": ("traces.roll(-1, 0)", "traces"),
        "no lambda": ("lam * (pi_taken", "(pi_taken"),
        "c not clipped": (".clamp(max=1.0)", ""),
        "c inverted": ("pi_taken / mu_taken", "mu_taken / pi_taken"),
        "the value of the acting policy": ("(pi * q).sum(-1)", "(mu * q).sum(-1)"),
    },
    ("value_rescale", golden.rescale, q_targets.rescale): {
        "no linear term": (" + eps * x", ""),
        "the root without its one": ("(x.abs() + 1).sqrt()", "x.abs().sqrt()"),
    },
    ("value_rescale", golden.unrescale, q_targets.unrescale): {
        "inverse without eps in the slope": ("slope = 1 + 2 * eps", "slope = 1"),
        "inverse without sign": ("x.sign() * u", "u"),
    },
    ("dueling", golden.dueling, q_targets.dueling): {
        "no mean": (" - a.mean(-1, keepdim=True)", ""),
        "illegal advantages in the mean": ("a.where(legal, 0)", "a"),
        "the mean over all choices": ("legal.sum(-1, keepdim=True).clamp(min=1)", "legal.shape[-1]"),
    },
    ("valuenorm", golden.value_norm, normalisation.ValueNorm): {
        "not debiased": ("moments.weight.clamp(min=self.eps)", "1.0"),
        "beta the other way round": ("lerp(new, 1 - self.beta)", "lerp(new, self.beta)"),
        "square of the mean not subtracted": (" - mean.square()", ""),
        "by the variance": ("/ var.sqrt()", "/ var"),
    },
    ("popart", golden.popart, normalisation.popart): {
        "the mean, not the sum": ("step_size * (", "step_size / len(heads) * ("),
        "weights not rescaled": ("W * (sigma / new_sigma)", "W"),
        "weights rescaled the other way": ("W * (sigma / new_sigma)", "W * (new_sigma / sigma)"),
        "the mean not made up for": ("sigma * b + mu - new_mu", "sigma * b"),
    },
}
CASES = [
    pytest.param(check, of, *texts, id=f"{file}: {of.__name__}: {bug}")
    for (file, check, of), bugs in MUTATIONS.items()
    for bug, texts in bugs.items()
]


def mutant(of: Any, snippet: str, replacement: str) -> Any:
    """The function or class, with the one place in its source replaced, in a copy of its module's names."""
    source = inspect.getsource(of)
    assert source.count(snippet) == 1, f"{snippet!r} is {source.count(snippet)} times in {of.__name__}"
    names = dict(vars(sys.modules[of.__module__]))
    exec(compile(source.replace(snippet, replacement), of.__name__, "exec"), names)
    return names[of.__name__]


@pytest.mark.parametrize(("check", "of", "snippet", "replacement"), CASES)
def test_golden_numbers_notice(check: Check, of: Any, snippet: str, replacement: str) -> None:
    check(mutant(of, snippet, snippet))
    with pytest.raises(AssertionError):
        check(mutant(of, snippet, replacement))


@pytest.mark.parametrize("file", FILES)
def test_every_golden_file_notices_several_bugs(file: str) -> None:
    assert sum(len(bugs) for (of_file, _, _), bugs in MUTATIONS.items() if of_file == file) >= 2
