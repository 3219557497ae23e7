"""Whether bfloat16 products cost strength: `python -m benchmarks.precision`.

Trains Connect Four for as many decisions with `learner.precision` float32 and auto, inline, with the same
seeds, and scores the newest weights against `mcts:100`. Needs a processor that multiplies bfloat16: elsewhere
both are the same.
"""

from __future__ import annotations

import argparse

from benchmarks.runs import describe_machine, trained
from coordinator.evaluation import evaluate


def main() -> int:
    """Train, play, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=int, default=8_000_000, help="trained decisions of a run")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--games", type=int, default=400, help="against mcts:100, half in either seat")
    args = parser.parse_args()
    print(describe_machine())
    for seed in range(args.seeds):
        for precision in ("float32", "auto"):
            flags = {"learner.precision": precision}
            with trained("connect_four", flags, seed=seed, steps=args.steps) as done:
                row = evaluate(done.run, done.store, "main", "mcts:100", args.games, seed=1, greedy=True)
            print(
                f"seed {seed}  {precision:8} {row['score']:.3f}"
                f" ({row['score_low']:.3f} to {row['score_high']:.3f}) in {done.result.seconds:.0f} s",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
