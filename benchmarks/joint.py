"""A team that learns as one, against seats that learn alone.

    two_step     both seats are given the same; the best return, 8, hides behind a choice that looks worse
    climbing     both are given the same; the best return, 11, lies between two penalties of -30
    prisoners    the two are one team, and what is best for either seat is worst for the team: best return -1
    stag_hunt    the same, where trust is what is at risk: best return 4

`joint` and `independent` differ in learner.cooperation alone: a batch holds as many decisions, and budget,
schedules and seeds are the same. A seat of `joint` learns from the team's mean reward and a critic of the
global state; one of `independent` from its own reward and its own observation.

Run: python -m benchmarks.joint [--seeds N] [--out FOLDER]
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.plots import panels_of
from benchmarks.runs import Floats, describe_machine, trained
from coordinator.evaluation import evaluate
from envs.game import Game
from envs.matrix import MatrixGame

STEPS = 200_000
"""Trained decisions of one run."""
COLUMNS = {"joint": 32, "independent": 64}
"""Columns in a batch: one of a team of two holds two decisions a row."""
EXPLORE: Mapping[str, object] = {
    "learner.algorithm.entropy_cost": 0.5,
    "learner.algorithm.final_entropy_cost": 0.01,
    "learner.algorithm.anneal_steps": 150_000,
}
"""Much entropy that goes down to little."""
HASTE: Mapping[str, object] = {
    "learner.algorithm.entropy_cost": 0.01,
    "learner.algorithm.final_entropy_cost": 0.01,
}
"""Little entropy from the start."""
BEST = {"two_step": 8.0, "climbing": 11.0, "prisoners": -1.0, "stag_hunt": 4.0}


def prisoners(copies: int) -> Game:
    """The prisoner's dilemma of two seats that are one team."""
    return as_one_team(MatrixGame("prisoners", copies))


def stag_hunt(copies: int) -> Game:
    """The stag hunt of two seats that are one team."""
    return as_one_team(MatrixGame("stag_hunt", copies))


def as_one_team(game: Game) -> Game:
    """The same game; its seats win and lose together, each with rewards of its own."""
    seats = tuple(range(len(game.spec.seats)))
    game.spec = replace(game.spec, teams={"team": seats}, symmetric=False)
    return game


GAMES = {
    "two_step": "two_step",
    "climbing": "matrix:climbing",
    "prisoners": "benchmarks.joint:prisoners",
    "stag_hunt": "benchmarks.joint:stag_hunt",
}


@dataclass(frozen=True)
class Finding:
    """What one run came to."""

    best: float
    """Return of an episode of the last weights, each seat on its most likely action."""
    steps: Floats
    """[N] decisions trained at the end of each generation."""
    returns: Floats
    """[N] mean return of the episodes of each generation, as it learned."""


def run(
    game: str, cooperation: str, schedule: Mapping[str, object], seed: int, steps: int = STEPS
) -> Finding:
    """Train one run, and play its last weights."""
    flags: dict[str, object] = {
        **schedule,
        "learner.cooperation": cooperation,
        "learner.network.hidden": (32,),
        "learner.algorithm.discount": 1.0,
        "learner.algorithm.learning_rate": 3e-3,
        "learner.algorithm.final_learning_rate": 3e-3,
        "learner.algorithm.batch": COLUMNS[cooperation],
        "rollout.copies": 256,
        "rollout.unroll": 8,
        "league.episodes": 512,
        "league.snapshot_steps": 10_000,
        "league.snapshot_min_steps": 10_000,
        "league.evaluate_share": 0.0,
        "runtime.round_steps": 100_000,
    }
    with trained(GAMES[game], flags, seed=seed, steps=steps) as done:
        played = evaluate(done.run, done.store, "main", "main", 64, seed=seed, greedy=True)
        sums = done.view().ledger.returns
        lived = [s for s in done.store.snapshots() if s.name in sums]
        return Finding(
            played["return_mean"],
            np.array([s.steps for s in lived], np.float64),
            np.array([sums[s.name].mean for s in lived]),
        )


def main() -> None:
    """Run everything, print a table, draw the plot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("docs/experiments"))
    args = parser.parse_args()
    print(describe_machine())
    print("| game | best | entropy | cooperation | greedy return by seed | reached the best |")
    print("| --- | --- | --- | --- | --- | --- |")
    plotted: dict[str, dict[str, list[Finding]]] = {}
    for game, best in BEST.items():
        for entropy, schedule in (("0.5 to 0.01", EXPLORE), ("0.01", HASTE)):
            for cooperation in COLUMNS:
                found = [run(game, cooperation, schedule, seed) for seed in range(args.seeds)]
                reached = sum(f.best >= best - 1e-3 for f in found)
                print(
                    f"| {game} | {best:g} | {entropy} | {cooperation} "
                    f"| {', '.join(f'{f.best:g}' for f in found)} | {reached} of {len(found)} |",
                    flush=True,
                )
                if schedule is EXPLORE:
                    plotted.setdefault(game, {})[cooperation] = found
    draw(plotted, args.out / "joint.png")


def draw(findings: Mapping[str, Mapping[str, Sequence[Finding]]], path: Path) -> None:
    """Return of an episode over training: every seed a thin line, one panel a game."""
    with panels_of(path, 1, len(findings), figsize=(3.2 * len(findings), 2.8)) as panels:
        for panel, (game, arms) in zip(panels, findings.items(), strict=True):
            for (cooperation, runs), colour in zip(arms.items(), ("C0", "C1"), strict=True):
                for index, found in enumerate(runs):
                    label = None if index else cooperation
                    panel.plot(found.steps / 1000, found.returns, color=colour, lw=0.9, label=label)
            panel.axhline(BEST[game], color="grey", ls=":", lw=1)
            panel.set(title=game, xlabel="decisions, thousands")
        panels[0].set_ylabel("return of an episode")
        panels[0].legend(fontsize=8)


if __name__ == "__main__":
    main()
