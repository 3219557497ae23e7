"""What a scripted player is: it does not learn, and acts on many rows in one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from envs.game import Array, Bools, Ints


@dataclass(frozen=True, slots=True)
class Rows:
    """The seats that a scripted player acts for now: N rows, one each."""

    observation: Array
    """[N, *observation] what the seat sees."""
    mask: Bools
    """[N, A] its legal choices."""
    seat: Ints
    """[N] which seat of the game it is."""
    copy: Ints
    """[N] which copy of the game it sits in."""
    history: Sequence[Sequence[int]] | None = None
    """For each row, all actions of the copy's current episode so far; None unless `needs_history`."""

    def part(self, span: slice) -> Rows:
        """Some of them, in place."""
        history = None if self.history is None else self.history[span]
        return Rows(self.observation[span], self.mask[span], self.seat[span], self.copy[span], history)


class Scripted(Protocol):
    """A player that follows a fixed rule.

    All its randomness comes from the generator it is given, so that a run resumes exactly; whatever it
    remembers between calls may only save time. One that may play a position in two ways says so by an
    attribute `varies` that is True: games between players of which none does begin with moves at random.
    One whose calls are sure to be short says so by `quick`: nobody watches over them, which takes a thread.
    """

    needs_history: bool
    """Whether it reads `Rows.history`, which costs the caller a little to keep."""

    def act(self, rows: Rows, generator: np.random.Generator) -> Array:
        """An action for each row, as the game understands it: [N] int64, or [N, D] int64 or float32."""
