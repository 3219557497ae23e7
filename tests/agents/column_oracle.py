"""Streams that live at random, and a slow oracle that cuts what happened to them into columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from agents.columns import Columns
from agents.trajectory import Trajectory
from envs.game import ArraySpec, Discrete, GameSpec

STREAMS = 4


def spec_of(seats: int) -> GameSpec:
    names = tuple(f"seat_{seat}" for seat in range(seats))
    return GameSpec(
        name="overlap",
        seats=names,
        teams={"team": tuple(range(seats))},
        observation=ArraySpec((1,), "int32"),
        actions=Discrete(3),
        slots=seats,
        symmetric=False,
        state=ArraySpec((1,), "int32"),
    )


class Kept(NamedTuple):
    """One row of a stream: what every field of a trajectory must hold, and the state before it."""

    observation: Any
    mask: Any
    action: Any
    log_prob: Any
    q: Any
    acting: Any
    reward: Any
    terminated: bool
    first: bool
    version: int
    state: Any
    core: Any

    @property
    def decides(self) -> bool:
        return bool(self.acting.any())


def idle(seats: int, version: int) -> Kept:
    one, two = np.zeros(seats), np.zeros((seats, 2))
    return Kept(
        observation=one[:, None], mask=np.ones((seats, 3), bool), action=one, log_prob=one, q=two,
        acting=one.astype(bool), reward=one, terminated=True, first=False, version=version,
        state=np.zeros(1), core=0.0,
    )  # fmt: skip


@dataclass
class Episode:
    """What a stream did from a beginning to an end."""

    rows: list[Kept] = field(default_factory=list)
    over: bool = False

    @property
    def decisions(self) -> int:
        return sum(row.decides for row in self.rows)


class Lives:
    """Drives `Columns` at random, and writes down what happened."""

    def __init__(self, generator: np.random.Generator, columns: Columns, seats: int) -> None:
        self.generator, self.columns, self.seats = generator, columns, seats
        self.episodes: list[list[Episode]] = [[Episode()] for _ in range(STREAMS)]
        self.shown = np.zeros((STREAMS, seats), np.int64)
        """What every seat last saw in this episode."""

    def tick(self, now: int) -> None:
        """Some decide, all are given rewards, some episodes end."""
        generator = self.generator
        who = np.flatnonzero(generator.random(STREAMS) < [0.2, 0.5, 0.9, 1.0])
        if who.size:
            self._decide(who, now)
        given = generator.integers(-4, 5, (STREAMS, self.seats)) / 8
        for seat in range(self.seats):
            self.columns.reward(np.arange(STREAMS), seat, given[:, seat])
        for stream in range(STREAMS):
            if rows := self.episodes[stream][-1].rows:
                rows[-1] = rows[-1]._replace(reward=rows[-1].reward + given[stream])
        chance = generator.random(STREAMS)
        self._terminate(np.flatnonzero(chance < 0.12))
        self._truncate(np.flatnonzero((chance > 0.12) & (chance < 0.25)), now)

    def _decide(self, who: Any, now: int) -> None:
        count, seats, generator = len(who), self.seats, self.generator
        acting = generator.random((count, seats)) < 0.7
        acting[~acting.any(1), 0] = True
        seen = 1000 * who[:, None] + now * 10 + np.arange(seats)
        mask = generator.random((count, seats, 3)) < 0.5
        action, log_prob = generator.integers(0, 3, (count, seats)), -generator.random((count, seats))
        q, core, state = (
            generator.random((count, seats, 2)),
            1.0 + generator.random(count),
            generator.integers(9),
        )
        states, cores = np.full((count, 1), state), np.zeros((count, seats, 2, 1)) + core[:, None, None, None]
        first = np.array([not self.episodes[stream][-1].rows for stream in who])
        cores[first], core[first] = 0.0, 0.0
        if seats == 1:
            decided = seen, mask[:, 0], action[:, 0], log_prob[:, 0]
            self.columns.add(who, now, *decided, states, cores, q[:, 0])
        else:
            rows = self.columns.begin_row(who, now, states, cores)
            at, seat = np.nonzero(acting)
            here = at, seat
            decided = seen[here][:, None], mask[here], action[here], log_prob[here]
            self.columns.write(rows[at], who[at], seat, *decided, q[here])
            self.columns.end_row(rows, who)
        for i, stream in enumerate(who):
            acts = acting[i]
            self.shown[stream] = np.where(acts, seen[i], self.shown[stream])
            self.episodes[stream][-1].rows.append(
                Kept(
                    observation=self.shown[stream][:, None].copy(), mask=mask[i] | ~acts[:, None],
                    action=action[i] * acts, log_prob=(log_prob[i] * acts).astype(np.float32),
                    q=(q[i] * acts[:, None]).astype(np.float32), acting=acts, reward=np.zeros(seats),
                    terminated=False, first=bool(first[i]), version=now, state=states[i],
                    core=np.float32(core[i]),
                )
            )  # fmt: skip

    def _terminate(self, who: Any) -> None:
        self.columns.terminate(who)
        for stream in who:
            if rows := self.episodes[stream][-1].rows:
                rows[-1] = rows[-1]._replace(terminated=True)
                self._end(stream)

    def _truncate(self, who: Any, now: int) -> None:
        seen = self.generator.random((len(who), self.seats)) < 0.5
        final = np.full((len(who), self.seats, 1), -now)
        core = np.full((len(who), self.seats, 2, 1), 5.0 + now)
        self.columns.truncate(who, final, seen, np.full((len(who), 1), now), core)
        for i, stream in enumerate(who):
            if rows := self.episodes[stream][-1].rows:
                shown = np.where(seen[i], -now, self.shown[stream])[:, None]
                changes = {"observation": shown, "state": np.array([now]), "core": 5.0 + now}
                rows.append(idle(self.seats, rows[-1].version)._replace(**changes))
                self._end(stream)

    def _end(self, stream: int) -> None:
        self.episodes[stream][-1].over = True
        self.episodes[stream].append(Episode())
        self.shown[stream] = 0


def cut(
    rows: list[Kept], decisions: int, over: bool, seats: int, unroll: int, overlap: int
) -> list[list[Kept]]:
    """Every column, literally: row t of column j is row j (T - o) + t - o of what happened.

    Where it is over, what is missing in the last one with a decision among rows o to T-1 is idle.
    """
    if not rows:
        return []
    stride, columns = unroll - overlap, []
    for start in range(0, decisions if over else len(rows), stride):
        wanted = range(start - overlap, start + stride + 1)
        if wanted[-1] >= len(rows) and not over:
            break
        before, after = (idle(seats, row.version) for row in (rows[0], rows[-1]))
        columns.append([before if at < 0 else after if at >= len(rows) else rows[at] for at in wanted])
    return columns


@cache
def lived(unroll: int, overlap: int, episodic: bool, seats: int) -> tuple[Lives, list[list[Trajectory]]]:
    """(what happened, the columns of every stream)"""
    columns = Columns(
        spec_of(seats),
        places=np.repeat(np.arange(STREAMS)[:, None], seats, 1),
        unroll=unroll,
        batch=1,
        state=True,
        core=1,
        overlap=overlap,
        episodic=episodic,
        values=True,
    )
    lives = Lives(np.random.default_rng([unroll, overlap, seats]), columns, seats)
    left: list[list[Trajectory]] = [[] for _ in range(STREAMS)]
    for now in range(1, 120):
        lives.tick(now)
        for column in columns.take():
            left[int(column.place[0, 0])].append(column)
    return lives, left
