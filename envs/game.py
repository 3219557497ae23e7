"""What a game is: many copies, one call.

A `Game` plays `copies` independent games side by side. One call of `step` moves every copy by one
tick. In a tick each copy offers `spec.slots` acting places: a turn-based game has one slot, whose seat
changes from tick to tick; a simultaneous game has one slot a seat. Shapes below use

    C copies    K slots a copy    S seats    A choices (legal-move mask width)    D action numbers

A copy whose episode ends begins the next one within the same call: `Step.observation` is then the
first observation of the new episode, and `Step.over` says so. Where an episode was cut short rather
than ended (`truncated`), `Step.final_observation` keeps what the seats would have seen next, because a
learner bootstraps from it.

The arrays of a `Step` belong to the game and are overwritten by the next call: copy what you keep.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


class GameError(Exception):
    """A game, or what it was asked for, is wrong. The message is one line for the user to read."""

    def __init__(self, message: str, copy: int | None = None) -> None:
        super().__init__(message)
        self.copy = copy
        """The copy that failed; None where it cannot be told."""


@dataclass(frozen=True)
class ArraySpec:
    """Shape and dtype of one row of an array."""

    shape: tuple[int, ...]
    dtype: str
    """A numpy dtype name: `uint8`, `float32`, `bool`."""

    @property
    def size(self) -> int:
        """Numbers in one row."""
        return int(np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True)
class Discrete:
    """One of `n` choices; an action is one integer."""

    n: int


@dataclass(frozen=True)
class MultiDiscrete:
    """One choice out of each of several; an action is `len(sizes)` integers."""

    sizes: tuple[int, ...]


@dataclass(frozen=True)
class Box:
    """Real numbers within bounds; an action is `len(low)` float32 numbers."""

    low: tuple[float, ...]
    high: tuple[float, ...]


ActionSpace = Discrete | MultiDiscrete | Box


@dataclass(frozen=True)
class GameSpec:
    """What never changes about a game."""

    name: str
    """How a user names it: `connect_four`, `pettingzoo:classic/tictactoe_v3`."""
    seats: tuple[str, ...]
    """Name of every acting place, in order."""
    teams: dict[str, tuple[int, ...]]
    """Team name -> its seats. Every seat is in exactly one team."""
    observation: ArraySpec
    """One seat's observation, from its own point of view. Seats that see less are padded with zeros."""
    actions: ActionSpace
    """One seat's action. Seats with fewer choices have the rest masked."""
    slots: int
    """Seats that act in one tick, at most: 1 where seats take turns, else `len(seats)`."""
    symmetric: bool
    """True where any team may be played by any player, since every team sees and moves alike."""
    state: ArraySpec | None = None
    """The global state, for a central critic; None where the game has none."""

    @property
    def choices(self) -> int:
        """Width A of the legal-move mask: all choices side by side; 0 for `Box`."""
        match self.actions:
            case Discrete(n):
                return n
            case MultiDiscrete(sizes):
                return sum(sizes)
            case Box():
                return 0

    @property
    def action_shape(self) -> tuple[int, ...]:
        """Shape of one seat's action: () for `Discrete`, else (D,)."""
        match self.actions:
            case Discrete():
                return ()
            case MultiDiscrete(sizes):
                return (len(sizes),)
            case Box(low):
                return (len(low),)

    @property
    def action_dtype(self) -> str:
        """dtype of an action: int64 where it is a choice, float32 where it is a number."""
        return "float32" if isinstance(self.actions, Box) else "int64"

    @property
    def seat_team(self) -> tuple[int, ...]:
        """Index of every seat's team, in the order of `teams`."""
        owner = {seat: i for i, seats in enumerate(self.teams.values()) for seat in seats}
        return tuple(owner[seat] for seat in range(len(self.seats)))


@dataclass(slots=True)
class Step:
    """What every copy shows after one call. All arrays belong to the game until its next call."""

    seat: Ints
    """[C, K] the seat that each slot stands for."""
    acting: Bools
    """[C, K] whether that seat must act now; rows where it need not are ignored by `Game.step`.

    Some seat of every copy must; only an `AsynchronousGame` shows copies that are not ready, where none does.
    """
    observation: Array
    """[C, K, *observation] what that seat sees."""
    mask: Bools
    """[C, K, A] its legal choices; at least one where it must act."""
    reward: Floats
    """[C, S] what every seat was given by this call, those who did not act included."""
    terminated: Bools
    """[C, S] the seat's part of the episode ended in this call, by the game's rules."""
    truncated: Bools
    """[C, S] the seat's part of the episode was cut short in this call (a time limit)."""
    over: Bools
    """[C] the whole episode ended in this call, and the copy already shows a new one."""
    final_observation: Array | None
    """[C, S, *observation] valid where `truncated`; None where no seat was."""
    state: Array | None
    """[C, *state] global state; None where the game has none."""
    final_state: Array | None = None
    """[C, *state] valid where a seat was truncated; None where no seat was, or there is no state."""


class Game(ABC):
    """Many copies of one game. Not thread-safe; a process may hold several."""

    spec: GameSpec
    copies: int

    @abstractmethod
    def reset(self, seed: int) -> Step:
        """Begin a new episode in every copy. The same seed and actions give the same steps.

        Rewards are 0 and nothing is over, terminated or truncated.
        """

    @abstractmethod
    def step(self, actions: Array) -> Step:
        """Play one action in every acting slot.

        actions: [C, K] int64 for `Discrete`; [C, K, D] int64 or float32 otherwise. Values in slots that
            are not acting mean nothing.
        Raises GameError where an action is illegal or the game itself fails.
        """

    def close(self) -> None:  # noqa: B027 - most games hold nothing
        """Give back what the game holds. Calling it twice does no harm."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
