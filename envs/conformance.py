"""`check_game`: what every game must keep to, ours and a user's."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from envs.game import Array, ArraySpec, Bools, Game, GameError, GameSpec, Step
from envs.legal import has_choice, random_legal

MakeGame = Callable[[int], Game]


def check_game(make: MakeGame, *, seed: int = 0, copies: int = 4, ticks: int = 200) -> None:
    """Play random legal actions and raise GameError, in one line, at the first breach of `Game`.

    make: builds the game for a number of copies, anew for every call.
    seed: of the games and of the random actions.
    copies: C, at least 2.
    ticks: calls of `step`; enough of them should end some episodes.

    Checked are the spec, shapes and dtypes of every step, that something may be done wherever a seat
    must act, that numbers are finite, that rewards come and seats end only when they may, that the same
    seed and actions give the same steps (also after a second `reset`), and that copies do not touch
    each other.
    """
    game, twin, other = make(copies), make(copies), make(copies)
    try:
        check_spec(game.spec)
        _require(game.copies == copies, game.spec, f"copies is {game.copies}, asked for were {copies}")
        _require(twin.spec == game.spec, game.spec, "two games made alike have different specs")
        recording = _play(game, seed, ticks)
        _compare(game.spec, recording, _replay(twin, seed, recording), "the same seed and actions")
        _compare(game.spec, recording, _replay(game, seed, recording), "a second reset")
        _check_independence(other, seed, recording)
    finally:
        for each in (game, twin, other):
            each.close()
            each.close()


def check_spec(spec: GameSpec) -> None:
    """Raise GameError where a spec contradicts itself."""
    seats = len(spec.seats)
    _require(seats > 0, spec, "it has no seats")
    _require(len(set(spec.seats)) == seats, spec, f"seat names repeat: {spec.seats}")
    members = sorted(seat for team in spec.teams.values() for seat in team)
    _require(
        members == list(range(seats)), spec, f"teams {spec.teams} do not hold each of {seats} seats once"
    )
    _require(
        spec.slots in (1, seats), spec, f"slots is {spec.slots}, must be 1 or the number of seats {seats}"
    )
    _require(all(spec.teams.values()), spec, f"a team is empty: {spec.teams}")
    sizes = {len(team) for team in spec.teams.values()}
    _require(not spec.symmetric or len(sizes) == 1, spec, "symmetric, but its teams differ in size")


def check_step(spec: GameSpec, copies: int, step: Step) -> None:
    """Raise GameError where one step breaks what `Step` promises."""
    slots, seats = spec.slots, len(spec.seats)
    _check_array(spec, "seat", step.seat, (copies, slots), "int64")
    _check_array(spec, "acting", step.acting, (copies, slots), "bool")
    _check_rows(spec, "observation", step.observation, (copies, slots), spec.observation)
    _check_array(spec, "mask", step.mask, (copies, slots, spec.choices), "bool")
    _check_array(spec, "reward", step.reward, (copies, seats), "float32")
    _check_array(spec, "terminated", step.terminated, (copies, seats), "bool")
    _check_array(spec, "truncated", step.truncated, (copies, seats), "bool")
    _check_array(spec, "over", step.over, (copies,), "bool")
    _require((step.state is None) == (spec.state is None), spec, "state is not as the spec says")
    if step.state is not None and spec.state is not None:
        _check_rows(spec, "state", step.state, (copies,), spec.state)
    _check_finite(spec, "reward", step.reward)

    _require(((step.seat >= 0) & (step.seat < seats)).all(), spec, f"seat is outside 0..{seats - 1}")
    if slots > 1:
        _require((step.seat == np.arange(slots)).all(), spec, "slot k must stand for seat k in every tick")
    _require(step.acting.any(axis=1).all(), spec, "a copy shows no seat that must act")
    if spec.choices:
        _require(
            has_choice(spec, step.mask)[step.acting].all(), spec, "a seat must act but has no legal choice"
        )
    _check_ends(spec, copies, step)


def _check_ends(spec: GameSpec, copies: int, step: Step) -> None:
    both = (step.terminated & step.truncated).any()
    _require(not both, spec, "a seat is both terminated and truncated")
    if not step.truncated.any():
        return
    if step.final_observation is None:
        raise GameError(f"{spec.name}: a seat was truncated but final_observation is None")
    shape = (copies, len(spec.seats))
    _check_rows(spec, "final_observation", step.final_observation, shape, spec.observation)
    if spec.state is not None:
        if step.final_state is None:
            raise GameError(f"{spec.name}: a seat was truncated but final_state is None")
        _check_rows(spec, "final_state", step.final_state, (copies,), spec.state)


class _Watch:
    """Which seats are still in their episode: what `terminated`, `truncated` and `over` must agree with."""

    def __init__(self, spec: GameSpec, copies: int) -> None:
        self._spec = spec
        self._gone = np.zeros((copies, len(spec.seats)), bool)

    def see(self, step: Step) -> None:
        """Take in one step after `reset`."""
        ended = step.terminated | step.truncated
        _require(not (ended & self._gone).any(), self._spec, "a seat ended twice in one episode")
        self._gone |= ended
        lingering = step.over[:, None] & ~self._gone
        _require(not lingering.any(), self._spec, "an episode is over but not every seat was ended")
        unended = self._gone.all(axis=1) & ~step.over
        _require(not unended.any(), self._spec, "every seat has ended but the episode is not over")
        self._gone[step.over] = False
        acting_gone = np.take_along_axis(self._gone, step.seat, axis=1) & step.acting
        _require(not acting_gone.any(), self._spec, "a seat must act after its part has ended")


Recording = list[tuple[dict[str, Array], Array]]
"""What every step showed, and the actions that were played on it."""


def _snapshot(step: Step) -> dict[str, Array]:
    """Copies of the parts of a step that mean something, for comparison."""
    shown = {
        "seat": step.seat,
        "acting": step.acting,
        "observation": step.observation * _spread(step.acting, step.observation),
        "mask": step.mask & step.acting[..., None],
        "reward": step.reward,
        "terminated": step.terminated,
        "truncated": step.truncated,
        "over": step.over,
    }
    if step.state is not None:
        shown["state"] = step.state
    if step.final_observation is not None:
        kept = _spread(step.truncated, step.final_observation)
        shown["final_observation"] = step.final_observation * kept
    return {name: np.array(array) for name, array in shown.items()}


def _spread(flags: Bools, rows: Array) -> Any:
    """Flags with as many axes as the rows that they are to blank."""
    return flags.reshape(flags.shape + (1,) * (rows.ndim - flags.ndim))


def _play(game: Game, seed: int, ticks: int) -> Recording:
    """Random legal play, every step checked."""
    spec, generator, watch = game.spec, np.random.default_rng(seed), _Watch(game.spec, game.copies)
    step = game.reset(seed)
    check_step(spec, game.copies, step)
    quiet = not (step.reward.any() or step.over.any() or step.terminated.any() or step.truncated.any())
    _require(quiet, spec, "after reset something is rewarded, ended or over")
    recording: Recording = []
    for _ in range(ticks):
        actions = random_legal(spec, step, generator)
        recording.append((_snapshot(step), actions))
        step = game.step(actions)
        check_step(spec, game.copies, step)
        watch.see(step)
    recording.append((_snapshot(step), random_legal(spec, step, generator)))
    return recording


def _replay(game: Game, seed: int, recording: Recording) -> Recording:
    replayed = [(_snapshot(game.reset(seed)), recording[0][1])]
    for (_, actions), (_, following) in pairwise(recording):
        replayed.append((_snapshot(game.step(actions.copy())), following))
    return replayed


def _compare(spec: GameSpec, wanted: Recording, got: Recording, after: str) -> None:
    for tick, ((left, _), (right, _)) in enumerate(zip(wanted, got, strict=True)):
        for name, array in left.items():
            same = name in right and np.array_equal(array, right[name])
            _require(same, spec, f"{after} gave a different {name} at tick {tick}")


def _check_independence(game: Game, seed: int, recording: Recording) -> None:
    """Copy 0 replays the recording while the others play at random: copy 0 must not notice."""
    spec, generator = game.spec, np.random.default_rng(seed + 1)
    step = game.reset(seed)
    for tick, ((_, actions), (following, _)) in enumerate(pairwise(recording)):
        mixed = random_legal(spec, step, generator)
        mixed[0] = actions[0]
        step = game.step(mixed)
        for name, array in _snapshot(step).items():
            same = name not in following or np.array_equal(array[0], following[name][0])
            _require(same, spec, f"what other copies played changed {name} of copy 0 at tick {tick + 1}")


def _check_rows(spec: GameSpec, name: str, array: Array, lead: tuple[int, ...], row: ArraySpec) -> None:
    _check_array(spec, name, array, (*lead, *row.shape), row.dtype)
    _check_finite(spec, name, array)


def _check_array(spec: GameSpec, name: str, array: Array, shape: tuple[int, ...], dtype: str) -> None:
    _require(isinstance(array, np.ndarray), spec, f"{name} is not a numpy array")
    _require(array.shape == shape, spec, f"{name} has shape {array.shape}, must be {shape}")
    _require(array.dtype == dtype, spec, f"{name} has dtype {array.dtype}, must be {dtype}")


def _check_finite(spec: GameSpec, name: str, array: Array) -> None:
    if array.dtype.kind == "f":
        _require(np.isfinite(array).all(), spec, f"{name} holds NaN or infinity")


def _require(kept: bool | np.bool_, spec: GameSpec, breach: str) -> None:
    if not kept:
        raise GameError(f"{spec.name}: {breach}")
