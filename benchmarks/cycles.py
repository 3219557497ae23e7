"""Self-play goes round in circles where the league's Nash mixture stands still.

Rock-paper-scissors and matching pennies have no best move, so whoever only beats its latest opponent is
beaten in turn. The experiment trains the same learner with the same seeds

    latest   against the latest alone (league.latest_probability 1)
    league   against its whole past as well, with matches that only rate

and compares, in the largest distance of any action's probability from uniform, what a newcomer would take
from either run: the newest generation, and the Nash mixture of all generations but the untrained first,
which is uniform by birth. The mixture is computed three times:

    exact    from the payoff that the generations' action probabilities give
    far      the same without the generations within `NEAR` of uniform, each of which would be an
             equilibrium all by itself
    played   from the results that the league's ledger holds, as the leaderboard does

Run: python -m benchmarks.cycles [--steps N] [--seeds N] [--out FOLDER]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.plots import panels_of
from benchmarks.runs import (
    Bools,
    Floats,
    Trained,
    action_probabilities,
    describe_machine,
    trained,
    weights_of,
)
from envs.matrix import MATRICES
from league.meta_game import scores
from league.players import Player, Snapshot
from league.ratings.bradley_terry import rate
from league.solvers import nash

STEPS = 1_000_000
"""Trained decisions of one run."""
NEAR = 0.1
"""Generations so near to uniform take no part in the mixture `far`."""
ROUND = {
    "learner.algorithm.entropy_cost": 0.02,
    "learner.algorithm.final_entropy_cost": 0.02,
    "learner.algorithm.learning_rate": 1e-3,
    "learner.algorithm.final_learning_rate": 1e-3,
    "league.snapshot_steps": 30_000,
    "league.snapshot_min_steps": 30_000,
}
"""What both runs have in common: little entropy, so that cycles do not die out, and many generations."""
ARMS: dict[str, dict[str, object]] = {
    "latest": {"league.latest_probability": 1.0, "league.evaluate_share": 0.0},
    "league": {"league.latest_probability": 0.8, "league.evaluate_share": 0.5, "league.episodes": 128},
}


@dataclass(frozen=True)
class Finding:
    """What one run came to. Distances are of the probability that is furthest from uniform."""

    game: str
    arm: str
    seed: int
    teams: tuple[str, ...]
    """One a population: a game that is not symmetric has two."""
    steps: Floats
    """[N] decisions trained at each generation."""
    probabilities: tuple[Floats, ...]
    """Of every population: [N, S, A] by generation, seat that it plays, and action."""
    mixtures: dict[str, tuple[Floats, ...]]
    """`exact`, `far` and `played`: of every population [N] masses; zero for whoever is left out."""
    seconds: float

    @property
    def newest(self) -> float:
        """Mean distance of the generations of the second half, each by itself."""
        return float(np.mean([distance(seats) for p in self.probabilities for seats in p[len(p) // 2 :]]))

    def mixed(self, table: str) -> float:
        """Distance of a Nash mixture."""
        pairs = zip(self.mixtures[table], self.probabilities, strict=True)
        return max(distance(np.einsum("n,nsa->sa", mass, p)) for mass, p in pairs)

    @property
    def turns(self) -> float:
        """How often the first population went round the uniform strategy."""
        return turns(self.probabilities[0][:, 0])


def distance(probabilities: Floats) -> float:
    """Of the action whose probability is furthest from uniform."""
    return float(np.abs(probabilities - 1.0 / probabilities.shape[-1]).max())


def turns(path: Floats) -> float:
    """Of a path [N, A] round the centre: whole revolutions with three actions, swings to and fro with two."""
    away = path - 1.0 / path.shape[1]
    if path.shape[1] == 2:
        return float(np.count_nonzero(np.diff(np.sign(away[:, 0])))) / 2
    angle = np.unwrap(np.arctan2(away @ np.array([0, 1, -1]) * np.sqrt(3), away @ np.array([2, -1, -1])))
    return float(abs(angle[-1] - angle[0]) / (2 * np.pi))


def run(game: str, arm: str, seed: int, steps: int = STEPS) -> Finding:
    """Train one run, and find the mixtures of its generations."""
    with trained(f"matrix:{game}", ROUND | ARMS[arm], seed=seed, steps=steps) as done:
        players = list(done.store.players().values())
        past = [[s for s in done.store.snapshots() if s.player == p.name and s.generation] for p in players]
        probabilities = tuple(generations(done, p, own) for p, own in zip(players, past, strict=True))
        everybody = tuple(np.ones(len(population), bool) for population in probabilities)
        few = tuple(np.abs(p - 1 / p.shape[-1]).max(axis=(1, 2)) > NEAR for p in probabilities)
        payoff = exact(game, probabilities)
        return Finding(
            game,
            arm,
            seed,
            tuple(player.team or player.name for player in players),
            np.array([s.steps for s in past[0]], np.float64),
            probabilities,
            {
                "exact": mixtures(payoff, everybody),
                "far": mixtures(payoff, few),
                "played": mixtures(played(done, past), everybody),
            },
            done.result.seconds,
        )


def generations(done: Trained, player: Player, past: Sequence[Snapshot]) -> Floats:
    """[N, S, A] what every generation of a player does, in the seats that it plays."""
    everywhere = np.stack([action_probabilities(done, player, weights_of(done, s)) for s in past])
    teams = done.view().teams
    return everywhere if player.team is None else everywhere[:, [teams.index(player.team)]]


def exact(game: str, probabilities: tuple[Floats, ...]) -> Floats:
    """[N, M] mean payoff, in [-1, 1], of every generation of the first population against the last's."""
    row = np.array(MATRICES[game].row, np.float64)
    home, away = probabilities[0], probabilities[-1]
    seated: Floats = home[:, 0] @ row @ away[:, -1].T
    return seated if len(probabilities) == 2 else (seated - seated.T) / 2


def played(done: Trained, past: Sequence[Sequence[Snapshot]]) -> Floats:
    """The same from the ledger, read as the leaderboard does."""
    tally = done.view().ledger.tally
    home, away = ([snapshot.name for snapshot in past[side]] for side in (0, -1))
    ratings = rate(tally, dict.fromkeys([*home, *away]))
    return 2 * scores(tally, ratings, home, away) - 1


def mixtures(table: Floats, present: tuple[Bools, ...]) -> tuple[Floats, ...]:
    """[N] equilibrium masses of every population. present: [N] who takes part."""
    solution = nash(table[np.ix_(present[0], present[-1])])
    masses = []
    for takes_part, mass in zip(present, (solution.row, solution.column), strict=False):
        masses.append(np.zeros(len(takes_part)))
        masses[-1][takes_part] = mass
    return tuple(masses)


def main() -> None:
    """Run everything, print a table, draw the plots."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("docs/experiments"))
    args = parser.parse_args()
    print(describe_machine())
    print("| game | trained against | seed | turns | newest | exact | far | played | seconds |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for game in ("rps", "pennies"):
        findings = []
        for arm in ARMS:
            for seed in range(args.seeds):
                found = run(game, arm, seed, args.steps)
                findings.append(found)
                print(
                    f"| {game} | {arm} | {seed} | {found.turns:.1f} | {found.newest:.3f} "
                    f"| {found.mixed('exact'):.3f} | {found.mixed('far'):.3f} "
                    f"| {found.mixed('played'):.3f} | {found.seconds:.0f} |",
                    flush=True,
                )
        draw([f for f in findings if f.seed == 0], args.out / f"cycles_{game}.png")


def draw(findings: Sequence[Finding], path: Path) -> None:
    """Action probabilities of every generation, one panel a run; dashed, the mixture."""
    with panels_of(path, len(findings), 1, figsize=(8, 2.4 * len(findings)), sharex=True) as panels:
        for panel, found in zip(panels, findings, strict=True):
            first, mass = found.probabilities[0][:, 0], found.mixtures["far"][0]
            actions = ("heads", "tails") if first.shape[1] == 2 else ("rock", "paper", "scissors")
            for action, (name, colour) in enumerate(zip(actions, ("C0", "C1", "C2"), strict=False)):
                panel.plot(found.steps / 1000, first[:, action], colour, lw=1.2, label=name)
                panel.axhline(float(mass @ first[:, action]), color=colour, ls="--", lw=1.0)
            panel.set(ylim=(0, 1), ylabel="probability", title=f"{found.game}, {found.arm}: {found.teams[0]}")
        panels[0].legend(loc="upper right", ncol=3, fontsize=8)
        panels[-1].set_xlabel(
            "decisions trained, thousands (dashed: the Nash mixture of those far from uniform)"
        )


if __name__ == "__main__":
    main()
