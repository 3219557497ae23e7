"""How far from unbeatable the defaults of Kuhn and Leduc come: NashConv by generation, and of the mixture.

Run: python -m benchmarks.poker [--game kuhn|leduc] [--seconds N | --steps N] [--seeds N]
                                [--runtime ray|inline] [--field value ...]

Any further option is a field of the configuration, as in `league train`.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from benchmarks.runs import describe_machine, fields, trained
from coordinator.exploitability import NASH, exploitability
from league.leaderboard import leaderboard, mixture

SECONDS = {"kuhn": 30.0, "leduc": 180.0}
POINTS = 8
"""Generations of a curve."""


@dataclass(frozen=True)
class Finding:
    """What one run came to."""

    seed: int
    steps: int
    seconds: float
    curve: dict[int, float]
    """Decisions trained -> NashConv of the generation that was frozen then."""
    newest: float
    """NashConv of the player as it stands."""
    mixture: float
    """NashConv of the Nash mixture of all its generations."""


def run(
    game: str,
    flags: dict[str, object],
    *,
    seed: int,
    steps: int | None = None,
    seconds: float | None = None,
) -> Finding:
    """Train with the defaults of a game, but for `flags`, and measure."""
    with trained(game, flags, seed=seed, steps=steps, seconds=seconds) as done:
        frozen = {snapshot.steps: snapshot.name for snapshot in done.store.snapshots() if snapshot.generation}
        every = -(-len(frozen) // POINTS)
        names = dict(list(frozen.items())[every - 1 :: every]) if frozen else {}
        masses = mixture(leaderboard(done.view(), done.config.league.prior_draws))
        *curve, newest, mixed = (
            row["nash_conv"]
            for row in exploitability(done.run, done.store, [*names.values(), "main", NASH], masses)
        )
        found = dict(zip(names, curve, strict=True))
        return Finding(seed, done.result.steps, done.result.seconds, found, newest, mixed)


def main() -> None:
    """Run all seeds, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--game", choices=SECONDS, default="leduc")
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--runtime", choices=("ray", "inline"), default="ray")
    args, rest = parser.parse_known_args()
    given = fields(rest)
    seconds = args.seconds or (None if args.steps else SECONDS[args.game])
    print(describe_machine())
    print("| seed | decisions | seconds | NashConv by decisions, millions | main | nash |")
    print("| --- | --- | --- | --- | --- | --- |")
    for seed in range(args.seeds):
        flags = {"runtime.runtime": args.runtime, **given}
        found = run(args.game, flags, seed=seed, steps=args.steps, seconds=seconds)
        curve = ", ".join(f"{at / 1e6:.3g}: {value:.3f}" for at, value in found.curve.items())
        print(
            f"| {seed} | {found.steps:,} | {found.seconds:.0f} | {curve} | **{found.newest:.4f}** "
            f"| {found.mixture:.4f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
