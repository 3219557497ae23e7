"""Players that stand still, for tests of what answers them."""

from __future__ import annotations

import numpy as np

from agents.scripted import Rows, make_scripted
from agents.scripted_policy import ScriptedPolicy
from coordinator.exploiter import Target
from envs.catalogue import make_game
from envs.game import Array, GameSpec


class Always:
    """Makes the same choice whatever it sees."""

    needs_history = False

    def __init__(self, choice: int) -> None:
        self._choice = choice

    def act(self, rows: Rows, generator: np.random.Generator) -> Array:
        return np.full(len(rows.seat), self._choice)


def always(choice: int, game: str) -> ScriptedPolicy:
    """Somebody who makes one choice."""
    return ScriptedPolicy(Always(choice), spec_of(game))


def spec_of(game: str) -> GameSpec:
    """Of a game that can be named."""
    with make_game(game, 1) as made:
        return made.spec


def still(game: str, *choices: int, chances: tuple[float, ...] = (1.0,), teams: str = "") -> Target:
    """Plays one of the choices, drawn anew for each game, in both teams or in the one that is named; without
    any choice it is `random`."""
    spec = spec_of(game)
    behaviours = {f"always-{choice}": always(choice, game) for choice in choices}
    if not choices:
        behaviours = {"random": ScriptedPolicy(make_scripted("random", spec), spec)}
    mixture = dict(zip(behaviours, chances, strict=True))
    played = [team for team in spec.teams if teams in ("", team)]
    return Target("still", dict.fromkeys(played, mixture), behaviours)
