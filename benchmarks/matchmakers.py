"""Who should play whom? Six rules of matchmaking on six games, with the same budget and the same seeds.

    self_play     itself (80 %) and its past (20 %)
    fictitious    its past alone, uniformly
    openai_five   itself (80 %) and its past by quality scores (20 %)
    pfsp          itself (50 %) and the past that it beats least (50 %)
    alphastar     a main, a main exploiter and two league exploiters, who share the budget
    psro          the Nash mixture of its past

All else is the game's own: network, loss, step sizes, entropy. A run is trained for as many decisions over
the whole league, frozen as often, and spends the same share of its matches on rating.

Where all that a seat may know can be listed, a finding is NashConv, exactly: what both seats together would
gain by the best answer to

    last       the newest weights of the first player
    mixture    the league's Nash mixture of everybody's past, by the results in its ledger
    average    that player's past, uniformly

In Connect Four it is the Bradley-Terry rating of the newest weights, in a pool of all runs, `random` and
`mcts:100`, in which everybody meets everybody; `mcts:100` sits at 1200.

Run: python -m benchmarks.matchmakers [--games G ...] [--rules R ...] [--seeds N] [--scale X]
Findings are kept in `runs/experiments/matchmakers.json`; a later call adds what is missing.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.jobs import Job, paced, train_all
from benchmarks.meetings import Standing, behaviours, pool
from benchmarks.plots import panels_of
from benchmarks.runs import describe_machine
from coordinator.exploitability import NASH, exploitability
from dashboards.reading import reading
from league.players import first_main

RULES = ("self_play", "fictitious", "openai_five", "pfsp", "alphastar", "psro")
LEARNERS = {"alphastar": 4}
"""Players that share the budget; all other rules have one."""


@dataclass(frozen=True)
class Setting:
    """How a game is trained here."""

    steps: int
    """Trained decisions of one run, over the whole league."""
    options: tuple[str, ...] = ()
    """Of `league train`: fewer copies, since a round ends what they have not finished, smaller batches,
    and snapshots that are a mean over the updates of about one generation."""


BATCH = "--learner.algorithm.batch=64"
GAMES = {
    "matrix:rps": Setting(640_000),
    "matrix:skill": Setting(640_000),
    "matrix:blotto": Setting(1_280_000),
    "kuhn": Setting(2_560_000, ("--rollout.copies=512", BATCH, "--learner.algorithm.averaging=0.985")),
    "leduc": Setting(3_200_000, ("--rollout.copies=1024", BATCH, "--learner.algorithm.averaging=0.995")),
    "connect_four": Setting(6_400_000, ("--rollout.copies=1024", "--learner.algorithm.averaging=0.985")),
}
RATED = ("connect_four",)
"""Games whose players are rated, for want of an exact answer."""
MEASURES = ("last", "mixture", "average")
PANELS = 3
"""Of the plot, side by side."""


@dataclass(frozen=True)
class Finding:
    """What one run came to."""

    game: str
    rule: str
    seed: int
    steps: int
    run: str
    """Name of its folder, which tells it from runs with other options."""
    figures: dict[str, float]
    """`MEASURES`; of a rated game `elo`, `low`, `high` and `score` against the anchor."""


def main() -> int:
    """Train and measure what is missing, print, draw."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0],
        epilog="Other options are those of `league train`.",
        allow_abbrev=False,
    )
    parser.add_argument("--games", nargs="+", choices=GAMES, default=list(GAMES), help="default: all")
    parser.add_argument("--rules", nargs="+", choices=RULES, default=list(RULES), help="default: all")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="runs of each (default 3)")
    parser.add_argument("--scale", type=float, default=1.0, metavar="X", help="times the default budget")
    parser.add_argument("--at-once", type=int, default=2, metavar="N", help="runs side by side (default 2)")
    parser.add_argument("--runs", type=Path, default=Path("runs/experiments"), help="of runs and findings")
    parser.add_argument("--out", type=Path, default=Path("docs/experiments"), help="of the plot")
    args, options = parser.parse_known_args()
    jobs = [
        job(game, rule, seed, args.scale, options)
        for game in args.games
        for rule in args.rules
        for seed in range(args.seeds)
    ]
    print(describe_machine())
    findings = complete(jobs, args.runs / "matchmakers.json", args.runs, args.at_once)
    print(describe(findings))
    draw(findings, args.out / "matchmakers.svg")
    return 0


def complete(jobs: Sequence[Job], file: Path, runs: Path, at_once: int) -> list[Finding]:
    """A finding for every job: those that the file has, and new ones, which are added to it."""
    findings = read(file)
    for one, run in train_all([one for one in jobs if one.folder not in findings], runs, at_once):
        print(f"{one.game}, {one.arm}, seed {one.seed}: trained", flush=True)
        if one.game not in RATED:
            findings[one.folder] = finding(one, nash_convs(run))
            write(file, findings)
            shutil.rmtree(run)
    for game in RATED:
        pool = [one for one in jobs if one.game == game]
        # a rating holds for one pool alone: with one newcomer everybody is rated anew
        if any(one.folder not in findings for one in pool):
            trained = dict(train_all(pool, runs, at_once))
            findings |= {one.folder: finding(one, figures) for one, figures in rate_all(trained).items()}
            write(file, findings)
    return [findings[one.folder] for one in jobs]


def job(game: str, rule: str, seed: int, scale: float, options: Sequence[str] = ()) -> Job:
    """The run of one rule. options: of `league train`, beside this experiment's own."""
    setting = GAMES[game]
    steps = round(setting.steps * scale)
    chosen = (f"--league={rule}", *paced(steps, LEARNERS.get(rule, 1)), *setting.options, *options)
    return Job(game, rule, seed, steps, chosen)


def finding(job: Job, figures: dict[str, float]) -> Finding:
    """What a job came to."""
    return Finding(job.game, job.arm, job.seed, job.steps, job.folder, figures)


def read(file: Path) -> dict[str, Finding]:
    """Findings of earlier calls, by run."""
    rows = json.loads(file.read_text()) if file.exists() else []
    return {row["run"]: Finding(**row) for row in rows}


def write(file: Path, findings: Mapping[str, Finding]) -> None:
    """One line a finding, always in the same order."""
    file.parent.mkdir(parents=True, exist_ok=True)
    ordered = sorted(findings.values(), key=lambda found: (found.game, found.rule, found.seed, found.run))
    file.write_text("[\n" + ",\n".join(json.dumps(asdict(found)) for found in ordered) + "\n]\n")


# --- measuring -------------------------------------------------------------------------------------------


def nash_convs(run: Path) -> dict[str, float]:
    """`MEASURES` of a run at rest."""
    with reading(run, None) as rest:
        first = first_main(rest.store.players().values()).name
        past = [one.name for one in rest.store.snapshots() if one.player == first and one.generation]
        (last,) = exploitability(rest.run, rest.store, [first], {})
        (mixture,) = exploitability(rest.run, rest.store, [NASH], rest.mixture())
        (average,) = exploitability(rest.run, rest.store, [NASH], dict.fromkeys(past, 1.0))
    rows = zip(MEASURES, (last, mixture, average), strict=True)
    return {measure: row["nash_conv"] for measure, row in rows}


def rate_all(runs: Mapping[Job, Path]) -> dict[Job, dict[str, float]]:
    """Standing of every run's newest main in the pool of them all; they play one game."""
    (game,) = {job.game for job in runs}
    players = {job.folder: behaviours(run, ["main"])[0] for job, run in runs.items()}
    found = pool(game, players)
    return {job: figures(found[job.folder]) for job in runs}


def figures(standing: Standing) -> dict[str, float]:
    """A standing as a finding has it."""
    rating = standing.rating
    return {"elo": rating.elo, "low": rating.low, "high": rating.high, "score": standing.score}


# --- showing ---------------------------------------------------------------------------------------------


def describe(findings: Sequence[Finding]) -> str:
    """A table a kind of game: mean over the seeds, and least and most."""
    exact = [found for found in findings if found.game not in RATED]
    rated = [found for found in findings if found.game in RATED]
    return "\n\n".join(
        table(found, measures) for found, measures in ((exact, MEASURES), (rated, ("elo", "score"))) if found
    )


def table(findings: Sequence[Finding], measures: Sequence[str]) -> str:
    """Rows of a game and rule, a column a measure."""
    lines = [
        f"| game | rule | {' | '.join(measures)} |",
        "| --- | --- |" + " --- |" * len(measures),
    ]
    for game, rule in dict.fromkeys((found.game, found.rule) for found in findings):
        own = [found.figures for found in findings if (found.game, found.rule) == (game, rule)]
        cells = [spread([figures[measure] for figures in own]) for measure in measures]
        lines.append(f"| {game} | {rule} | {' | '.join(cells)} |")
    return "\n".join(lines)


def spread(values: Sequence[float]) -> str:
    """`0.123 (0.101 – 0.140)`: mean, least and most."""
    digits = 0 if max(map(abs, values)) >= 100 else 3
    mean, least, most = (
        f"{value:.{digits}f}" for value in (statistics.mean(values), min(values), max(values))
    )
    return f"{mean} ({least} – {most})"


def draw(findings: Sequence[Finding], path: Path) -> None:
    """A panel a game, a column a rule, a point a seed."""
    from matplotlib.ticker import LogLocator

    games = list(dict.fromkeys(found.game for found in findings))
    rules = list(dict.fromkeys(found.rule for found in findings))
    rows = -(-len(games) // PANELS)
    with panels_of(path, rows, PANELS, figsize=(3.2 * PANELS, 3.0 * rows), squeeze=False) as panels:
        for panel in panels.flat[len(games) :]:
            panel.axis("off")
        for panel, game in zip(panels.flat, games, strict=False):
            rated = game in RATED
            own = [found for found in findings if found.game == game]
            for number, measure in enumerate(("elo",) if rated else MEASURES):
                places = [rules.index(found.rule) + (0 if rated else 0.2 * (number - 1)) for found in own]
                values = [found.figures[measure] for found in own]
                panel.plot(places, values, f"C{number}.", label=measure)
            panel.set(title=game, ylabel="Elo" if rated else "NashConv", yscale="linear" if rated else "log")
            if not rated:
                panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
                panel.yaxis.set_major_formatter("{x:g}")
                panel.yaxis.set_minor_formatter("")
            panel.set_xticks(range(len(rules)), rules, rotation=90)
        panels[0][0].legend(fontsize=8)


if __name__ == "__main__":
    raise SystemExit(main())
