"""How fast a league trains, through the product's own command: `python -m benchmarks.throughput`.

Runs `league train connect_four` (MLP 84 -> 128 -> 128 -> 7+1) with the Ray runtime on the cores at hand and
watches it from outside. Prints trained steps a second (median, least and most over the run after its first
quarter), seconds from the command to the first learner update, and the memory of all its processes. Beside it
stands the rate of a matrix product of the network's size on one thread, to compare machines by.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Throughput:
    """What one run did."""

    steps_per_second: float
    """Median over the run after its first quarter."""
    least: float
    most: float
    first_update_seconds: float
    """From the command to the first learner update."""
    rss_megabytes: float
    """Greatest sum of resident memory over all processes; shared pages count in each."""
    pss_megabytes: float
    """The same with shared pages counted once."""
    gemm_gflops: float
    """float32 matrix product 4096 x 128 x 128 on one thread, before the run."""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0], epilog="Other options are those of `league train`."
    )
    parser.add_argument("--seconds", type=float, default=40.0, help="length of the run")
    parser.add_argument("--json", action="store_true")
    args, rest = parser.parse_known_args()
    figures = asdict(measure(args.seconds, rest))
    print(json.dumps(figures) if args.json else "\n".join(f"{k:22} {v:,.1f}" for k, v in figures.items()))
    return 0


def measure(seconds: float, options: list[str]) -> Throughput:
    """Run once, and watch."""
    gemm = calibrate()
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        command = [Path(sys.executable).parent / "league", "train", "connect_four", "--run", run]
        begin = time.monotonic()
        process = subprocess.Popen(
            [*map(str, command), "--quiet", "--seconds", str(seconds), *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        rss, pss, first, rates = 0.0, 0.0, float("nan"), []
        while process.poll() is None:
            time.sleep(0.5)
            now = time.monotonic() - begin
            if first != first:
                first = _first_update(run, begin)
            family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            rss, pss = max(rss, _memory(family, "rss")), max(pss, _memory(family, "pss"))
            if now > seconds / 4 and (rate := _rate(run)):
                rates.append(rate)
        if process.returncode:
            raise SystemExit((process.stderr.read() if process.stderr else b"").decode())
    return Throughput(statistics.median(rates), min(rates), max(rates), first, rss / 2**20, pss / 2**20, gemm)


def calibrate(seconds: float = 1.0) -> float:
    """GFLOP/s of the network's own kind of matrix product on one thread."""
    import torch

    torch.set_num_threads(1)
    a, b = torch.randn(4096, 128), torch.randn(128, 128)
    count, begin = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - begin) < seconds:
        torch.mm(a, b)
        count += 1
    return 2 * 4096 * 128 * 128 * count / elapsed / 1e9


def _rows(run: Path) -> list[dict[str, float]]:
    file = run / "metrics" / "metrics.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def _first_update(run: Path, begin: float) -> float:
    """Seconds until metrics spoke of an update; nan where they have not yet."""
    rows = [row for row in _rows(run) if row.get("run/updates", 0) > 0]
    return time.monotonic() - begin if rows else float("nan")


def _rate(run: Path) -> float | None:
    rows = _rows(run)
    return rows[-1].get("run/steps_per_second") if rows else None


def _memory(family: list[psutil.Process], kind: str) -> float:
    total = 0
    for member in family:
        try:
            total += getattr(member.memory_full_info(), kind)
        except psutil.Error:
            continue
    return float(total)


if __name__ == "__main__":
    raise SystemExit(main())
