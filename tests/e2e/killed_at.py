"""`league`, killed at an event of its own: `python -m tests.e2e.killed_at COMMITS KIND NUMBER FILE WORDS…`.

A run is killed by what it does, never by a clock, so that fast machines and slow ones are killed at the same
place. It does three kinds of things that a kill may come between:

    play    a tick of every game
    file    an fsync, a replace, a rename
    store   a script that is sent, and its reply

After COMMITS commits, right before thing NUMBER of a kind, `kill -9` goes to the process group. Where fewer
things of the kind come before the next commit, it goes right after that. A run that gets to its end (COMMITS
may be beyond it) writes to FILE what it did after each of its commits, as JSON: [{kind: things}].

Results are archived by the handful, so that a small run archives many times.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from agents.rollout import Rollout
from coordinator import archive
from coordinator.store_connection import Connection
from dashboards.cli import main

HANDFUL = 7
FILE_CALLS = ("fsync", "replace", "rename")


class Killer:
    """Counts what the process does, and ends it."""

    def __init__(self, commits: int, kind: str, number: int) -> None:
        self.done: list[Counter[str]] = [Counter()]
        """What was done after each commit; the first entry, before any."""
        self._commits, self._kind, self._number = commits, kind, number

    def thing(self, kind: str) -> None:
        """One is about to be done."""
        self.done[-1][kind] += 1
        if self._is_due and kind == self._kind and self.done[-1][kind] == self._number:
            os.killpg(0, signal.SIGKILL)

    def committed(self) -> None:
        """One more commit is acknowledged."""
        if self._is_due:
            os.killpg(0, signal.SIGKILL)
        self.done.append(Counter())

    @property
    def _is_due(self) -> bool:
        return len(self.done) - 1 == self._commits

    def watch(self, owner: Any, name: str, kind: str) -> None:
        """Have every call of a function counted."""
        call = getattr(owner, name)

        def counted(*args: Any, **kwargs: Any) -> Any:
            self.thing(kind)
            return call(*args, **kwargs)

        setattr(owner, name, counted)

    def watch_scripts(self) -> None:
        """Have every script counted twice: when it is sent, and when its reply is here."""
        call = Connection.run

        def counted(connection: Connection, name: str, *args: Any, **kwargs: Any) -> Any:
            self.thing("store")
            reply = call(connection, name, *args, **kwargs)
            self.thing("store")
            if name == "commit":
                self.committed()
            return reply

        Connection.run = counted  # type: ignore[method-assign]


def run(commits: str, kind: str, number: str, file: str, *words: str) -> int:
    """One start of a run; the exit status, where it is not killed."""
    killer = Killer(int(commits), kind, int(number))
    archive.KEPT = archive.SEGMENT = HANDFUL
    killer.watch(Rollout, "tick", "play")
    for name in FILE_CALLS:
        killer.watch(os, name, "file")
    killer.watch_scripts()
    status = main(words)
    Path(file).write_text(json.dumps(killer.done))
    return status


if __name__ == "__main__":
    sys.exit(run(*sys.argv[1:]))
