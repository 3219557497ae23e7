"""What the adapters of foreign environments share: buffers, seeds, and guards against what they return.

Every breach (the environment raises, shows NaN or a wrong shape, leaves a seat nothing to do) becomes a
`GameError` of one line with the game, the copy and the seat. After one, the game is only fit to be closed.

What is done for every copy and step is done in Python and counts, so it is kept short here; whatever can
wait until all copies were stepped is done then, for all at once.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from envs.buffers import blank_step
from envs.game import Array, Game, GameError, GameSpec, Step
from envs.legal import check_form, check_legal, has_choice
from envs.seeding import carries_chance
from envs.spaces import Actions, Observations, split_mask


@contextmanager
def foreign_code(where: str) -> Iterator[None]:
    """Whatever is raised within becomes a GameError that begins with `where`."""
    try:
        yield
    except GameError as error:
        raise GameError(f"{where}: {error}", error.copy) from None
    except Exception as error:
        raise GameError(f"{where}: {_in_words(error)}") from error


def _in_words(error: Exception) -> str:
    first_line = (str(error).splitlines() or [""])[0]
    return f"the environment raised {type(error).__name__}: {first_line}"


class Adapter(Game):
    """Copies of one foreign environment, stepped one after the other.

    The first episode of copy i is reset with a seed drawn from (seed of `reset`, i). Later ones are too,
    except where the environment is seen to carry its chance on (`envs.seeding`): to seed one anew may
    cost more than to play it. Where an environment says of a seat that it was both terminated and
    truncated, it counts as terminated.
    """

    def __init__(
        self,
        spec: GameSpec,
        envs: Sequence[Any],
        observations: Observations,
        actions: Actions,
        states: Observations | None = None,
    ) -> None:
        """states: encodes the global state, as a single seat's observation; None where there is none."""
        self.spec = spec
        self.copies = len(envs)
        self._envs = list(envs)
        self._observations = observations
        self._actions = actions
        self._states = states
        self._step = blank_step(spec, self.copies)
        self._observation_rows = [list(rows) for rows in self._step.observation]
        self._mask_rows = [list(rows) for rows in self._step.mask]
        self._seats = {seat: index for index, seat in enumerate(spec.seats)}
        self._gone: list[set[int]] = [set() for _ in envs]
        """Seats whose part of the episode is over, by copy."""
        self._final_observation: Array | None = None
        self._final_state: Array | None = None
        self._carries_chance = carries_chance(self._envs[0])
        self._generators: list[np.random.Generator] = []
        self._copy = 0
        """The one at work."""
        self._closed = False

    @abstractmethod
    def _begin(self, copy: int, seed: int | None) -> None:
        """Reset the copy's environment and show who must act."""

    @abstractmethod
    def _advance(self, copy: int, actions: Any) -> bool:
        """Play `actions` (one a slot) in the copy's environment.

        Shows who must act, or returns True where the episode is over.
        """

    def reset(self, seed: int) -> Step:
        """See `Game.reset`."""
        self._generators = [np.random.default_rng([seed, copy]) for copy in range(self.copies)]
        self._forget_tick()
        with self._blaming_copy():
            for copy in range(self.copies):
                self._copy = copy
                self._begin_episode(copy, self._draw_seed(copy))
        self._check_shown()
        return self._step

    def step(self, actions: Array) -> Step:
        """See `Game.step`."""
        check_form(self.spec, self.copies, actions)
        check_legal(self.spec, self._step, actions)
        rows = actions.tolist() if actions.dtype == np.int64 else actions
        self._forget_tick()
        with self._blaming_copy():
            for copy, row in enumerate(rows):
                self._copy = copy
                if self._advance(copy, row):
                    self._renew(copy)
                elif self._states is not None:
                    self._write_state(copy, self._step.state)
        self._check_shown()
        return self._step

    def close(self) -> None:
        """See `Game.close`."""
        if not self._closed:
            self._closed = True
            with foreign_code(self.spec.name):
                for env in self._envs:
                    env.close()

    def _renew(self, copy: int) -> None:
        """The copy's episode is over: begin the next."""
        self._step.over[copy] = True
        never_came = set(self._seats.values()) - self._gone[copy]
        self._step.terminated[copy, list(never_came)] = True
        self._begin_episode(copy, None if self._carries_chance else self._draw_seed(copy))

    def _begin_episode(self, copy: int, seed: int | None) -> None:
        self._gone[copy].clear()
        self._begin(copy, seed)
        self._write_state(copy, self._step.state)

    def _draw_seed(self, copy: int) -> int:
        return int(self._generators[copy].integers(2**31))

    def _index(self, copy: int, seat: str) -> int:
        """The number of a seat that the environment speaks of."""
        try:
            return self._seats[seat]
        except KeyError:
            raise self._failure(copy, f"seat {seat!r} is none of its possible_agents") from None

    def _show(self, copy: int, slot: int, seat: int, raw: Any, info: Any) -> None:
        """The seat in this slot sees this, and may do what its mask allows."""
        bare, mask = split_mask(raw, info)
        try:
            self._observations.write[seat](bare, self._observation_rows[copy][slot])
            self._actions.write_mask(seat, mask, self._mask_rows[copy][slot])
        except GameError as error:
            raise self._failure(copy, str(error), seat) from None

    def _give(self, copy: int, seat: int, reward: Any) -> None:
        """Add to what the seat was given in this tick."""
        if reward != 0:
            self._step.reward[copy, seat] += reward.item() if isinstance(reward, np.ndarray) else reward

    def _end(self, copy: int, seat: int, terminated: bool, last_seen: Callable[[], Any]) -> None:
        """The seat's part of the episode is over; `last_seen` gives what it sees then, if truncated."""
        step = self._step
        self._gone[copy].add(seat)
        if terminated:
            step.terminated[copy, seat] = True
            return
        step.truncated[copy, seat] = True
        if self._final_observation is None:
            seats = len(self.spec.seats)
            shape = (self.copies, seats, *self.spec.observation.shape)
            self._final_observation = np.zeros(shape, self.spec.observation.dtype)
        step.final_observation = self._final_observation
        try:
            bare, _ = split_mask(last_seen(), None)
            self._observations.write[seat](bare, self._final_observation[copy, seat])
        except GameError as error:
            raise self._failure(copy, f"at its truncation {error}", seat) from None
        if self._states is not None and step.state is not None:
            if self._final_state is None:
                self._final_state = np.zeros_like(step.state)
            step.final_state = self._final_state
            self._write_state(copy, self._final_state)

    def _write_state(self, copy: int, rows: Array | None) -> None:
        """Encode the copy's global state into its row, where there is one."""
        if self._states is None or rows is None:
            return
        try:
            self._states.write[0](self._envs[copy].state(), rows[copy])
        except GameError as error:
            raise self._failure(copy, f"its state: {error}") from None

    def _forget_tick(self) -> None:
        step = self._step
        step.reward.fill(0.0)
        step.terminated.fill(False)
        step.truncated.fill(False)
        step.over.fill(False)
        step.final_observation = step.final_state = None

    def _check_shown(self) -> None:
        """Guard, over all copies at once, against numbers and masks that nobody can learn from."""
        step = self._step
        self._check_finite(step.reward, "reward", slots=False)
        self._check_finite(step.observation, "observation", slots=True)
        if step.final_observation is not None:
            self._check_finite(step.final_observation, "final observation", slots=False)
        if step.state is not None:
            self._check_finite(step.state[:, None], "state", slots=False)
        if step.final_state is not None:
            self._check_finite(step.final_state[:, None], "final state", slots=False)
        if self.spec.choices:
            stuck = step.acting & ~has_choice(self.spec, step.mask)
            if stuck.any():
                copy, slot = (int(index) for index in np.argwhere(stuck)[0])
                seat = int(step.seat[copy, slot])
                raise self._failure(copy, "it must act but its action mask allows nothing", seat)

    def _check_finite(self, array: Array, what: str, slots: bool) -> None:
        """array: [C, slots or seats, ...]."""
        if array.dtype.kind != "f" or np.isfinite(array).all():
            return
        copy, place = (int(index) for index in np.argwhere(~np.isfinite(array))[0][:2])
        seat = int(self._step.seat[copy, place]) if slots else place
        raise self._failure(copy, f"its {what} is NaN or infinite", None if "state" in what else seat)

    @contextmanager
    def _blaming_copy(self) -> Iterator[None]:
        """Whatever foreign code raises becomes a GameError that names the copy at work."""
        try:
            yield
        except GameError:
            raise
        except Exception as error:
            seat = int(self._step.seat[self._copy, 0]) if self.spec.slots == 1 else None
            raise self._failure(self._copy, _in_words(error), seat) from error

    def _failure(self, copy: int, what: str, seat: int | None = None) -> GameError:
        where = "" if seat is None else f", seat {self.spec.seats[seat]}"
        return GameError(f"{self.spec.name}, copy {copy}{where}: {what}", copy)
