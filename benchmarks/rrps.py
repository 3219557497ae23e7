"""A league with OpenSpiel's 43 bots in its pool trains an LSTM to play repeated rock, paper, scissors.

The player meets the bots and its own last generations, all alike (PSRO's uniform mixture). Then it plays
every bot. A return is the sum over 1000 throws: 1 for each that wins, -1 for each that loses. Against the
pool it is the mean over all 43, like each bot's own in the table that `benchmarks.rrps_table` wrote.

Run: nice -n 10 python -m benchmarks.rrps [--steps N | --seconds N] [--seeds N] [--workers N] [--FIELD VALUE]
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context

import numpy as np

from agents.rollout import Rollout
from agents.scripted.rrps import BOTS, PREFIX
from agents.tables import Table
from benchmarks.rrps_table import OUT, read, table
from benchmarks.runs import Floats, Trained, describe_machine, fields, trained
from coordinator.evaluation import Behaviours
from envs.catalogue import make_game

GAME = "repeated_rps"
PLAYER = "main"
FLAGS: dict[str, object] = {
    "league.meta_strategy": "uniform",
    "league.window": 5,
    "league.scripted": "rrps:all",
    "league.evaluate_share": 0.02,
}
"""Inline: the same numbers come out of every execution, however busy the machine is."""
STEPS = 3_000_000
"""Trained decisions of one run."""
COPIES = 172
"""Games that are played at once when all is over: four against every bot."""


@dataclass(frozen=True)
class Finding:
    """What one run came to."""

    returns: Floats
    """[B] mean return against each of `BOTS`."""
    errors: Floats
    """[B] its standard error."""
    steps: int
    """Decisions trained."""
    seconds: float

    @property
    def pool(self) -> float:
        """Mean return against the pool."""
        return float(self.returns.mean())

    @property
    def error(self) -> float:
        """Standard error of `pool`, of the games that were played."""
        return float(np.sqrt((self.errors**2).sum()) / len(self.errors))


def returns(done: Trained, episodes: int) -> Floats:
    """[B, 2] mean return of the player against each bot, and its standard error."""
    with make_game(GAME, min(COPIES, episodes * len(BOTS))) as game:
        behaviours = Behaviours(done.config, done.run, done.store, game.spec, greedy=False)
        rollout = Rollout(game, {})
        rollout.reset(1)
        names = [PREFIX + bot for bot in BOTS]
        rollout.behaviours = {identity: behaviours.get(identity) for identity in (PLAYER, *names)}
        for key, name in enumerate(names):
            rollout.open(Table(key, (PLAYER, name), episodes))
        found: dict[int, tuple[float, float]] = {}
        while len(found) < len(BOTS):
            rollout.tick()
            for result in rollout.results():
                _, count, total, squares = result.returns[0]
                mean = total / count
                spread = max(squares / count - mean**2, 0.0)
                found[result.key] = mean, float(np.sqrt(spread / max(count - 1, 1)))
    return np.array([found[key] for key in range(len(BOTS))])


def run(
    seed: int, *, steps: int | None, seconds: float | None, episodes: int, flags: Mapping[str, object]
) -> Finding:
    """Train one run, and let its last weights play every bot."""
    with trained(GAME, {**FLAGS, **flags}, seed=seed, steps=steps, seconds=seconds, league="psro") as done:
        mean, error = returns(done, episodes).T
        return Finding(mean, error, done.result.steps, done.result.seconds)


def main() -> None:
    """Run every seed, print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--steps", type=int, help=f"decisions to train on, for each seed: {STEPS}")
    budget.add_argument("--seconds", type=float, help="of training, for each seed")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1, help="seeds at once")
    parser.add_argument("--episodes", type=int, default=8, help="against each bot")
    args, rest = parser.parse_known_args()
    job = partial(
        run,
        steps=args.steps or (None if args.seconds else STEPS),
        seconds=args.seconds,
        episodes=args.episodes,
        flags=fields(rest),
    )
    print(describe_machine())
    with ProcessPoolExecutor(args.workers, mp_context=get_context("spawn")) as processes:
        report(list(processes.map(job, range(args.seeds))), table(read(OUT)))


def report(findings: Sequence[Finding], own: Floats) -> None:
    """A table of seeds and one of bots. own: [B, B] what the bots win of each other."""
    print("| seed | decisions | seconds | mean return against the pool | standard error | worst | against |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for seed, found in enumerate(findings):
        worst = int(found.returns.argmin())
        print(
            f"| {seed} | {found.steps:,} | {found.seconds:.0f} | {found.pool:.1f} | {found.error:.1f} "
            f"| {found.returns[worst]:.1f} | {BOTS[worst]} |"
        )
    each = np.array([found.returns for found in findings])
    pool, spread = each.mean(axis=1), each.std(axis=0, ddof=min(1, len(each) - 1))
    better = int((own.mean(axis=1) > pool.mean()).sum())
    print(f"\nagainst the pool {pool.mean():.1f}, seeds {pool.min():.1f} to {pool.max():.1f}; ", end="")
    print(f"{better} of the {len(BOTS)} bots do better there")
    print(
        "\n| bot | return against it | ± over seeds | its own against the pool |\n| --- | --- | --- | --- |"
    )
    for at in np.argsort(-own.mean(axis=1)):
        print(f"| {BOTS[at]} | {each[:, at].mean():.0f} | {spread[at]:.0f} | {own[at].mean():.0f} |")


if __name__ == "__main__":
    main()
