"""How costs and step sizes change as training goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from agents.algorithms.config import AlgorithmConfig
from agents.surrogates import adapted_kl_cost

KL_RANGE = 1e4
"""How far the cost of divergence may go from the first one, as a factor: at 0 it would stay for good."""


class Costs(NamedTuple):
    """Weights of the loss's terms that change as training goes on."""

    entropy: float
    kl: float = 0.0


def schedule(config: AlgorithmConfig, steps: int, hyper: Mapping[str, float]) -> tuple[float, float]:
    """(share of the first learning rate, entropy cost): linear in the decisions trained on, then constant.

    steps: decisions trained on since the first weights. hyper: values that learning rate and entropy cost
    begin at instead of the configuration's; their schedules keep their shape.
    """
    done = min(1.0, steps / config.anneal_steps) if config.anneal_steps else 0.0
    pace = 1.0 + done * (config.final_learning_rate / config.learning_rate - 1.0)
    entropy_cost = config.entropy_cost + done * (config.final_entropy_cost - config.entropy_cost)
    if tuned := hyper.get("learning_rate"):
        pace *= tuned / config.learning_rate
    if tuned := hyper.get("entropy_cost"):
        entropy_cost *= tuned / config.entropy_cost
    return pace, entropy_cost


def next_kl_cost(config: AlgorithmConfig, cost: float, divergence: float) -> float:
    """What the divergence costs after an update that found so much of it."""
    if not config.kl_target:
        return cost
    adapted = adapted_kl_cost(cost, divergence, config.kl_target)
    return min(max(adapted, config.kl_cost / KL_RANGE), config.kl_cost * KL_RANGE)
