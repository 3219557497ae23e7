"""What do AlphaStar's exploiters add? Leagues with and without them, on Connect Four.

    mains               a main, by AlphaStar's rule: itself, PFSP over its past, whom it forgot
    + main exploiters   and a player that learns to beat the main, and begins anew once it does
    + league exploiters and two players that learn to beat the whole league

All share one budget of trained decisions, so the more players the fewer decisions each. Hence two ways to
compare: `budget`, everybody as they were in the end; `main`, as they were when the main had been trained on
as many decisions as the main with the fewest in the end.

    test Elo   Bradley-Terry rating of the main in a pool of the mains of all runs, `random` and
               `mcts:100`, which sits at 1200
    relative population performance
               score of the row's whole population against the column's, each mixed as well as it can be
               (Balduzzi et al. 2019), the mean over all pairs of runs

Run: python -m benchmarks.alphastar_ablation [--seeds N] [--scale X] [--runs FOLDER]
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path

from agents.policy import Behaviour
from benchmarks.jobs import Job, paced, train_all
from benchmarks.matchmakers import GAMES, spread
from benchmarks.meetings import behaviours, play, pool, relative_performance
from benchmarks.runs import describe_machine
from dashboards.reading import reading
from league.payoff import Payoff
from league.players import Snapshot

GAME = "connect_four"
NONE = ("--league.league-exploiters=",)
ARMS: Mapping[str, tuple[int, tuple[str, ...]]] = {
    "mains": (1, ("--league.main-exploiters=", *NONE)),
    "+ main exploiters": (2, NONE),
    "+ league exploiters": (4, ()),
}
"""Composition -> its players, and what it leaves out of the league preset `alphastar`."""
MEETINGS = 16
"""Games of every pair of members of two populations."""


@dataclass(frozen=True)
class Population:
    """One league, as it was at some time."""

    arm: str
    seed: int
    main: str
    """Name of its main: its newest snapshot."""
    members: tuple[str, ...]
    """All snapshots."""
    trained: int
    """Decisions that the main was trained on."""


def main() -> int:
    """Train, meet, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="runs of each (default 3)")
    parser.add_argument("--scale", type=float, default=1.0, metavar="X", help="times the default budget")
    parser.add_argument("--at-once", type=int, default=2, metavar="N", help="runs side by side (default 2)")
    parser.add_argument("--runs", type=Path, default=Path("runs/experiments"), help="where runs are trained")
    args = parser.parse_args()
    print(describe_machine())
    setting = GAMES[GAME]
    steps = round(setting.steps * args.scale)
    jobs = [
        Job(
            GAME, arm, seed, steps, ("--league=alphastar", *paced(steps, players), *setting.options, *options)
        )
        for arm, (players, options) in ARMS.items()
        for seed in range(args.seeds)
    ]
    runs = dict(train_all(jobs, args.runs, args.at_once))
    pasts = {job: past(runs[job]) for job in jobs}
    least = min(trained(own) for own in pasts.values())
    final = [population(job, own) for job, own in pasts.items()]
    early = [population(job, until(own, least)) for job, own in pasts.items()]
    acting = {name: one for job, own in pasts.items() for name, one in members(job, own, runs[job]).items()}
    mains = dict.fromkeys(one.main for one in [*final, *early])
    standings, payoff = pool(GAME, {name: acting[name] for name in mains}), meet(acting, final)
    elos = {name: standing.rating.elo for name, standing in standings.items()}
    for title, populations in (("budget", final), ("main", early)):
        print(f"\n{title}\n{describe(populations, elos, payoff)}")
    return 0


# --- who is compared -------------------------------------------------------------------------------------


def past(run: Path) -> list[Snapshot]:
    """Snapshots of a run at rest, oldest first, without the untrained."""
    with reading(run, None) as rest:
        return [one for one in rest.store.snapshots() if one.generation]


def trained(past: Sequence[Snapshot]) -> int:
    """Decisions that the newest snapshot of the main was trained on."""
    return max(one.steps for one in past if one.player == "main")


def until(past: Sequence[Snapshot], steps: int) -> list[Snapshot]:
    """What there was when the main had been trained on at most so many decisions."""
    last = max(at for at, one in enumerate(past) if one.player == "main" and one.steps <= steps)
    return list(past[: last + 1])


def called(job: Job, snapshot: Snapshot) -> str:
    """A name that no other run's snapshot has."""
    return f"{job.arm}, seed {job.seed}: {snapshot.name}"


def population(job: Job, past: Sequence[Snapshot]) -> Population:
    """A league that has frozen these."""
    newest = [one for one in past if one.player == "main"][-1]
    everyone = tuple(called(job, one) for one in past)
    return Population(job.arm, job.seed, called(job, newest), everyone, newest.steps)


def members(job: Job, past: Sequence[Snapshot], run: Path) -> dict[str, Behaviour]:
    """How its snapshots act."""
    acting = behaviours(run, [one.name for one in past])
    return dict(zip((called(job, one) for one in past), acting, strict=True))


# --- measuring -------------------------------------------------------------------------------------------


def meet(acting: Mapping[str, Behaviour], populations: Sequence[Population]) -> Payoff:
    """Results of all members of all populations that are composed differently."""
    payoff = Payoff()
    for number, (home, away) in enumerate(combinations(populations, 2)):
        if home.arm != away.arm:
            pairs = list(product(home.members, away.members))
            play(GAME, acting, pairs, MEETINGS, payoff, seed=number)
    return payoff


def describe(populations: Sequence[Population], elos: Mapping[str, float], payoff: Payoff) -> str:
    """A row a composition."""
    arms = list(dict.fromkeys(one.arm for one in populations))
    lines = [
        f"| league | M decisions of the main | test Elo | {' | '.join(f'against {arm}' for arm in arms)} |",
        "| --- | --- | --- |" + " --- |" * len(arms),
    ]
    for arm in arms:
        own = [one for one in populations if one.arm == arm]
        cells = [performance(own, [one for one in populations if one.arm == other], payoff) for other in arms]
        millions = statistics.mean(one.trained for one in own) / 1e6
        elo = spread([elos[one.main] for one in own])
        lines.append(f"| {arm} | {millions:.2f} | {elo} | {' | '.join(cells)} |")
    return "\n".join(lines)


def performance(home: Sequence[Population], away: Sequence[Population], payoff: Payoff) -> str:
    """Relative population performance over all pairs of runs; nothing of a composition against itself."""
    if home[0].arm == away[0].arm:
        return "–"
    return spread([relative_performance(payoff, h.members, a.members) for h, a in product(home, away)])


if __name__ == "__main__":
    raise SystemExit(main())
