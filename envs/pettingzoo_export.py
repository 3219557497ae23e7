"""Our games as PettingZoo environments, for anybody's tools.

    aec_env("connect_four")       an AECEnv; simultaneous games are wrapped by PettingZoo's parallel_to_aec
    parallel_env("matrix:rps")    a ParallelEnv, for games in which all seats act at once

An observation is what the seat was last shown when it had to act: zeros before its first turn. Since a
game begins anew as soon as an episode ends, the observation after the end is the last one before it,
except where the episode was truncated. The legal choices stand in `infos[seat]["action_mask"]`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from pettingzoo import AECEnv, ParallelEnv
from pettingzoo.utils.conversions import parallel_to_aec

from envs.catalogue import make_game
from envs.game import Array, Bools, Box, Discrete, Game, GameError, GameSpec, MultiDiscrete, Step
from envs.spaces import MASK, Space


def aec_env(name: str, render_mode: str | None = None) -> Any:
    """The game as an AECEnv. Raises GameError for a name that `make_game` does not know."""
    game = make_game(name, 1)
    if game.spec.slots == 1:
        return TurnsEnv(game, render_mode)
    return parallel_to_aec(SimultaneousEnv(game, render_mode))


def parallel_env(name: str, render_mode: str | None = None) -> Any:
    """The game as a ParallelEnv. Raises GameError where its seats take turns."""
    game = make_game(name, 1)
    if game.spec.slots != len(game.spec.seats):
        raise GameError(f"{name}: its seats take turns, so it is no parallel environment: use aec_env")
    return SimultaneousEnv(game, render_mode)


class _Export:
    """One copy of a game, and what both kinds of environment say about it."""

    def __init__(self, game: Game, render_mode: str | None) -> None:
        if render_mode not in (None, "ansi"):
            raise GameError(f"{game.spec.name}: render_mode is {render_mode!r}, allowed are None and 'ansi'")
        spec = game.spec
        self.metadata = {
            "name": f"{spec.name.replace(':', '_')}_v0",
            "render_modes": ["ansi"],
            "is_parallelizable": spec.slots == len(spec.seats),
        }
        self.render_mode = render_mode
        self.possible_agents = list(spec.seats)
        self.agents: list[str] = []
        row = spec.observation
        self._observation_spaces = {seat: _observation_space(row.shape, row.dtype) for seat in spec.seats}
        self._action_spaces = {seat: _action_space(spec) for seat in spec.seats}
        self._game = game
        self._generator = np.random.default_rng()
        self._seen = np.zeros((len(spec.seats), *spec.observation.shape), spec.observation.dtype)
        self._state: Array | None = None
        if spec.state is not None:
            self.state_space = _observation_space(spec.state.shape, spec.state.dtype)

    def observation_space(self, agent: str) -> Space:
        """Space of what a seat sees: the very same object at each call, as PettingZoo demands."""
        return self._observation_spaces[agent]

    def action_space(self, agent: str) -> Space:
        """Space of what a seat may do: the very same object at each call."""
        return self._action_spaces[agent]

    def state(self) -> Array:
        """Global state. Raises NotImplementedError where the game has none."""
        if self._state is None:
            raise NotImplementedError(f"{self._game.spec.name} has no global state")
        return self._state.copy()

    def render(self) -> str | None:
        """What every seat saw last, as text, where `render_mode` is `ansi`."""
        if self.render_mode is None:
            return None
        rows = zip(self.possible_agents, self._seen, strict=True)
        return "\n".join(f"{seat}\n{observation}" for seat, observation in rows)

    def close(self) -> None:
        """Close the game."""
        self._game.close()

    def _restart(self, seed: int | None) -> Step:
        """Begin an episode; without a seed, one that follows from the last seed that was given."""
        if seed is not None:
            self._generator = np.random.default_rng(seed)
        self.agents = self.possible_agents[:]
        self._seen.fill(0)
        step = self._game.reset(int(self._generator.integers(2**31)))
        self._look(step)
        return step

    def _play(self, actions: dict[str, Any]) -> Step:
        """Play the actions of the seats that must act; keep what is seen afterwards."""
        spec, step = self._game.spec, self._shown
        row = np.zeros((1, spec.slots, *spec.action_shape), spec.action_dtype)
        for slot in range(spec.slots):
            seat = spec.seats[step.seat[0, slot]]
            if step.acting[0, slot]:
                row[0, slot] = actions[seat]
        step = self._game.step(row)
        if step.over[0]:
            self._look_back(step)
        else:
            self._look(step)
        return step

    def _look(self, step: Step) -> None:
        self._shown = step
        for slot in np.flatnonzero(step.acting[0]):
            self._seen[step.seat[0, slot]] = step.observation[0, slot]
        self._look_back(step)
        if step.state is not None:
            self._state = step.state[0].copy()

    def _look_back(self, step: Step) -> None:
        if step.final_observation is not None:
            cut = step.truncated[0]
            self._seen[cut] = step.final_observation[0, cut]

    def _info(self, step: Step, seat: str) -> dict[str, Any]:
        """The legal choices of a seat that must act."""
        if step.over[0] or not self._game.spec.choices:
            return {}
        for slot in range(self._game.spec.slots):
            if self._game.spec.seats[step.seat[0, slot]] == seat and step.acting[0, slot]:
                return {MASK: _mask(self._game.spec, step.mask[0, slot])}
        return {}

    def _flags(self, flags: Bools, agents: list[str]) -> dict[str, bool]:
        return {seat: bool(flags[0, self.possible_agents.index(seat)]) for seat in agents}

    def _rewards(self, step: Step, agents: list[str]) -> dict[str, float]:
        return {seat: float(step.reward[0, self.possible_agents.index(seat)]) for seat in agents}

    def _observation(self, seat: str) -> Array:
        seen: Array = self._seen[self.possible_agents.index(seat)].copy()
        return seen


class TurnsEnv(_Export, AECEnv):  # type: ignore[misc]
    """A game whose seats take turns, as an AECEnv."""

    def __init__(self, game: Game, render_mode: str | None = None) -> None:
        _Export.__init__(self, game, render_mode)

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        """Begin an episode. Options mean nothing."""
        step = self._restart(seed)
        self._skip_agent_selection = None
        self.rewards = dict.fromkeys(self.agents, 0.0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0.0)
        self.terminations = dict.fromkeys(self.agents, False)
        self.truncations = dict.fromkeys(self.agents, False)
        self._select(step)

    def step(self, action: Any) -> None:
        """Play the action of `agent_selection`; None where it has ended. GameError where it is illegal."""
        seat = self.agent_selection
        if self.terminations[seat] or self.truncations[seat]:
            self._was_dead_step(action)
            return
        self._cumulative_rewards[seat] = 0.0
        step = self._play({seat: action})
        self.rewards = self._rewards(step, self.agents)
        self.terminations = self._flags(step.terminated, self.agents)
        self.truncations = self._flags(step.truncated, self.agents)
        self._select(step)
        self._accumulate_rewards()
        self._deads_step_first()

    def observe(self, agent: str) -> Array:
        """What the seat was last shown."""
        return self._observation(agent)

    def _select(self, step: Step) -> None:
        self.infos = {seat: self._info(step, seat) for seat in self.agents}
        if not step.over[0]:
            self.agent_selection = self.possible_agents[step.seat[0, 0]]


class SimultaneousEnv(_Export, ParallelEnv):  # type: ignore[misc]
    """A game whose seats act at once, as a ParallelEnv."""

    def __init__(self, game: Game, render_mode: str | None = None) -> None:
        _Export.__init__(self, game, render_mode)

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Array], dict[str, dict[str, Any]]]:
        """Begin an episode; observations and infos. Options mean nothing."""
        step = self._restart(seed)
        return (
            {seat: self._observation(seat) for seat in self.agents},
            {seat: self._info(step, seat) for seat in self.agents},
        )

    def step(self, actions: dict[str, Any]) -> tuple[dict[str, Any], ...]:
        """Play one action a seat: observations, rewards, terminations, truncations, infos."""
        agents = self.agents
        step = self._play(actions)
        terminated, truncated = (self._flags(flags, agents) for flags in (step.terminated, step.truncated))
        self.agents = [seat for seat in agents if not (terminated[seat] or truncated[seat])]
        return (
            {seat: self._observation(seat) for seat in agents},
            self._rewards(step, agents),
            terminated,
            truncated,
            {seat: self._info(step, seat) for seat in agents},
        )


def _observation_space(shape: tuple[int, ...], dtype: str) -> Space:
    if dtype == "uint8":
        return spaces.Box(0, 255, shape, np.uint8)
    limits = np.finfo(dtype)
    return spaces.Box(limits.min, limits.max, shape, dtype)


def _action_space(spec: GameSpec) -> Space:
    match spec.actions:
        case Discrete(n):
            return spaces.Discrete(n)
        case MultiDiscrete(sizes):
            return spaces.MultiDiscrete(sizes)
        case Box(low, high):
            return spaces.Box(np.array(low, np.float32), np.array(high, np.float32))


def _mask(spec: GameSpec, mask: Bools) -> Any:
    """As `Space.sample` wants it: int8, for `MultiDiscrete` a tuple of parts."""
    numbers = mask.astype(np.int8)
    if isinstance(spec.actions, MultiDiscrete):
        return tuple(np.split(numbers, np.cumsum(spec.actions.sizes)[:-1]))
    return numbers
