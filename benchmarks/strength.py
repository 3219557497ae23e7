"""How strong a league gets, by known answers: `python -m benchmarks.strength GAME --seconds 60 --seeds 3`.

Trains with the product's own command and its defaults, then lets the newest weights play their most likely
moves against fixed opponents, through `league eval`. `--seconds` is wall time, starting included.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

OPPONENTS = {
    "tictactoe": {"minimax": 1000, "random": 1000},
    "connect_four": {"random": 1000, "mcts:100": 400, "mcts_solver:100": 400, "mcts:1000": 200},
}
"""Game -> opponent -> games."""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0], epilog="Other options are those of `league train`."
    )
    parser.add_argument("game", choices=OPPONENTS)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seeds", type=int, default=3)
    args, rest = parser.parse_known_args()
    results: dict[str, list[dict[str, Any]]] = {}
    for seed in range(args.seeds):
        with tempfile.TemporaryDirectory() as folder:
            run = str(Path(folder) / "run")
            options = ["--seconds", str(args.seconds), "--seed", str(seed), "--quiet", *rest]
            league("train", args.game, "--run", run, *options)
            status = json.loads(league("status", run, "--json"))
            print(f"seed {seed}: {status['steps']:,} trained steps in {status['seconds']:.0f} s", flush=True)
            for opponent, games in OPPONENTS[args.game].items():
                against = ("--player", "main", "--against", opponent, "--games", str(games))
                row = json.loads(league("eval", run, *against, "--greedy", "--seed", "1", "--json"))
                results.setdefault(opponent, []).append(row)
                print(
                    f"  {opponent:10} score {row['score']:.3f}"
                    f" ({row['score_low']:.3f} to {row['score_high']:.3f})"
                    f"  won {row['wins']} drawn {row['draws']} lost {row['losses']}",
                    flush=True,
                )
    for opponent, rows in results.items():
        scores = [row["score"] for row in rows]
        losses = max(row["losses"] / row["games"] for row in rows)
        print(f"{opponent:10} median {statistics.median(scores):.3f}  {min(scores):.3f} to {max(scores):.3f}"
              f"  loses at most {losses:.1%}")  # fmt: skip
    return 0


def league(*arguments: str) -> str:
    """Run the command beside this interpreter; its standard output."""
    command = [str(Path(sys.executable).parent / "league"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


if __name__ == "__main__":
    raise SystemExit(main())
