"""Games and behaviours that follow a script, so that a test knows every number a rollout should keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from agents.policy import Behaviour, Chance, Choice
from agents.rollout import Rollout
from agents.scripted.base import Rows
from agents.streams import StreamConfig
from agents.tables import Table
from agents.trajectory import Trajectory
from envs.buffers import blank_step
from envs.game import ActionSpace, Array, ArraySpec, Discrete, Game, GameSpec, Step
from envs.legal import check_legal

FINAL = 1000
"""Added to the tick in what a seat sees when its episode is cut short."""


@dataclass(frozen=True)
class Moment:
    """What happens to one copy in one tick."""

    acting: tuple[int, ...]
    """Seats that must act; one, where seats take turns."""
    rewards: tuple[float, ...] = ()
    """What everybody is given for it; nothing where left out."""
    terminated: tuple[int, ...] = ()
    truncated: tuple[int, ...] = ()


class ScriptedGame(Game):
    """Every copy repeats its own script, whatever is played. An episode is over once every seat was ended.

    A seat sees float32 [copy, seat, tick]; the state is [copy, tick]. What means nothing holds NaN. One
    choice of each seat is illegal, and another one in every tick.
    """

    def __init__(
        self,
        scripts: Sequence[Sequence[Moment]],
        teams: Sequence[Sequence[int]],
        *,
        turns: bool = False,
        actions: ActionSpace = Discrete(3),  # noqa: B008 - frozen
        symmetric: bool = True,
        state: bool = False,
    ) -> None:
        """teams: the seats of each. turns: one slot, whose seat changes."""
        seats = sum(len(team) for team in teams)
        self.spec = GameSpec(
            name="scripted",
            seats=tuple(f"seat_{seat}" for seat in range(seats)),
            teams={f"team_{i}": tuple(team) for i, team in enumerate(teams)},
            observation=ArraySpec((3,), "float32"),
            actions=actions,
            slots=1 if turns else seats,
            symmetric=symmetric,
            state=ArraySpec((2,), "float32") if state else None,
        )
        self.copies = len(scripts)
        self.played: list[Array] = []
        """The actions of every tick."""
        self._scripts = scripts
        self._step = blank_step(self.spec, self.copies)

    def reset(self, seed: int) -> Step:
        self._tick = 0
        self._gone = np.zeros((self.copies, len(self.spec.seats)), bool)
        self._clear()
        self._show()
        return self._step

    def step(self, actions: Array) -> Step:
        check_legal(self.spec, self._step, actions)
        self.played.append(actions.copy())
        step = self._step
        self._clear()
        for copy, script in enumerate(self._scripts):
            moment = script[self._tick % len(script)]
            step.reward[copy] = moment.rewards or 0.0
            step.terminated[copy, list(moment.terminated)] = True
            step.truncated[copy, list(moment.truncated)] = True
            self._see_end(copy, moment)
        self._gone |= step.terminated | step.truncated
        step.over[:] = self._gone.all(axis=1)
        self._gone[step.over] = False
        self._tick += 1
        self._show()
        return step

    def _clear(self) -> None:
        step = self._step
        for array in (step.reward, step.terminated, step.truncated, step.over):
            array.fill(0)
        step.final_observation = step.final_state = None

    def _see_end(self, copy: int, moment: Moment) -> None:
        step, spec = self._step, self.spec
        if not moment.truncated:
            return
        if step.final_observation is None:
            step.final_observation = np.full((self.copies, len(spec.seats), 3), np.nan, np.float32)
            step.final_state = np.full((self.copies, 2), np.nan, np.float32) if spec.state else None
        for seat in moment.truncated:
            step.final_observation[copy, seat] = copy, seat, FINAL + self._tick
        if step.final_state is not None:
            step.final_state[copy] = copy, FINAL + self._tick

    def _show(self) -> None:
        step, tick = self._step, self._tick
        for copy, script in enumerate(self._scripts):
            acting = script[tick % len(script)].acting
            if self.spec.slots == 1:
                step.seat[copy] = acting
            else:
                step.acting[copy] = np.isin(np.arange(len(self.spec.seats)), acting)
            for slot, seat in enumerate(step.seat[copy]):
                seen = (copy, seat, tick) if step.acting[copy, slot] else (np.nan,) * 3
                step.observation[copy, slot] = seen
                step.mask[copy, slot] = np.arange(self.spec.choices) != (copy + seat + tick) % 3
        if step.state is not None:
            step.state[:, 0], step.state[:, 1] = np.arange(self.copies), tick


class OneShot(Game):
    """One team, one choice of every seat at once; everybody is given what the payoff says of the choices.

    A seat sees float32 [1]. The state is 0 or 1 by chance, hidden from the seats, and `luck` times it is
    given on top.
    """

    def __init__(self, payoff: Sequence[Any], copies: int, luck: float = 0.0) -> None:
        """payoff: with as many axes as there are seats."""
        self._payoff, self._luck = np.array(payoff, np.float32), luck
        seats = self._payoff.ndim
        self.spec = GameSpec(
            name="one shot",
            seats=tuple(f"seat_{seat}" for seat in range(seats)),
            teams={"team": tuple(range(seats))},
            observation=ArraySpec((1,), "float32"),
            actions=Discrete(len(self._payoff)),
            slots=seats,
            symmetric=False,
            state=ArraySpec((1,), "float32"),
        )
        self.copies = copies
        self._step = blank_step(self.spec, copies)
        self._step.observation.fill(1.0)
        self._step.mask.fill(True)

    def reset(self, seed: int) -> Step:
        self._generator = np.random.default_rng(seed)
        for array in (self._step.reward, self._step.terminated, self._step.over):
            array.fill(0)
        self._show()
        return self._step

    def step(self, actions: Array) -> Step:
        assert self._step.state is not None
        given = self._payoff[tuple(actions.T.astype(int))][:, None]
        self._step.reward[:] = given + self._luck * self._step.state
        self._step.terminated.fill(True)
        self._step.over.fill(True)
        self._show()
        return self._step

    def _show(self) -> None:
        assert self._step.state is not None
        self._step.state[:, 0] = self._generator.integers(2, size=self.copies)


def log_prob_of(seat: Any, tick: Any) -> Any:
    """What a `Teller` claims; exact in float32."""
    return -(tick + seat / 8)


@dataclass
class Teller:
    """Plays the first legal choice and claims numbers from which a test reads where they came from.

    Its recurrent state, where it has one, counts the decisions of this seat in this episode.
    """

    version: int = 0
    core: int = 0
    needs_history: bool = False
    varies: bool = True
    asked: list[Rows] = field(default_factory=list)
    """Copies of all that it was shown."""

    def act(self, rows: Rows, core: Any, chance: Chance) -> Choice:
        self.asked.append(
            Rows(
                rows.observation.copy(),
                rows.mask.copy(),
                rows.seat.copy(),
                rows.copy.copy(),
                None if rows.history is None else [list(history) for history in rows.history],
            )
        )
        action = rows.mask.argmax(axis=1)
        log_prob = log_prob_of(rows.seat, rows.observation[:, 2]).astype(np.float32)
        return Choice(action, action, log_prob, None if core is None else core + 1)


class Row(NamedTuple):
    """One row of a stream of one seat, as a test compares it."""

    tick: float
    """That was seen; FINAL + tick in a row that only bootstraps."""
    reward: float = 0.0
    terminated: bool = False
    first: bool = False
    acting: bool = True


def rows_of(batches: Sequence[Trajectory]) -> dict[tuple[int, int], list[Row]]:
    """(copy, seat) -> rows 0 to T-1 of all its columns, one after the other as they left."""
    streams: dict[tuple[int, int], list[Row]] = {}
    for batch in batches:
        for column in range(batch.columns):
            copy, seat, _ = batch.observation[-1, column, 0]
            rows = streams.setdefault((int(copy), int(seat)), [])
            rows += [row_of(batch, t, column) for t in range(batch.unroll)]
    return streams


def row_of(batch: Trajectory, t: int, column: int) -> Row:
    """Row t of a column of one seat."""
    return Row(
        float(batch.observation[t, column, 0, 2]),
        float(batch.reward[t, column, 0]),
        bool(batch.terminated[t, column]),
        bool(batch.first[t, column]),
        bool(batch.acting[t, column, 0]),
    )


def play(
    game: Game,
    ticks: int,
    config: StreamConfig,
    *,
    holders: Sequence[str] | None = None,
    behaviours: dict[str, Behaviour] | None = None,
    versions: bool = False,
) -> list[Trajectory]:
    """Columns of `main` after so many ticks, at one endless table where it learns, in all seats by default.

    versions: whether its version is the number of the tick.
    """
    behaviours = behaviours or {"main": Teller(core=config.core)}
    rollout = Rollout(game, {"main": config})
    rollout.reset(0)
    rollout.behaviours = behaviours
    who = tuple(holders or ["main"] * len(game.spec.teams))
    rollout.seating.open(Table(0, who, 10**6, frozenset({"main"})))
    for tick in range(ticks):
        if versions:
            behaviours["main"].version = tick
        rollout.tick()
    return rollout.take()["main"]
