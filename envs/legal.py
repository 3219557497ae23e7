"""Which actions a step allows: checking them, and drawing one at random."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from envs.game import Array, Bools, Box, Discrete, GameError, GameSpec, Ints, MultiDiscrete, Step

Doubles = npt.NDArray[np.float64]


def check_form(spec: GameSpec, copies: int, actions: Array) -> None:
    """Raise GameError unless `actions` has the shape and dtype that `Game.step` asks for."""
    shape = (copies, spec.slots, *spec.action_shape)
    if actions.shape != shape or actions.dtype != spec.action_dtype:
        raise GameError(
            f"{spec.name}: actions must be {spec.action_dtype} {list(shape)}, "
            f"got {actions.dtype} {list(actions.shape)}"
        )


def check_legal(spec: GameSpec, step: Step, actions: Array) -> None:
    """Raise GameError for the first acting slot whose action `step` does not allow."""
    wrong: Bools = np.asarray(step.acting & ~legal(spec, step.mask, actions))
    if not wrong.any():
        return
    copy, slot = (int(index) for index in np.argwhere(wrong)[0])
    raise GameError(
        f"{spec.name}, copy {copy}, seat {spec.seats[step.seat[copy, slot]]}: "
        f"action {actions[copy, slot].tolist()} is illegal, {allowed(spec, step.mask[copy, slot])}"
    )


def legal(spec: GameSpec, mask: Bools, actions: Array) -> Bools:
    """[...] whether each action is one that its row of `mask` [..., A] allows.

    A number for a `Box` is illegal only where it is not finite: games clip it to its bounds.
    """
    if isinstance(spec.actions, Box):
        return np.asarray(np.isfinite(actions).all(axis=-1))
    return _choices_legal(spec, mask, actions)


def has_choice(spec: GameSpec, mask: Bools) -> Bools:
    """[..., A] -> [...] whether every part of an action has a legal choice."""
    if isinstance(spec.actions, Discrete):  # one part: many times as quick
        return np.asarray(mask.any(axis=-1))
    sizes = _sizes(spec)
    parts = np.logical_or.reduceat(mask, np.cumsum(sizes) - sizes, axis=-1)
    return np.asarray(parts.all(axis=-1))


def random_legal(spec: GameSpec, step: Step, generator: np.random.Generator) -> Array:
    """Actions for `Game.step`, uniform among the legal ones; 0 where a slot does not act.

    Where a `Box` is unbounded, numbers are drawn from within one of the bound, or of 0.
    """
    copies = len(step.acting)
    if isinstance(spec.actions, Box):
        low, high = _finite_bounds(spec.actions)
        return generator.uniform(low, high, (copies, spec.slots, len(low))).astype(np.float32)
    scores = generator.random(step.mask.shape, np.float32)
    scores[~step.mask] = -1.0
    if isinstance(spec.actions, Discrete):
        return np.asarray(scores.argmax(axis=-1), np.int64)
    parts = np.split(scores, np.cumsum(spec.actions.sizes)[:-1], axis=-1)
    return np.stack([part.argmax(axis=-1) for part in parts], axis=-1).astype(np.int64)


def _choices_legal(spec: GameSpec, mask: Bools, actions: Array) -> Bools:
    """[...] whether every choice is in range and open."""
    if isinstance(spec.actions, Discrete):
        return _one_choice_legal(mask, actions)
    sizes = _sizes(spec)
    choices: Ints = actions.astype(np.int64, copy=False)
    in_range: Bools = np.logical_and(choices >= 0, choices < sizes)
    offsets = np.cumsum(sizes) - sizes
    flat: Ints = np.where(in_range, choices, 0) + offsets
    open_choices: Bools = in_range & np.take_along_axis(mask, flat, axis=-1)
    return np.asarray(open_choices.all(axis=-1))


def _one_choice_legal(mask: Bools, actions: Array) -> Bools:
    """The same where an action is one choice; a third of the time on so few numbers."""
    choices: Ints = actions.astype(np.int64, copy=False)
    in_range: Bools = np.logical_and(choices >= 0, choices < mask.shape[-1])
    rows = np.arange(0, mask.size, mask.shape[-1]).reshape(choices.shape)
    return np.asarray(in_range & mask.reshape(-1)[rows + choices * in_range])


def _sizes(spec: GameSpec) -> Ints:
    sizes = spec.actions.sizes if isinstance(spec.actions, MultiDiscrete) else (spec.choices,)
    return np.array(sizes, np.int64)


def allowed(spec: GameSpec, mask: Bools) -> str:
    """What one row of a mask allows, in words."""
    match spec.actions:
        case Discrete():
            return f"legal are {np.flatnonzero(mask).tolist()}"
        case MultiDiscrete(sizes):
            parts = np.split(mask, np.cumsum(sizes)[:-1])
            return f"legal are {[np.flatnonzero(part).tolist() for part in parts]}"
        case Box():
            return "numbers must be finite"


def _finite_bounds(box: Box) -> tuple[Doubles, Doubles]:
    low, high = np.array(box.low), np.array(box.high)
    bounded_low = np.where(np.isfinite(low), low, np.where(np.isfinite(high), high, 0.0) - 1.0)
    bounded_high = np.where(np.isfinite(high), high, np.where(np.isfinite(low), low, 0.0) + 1.0)
    return bounded_low, bounded_high
