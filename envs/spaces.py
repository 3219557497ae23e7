"""Gymnasium spaces of several seats, turned into one observation row and one action for all of them.

Observations: a 3-D uint8 `Box` stays an image, channels moved first; any other `Box` is flattened to
float32; everything else is flattened by `gymnasium.spaces.flatten` to float32. Images that are not alike
in all seats are flattened as well. Shorter rows are padded with zeros.

Actions: `Discrete` or `MultiDiscrete` (`MultiBinary` counts as one) in all seats, or `Box` in all seats.
Choices that a seat does not have are masked; numbers that it does not have are dropped. Numbers are
clipped to the seat's own bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces

from envs.game import ActionSpace, Array, ArraySpec, Bools, Box, Discrete, GameError, Ints, MultiDiscrete

Space = Any
"""A Gymnasium space; the package carries no types that strict checking can use."""

Encoder = Callable[[Any, Array], None]

MASK, OBSERVATION = "action_mask", "observation"


class Observations:
    """Writes what seats see into rows that all look alike."""

    def __init__(self, seat_spaces: Sequence[Space]) -> None:
        """seat_spaces: what every seat sees, in seat order. GameError for a space without fixed size."""
        bare = [_without_mask(space) for space in seat_spaces]
        self.spec, images = _common_row(bare)
        self.write: list[Encoder] = [
            _image_encoder(space) if images else _flat_encoder(space) for space in bare
        ]
        """One a seat: encodes an observation into a row. Raises GameError where it does not fit its space."""


class Actions:
    """Turns actions of our common space into what each seat's environment expects, and masks back."""

    def __init__(self, seat_spaces: Sequence[Space]) -> None:
        """seat_spaces: what every seat may do, in seat order. GameError where they cannot be joined."""
        self._spaces = list(seat_spaces)
        if all(isinstance(space, spaces.Discrete) for space in self._spaces):
            self.space: ActionSpace = Discrete(max(int(space.n) for space in self._spaces))
        elif all(isinstance(space, spaces.MultiDiscrete | spaces.MultiBinary) for space in self._spaces):
            self.space = MultiDiscrete(_largest([_sizes(space) for space in self._spaces]))
        elif all(isinstance(space, spaces.Box) for space in self._spaces):
            self.space = Box(*_widest(self._spaces))
        else:
            kinds = sorted({type(space).__name__ for space in self._spaces})
            raise GameError(
                f"action spaces {', '.join(kinds)} cannot be played: "
                "allowed are Discrete, MultiDiscrete or Box, the same kind for every seat"
            )
        self._places = [_places(space, self.space) for space in self._spaces]
        self.masks = np.stack([_own_mask(self.space, places) for places in self._places])
        """bool [S, A] what each seat may choose where the environment gives no mask."""

    def decode(self, seat: int, action: Any) -> Any:
        """One seat's action (a number, or a row of them) as its environment wants it."""
        space = self._spaces[seat]
        if isinstance(self.space, Discrete):
            return int(action) + int(space.start)
        if isinstance(self.space, Box):
            numbers = np.asarray(action[: int(np.prod(space.shape))], space.dtype).reshape(space.shape)
            return np.clip(numbers, space.low, space.high)
        chosen = np.asarray(action[: len(_sizes(space))], space.dtype).reshape(space.shape)
        return chosen + space.start if isinstance(space, spaces.MultiDiscrete) else chosen

    def write_mask(self, seat: int, raw: Any, row: Bools) -> None:
        """Write the legal choices of one seat into `row`; `raw` is the environment's mask, or None."""
        places = self._places[seat]
        if raw is None or not len(places):
            row[:] = self.masks[seat]
            return
        mask = np.concatenate([np.ravel(part) for part in raw]) if isinstance(raw, tuple) else np.asarray(raw)
        if mask.size != len(places):
            raise GameError(f"the action mask has {mask.size} entries, must have {len(places)}")
        if len(places) == len(row):  # then they are all there are, in order
            row[:] = mask.reshape(-1)
        else:
            row[:] = self.masks[seat]
            row[places] = mask.reshape(-1).astype(bool)


def split_mask(raw: Any, info: Any) -> tuple[Any, Any]:
    """Part an observation from its action mask, which may stand in either; the mask may be None."""
    if isinstance(raw, dict) and MASK in raw:
        bare = raw[OBSERVATION] if len(raw) == 2 and OBSERVATION in raw else raw
        return bare, raw[MASK]
    return raw, info.get(MASK) if info else None


def _without_mask(space: Space) -> Space:
    if not (isinstance(space, spaces.Dict) and MASK in space.spaces):
        return space
    rest = {key: part for key, part in space.spaces.items() if key != MASK}
    return rest[OBSERVATION] if set(rest) == {OBSERVATION} else spaces.Dict(rest)


def _common_row(seat_spaces: Sequence[Space]) -> tuple[ArraySpec, bool]:
    """The row that fits all seats, and whether it is an image."""
    shapes = {_image_shape(space) for space in seat_spaces}
    if len(shapes) == 1:
        (shape,) = shapes
        if shape is not None:
            return ArraySpec(shape, "uint8"), True
    for space in seat_spaces:
        if not space.is_np_flattenable:
            raise GameError(f"observation space {space} has no fixed size, so it cannot be flattened")
    return ArraySpec((max(int(spaces.flatdim(space)) for space in seat_spaces),), "float32"), False


def _image_shape(space: Space) -> tuple[int, ...] | None:
    """Shape with the channels first, or None where the space is no image."""
    if not (isinstance(space, spaces.Box) and len(space.shape) == 3 and space.dtype == np.uint8):
        return None
    return space.shape if _channels_first(space) else (space.shape[2], *space.shape[:2])


def _channels_first(space: Space) -> bool:
    """An image has fewer channels than it is wide or high."""
    return bool(space.shape[0] < space.shape[2])


def _image_encoder(space: Space) -> Encoder:
    shape, first = space.shape, _channels_first(space)

    def encode(raw: Any, row: Array) -> None:
        image = _of_shape(raw, shape)
        if image.dtype != np.uint8:
            raise GameError(f"the observation has dtype {image.dtype}, must be uint8")
        row[:] = image if first else image.transpose(2, 0, 1)

    return encode


def _flat_encoder(space: Space) -> Encoder:
    size, shape, is_box = int(spaces.flatdim(space)), space.shape, isinstance(space, spaces.Box)
    is_row = is_box and len(shape) == 1

    def encode(raw: Any, row: Array) -> None:
        flat = _of_shape(raw, shape) if is_box else spaces.flatten(space, raw)
        if not is_row:
            flat = flat.reshape(-1)
        if size == len(row):
            row[:] = flat
        else:
            row[:size] = flat
            row[size:] = 0

    return encode


def _of_shape(raw: Any, shape: tuple[int, ...]) -> Array:
    array = raw if isinstance(raw, np.ndarray) else np.asarray(raw)
    if array.shape != shape:
        raise GameError(f"the observation has shape {array.shape}, must be {shape}")
    return array


def _sizes(space: Space) -> tuple[int, ...]:
    """Number of choices in each part of a space of choices."""
    if isinstance(space, spaces.Discrete):
        return (int(space.n),)
    if isinstance(space, spaces.MultiBinary):
        return (2,) * int(np.prod(space.shape))
    return tuple(int(size) for size in np.ravel(space.nvec))


def _largest(all_sizes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    length = max(len(sizes) for sizes in all_sizes)
    padded = [sizes + (1,) * (length - len(sizes)) for sizes in all_sizes]
    return tuple(max(column) for column in zip(*padded, strict=True))


def _widest(boxes: Sequence[Space]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Lowest low and highest high of every number, over the seats that have it."""
    size = max(int(np.prod(box.shape)) for box in boxes)
    low, high = np.full(size, np.inf), np.full(size, -np.inf)
    for box in boxes:
        own = int(np.prod(box.shape))
        low[:own] = np.minimum(low[:own], np.ravel(box.low))
        high[:own] = np.maximum(high[:own], np.ravel(box.high))
    return tuple(low.tolist()), tuple(high.tolist())


def _places(space: Space, common: ActionSpace) -> Ints:
    """Where a seat's own choices stand in the common mask."""
    if isinstance(common, Box):
        return np.zeros(0, np.int64)
    wide = common.sizes if isinstance(common, MultiDiscrete) else (common.n,)
    offsets = np.cumsum(wide) - wide
    own = _sizes(space)
    return np.concatenate([offset + np.arange(size) for offset, size in zip(offsets, own, strict=False)])


def _own_mask(common: ActionSpace, places: Ints) -> Bools:
    if isinstance(common, Box):
        return np.zeros(0, bool)
    wide = common.sizes if isinstance(common, MultiDiscrete) else (common.n,)
    mask = np.zeros(sum(wide), bool)
    mask[np.cumsum(wide) - wide] = True  # a part that the seat does not have has one choice: the first
    mask[places] = True
    return mask
