"""Scripted players that fail, as a user's may: `tests.e2e.players_for_tests:raises`."""

from __future__ import annotations

from threading import Event
from typing import Any

import numpy as np

from agents.scripted.base import Rows
from envs.game import GameSpec


class Failing:
    """Plays well for some moves, then does what it should not."""

    needs_history = False

    def __init__(self, how: str) -> None:
        self._how = how
        self._calls = 0

    def act(self, rows: Rows, generator: np.random.Generator) -> Any:
        self._calls += 1
        first: Any = rows.mask.argmax(axis=1)
        if self._calls > 3:
            match self._how:
                case "raises":
                    raise RuntimeError("the book has no such page")
                case "hangs":
                    Event().wait()
                case "cheats":
                    return np.full(len(first), 99)
        return first


def raises(spec: GameSpec) -> Failing:
    return Failing("raises")


def hangs(spec: GameSpec) -> Failing:
    return Failing("hangs")


def cheats(spec: GameSpec) -> Failing:
    return Failing("cheats")


def plain(spec: GameSpec) -> Failing:
    """Plays the first legal move, always."""
    return Failing("never")
