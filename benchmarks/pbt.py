"""A population that begins with bad step sizes: does copying the fit and varying the rest repair it?

Four players of one game draw learning rates from a range that is wide, and mostly bad, and

    fixed   keep what they drew
    pbt     copy whoever is clearly fitter, with its learning rate, and vary that (league/pbt.py)

Both arms draw the same, and train on as many decisions against each other and each other's past. After every
part of the training each player plays its most likely moves against one that never errs: 0.5 is the best.

Run: python -m benchmarks.pbt [--steps N] [--seeds N] [--out FOLDER]
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.plots import panels_of
from benchmarks.runs import Floats, describe_machine
from coordinator.evaluation import evaluate
from coordinator.first_players import first_players
from coordinator.launch import train
from coordinator.options import to_plain
from coordinator.presets import build
from coordinator.run_folder import RunFolder
from coordinator.run_store import open_store
from envs.catalogue import make_game

GAME, JUDGE, GAMES = "tictactoe", "minimax", 200
STEPS = 2_000_000
"""Trained decisions of one run, by all players."""
PARTS = 10
"""Of a run: after each the players are judged."""
ROUND = 100_000
"""Decisions between two moments at which players may copy."""
BAD = {
    "learner.algorithm.learning_rate": 3e-4,
    "learner.algorithm.final_learning_rate": 3e-4,
    "learner.algorithm.matrix_learning_rate": 1.2e-3,
    "pbt.tuned": "learning_rate",
    "pbt.spread": 30.0,
}
"""A tenth of the game's learning rates, times or by up to 30."""
COMMON: dict[str, object] = {
    **BAD,
    "runtime.runtime": "inline",
    "runtime.learner_threads": 1,
    "runtime.round_steps": ROUND,
    "learner.algorithm.batch": 64,
    "learner.algorithm.averaging": 0.99,
    "rollout.copies": 512,
    "league.episodes": 256,
    "league.snapshot_steps": 200_000,
    "league.snapshot_min_steps": 100_000,
}
ARMS: dict[str, dict[str, object]] = {"fixed": {"pbt.period": None}, "pbt": {"pbt.period": 50_000}}


@dataclass(frozen=True)
class Finding:
    """What one run came to."""

    scores: Floats
    """[PARTS, players] against the judge; a draw is half a win."""
    rates: Floats
    """[PARTS + 1, players] learning rates, the first as they were drawn."""
    copies: int
    """Snapshots that were frozen because a copy took their place."""
    seconds: float


def run(arm: str, seed: int, steps: int) -> Finding:
    """Train one run part by part, and judge its players after each."""
    config = build(GAME, league="pbt", flags={**COMMON, **ARMS[arm], "seed": seed})
    with make_game(GAME, 1) as game:
        drawn = first_players(config, game.spec)
    scores, rates = [], [[player.hyper["learning_rate"] for player in drawn.values()]]
    with TemporaryDirectory(prefix="league-") as path:
        folder = RunFolder.create(Path(path) / "run", to_plain(config))
        for _ in range(PARTS):
            result = train(config, folder, watch=lambda frame: None, steps=steps // PARTS)
            with open_store(folder) as store:
                players, snapshots = store.players(), store.snapshots()
                rows = [evaluate(folder, store, name, JUDGE, GAMES, seed=1, greedy=True) for name in drawn]
            scores.append([row["score"] for row in rows])
            rates.append([players[name].hyper["learning_rate"] for name in drawn])
    copies = sum(snapshot.reason.startswith("replaced by a copy of ") for snapshot in snapshots)
    return Finding(np.array(scores), np.array(rates), copies, result.seconds)


def main() -> None:
    """Run everything, print a table, draw the plot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("docs/experiments"))
    args = parser.parse_args()
    print(describe_machine())
    print(
        "| players | seed | score of each | mean | best | learning rates, first | last | copies | seconds |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    found: dict[str, list[Finding]] = {arm: [] for arm in ARMS}
    for seed in range(args.seeds):
        for arm, findings in found.items():
            one = run(arm, seed, args.steps)
            findings.append(one)
            last = one.scores[-1]
            print(
                f"| {arm} | {seed} | {', '.join(f'{score:.2f}' for score in sorted(last))} "
                f"| {last.mean():.3f} | {last.max():.3f} "
                f"| {_listed(one.rates[0])} | {_listed(one.rates[-1])} | {one.copies} | {one.seconds:.0f} |",
                flush=True,
            )
    draw(found, args.steps, args.out / "pbt.png")


def _listed(rates: Floats) -> str:
    return ", ".join(f"{rate:.1g}" for rate in sorted(rates))


def draw(found: Mapping[str, Sequence[Finding]], steps: int, path: Path) -> None:
    """Scores of a population over training, every seed a thin line; learning rates of the first seed."""
    with panels_of(path, 1, 2, figsize=(9, 3)) as (scores, rates):
        trained = np.arange(PARTS + 1) * steps / PARTS / 1e6
        for (arm, findings), colour in zip(found.items(), ("C0", "C1"), strict=True):
            means = np.array([one.scores.mean(axis=1) for one in findings])
            scores.plot(trained[1:], means.T, color=colour, lw=0.7)
            scores.plot(trained[1:], means.mean(axis=0), color=colour, lw=2, label=arm)
            rates.plot(trained, findings[0].rates, color=colour, lw=1, drawstyle="steps-post")
        scores.set(xlabel="decisions, millions", ylabel=f"mean score against {JUDGE}", ylim=(0, 0.52))
        scores.legend(fontsize=8)
        rates.set(xlabel="decisions, millions", ylabel="learning rate, seed 0", yscale="log")


if __name__ == "__main__":
    main()
