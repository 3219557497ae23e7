"""What everybody decides in one tick: each network's pass over its own rows, one draw for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from agents.policy import Behaviour, Chance, Choice, NetworkPolicy
from agents.scripted.base import Rows
from agents.stages import Stages


class Request(NamedTuple):
    """Rows that one behaviour is to decide."""

    behaviour: Behaviour
    rows: Rows
    core: npt.NDArray[np.float32] | None
    """[n, 2, H] recurrent state before them; None where it has none."""


def decide(requests: Sequence[Request], chance: Chance, stages: Stages) -> list[Choice]:
    """A choice for every request, in their order; all are of one game. stages: told of the sampling."""
    choices: dict[int, Choice] = {}
    for index, (behaviour, rows, core) in enumerate(requests):
        if not isinstance(behaviour, NetworkPolicy):
            choices[index] = behaviour.act(rows, core, chance)
    for greedy in (False, True):
        group = [
            (index, request.behaviour)
            for index, request in enumerate(requests)
            if isinstance(request.behaviour, NetworkPolicy) and request.behaviour.greedy is greedy
        ]
        if group:
            policies = [policy for _, policy in group]
            drawn = _consider_and_draw(policies, [requests[index] for index, _ in group], chance, stages)
            choices.update(zip([index for index, _ in group], drawn, strict=True))
    return [choices[index] for index in range(len(requests))]


def _consider_and_draw(
    policies: Sequence[NetworkPolicy], requests: Sequence[Request], chance: Chance, stages: Stages
) -> list[Choice]:
    thoughts = [
        policy.consider(request.rows, request.core)
        for policy, request in zip(policies, requests, strict=True)
    ]
    parameters = _joined([thought.parameters for thought in thoughts])
    mask = _joined([torch.from_numpy(request.rows.mask) for request in requests])
    with stages("sampling"):
        drawn = policies[0].draw(parameters, mask, chance)
    ends = np.cumsum([len(thought.parameters) for thought in thoughts])
    spans = [slice(end - len(t.parameters), end) for t, end in zip(thoughts, ends.tolist(), strict=True)]
    return [
        Choice(drawn.played[rows], drawn.action[rows], drawn.log_prob[rows], thought.core)
        for rows, thought in zip(spans, thoughts, strict=True)
    ]


def _joined(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))
