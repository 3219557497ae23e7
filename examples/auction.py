"""A PettingZoo environment of one's own: two bidders, ten sealed first-price auctions.

    league train examples.auction:Auction --seconds 20

In every round each bidder sees what the thing is worth to it alone, uniform in [0, 1], and bids 0, 0.1, ...
or 1. The higher bid gains value - bid; equal bids gain nothing. In equilibrium a bidder offers about half of
what the thing is worth to it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from pettingzoo import ParallelEnv

ROUNDS = 10
BIDS = 11


class Auction(ParallelEnv):  # type: ignore[misc]  # PettingZoo has no types
    """Observation float32 [1]: the thing's value. Action: the bid, in tenths."""

    def __init__(self) -> None:
        self.metadata = {"name": "auction_v0"}
        self.possible_agents = ["player_0", "player_1"]
        self.agents: list[str] = []
        self.render_mode = None
        self._observation_space = spaces.Box(0.0, 1.0, (1,), np.float32)
        self._action_space = spaces.Discrete(BIDS)
        self._generator = np.random.default_rng()
        self._values: dict[str, float] = {}
        self._round = 0

    def observation_space(self, agent: str) -> Any:
        """Every seat sees the same kind of thing."""
        return self._observation_space

    def action_space(self, agent: str) -> Any:
        """Every seat may bid the same."""
        return self._action_space

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Any]:
        """Begin ten rounds; (observations, infos)."""
        if seed is not None:
            self._generator = np.random.default_rng(seed)
        self.agents = self.possible_agents[:]
        self._round = 0
        return self._draw(), {seat: {} for seat in self.agents}

    def step(self, actions: dict[str, Any]) -> tuple[Any, Any, Any, Any, Any]:
        """Sell one thing: (observations, rewards, terminations, truncations, infos)."""
        seats, values = self.agents, self._values
        bids = {seat: int(actions[seat]) / (BIDS - 1) for seat in seats}
        highest = max(bids.values())
        sold = list(bids.values()).count(highest) == 1
        rewards = {
            seat: values[seat] - bids[seat] if sold and bids[seat] == highest else 0.0 for seat in seats
        }
        self._round += 1
        over = self._round == ROUNDS
        observations = self._draw()
        if over:
            self.agents = []
        return (
            observations,
            rewards,
            dict.fromkeys(seats, over),
            dict.fromkeys(seats, False),
            {seat: {} for seat in seats},
        )

    def _draw(self) -> dict[str, Any]:
        """New values, and what the seats see of them."""
        self._values = {seat: float(self._generator.random()) for seat in self.possible_agents}
        return {seat: np.array([value], np.float32) for seat, value in self._values.items()}


if __name__ == "__main__":
    from pettingzoo.test import parallel_api_test

    parallel_api_test(Auction(), num_cycles=100)
