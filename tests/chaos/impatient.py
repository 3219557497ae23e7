"""`league`, with a user who presses Ctrl-C once more as soon as a run begins to stop."""

from __future__ import annotations

import os
import signal
import sys

from coordinator.on_ray import OnRay
from dashboards.cli import main

stop = OnRay._stop


def interrupted(run: OnRay) -> None:
    os.killpg(0, signal.SIGINT)
    stop(run)


if __name__ == "__main__":
    OnRay._stop = interrupted  # type: ignore[method-assign]
    sys.exit(main())
