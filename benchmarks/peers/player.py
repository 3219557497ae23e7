"""A peer's saved policy at our tables, scored as `league eval --greedy` scores our own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from agents.machine import settle
from agents.scripted import make_scripted
from agents.scripted.base import Rows
from agents.scripted_policy import ScriptedPolicy
from benchmarks.peers.protocol import Layers
from coordinator.evaluation import COPIES, meet
from envs.connect_four import ConnectFour


class Greedy:
    """Plays the legal column that the network rates highest."""

    needs_history = False

    def __init__(self, layers: Layers) -> None:
        self._layers = layers

    def act(self, rows: Rows, generator: np.random.Generator) -> npt.NDArray[np.int64]:
        """See `Scripted.act`."""
        hidden = rows.observation.reshape(len(rows.mask), -1).astype(np.float32)
        for name in ("a", "b"):
            hidden = np.maximum(hidden @ self._layers[f"{name}.w"] + self._layers[f"{name}.b"], 0.0)
        logits = hidden @ self._layers["p.w"] + self._layers["p.b"]
        chosen: npt.NDArray[np.int64] = np.where(rows.mask, logits, -np.inf).argmax(axis=1)
        return chosen


def load(file: Path) -> Greedy:
    """The policy of a file that `Progress` saved."""
    with np.load(file) as layers:
        return Greedy(dict(layers))


def score(player: Greedy, against: str, games: int, *, seed: int) -> dict[str, Any]:
    """Connect Four against a scripted player, half of the games in either seat: the keys of `league eval`."""
    settle()
    with ConnectFour(min(games, COPIES)) as game:
        acting = {
            "peer": ScriptedPolicy(player, game.spec),
            against: ScriptedPolicy(make_scripted(against, game.spec), game.spec),
        }
        return meet(game, acting, ("peer", against), "peer", against, games, seed=seed)
