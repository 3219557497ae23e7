"""Which questions are answered together: whoever asks waits here until enough others do.

    guests, each by a thread of its own ──ask──> Gathering ──gather──> the thread that decides
                         ^──────────────answers──────────────────────────────────┘

Who waits for whom
    a question           for others, until `rows` are there or every guest has asked, and at most `seconds`:
                         a guest that dies or plays on without asking holds nobody up.
    whoever decides      for a question. `close` ends both waits.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Condition
from typing import NamedTuple

from agents.answering import ActorState
from agents.asking import Question


@dataclass(eq=False)
class Guest:
    """An actor at the other end of a stream."""

    owner: str
    """The place that it fills, and which of those who filled it this is: `actor-0.3.1`."""
    answers: SimpleQueue[bytes | None] = field(default_factory=SimpleQueue)
    """For it; None where there will be no more."""
    run: int = -1
    """Which run of its games it plays; below 0 before it has asked anything."""
    state: ActorState | None = None
    """What is kept of that run. For the thread that decides alone."""

    @property
    def place(self) -> str:
        return self.owner.partition(".")[0]


class Waiting(NamedTuple):
    """A question that waits."""

    guest: Guest
    question: Question
    run: int
    size: int
    """Bytes that it came in."""

    @property
    def rows(self) -> int:
        return len(self.question.rows.seat)


class Gathering:
    """Guests and the questions that they wait for answers to. Any thread may call."""

    def __init__(self, rows: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """rows: that are enough. seconds: that no question waits longer than for others."""
        self._rows, self._seconds, self._clock = rows, seconds, clock
        self._changed = Condition()
        self._guests: dict[str, Guest] = {}
        """By place."""
        self._waiting: list[Waiting] = []
        self._deadline = 0.0
        """Of the question that waits longest."""
        self._open = True

    def enter(self, guest: Guest) -> None:
        """A guest is there from now on, and whoever filled its place before is not."""
        with self._changed:
            if (before := self._guests.get(guest.place)) is not None:
                self._dismiss(before)
            if self._open:
                self._guests[guest.place] = guest
            else:
                guest.answers.put(None)
            self._changed.notify_all()

    def leave(self, guest: Guest) -> None:
        """A guest is gone, and with it what it asked. Does nothing where it was not there any more."""
        with self._changed:
            if self._guests.get(guest.place) is guest:
                self._dismiss(guest)
                self._changed.notify_all()

    def ask(self, waiting: Waiting) -> None:
        """Let a question wait; its guest has no other that waits."""
        with self._changed:
            if self._guests.get(waiting.guest.place) is not waiting.guest:
                waiting.guest.answers.put(None)
                return
            if not self._waiting:
                self._deadline = self._clock() + self._seconds
            self._waiting.append(waiting)
            self._changed.notify_all()

    def gather(self) -> list[Waiting]:
        """Questions to be answered now, each of another guest; none once this is closed."""
        with self._changed:
            while self._open and not self._enough():
                left = self._deadline - self._clock() if self._waiting else None
                if left is not None and left <= 0:
                    break
                self._changed.wait(left)
            gathered, self._waiting = self._waiting, []
            return gathered if self._open else []

    def close(self) -> None:
        """Nothing is answered any more."""
        with self._changed:
            self._open = False
            for guest in list(self._guests.values()):
                self._dismiss(guest)
            self._changed.notify_all()

    def _enough(self) -> bool:
        return bool(self._waiting) and (
            len(self._waiting) == len(self._guests) or sum(one.rows for one in self._waiting) >= self._rows
        )

    def _dismiss(self, guest: Guest) -> None:
        del self._guests[guest.place]
        self._waiting = [one for one in self._waiting if one.guest is not guest]
        guest.answers.put(None)
