"""Every learning system on the same games, by the same command: how good, how fast, how soon.

    CartPole-v1         balance a pole; 500 is the best return
    LunarLander-v3      land; 200 is a landing
    recall              a cue is asked for eight steps later: 1 is the best, 0.25 what guessing brings
    InvertedPendulum-v5 continuous actions; 1000 is the best return
    connect_four        self-play; the score against `mcts:100`

A run is trained for some seconds of wall time by `league train` on Ray, with the game's and the preset's
defaults and nothing else. Then its last weights, and those of every snapshot before, play their most likely
moves. `soon` is when a snapshot first was as good as the game's goal: its share of the decisions, times the
seconds; so it is about right where decisions came at an even pace.

Run: python -m benchmarks.systems [--games G ...] [--presets P ...] [--seeds N] [--scale X]
LunarLander and InvertedPendulum need `pip install --editable ".[control]"`.
Findings are kept in `docs/experiments/systems.json`; a later call adds what is missing. Any further option is
a field of the configuration.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from agents.algorithms.config import PolicyLoss
from benchmarks.runs import Trained, describe_machine, fields, trained
from coordinator.evaluation import evaluate
from coordinator.presets import PRESETS


@dataclass(frozen=True)
class Task:
    """A game, and what is asked of a player in it."""

    seconds: float
    """Of training."""
    goal: float
    """Return, or score, that counts as solved."""
    against: str = ""
    """Opponent whom the score is against; empty for the return."""
    episodes: int = 40
    continuous: bool = False


TASKS = {
    "gymnasium:CartPole-v1": Task(30.0, 475.0),
    "gymnasium:LunarLander-v3": Task(120.0, 200.0),
    "recall": Task(30.0, 0.95, episodes=200),
    "gymnasium:InvertedPendulum-v5": Task(60.0, 950.0, continuous=True),
    "connect_four": Task(60.0, 0.5, against="mcts:100"),
}
SNAPSHOTS = 8
"""Snapshots of a run that are looked at, at most."""


@dataclass(frozen=True)
class Finding:
    """What one run came to."""

    game: str
    preset: str
    seed: int
    result: float
    """Return or score of the last weights."""
    steps: int
    rate: float
    """Trained decisions a second, the start not included."""
    soon: float | None
    """Seconds until a snapshot was as good as the goal; None where none was."""


def run(game: str, preset: str, seed: int, scale: float, flags: Mapping[str, str]) -> Finding:
    """Train one run, and see how good its snapshots are."""
    task = TASKS[game]
    options = {"runtime.runtime": "ray", **flags}
    with trained(game, options, preset=preset, seed=seed, seconds=scale * task.seconds) as done:
        steps, seconds = done.result.steps, done.result.seconds
        taken = [snapshot for snapshot in done.view().snapshots if snapshot.steps]
        some = taken[:: max(1, len(taken) // SNAPSHOTS)]
        curve = [(snapshot.steps, _result(done, task, snapshot.name, seed)) for snapshot in some]
        last = _result(done, task, "main", seed)
        good = [at for at, result in [*curve, (steps, last)] if result >= task.goal]
        soon = seconds * min(good) / steps if good else None
    return Finding(game, preset, seed, last, steps, steps / seconds, soon)


def _result(done: Trained, task: Task, player: str, seed: int) -> float:
    against = task.against or player
    played = evaluate(done.run, done.store, player, against, task.episodes, seed=seed, greedy=True)
    return float(played["score"] if task.against else played["return_mean"])


def _of_choices(preset: str) -> bool:
    """Whether it is for actions that are one choice of a few, and for no others."""
    loss = PRESETS[preset]().get("learner.algorithm.policy_loss", PolicyLoss.GRADIENT)
    return PolicyLoss(str(loss)).is_of_choices


def table(game: str, findings: list[Finding]) -> str:
    """One game's findings, a line a preset."""
    lines = ["| preset | result | steps/s | soon, s |", "| --- | --- | --- | --- |"]
    for preset in PRESETS:
        of = [each for each in findings if (each.game, each.preset) == (game, preset)]
        if of:
            results, rates = [each.result for each in of], [each.rate for each in of]
            soon = ", ".join("–" if each.soon is None else f"{each.soon:.0f}" for each in of)
            spread = f"{statistics.median(results):.2f} ({min(results):.2f} – {max(results):.2f})"
            lines.append(f"| `{preset}` | {spread} | {statistics.median(rates):,.0f} | {soon} |")
    return "\n".join(lines)


def main() -> None:
    """Train what is missing, print a table a game."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--games", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--presets", nargs="+", choices=PRESETS, default=list(PRESETS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, metavar="X", help="times the seconds of training")
    parser.add_argument("--findings", type=Path, default=Path("docs/experiments/systems.json"))
    args, rest = parser.parse_known_args()
    print(describe_machine())
    known = json.loads(args.findings.read_text()) if args.findings.exists() else []
    findings = [Finding(**each) for each in known]
    done = {(each.game, each.preset, each.seed) for each in findings}
    for game in args.games:
        for preset in args.presets:
            for seed in range(args.seeds):
                unfit = TASKS[game].continuous and _of_choices(preset)
                if (game, preset, seed) in done or unfit:
                    continue
                findings.append(run(game, preset, seed, args.scale, fields(rest)))
                args.findings.write_text(json.dumps([asdict(each) for each in findings], indent=1) + "\n")
                print(findings[-1], flush=True)
    for game in args.games:
        print(f"\n{game}, seeds {args.seeds}\n\n{table(game, findings)}")


if __name__ == "__main__":
    main()
