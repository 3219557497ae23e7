"""Runs of an experiment: trained by the product's own command, inline, several side by side.

A run's folder is named after all that the run follows from, and gets that name once it is whole. So an
experiment that was stopped goes on where it stood, and two experiments share the runs that they have in
common.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from benchmarks.strength import league
from dashboards.reading import reading

GENERATIONS = 32
"""Snapshots that one player is frozen as in a run; several players share them."""
ROUNDS = 16
"""Commits of a run; an exploiter is frozen, and begins anew, between two of them."""
RATING = 0.3
"""Share of matches that only rate: enough to know the payoff of all generations."""


@dataclass(frozen=True)
class Job:
    """One run to be trained."""

    game: str
    arm: str
    """What is compared: a rule, a composition of the league."""
    seed: int
    steps: int
    """Trained decisions over the whole league."""
    options: tuple[str, ...]
    """All else that `league train` is told."""

    @property
    def folder(self) -> str:
        """Name of the run's folder: the same for the same run, whatever the arm is called."""
        said = "\n".join([self.game, str(self.seed), str(self.steps), *self.options])
        digest = hashlib.sha256(said.encode()).hexdigest()[:10]
        return f"{re.sub('[^a-z0-9]+', '-', self.game)}-{self.seed}-{digest}"


def paced(steps: int, players: int) -> tuple[str, ...]:
    """Rounds, generations and schedules of a run of `steps` decisions by about so many players."""
    return (
        "--runtime=inline",
        "--runtime.learner-threads=1",
        f"--runtime.round-steps={steps // ROUNDS}",
        f"--learner.algorithm.anneal-steps={steps // players}",
        f"--league.evaluate-share={RATING}",
        f"--league.snapshot-steps={steps // GENERATIONS}",
        f"--league.snapshot-min-steps={steps // (2 * GENERATIONS)}",
    )


def train_all(jobs: Sequence[Job], runs: Path, at_once: int) -> Iterator[tuple[Job, Path]]:
    """Train what is not there yet, `at_once` side by side: every job with its run's folder, as it is done."""
    runs.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(at_once) as workers:
        waiting = {workers.submit(train, job, runs): job for job in jobs}
        try:
            for done in as_completed(waiting):
                yield waiting[done], done.result()
        finally:
            workers.shutdown(cancel_futures=True)


def train(job: Job, runs: Path) -> Path:
    """The folder of a job's run, trained if it is not there."""
    run = runs / job.folder
    if not run.exists():
        unfinished = runs / f"{job.folder}.part"
        goal = (f"--steps={job.steps}", f"--seed={job.seed}")
        league("train", job.game, f"--run={unfinished}", "--force", "--quiet", *goal, *job.options)
        with reading(unfinished, None) as rest:
            if rest.state != "finished":  # somebody stopped it, cleanly
                raise SystemExit(f"{unfinished}: stopped before its goal")
        unfinished.rename(run)
    return run
