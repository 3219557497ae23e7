"""CartPole-v1 through the adapter for Gymnasium, with the defaults that the game brings along.

Run: python -m benchmarks.cartpole [--steps N] [--seeds N] [--whole-rewards]
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.runs import describe_machine, trained
from coordinator.evaluation import evaluate

GAME = "gymnasium:CartPole-v1"
STEPS = 250_000
"""Trained decisions of one run."""
EPISODES = 100


@dataclass(frozen=True)
class Finding:
    """What one run came to."""

    mean: float
    """Return of an episode of the last weights on their most likely moves, over `EPISODES`."""
    low: float
    """Lower end of the mean's 95 % interval."""
    steps: int
    seconds: float


def run(seed: int, steps: int = STEPS, flags: Mapping[str, object] | None = None) -> Finding:
    """Train one run, and play its last weights."""
    with trained(GAME, flags or {}, seed=seed, steps=steps) as done:
        played = evaluate(done.run, done.store, "main", "main", EPISODES, seed=seed, greedy=True)
        return Finding(played["return_mean"], played["return_low"], done.result.steps, done.result.seconds)


def main() -> None:
    """Run every seed, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--whole-rewards", action="store_true", help="leave rewards at 1 a step")
    args = parser.parse_args()
    flags = {"learner.algorithm.reward_clip": 0.0} if args.whole_rewards else {}
    print(describe_machine())
    print("| seed | steps | mean return | 95 % low | seconds |")
    print("| --- | --- | --- | --- | --- |")
    for seed in range(args.seeds):
        found = run(seed, args.steps, flags)
        print(
            f"| {seed} | {found.steps} | {found.mean:.1f} | {found.low:.1f} | {found.seconds:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
