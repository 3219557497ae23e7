"""Running a program and watching it from outside: its memory, what it prints, how fast the machine is."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

SAMPLE_SECONDS = 2.0
"""Between two looks at the memory, which take a few percent of a core where there are many processes."""
PATIENCE = 180.0
"""Seconds that a program may take to start and to end, beyond those of its run."""
ROOT = Path(__file__).resolve().parents[1]
"""Where programs run, so that they find this package."""


@dataclass(frozen=True)
class Watched:
    """What was seen of a program that ran to its end."""

    began: float
    """`time.time()` of the command."""
    rss_megabytes: float
    """Greatest sum of resident memory over all its processes; shared pages count in each."""
    pss_megabytes: float
    """The same with shared pages counted once."""
    lines: list[str]
    """Its standard output."""


def watch(command: Sequence[str | Path], seconds: float, extra: Mapping[str, str] | None = None) -> Watched:
    """Run a command that takes about `seconds` to its end.

    extra: environment variables beside our own. Raises SystemExit, with the end of what it said, where it
    fails or does not end.
    """
    environment = {**os.environ, **(extra or {}), "PYTHONPATH": str(ROOT)}
    # In a folder that goes away: some programs leave things where they are started.
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as errors:
        began = time.time()
        process = subprocess.Popen(
            list(map(str, command)),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environment,
            cwd=folder,
        )
        lines: list[str] = []
        # a pipe that nobody reads would stop the program
        reader = threading.Thread(target=lambda: lines.extend(process.stdout or ()), daemon=True)
        reader.start()
        rss = pss = 0.0
        while _runs(process):
            family = _family(process.pid)
            rss, pss = max(rss, _memory(family, "rss")), max(pss, _memory(family, "pss"))
            if time.time() - began > seconds + PATIENCE:
                _kill(family)
        reader.join(PATIENCE)
        if process.returncode:
            errors.seek(0)
            said = "".join([*lines, *errors])[-4000:]
            raise SystemExit(f"{said}\nstatus {process.returncode}: {' '.join(map(str, command))}")
    return Watched(began, rss / 2**20, pss / 2**20, lines)


def calibrate(seconds: float = 1.0) -> float:
    """GFLOP/s of the network's own kind of matrix product: float32, 4096 x 128 x 128, one thread."""
    import torch

    torch.set_num_threads(1)
    a, b = torch.randn(4096, 128), torch.randn(128, 128)
    count, begin = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - begin) < seconds:
        torch.mm(a, b)
        count += 1
    return 2 * 4096 * 128 * 128 * count / elapsed / 1e9


def _runs(process: subprocess.Popen[str]) -> bool:
    """Wait for the next look; whether there is still something to see."""
    try:
        process.wait(SAMPLE_SECONDS)
    except subprocess.TimeoutExpired:
        return True
    return False


def _family(pid: int) -> list[psutil.Process]:
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.Error:
        return []


def _memory(family: Sequence[psutil.Process], kind: str) -> float:
    total = 0
    for member in family:
        try:
            total += getattr(member.memory_full_info(), kind)
        except psutil.Error:
            continue
    return float(total)


def _kill(family: Sequence[psutil.Process]) -> None:
    for member in family:
        try:
            member.kill()
        except psutil.Error:
            continue
