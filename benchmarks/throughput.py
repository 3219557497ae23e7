"""How fast a league trains, through the product's own command: `python -m benchmarks.throughput [--peers]`.

Runs `league train connect_four` (MLP 84 -> 128 -> 128 -> 7+1) with the Ray runtime on the cores at hand and
watches it from outside; with `--peers` then every peer that is installed, one after the other, for as long:
the same game, the same network, every decision trained once (benchmarks/peers). Prints trained steps a second
(median, least and most of windows of five seconds after the run's first quarter), seconds from the command to
the first learner update, and the memory of all processes. Beside them stands the rate of a matrix product of
the network's size on one thread, before and after each run: the machine itself is fast or slow by the hour.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.peers.environments import KEEP_BUFFERS, Peer, installed_peers
from benchmarks.peers.protocol import Task, read_trained
from benchmarks.processes import Watched, calibrate, watch
from coordinator.metrics import read_metrics

OURS = "selfplay-league"
WINDOW = 5.0
"""Seconds that one rate is measured over, at least."""


@dataclass(frozen=True)
class Throughput:
    """What one run did."""

    system: str
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
    gemm_before: float
    """GFLOP/s of a float32 matrix product 4096 x 128 x 128 on one thread."""
    gemm_after: float
    stages: dict[str, float] = field(default_factory=dict)
    """What the run's last row of metrics says of its stages: `stage/...`."""

    @property
    def per_gflops(self) -> float:
        """Trained steps a second for each GFLOP/s that the machine gave just then."""
        return self.steps_per_second / ((self.gemm_before + self.gemm_after) / 2)


def main() -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0], epilog="Other options are those of `league train`."
    )
    parser.add_argument("--seconds", type=float, default=40.0, help="length of a run (default 40)")
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="rounds, everyone once in each")
    parser.add_argument("--peers", action="store_true", help="measure the installed peers as well")
    parser.add_argument("--json", action="store_true", help="print a list of runs for programs")
    args, rest = parser.parse_known_args()
    peers = installed_peers() if args.peers else []
    if args.peers and not peers:
        parser.error("--peers: none is installed; `python -m benchmarks.peers setup` does it")
    done = []
    for seed in range(args.repeat):
        done.append(measure(args.seconds, seed, rest))
        done += [measure_peer(peer, args.seconds, seed) for peer in peers]
    print(json.dumps([asdict(run) for run in done]) if args.json else describe(done))
    return 0


TERMINAL = {"FORCE_COLOR": "1", "TERM": "xterm-256color"}
"""Makes a command believe that somebody watches."""


def measure(seconds: float, seed: int, options: Sequence[str], *, view: bool = False) -> Throughput:
    """Run the product once, and watch. options: of `league train`. view: draw its picture for a terminal."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        before = calibrate()
        command = train_command(run, seconds, seed, [*options, *([] if view else ["--quiet"])])
        watched = watch(command, seconds, TERMINAL if view else None)
        rows = read_metrics(run / "metrics")
    points = [(row["time"], row["steps"]) for row in rows if row["run/updates"] > 0]
    stages = {name: value for name, value in rows[-1].items() if name.startswith("stage/")}
    return summarise(OURS, watched, points, before, stages)


def train_command(run: Path, seconds: float, seed: int, options: Sequence[str]) -> list[str | Path]:
    """The product's command as a user types it."""
    league: list[str | Path] = [Path(sys.executable).parent / "league", "train", "connect_four"]
    return [*league, "--run", run, f"--seconds={seconds}", f"--seed={seed}", *options]


def measure_peer(peer: Peer, seconds: float, seed: int) -> Throughput:
    """Run a peer once, and watch."""
    before = calibrate()
    watched = watch(peer.command(Task(seconds, seed)), seconds, KEEP_BUFFERS)
    return summarise(peer.name, watched, read_trained(watched.lines), before, {})


def summarise(
    system: str,
    watched: Watched,
    points: Sequence[tuple[float, int]],
    before: float,
    stages: dict[str, float],
) -> Throughput:
    """Figures of a run that just ended. points: (when, trained steps), the first update first."""
    found = rates(points)
    if not found:
        raise SystemExit(f"--seconds: {system} trained for too short a time to tell its rate")
    return Throughput(
        system,
        statistics.median(found),
        min(found),
        max(found),
        points[0][0] - watched.began,
        watched.rss_megabytes,
        watched.pss_megabytes,
        before,
        calibrate(),
        stages,
    )


def rates(points: Sequence[tuple[float, int]]) -> list[float]:
    """Steps a second in windows of `WINDOW` seconds, side by side, after the first quarter of the time."""
    if not points:
        return []
    begin, end = points[0][0], points[-1][0]
    found, last = [], None
    for when, steps in points:
        if when < begin + (end - begin) / 4:
            continue
        if last is None:
            last = (when, steps)
        elif when - last[0] >= WINDOW:
            found.append((steps - last[1]) / (when - last[0]))
            last = (when, steps)
    return found


def describe(runs: Sequence[Throughput]) -> str:
    """A table of all runs, and one of our stages where the last of our runs knows them."""
    lines = [
        "| system | trained steps/s, median (least – most) | first update s | RSS (PSS) MB"
        " | calibration GFLOP/s before, after | steps/s per GFLOP/s |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {run.system} | {run.steps_per_second:,.0f} ({run.least:,.0f} – {run.most:,.0f})"
        f" | {run.first_update_seconds:.1f} | {run.rss_megabytes:,.0f} ({run.pss_megabytes:,.0f})"
        f" | {run.gemm_before:.0f}, {run.gemm_after:.0f} | {run.per_gflops:,.0f} |"
        for run in runs
    ]
    stages = next((run.stages for run in reversed(runs) if run.stages), {})
    if stages:
        lines += ["", "| stage | figure |", "| --- | --- |"]
        lines += [f"| {name.removeprefix('stage/')} | {value:.3f} |" for name, value in stages.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
