"""Where the time of a thread goes: seconds by stage, as shares of the time that has passed.

stages = Stages()
with stages("loss"):          # a stage costs half a microsecond: one a tick or an update, none a row
    with stages("sampling"):  # its time is its own, and not the outer stage's as well
        ...
stages.shares()               # {"loss": 0.4, "sampling": 0.1}; the rest was spent in no stage
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from threading import get_ident

PERIOD = 2.0
"""Seconds, at least, that shares are taken over."""
WAITING = "waiting"
"""The stage in which a process has nothing to do; in all others it is busy."""


class Stages:
    """What one thread is busy with. Other threads may pass through its stages: they count for nothing."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        """clock: seconds, monotonic."""
        self.clock = clock
        self._stages: dict[str, _Stage] = {}
        self._shares: dict[str, float] = {}
        self.begin()

    def begin(self) -> None:
        """Count anew from now, for the thread that calls this; at first it is the one that made it."""
        self.thread = get_ident()
        self.open = [_Stage(self)]
        """Stages entered and not left, the innermost last; the first is none, and stands for the rest."""
        self._began = self.turned = self.clock()
        """When the period began; when a stage was last entered or left."""
        for stage in self._stages.values():
            stage.seconds = 0.0

    def __call__(self, name: str) -> _Stage:
        """A context in which time belongs to the stage `name`, but for stages entered within it."""
        try:
            return self._stages[name]
        except KeyError:
            stage = self._stages[name] = _Stage(self)
            return stage

    def shares(self) -> dict[str, float]:
        """Stage -> its share of the time, 0 to 1, over the last `PERIOD` that is over; empty before.

        For the thread that is measured, which calls it more often than that.
        """
        now = self.clock()
        if (elapsed := now - self._began) >= PERIOD:
            self.open[-1].seconds += now - self.turned
            self._shares = {name: stage.seconds / elapsed for name, stage in self._stages.items()}
            for stage in self._stages.values():
                stage.seconds = 0.0
            self._began = self.turned = now
        return self._shares


class _Stage:
    """One stage of `Stages`, to be entered again and again."""

    __slots__ = ("_stages", "seconds")

    def __init__(self, stages: Stages) -> None:
        self._stages = stages
        self.seconds = 0.0
        """In the period that goes on."""

    def __enter__(self) -> None:
        stages = self._stages
        if get_ident() == stages.thread:
            now = stages.clock()
            stages.open[-1].seconds += now - stages.turned
            stages.turned = now
            stages.open.append(self)

    def __exit__(self, *_: object) -> None:
        stages = self._stages
        if get_ident() == stages.thread:
            now = stages.clock()
            self.seconds += now - stages.turned
            stages.turned = now
            stages.open.pop()


def busy(shares: Mapping[str, float]) -> float:
    """Share of the time in which something was done, of what `Stages.shares` gives."""
    return sum(share for name, share in shares.items() if name != WAITING)
