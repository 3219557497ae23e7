"""What everybody decides in one tick: networks of one shape in one pass, one draw for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from agents.policy import Behaviour, Chance, Choice, Considered, NetworkPolicy
from agents.scripted.base import Rows
from agents.stages import Stages

Core = npt.NDArray[np.float32] | None


class Request(NamedTuple):
    """What one behaviour is to decide."""

    behaviour: Behaviour
    span: slice
    """Its rows, with start and stop."""
    core: Core
    """[n, 2, H] recurrent state before them; None where it has none."""
    learns: bool = False
    """Whether it is to learn from what it decides here, and so may try what it would not do."""


def decide(seen: Rows, requests: Sequence[Request], chance: Chance, stages: Stages) -> list[Choice]:
    """A choice for every request, in their order.

    seen: the rows of all of them. stages: told of the sampling.
    """
    choices: dict[int, Choice] = {}
    for index, request in enumerate(requests):
        if not isinstance(request.behaviour, NetworkPolicy):
            choices[index] = request.behaviour.act(seen.part(request.span), request.core, chance)
    for greedy in (False, True):
        group = [
            (index, request.behaviour)
            for index, request in enumerate(requests)
            if isinstance(request.behaviour, NetworkPolicy) and request.behaviour.greedy is greedy
        ]
        if group:
            policies = [policy for _, policy in group]
            drawn = _consider_and_draw(
                policies, seen, [requests[index] for index, _ in group], chance, stages
            )
            choices.update(zip([index for index, _ in group], drawn, strict=True))
    return [choices[index] for index in range(len(requests))]


def _consider_and_draw(
    policies: Sequence[NetworkPolicy],
    seen: Rows,
    requests: Sequence[Request],
    chance: Chance,
    stages: Stages,
) -> list[Choice]:
    spans = [request.span for request in requests]
    parameters, thoughts = _consider(policies, seen, requests)
    mask = torch.from_numpy(seen.mask[rows_of(spans)])
    with stages("sampling"):
        drawn = policies[0].draw(parameters, mask, chance)
    ends = np.cumsum([0, *(span.stop - span.start for span in spans)]).tolist()
    own = [slice(*between) for between in pairwise(ends)]
    choices = [Choice(drawn.played[rows], drawn.action[rows], drawn.log_prob[rows]) for rows in own]
    if not thoughts:
        return choices
    return [
        choice._replace(core=thought.core, q=_q_of(thought, choice, mask[rows]))
        for choice, thought, rows in zip(choices, thoughts, own, strict=True)
    ]


def _consider(
    policies: Sequence[NetworkPolicy], seen: Rows, requests: Sequence[Request]
) -> tuple[Tensor, list[Considered]]:
    """Parameters [n, P] of all, one after the other, and what else they thought, where there is more."""
    packed = [policy.packed for policy in policies if policy.packed is not None]
    if len(packed) == len(policies) and all(net.widths == packed[0].widths for net in packed):
        spans = [request.span for request in requests]
        return policies[0].parameters_of(packed, seen, spans), []
    thoughts = [
        policy.consider(seen.part(request.span), request.core, explores=request.learns)
        for policy, request in zip(policies, requests, strict=True)
    ]
    parameters = [thought.parameters for thought in thoughts]
    return parameters[0] if len(parameters) == 1 else torch.cat(parameters), thoughts


def _q_of(thought: Considered, choice: Choice, mask: Tensor) -> Core:
    """[n, 2] values of the action that is taken and of the best one; None where it has none."""
    if thought.action_values is None:
        return None
    taken = thought.action_values.gather(1, torch.from_numpy(choice.action)[:, None])
    best = thought.action_values.where(mask, -torch.inf).amax(1, keepdim=True)
    return torch.cat([taken, best], 1).numpy()


def rows_of(spans: Sequence[slice]) -> slice | npt.NDArray[np.intp]:
    """The rows of all spans; in place, where one begins as another ends."""
    if all(one.stop == other.start for one, other in pairwise(spans)):
        return slice(spans[0].start, spans[-1].stop)
    return np.concatenate([np.arange(span.start, span.stop) for span in spans])
