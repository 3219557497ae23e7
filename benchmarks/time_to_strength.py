"""How long it takes to become strong: `python -m benchmarks.time_to_strength [--system NAME ...]`.

Trains our product with its defaults, and every peer that is installed (benchmarks/peers), and scores the
policies that they had at scheduled times. Policies are kept during training and scored once everybody has
trained, so that scoring takes no time from it. Ours are the run's own snapshots, the newest at each time; a
peer saves its policy at the first update after each. The time of a policy is that of its file. All play
their most likely legal move against the same opponents, with the same seeds, half of the games in either
seat. Whoever does not reach the goal against the weaker opponent is not scored against the stronger.

The time to a goal is the wall time of the first policy that reached it, start-up and compilation included.
Runs are added to `time_to_strength.json` in the folder `--out`, which a later call goes on with; the plot
`time_to_strength.svg` beside it shows all of them.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.peers.environments import KEEP_BUFFERS, PEERS, Peer
from benchmarks.peers.player import load, score
from benchmarks.peers.protocol import Task, read_trained
from benchmarks.plots import panels_of
from benchmarks.processes import calibrate, watch
from benchmarks.runs import describe_machine
from benchmarks.strength import league
from benchmarks.throughput import OURS, train_command
from coordinator.metrics import read_metrics
from coordinator.snapshots import MANIFEST

SCHEDULE = (10, 20, 30, 45, 60, 90, 120, 180, 300, 450, 600)
"""Seconds after the command."""
GAMES_SEED = 1


@dataclass(frozen=True)
class Goal:
    """How well to play against whom."""

    opponent: str
    games: int
    score: float


GOALS = (Goal("mcts:100", 400, 0.85), Goal("mcts:1000", 200, 0.5))
"""The easier first."""

Row = dict[str, Any]
"""What `league eval` says."""
Score = Callable[[Goal], Row]


@dataclass(frozen=True)
class Kept:
    """A policy of a run at rest."""

    seconds: float
    """After the command."""
    score: Score


@dataclass(frozen=True)
class Scored:
    """A policy, and how well it plays."""

    seconds: float
    rows: dict[str, Row]
    """By opponent, as far as it was scored."""


@dataclass(frozen=True)
class Run:
    """One system, trained once."""

    system: str
    seed: int
    seconds: float
    """Of training that it was asked for."""
    steps: int
    """Decisions trained."""
    gemm_before: float
    """GFLOP/s of the machine, before training and after it."""
    gemm_after: float
    machine: str
    policies: list[Scored]

    def reached(self, goal: Goal) -> Scored | None:
        """The first policy that played well enough."""
        good = (p for p in self.policies if goal.opponent in p.rows)
        good = (p for p in good if p.rows[goal.opponent]["score"] >= goal.score)
        return next(good, None)


def main() -> int:
    """Train, score, print, write, draw."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0], epilog="Other options are those of `league train`."
    )
    present = [OURS, *(peer.name for peer in PEERS.values() if peer.installed)]
    parser.add_argument("--system", nargs="+", choices=present, default=present, help="default: all here")
    parser.add_argument("--seconds", type=float, default=600.0, help="of training (default 600)")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="runs of each (default 3)")
    parser.add_argument("--out", type=Path, default=Path("docs/experiments"))
    args, rest = parser.parse_known_args()
    file = args.out / "time_to_strength.json"
    runs = read_runs(file)
    with tempfile.TemporaryDirectory() as folder:
        trained = [
            train(system, seed, args.seconds, rest, Path(folder) / f"{system}-{seed}")
            for seed in range(args.seeds)
            for system in args.system
        ]
        for run, kept in trained:
            run.policies.extend(score_all(kept))
            runs = [other for other in runs if (other.system, other.seed) != (run.system, run.seed)] + [run]
            args.out.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps([asdict(one) for one in runs], indent=1) + "\n")
            print(describe([run]), flush=True)
    print(describe(runs))
    draw(runs, args.out / "time_to_strength.svg")
    return 0


def train(
    system: str, seed: int, seconds: float, options: Sequence[str], folder: Path
) -> tuple[Run, list[Kept]]:
    """Train one system once: (the run without scores, its policies). options: of `league train`."""
    folder.mkdir()
    teach = partial(train_ours, options=options) if system == OURS else partial(train_peer, PEERS[system])
    before = calibrate()
    steps, kept = teach(seconds, seed, folder)
    run = Run(system, seed, seconds, steps, before, calibrate(), describe_machine(), policies=[])
    print(f"{system}, seed {seed}: {steps} decisions trained, {len(kept)} policies kept", flush=True)
    return run, kept


def train_ours(seconds: float, seed: int, folder: Path, options: Sequence[str]) -> tuple[int, list[Kept]]:
    """With the product's own command: (decisions trained, snapshots)."""
    run = folder / "run"
    watched = watch(train_command(run, seconds, seed, [*options, "--quiet"]), seconds)
    kept = [
        Kept(when - watched.began, partial(score_snapshot, run, f"{row['player']}@{row['generation']}"))
        for row in json.loads(league("snapshots", str(run), "--json"))
        if row["generation"] > 0  # the first was never trained
        for when in [(run / "snapshots" / row["sha256"] / MANIFEST).stat().st_mtime]
    ]
    return read_metrics(run / "metrics")[-1]["steps"], scheduled(kept)


def score_snapshot(run: Path, identity: str, goal: Goal) -> Row:
    """Games of one of our snapshots."""
    against = ("--player", identity, "--against", goal.opponent, "--games", str(goal.games))
    row: Row = json.loads(league("eval", str(run), *against, "--greedy", f"--seed={GAMES_SEED}", "--json"))
    return row


def train_peer(peer: Peer, seconds: float, seed: int, folder: Path) -> tuple[int, list[Kept]]:
    """With its own program: (decisions trained, what it saved)."""
    watched = watch(peer.command(Task(seconds, seed, SCHEDULE, folder)), seconds, KEEP_BUFFERS)
    files = sorted((file.stat().st_mtime - watched.began, file) for file in folder.glob("*.npz"))
    kept = [Kept(when, partial(score_file, file)) for when, file in files]
    return read_trained(watched.lines)[-1][1], kept


def score_file(file: Path, goal: Goal) -> Row:
    """Games of a policy that a peer saved."""
    return score(load(file), goal.opponent, goal.games, seed=GAMES_SEED)


def scheduled(kept: Sequence[Kept]) -> list[Kept]:
    """The newest policy at each scheduled time, each once."""
    newest = [
        max((k for k in kept if k.seconds <= at), key=lambda k: k.seconds, default=None) for at in SCHEDULE
    ]
    return list(dict.fromkeys(policy for policy in newest if policy is not None))


def score_all(kept: Sequence[Kept]) -> list[Scored]:
    """Every policy against one opponent after the other, as long as it reaches the goals."""
    return [Scored(policy.seconds, _score(policy)) for policy in kept]


def _score(policy: Kept) -> dict[str, Row]:
    rows: dict[str, Row] = {}
    for goal in GOALS:
        rows[goal.opponent] = policy.score(goal)
        if rows[goal.opponent]["score"] < goal.score:
            break
    return rows


def read_runs(file: Path) -> list[Run]:
    """Runs of earlier calls."""
    if not file.exists():
        return []
    rows = json.loads(file.read_text())
    return [Run(**{**row, "policies": [Scored(**policy) for policy in row["policies"]]}) for row in rows]


def describe(runs: Sequence[Run]) -> str:
    """A table of the times to each goal."""
    goals = " | ".join(f"{goal.score:g} against {goal.opponent}" for goal in GOALS)
    lines = [
        f"| system | seed | {goals} | trained decisions | calibration GFLOP/s |",
        "| --- | --- |" + " --- |" * len(GOALS) + " --- | --- |",
    ]
    for run in sorted(runs, key=lambda run: (run.system != OURS, run.system, run.seed)):
        cells = " | ".join(_cell(run, goal) for goal in GOALS)
        lines.append(
            f"| {run.system} | {run.seed} | {cells} | {run.steps / 1e6:.1f} M"
            f" | {run.gemm_before:.0f}, {run.gemm_after:.0f} |"
        )
    return "\n".join(lines)


def _cell(run: Run, goal: Goal) -> str:
    if found := run.reached(goal):
        row = found.rows[goal.opponent]
        return f"{found.seconds:.0f} s: {_interval(row)}"
    rows = [p.rows[goal.opponent] for p in run.policies if goal.opponent in p.rows]
    best = max(rows, key=lambda row: row["score"], default=None)
    missing = "not asked" if run.policies else "no policy kept"
    reason = missing if best is None else f"best {_interval(best)}"
    return f"not in {run.seconds:.0f} s ({reason})"


def _interval(row: Row) -> str:
    return f"{row['score']:.3f} [{row['score_low']:.3f}, {row['score_high']:.3f}], {row['games']} games"


def draw(runs: Sequence[Run], path: Path) -> None:
    """Score over wall time, a panel an opponent, a colour a system, a line a seed."""
    systems = sorted({run.system for run in runs}, key=lambda name: (name != OURS, name))
    with panels_of(path, 1, len(GOALS), figsize=(5 * len(GOALS), 3.6), sharey=True) as panels:
        for panel, goal in zip(panels, GOALS, strict=True):
            for run in runs:
                scored = [policy for policy in run.policies if goal.opponent in policy.rows]
                seconds = [policy.seconds for policy in scored]
                scores = [policy.rows[goal.opponent]["score"] for policy in scored]
                panel.plot(seconds, scores, f"C{systems.index(run.system)}", marker=".", lw=1.0)
            panel.axhline(goal.score, color="grey", ls="--", lw=1.0)
            panel.set(
                xscale="log", ylim=(0, 1), xlabel="seconds from the command", title=f"against {goal.opponent}"
            )
        for index, system in enumerate(systems):
            panels[0].plot([], [], f"C{index}", label=system)
        panels[0].set_ylabel("score (draws count half)")
        panels[0].legend(fontsize=8)


if __name__ == "__main__":
    raise SystemExit(main())
