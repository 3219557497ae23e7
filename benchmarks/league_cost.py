"""What the league costs beside plain self-play, and what more actors bring.

One command: `python -m benchmarks.league_cost`.

Runs `league train connect_four` in rounds, once each way in every round, and prints trained steps a second:

    plain     the newest player against itself, no matches that only rate, hardly a snapshot
    league    PFSP over a pool that soon holds more than 64 snapshots, 5 % of matches only rate,
              and the view is drawn as for a terminal
    actors=N  the league's defaults with N actors; beyond the cores at hand they share them
"""

from __future__ import annotations

import argparse
import json
import statistics
from dataclasses import asdict

from benchmarks.throughput import Throughput, measure

PLAIN = (
    "--league.latest-probability=1.0",
    "--league.evaluate-share=0.0",
    "--league.snapshot-steps=1000000000",
    "--league.snapshot-min-steps=1000000000",
)
WHOLE = (
    "--league=pfsp",
    "--league.evaluate-share=0.05",
    "--league.snapshot-steps=150000",
    "--league.snapshot-min-steps=100000",
)
ACTORS = (1, 2, 4, 8)


def main() -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0, help="length of a run (default 30)")
    parser.add_argument("--repeat", type=int, default=2, metavar="N", help="rounds (default 2)")
    parser.add_argument("--actors", action="store_true", help="measure numbers of actors as well")
    parser.add_argument("--json", action="store_true", help="print all runs for programs")
    args = parser.parse_args()
    ways: dict[str, tuple[str, ...]] = {"plain": PLAIN, "league": WHOLE}
    if args.actors:
        ways |= {f"actors={count}": (f"--runtime.actors={count}",) for count in ACTORS}
    runs: dict[str, list[Throughput]] = {name: [] for name in ways}
    for seed in range(args.repeat):
        for name, options in ways.items():
            runs[name].append(measure(args.seconds, seed, options, view=name == "league"))
    if args.json:
        print(json.dumps({name: [asdict(run) for run in done] for name, done in runs.items()}))
        return 0
    for name, done in runs.items():
        rates = [run.steps_per_second for run in done]
        relative = statistics.median(run.per_gflops for run in done)
        print(
            f"{name:10} {statistics.median(rates):9,.0f} ({min(rates):,.0f} – {max(rates):,.0f}) steps/s,"
            f" {relative:,.0f} for each GFLOP/s of calibration, PSS {done[-1].pss_megabytes:,.0f} MB"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
