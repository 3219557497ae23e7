"""Whether training became slower: `python -m benchmarks.regression [--save]`, or `make bench`.

Measures the product's throughput once, divides by what the machine's matrix product gave just then, and
compares with the figure in docs/benchmarks.json. Exit status 1 below `ALLOWED` of it. `--save` writes the
figure instead.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from benchmarks.processes import ROOT
from benchmarks.throughput import Throughput, measure

FIGURES = ROOT / "docs" / "benchmarks.json"
ALLOWED = 0.85
"""Of the committed figure: what a busy or drifting machine takes away by itself is less."""
SECONDS = 40.0


def main() -> int:
    """Measure, and compare or save."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--save", action="store_true", help="make today's figure the one to compare with")
    args = parser.parse_args()
    if not args.save and not FIGURES.exists():
        parser.error(f"{FIGURES} does not exist: --save writes it")
    run = measure(SECONDS, 0, ())
    if args.save:
        save(FIGURES, run)
        print(f"saved {run.per_gflops:,.0f} trained steps/s per GFLOP/s")
        return 0
    good, line = verdict(run, json.loads(FIGURES.read_text())["throughput"]["per_gflops"])
    print(line, file=sys.stdout if good else sys.stderr)
    return 0 if good else 1


def verdict(run: Throughput, committed: float) -> tuple[bool, str]:
    """Whether a run is fast enough, and the line that says so. committed: steps/s per GFLOP/s."""
    share = run.per_gflops / committed
    good = share >= ALLOWED
    line = (
        f"throughput {'holds' if good else 'fell'}: {run.per_gflops:,.0f} trained steps/s per GFLOP/s is"
        f" {share:.0%} of the committed {committed:,.0f}, allowed is {ALLOWED:.0%}"
        f" ({run.steps_per_second:,.0f} steps/s, calibration {run.gemm_before:.0f} and {run.gemm_after:.0f})"
    )
    return good, line


def save(file: Path, run: Throughput) -> None:
    """Write the figure, beside whatever else the file holds."""
    from benchmarks.runs import describe_machine

    figures = json.loads(file.read_text()) if file.exists() else {}
    figures["throughput"] = {
        "command": f"league train connect_four --seconds {SECONDS:.0f} --seed 0",
        "machine": describe_machine(),
        "per_gflops": run.per_gflops,
        **{name: value for name, value in asdict(run).items() if name not in ("system", "stages")},
    }
    file.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
