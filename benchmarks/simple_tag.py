"""mpe2's simple_tag as a league: three predators that learn as one, against the prey and all its past.

The predators are one joint player (a critic of the global state, each acting on what it sees itself). Then
the last predators are let loose on every generation of the prey, and the last prey is hunted by every
generation of the predators: what training has brought to either side.

Run: python -m benchmarks.simple_tag [--seconds N] [--episodes N] [--out FOLDER]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from agents.rollout import Rollout
from agents.tables import Table
from benchmarks.plots import panels_of
from benchmarks.runs import Floats, Trained, describe_machine, trained
from coordinator.evaluation import Behaviours
from envs.catalogue import make_game
from league.leaderboard import RatedRow, leaderboard

GAME = "mpe2:simple_tag"
PREDATOR, PREY = "adversary", "agent"
FLAGS: dict[str, object] = {
    "game.teams": "prefix",
    "learner.cooperation": "joint",
    "learner.algorithm.reward_clip": 1.0,
    "learner.algorithm.discount": 0.95,
    "learner.algorithm.learning_rate": 2e-3,
    "learner.algorithm.final_learning_rate": 2e-3,
    "league.latest_probability": 0.5,
    "league.snapshot_steps": 10_000,
    "runtime.runtime": "ray",
}
"""A collision is worth 10, clipped to 1 for the critic's sake; an episode has 25 steps."""
COPIES = 32


def returns(done: Trained, pairs: Sequence[tuple[str, str]], episodes: int) -> Floats:
    """[N, 2] mean return of a predator, and its standard error, in each pairing of predators and prey."""
    found = []
    with make_game(GAME, COPIES, teams="prefix") as game:
        behaviours = Behaviours(done.config, done.run, done.store, game.spec, greedy=False)
        first = next(iter(game.spec.teams))
        for predators, prey in pairs:
            holders = (predators, prey) if first == PREDATOR else (prey, predators)
            rollout = Rollout(game, {})
            rollout.reset(1)
            rollout.behaviours = {identity: behaviours.get(identity) for identity in holders}
            rollout.seating.open(Table(0, holders, episodes))
            while not (results := rollout.results()):
                rollout.tick()
            _, count, total, squares = next(entry for entry in results[0].returns if entry[0] == predators)
            mean = total / count
            found.append((mean, np.sqrt(max(squares / count - mean * mean, 0.0) / max(count - 1, 1))))
    return np.array(found)


def main() -> None:
    """Train, print the leaderboard of either team, draw the plot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--episodes", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("docs/experiments"))
    args = parser.parse_args()
    print(describe_machine())
    with trained(GAME, FLAGS, seed=args.seed, seconds=args.seconds) as done:
        print(f"{done.result.steps} decisions trained in {done.result.seconds:.0f} s")
        rows = [row for row in leaderboard(done.view()) if isinstance(row, RatedRow)]
        for team in (PREDATOR, PREY):
            print(f"\n| {team} | Elo | 95 % | games | Nash |\n| --- | --- | --- | --- | --- |")
            for row in [row for row in rows if row.player == team][:5]:
                print(
                    f"| {row.player}@{row.generation}{' (live)' if row.live else ''} | {row.elo:.0f} "
                    f"| {row.elo_low:.0f} to {row.elo_high:.0f} | {row.games} | {row.nash or 0:.2f} |"
                )
        predators, prey = (
            [s.name for s in done.store.snapshots() if s.player == team] for team in (PREDATOR, PREY)
        )
        against = {
            "the last predators": (prey, returns(done, [(predators[-1], p) for p in prey], args.episodes)),
            "the last prey": (predators, returns(done, [(p, prey[-1]) for p in predators], args.episodes)),
        }
    print("\n| who stays | against | return of a predator | standard error |\n| --- | --- | --- | --- |")
    for who, (others, found) in against.items():
        for other, (mean, error) in zip(others, found, strict=True):
            print(f"| {who} | {other} | {mean:.1f} | {error:.1f} |")
    draw({who: found for who, (_, found) in against.items()}, args.out / "simple_tag.png")


def draw(against: dict[str, Floats], path: Path) -> None:
    """Return of a predator over the generation of the other side, with two standard errors."""
    with panels_of(path, 1, 2, figsize=(8, 3), sharey=True) as panels:
        for panel, (who, found) in zip(panels, against.items(), strict=True):
            panel.errorbar(np.arange(len(found)), found[:, 0], 2 * found[:, 1], fmt="o-", ms=3, lw=1)
            other = "prey" if "predators" in who else "predators"
            panel.set(title=f"{who} stay", xlabel=f"generation of the {other}")
        panels[0].set_ylabel("return of a predator")


if __name__ == "__main__":
    main()
