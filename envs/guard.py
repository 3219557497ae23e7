"""A user's own `Game` is foreign code: what it raises or shows wrongly becomes a GameError of one line."""

from __future__ import annotations

import numpy as np

from envs.adapter import foreign_code
from envs.game import Array, Bools, Game, GameError, Step
from envs.legal import has_choice


class GuardedGame(Game):
    """Plays a game and looks at everything that it shows: shapes, numbers, masks."""

    def __init__(self, game: Game, name: str) -> None:
        """name: how the user calls it."""
        self.spec = game.spec
        self.copies = game.copies
        self._game = game
        self._name = name

    def reset(self, seed: int) -> Step:
        """See `Game.reset`."""
        with foreign_code(self._name):
            step = self._game.reset(seed)
        return self._checked(step)

    def step(self, actions: Array) -> Step:
        """See `Game.step`."""
        with foreign_code(self._name):
            step = self._game.step(actions)
        return self._checked(step)

    def close(self) -> None:
        """See `Game.close`."""
        with foreign_code(self._name):
            self._game.close()

    def _checked(self, step: Step) -> Step:
        spec = self.spec
        slots, seats = (self.copies, spec.slots), (self.copies, len(spec.seats))
        for field, shape in (
            ("seat", slots),
            ("acting", slots),
            ("observation", (*slots, *spec.observation.shape)),
            ("mask", (*slots, spec.choices)),
            ("reward", seats),
            ("terminated", seats),
            ("truncated", seats),
            ("over", (self.copies,)),
        ):
            if (found := np.shape(getattr(step, field))) != shape:
                raise GameError(f"{self._name}: {field} has shape {found}, must have {shape}")
        self._refuse(~np.isfinite(step.reward), "a reward is NaN or infinite")
        if step.observation.dtype.kind == "f":
            self._refuse(~np.isfinite(step.observation), "an observation is NaN or infinite")
        if spec.choices:
            stuck = step.acting & ~has_choice(spec, step.mask)
            self._refuse(stuck, "a seat must act but its action mask allows nothing")
        return step

    def _refuse(self, wrong: Bools, what: str) -> None:
        """wrong: [C, ...] where it is true."""
        if wrong.any():
            copy = int(np.argwhere(wrong)[0, 0])
            raise GameError(f"{self._name}, copy {copy}: {what}", copy)
