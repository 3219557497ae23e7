"""How fast the vectorised games are: `python -m benchmarks.games`.

Plays random legal moves in 4 096 copies, on one core, and prints millions of steps a second of the
processor's time: moves, wins, observations and masks, without the choice of the moves.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from envs.catalogue import make_game

GAMES = ("connect_four", "tictactoe", "kuhn", "leduc", "matrix:rps", "repeated_rps")
COPIES = 4096


def steps_per_second(name: str, steps: int) -> float:
    """Of the processor's time, over all copies."""
    generator, spent = np.random.default_rng(0), 0.0
    with make_game(name, COPIES) as game:
        now = game.reset(0)
        for _ in range(steps):
            chance = generator.random(now.mask.shape, dtype=np.float32)
            actions = (chance * now.mask).argmax(axis=-1)
            begin = time.process_time()
            now = game.step(actions)
            spent += time.process_time() - begin
    return steps * COPIES / spent


def main() -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=int, default=1000, help="of every copy (default 1000)")
    args = parser.parse_args()
    print("| game | million steps/s |\n| --- | --- |")
    for name in GAMES:
        print(f"| `{name}` | {steps_per_second(name, args.steps) / 1e6:.1f} |", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
