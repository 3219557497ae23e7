"""`league`, killed on the way to a reset: `python -m tests.chaos.killed_at_reset MOMENT WORDS…`.

    frozen ──> registered ──> withdrawn ──> reset ──> safe ──> (both are written by one commit)

`kill -9` goes to the process group when a main exploiter's second copy is on disk (frozen), a commit has
registered it (registered), its matches are withdrawn, its learner holds the first weights (reset), or the
checkpoint with them is on disk too (safe).
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from coordinator.coordinator import Coordinator
from coordinator.on_ray import OnRay
from dashboards.cli import main

NAME = "main-exploiter"


def kill(*_: Any) -> None:
    os.killpg(0, signal.SIGKILL)


def kill_when_frozen() -> None:
    froze = Coordinator.froze

    def frozen(coordinator: Coordinator, name: str, *rest: Any) -> Any:
        snapshot = froze(coordinator, name, *rest)
        if name == NAME and snapshot.generation:
            kill()
        return snapshot

    Coordinator.froze = frozen  # type: ignore[method-assign]


def kill_when_withdrawn() -> None:
    withdraw = Coordinator.withdraw

    def withdrawn(*args: Any) -> None:
        withdraw(*args)
        kill()

    Coordinator.withdraw = withdrawn  # type: ignore[method-assign]


def kill_when_reset() -> None:
    commit = OnRay._commit

    def committing(run: OnRay, *args: Any) -> None:
        if len(args) > 1:
            kill()
        commit(run, *args)

    OnRay._commit = committing  # type: ignore[method-assign]


def kill_when_registered() -> None:
    Coordinator.withdraw = kill  # type: ignore[method-assign]


def kill_when_safe() -> None:
    Coordinator.was_reset = kill  # type: ignore[method-assign]


MOMENTS = {
    "frozen": kill_when_frozen,
    "registered": kill_when_registered,
    "withdrawn": kill_when_withdrawn,
    "reset": kill_when_reset,
    "safe": kill_when_safe,
}

if __name__ == "__main__":
    moment, *words = sys.argv[1:]
    MOMENTS[moment]()
    sys.exit(main(words))
