"""An environment that does as its action says, to fail included: for other processes to import."""

from __future__ import annotations

import os
import time
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

EPISODE = 5
"""Steps of an episode."""
MOVE, RAISE, DIE, HANG, WAIT = range(5)
GATE = "OBEDIENT_GATE"
"""Environment variable with the path of a named pipe: WAIT lasts until somebody opens it to write."""


class Obedient(gymnasium.Env):
    """Shows how many steps of its episode were taken; each is rewarded by 1."""

    observation_space: spaces.Space = spaces.Box(0, EPISODE, (1,), np.float32)
    action_space: spaces.Space = spaces.Discrete(5)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        self.tick = 0
        return self._see(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        if action == RAISE:
            raise RuntimeError("as you wish")
        if action == DIE:
            os._exit(7)
        if action == HANG:
            time.sleep(1000)
        if action == WAIT:
            with open(os.environ[GATE]):
                pass
        self.tick += 1
        return self._see(), 1.0, False, self.tick == EPISODE, {}

    def _see(self) -> Any:
        return np.full(1, self.tick, np.float32)
