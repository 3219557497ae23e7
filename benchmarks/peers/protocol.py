"""What a peer's program is asked, and what it says: the only code that it shares with the rest.

    TRAINED 1048576 1764000000.125      decisions trained so far, and when
    DIR/1048576.npz                     the policy then; the file's time says when

It runs in the peers' environments, so it needs no more than numpy.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Layers = Mapping[str, Floats]
"""`a.w` [84, 128], `a.b` [128], `b.w` [128, 128], `b.b`, `p.w` [128, 7], `p.b`: rows in, columns out. The 84
inputs are our game's planes [2, 6, 7], flattened."""

SAY_SECONDS = 0.5
"""Between two lines, at least."""


@dataclass(frozen=True)
class Task:
    """What a program is asked to do."""

    seconds: float
    """Of training, counted from the first update."""
    seed: int
    save_at: tuple[float, ...] = ()
    """Seconds after the program began at which the policy is saved, at the next update."""
    folder: Path = Path()
    """Where to."""

    def arguments(self) -> list[str]:
        """The task as a command line."""
        flags = [f"--seconds={self.seconds}", f"--seed={self.seed}", f"--folder={self.folder}"]
        return [*flags, "--save-at", *map(str, self.save_at)]

    @classmethod
    def parse(cls, arguments: Sequence[str] | None = None) -> Task:
        """The task of this process, or of `arguments`."""
        parser = argparse.ArgumentParser()
        parser.add_argument("--seconds", type=float, required=True)
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--folder", type=Path, default=Path())
        parser.add_argument("--save-at", type=float, nargs="*", default=[])
        options = vars(parser.parse_args(arguments))
        return cls(**{**options, "save_at": tuple(options["save_at"])})


class Progress:
    """Says and saves what is due after an update, and when to stop."""

    def __init__(self, task: Task, clock: Callable[[], float] = time.time) -> None:
        self._task = task
        self._clock = clock
        self._began = clock()
        self._due = sorted(task.save_at)
        self._end: float | None = None
        self._next_line = 0.0

    def trained(self, steps: int, layers: Callable[[], Layers]) -> bool:
        """After every update. steps: decisions trained so far. Returns whether to go on."""
        now = self._clock()
        if self._end is None:
            self._end = now + self._task.seconds
        over = now >= self._end
        if now >= self._next_line or over:
            print(f"TRAINED {steps} {now:.3f}", flush=True)
            self._next_line = now + SAY_SECONDS
        since = now - self._began
        if self._due and since >= self._due[0]:
            self._due = [due for due in self._due if due > since]
            np.savez(self._task.folder / f"{steps}.npz", **layers())  # type: ignore[arg-type]  # numpy: allow_pickle
        return not over


def read_trained(lines: Sequence[str]) -> list[tuple[float, int]]:
    """(when, decisions trained) of a program's output."""
    rows = [line.split() for line in lines if line.startswith("TRAINED ")]
    return [(float(when), int(steps)) for _, steps, when in rows]


def from_picture(weights: Floats) -> Floats:
    """First layer [84, H] over a picture [6, 7, 2], top row first, to one over our planes [2, 6, 7]."""
    picture = weights.reshape(6, 7, 2, -1)
    return np.ascontiguousarray(picture[::-1].transpose(2, 0, 1, 3)).reshape(84, -1)
