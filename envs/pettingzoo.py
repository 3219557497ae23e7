"""PettingZoo environments as games: seats that move in turn (AEC) or at once (parallel)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from gymnasium import spaces
from pettingzoo import AECEnv

from envs.adapter import Adapter, foreign_code
from envs.game import Game, GameError, GameSpec
from envs.spaces import Actions, Observations, Space
from envs.teams import Teams, prefix, split_teams
from envs.unwrapping import without_checks


class ParallelGame(Adapter):
    """A PettingZoo `ParallelEnv`: one slot a seat.

    A seat that ended, or has left `env.agents`, does not act again in its episode; its rows are zero. One
    that left without a word counts as terminated.
    """

    def _begin(self, copy: int, seed: int | None) -> None:
        observations, infos = self._envs[copy].reset(seed=seed)
        if not self._show_present(copy, observations, infos):
            raise self._failure(copy, "the episode begins without a seat that acts")

    def _advance(self, copy: int, actions: Any) -> bool:
        env = self._envs[copy]
        acting = self._step.acting[copy].tolist()
        chosen = {
            seat: self._actions.decode(index, actions[index])
            for index, seat in enumerate(self.spec.seats)
            if acting[index]
        }
        observations, rewards, terminated, truncated, infos = env.step(chosen)
        for seat, reward in rewards.items():
            self._give(copy, self._index(copy, seat), reward)
        for seat in chosen:
            ended, cut = terminated.get(seat, False), truncated.get(seat, False)
            if ended or cut or seat not in env.agents:
                self._end(copy, self._seats[seat], bool(ended or not cut), partial(observations.get, seat))
        return not self._show_present(copy, observations, infos)

    def _show_present(self, copy: int, observations: Any, infos: Any) -> bool:
        """Show all seats what they see; returns whether any must act."""
        present, gone, step = self._envs[copy].agents, self._gone[copy], self._step
        acting = [seat in present and index not in gone for seat, index in self._seats.items()]
        step.acting[copy] = acting
        for (seat, index), acts in zip(self._seats.items(), acting, strict=True):
            if not acts:
                step.observation[copy, index] = 0
                step.mask[copy, index] = False
            elif seat in observations:
                self._show(copy, index, index, observations[seat], infos.get(seat))
            else:
                raise self._failure(copy, "it must act but was shown no observation", index)
        return any(acting)


class AecGame(Adapter):
    """A PettingZoo `AECEnv`: one slot, for whoever must act.

    A tick's reward is what `env.rewards` held after the action: what `last()` accumulates for a seat
    between its turns is added up by whoever collects a seat's stream of decisions.
    """

    def _begin(self, copy: int, seed: int | None) -> None:
        self._envs[copy].reset(seed=seed)
        if not self._settle(copy):
            raise self._failure(copy, "the episode begins without a seat that acts")

    def _advance(self, copy: int, actions: Any) -> bool:
        env, gone = self._envs[copy], self._gone[copy]
        env.step(self._actions.decode(int(self._step.seat[copy, 0]), actions[0]))
        for seat, reward in env.rewards.items():
            self._give(copy, self._index(copy, seat), reward)
        terminated, truncated = env.terminations, env.truncations
        for seat in env.agents:
            if (terminated[seat] or truncated[seat]) and (index := self._index(copy, seat)) not in gone:
                self._end(copy, index, bool(terminated[seat]), partial(env.observe, seat))
        return not self._settle(copy)

    def _settle(self, copy: int) -> bool:
        """Take leave of seats that ended, then show who must act; False where nobody is left."""
        env, seats, gone = self._envs[copy], self._seats, self._gone[copy]
        for _ in range(len(seats) + 1):
            if len(gone) == len(seats) or not env.agents:
                return False
            seat = env.agent_selection
            if not (env.terminations[seat] or env.truncations[seat]):
                index = self._index(copy, seat)
                self._step.seat[copy, 0] = index
                self._show(copy, 0, index, env.observe(seat), env.infos.get(seat))
                return True
            env.step(None)
        raise self._failure(copy, "seats that ended are selected again and again")


def adapt(name: str, make_env: Callable[[], Any], copies: int, *, teams: str = "auto") -> Game:
    """A game of `copies` PettingZoo environments.

    name: becomes `GameSpec.name`; in the family `pettingzoo:classic/` two seats of different names
        (`black_0`, `white_0`) are still symmetric where their spaces are the same.
    teams: see `envs.teams.TeamRule`.
    Raises GameError where the spaces cannot be joined or the environment does not name its seats.
    """
    with foreign_code(name):
        envs = [without_checks(make_env()) for _ in range(copies)]
        first = envs[0]
        seats = tuple(getattr(first, "possible_agents", ()))
        if not seats:
            raise GameError("the environment does not say its possible_agents")
        seen = [first.observation_space(seat) for seat in seats]
        done = [first.action_space(seat) for seat in seats]
        observations, actions, states = Observations(seen), Actions(done), _states(first)
        split = split_teams(seats, teams)
    in_turn = isinstance(first, AECEnv)
    spec = GameSpec(
        name=name,
        seats=seats,
        teams=split,
        observation=observations.spec,
        actions=actions.space,
        slots=1 if in_turn else len(seats),
        symmetric=_symmetric(name, seats, split, seen, done),
        state=None if states is None else states.spec,
    )
    return (AecGame if in_turn else ParallelGame)(spec, envs, observations, actions, states)


def _states(env: Any) -> Observations | None:
    """Encoder of the environment's global state, where it has one."""
    env.reset(seed=0)
    try:
        state = np.asarray(env.state())
    except (NotImplementedError, AttributeError, TypeError):  # some keep something else under the name
        return None
    low, high = (0, 255) if state.dtype == np.uint8 else (-np.inf, np.inf)
    dtype = state.dtype if state.dtype == np.uint8 else np.float32
    return Observations([spaces.Box(low, high, state.shape, dtype)])


def _symmetric(
    name: str, seats: Sequence[str], teams: Teams, seen: Sequence[Space], done: Sequence[Space]
) -> bool:
    """Whether the teams differ in nothing but who sits there, as far as names and spaces tell."""
    alike = all(space == seen[0] for space in seen) and all(space == done[0] for space in done)
    one_size = len({len(members) for members in teams.values()}) == 1
    one_kind = len({prefix(seat) for seat in seats}) == 1 or name.startswith("pettingzoo:classic/")
    return len(teams) > 1 and alike and one_size and one_kind
