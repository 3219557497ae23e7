"""Scalars of a run on disk: `metrics.jsonl` for programs, TensorBoard event files for people.

Metrics are losable: nothing is fsynced, and a run is never decided by them. Both files only grow,
except on resume: what was written after the step that the run goes on from never happened for the
run, so those lines are dropped (and TensorBoard is told to drop them too).
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

JSONL = "metrics.jsonl"


class Metrics:
    """Writer of one run's metrics. One process at a time; a context manager."""

    def __init__(self, folder: Path, resumed_at: int = 0) -> None:
        """folder: where the files go, made if needed. resumed_at: steps that the run goes on from."""
        folder.mkdir(parents=True, exist_ok=True)
        _drop_after(folder / JSONL, resumed_at)
        self._lines = (folder / JSONL).open("a", encoding="utf-8", buffering=1)
        self._events = _Events(folder, resumed_at)

    def write(self, steps: int, scalars: Mapping[str, float]) -> None:
        """Add one row. Names are `group/name`; values that are not finite are left out of both files."""
        finite = {name: float(value) for name, value in scalars.items() if math.isfinite(value)}
        now = time.time()
        self._lines.write(json.dumps({"time": round(now, 3), "steps": steps, **finite}) + "\n")
        self._events.write(steps, now, finite)

    def close(self) -> None:
        """Flush and close both files."""
        self._lines.close()
        self._events.close()

    def __enter__(self) -> Metrics:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """Every row, oldest first: `{"time", "steps", name: value}`; empty where nothing was written."""
    file = folder / JSONL
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n")[:-1]]


def _drop_after(file: Path, steps: int) -> None:
    """Forget rows beyond `steps`, and a last row that a killed process wrote half of."""
    if not file.exists():
        return
    text = file.read_text(encoding="utf-8")
    whole = text.split("\n")[:-1]
    kept = [line for line in whole if json.loads(line)["steps"] <= steps]
    if (rewritten := "".join(line + "\n" for line in kept)) != text:
        temporary = file.with_suffix(".tmp")
        temporary.write_text(rewritten, encoding="utf-8")
        temporary.replace(file)


class _Events:
    """TensorBoard's own writer, without torch or TensorFlow."""

    def __init__(self, folder: Path, resumed_at: int) -> None:
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._event, self._summary = Event, Summary
        self._writer = EventFileWriter(str(folder), flush_secs=5)
        start = SessionLog(status=SessionLog.START)
        # A start at a step makes TensorBoard purge the points that older files hold beyond it.
        self._writer.add_event(Event(wall_time=time.time(), step=resumed_at, session_log=start))

    def write(self, steps: int, now: float, scalars: Mapping[str, float]) -> None:
        values = [self._summary.Value(tag=name, simple_value=value) for name, value in scalars.items()]
        self._writer.add_event(self._event(wall_time=now, step=steps, summary=self._summary(value=values)))

    def close(self) -> None:
        self._writer.close()
