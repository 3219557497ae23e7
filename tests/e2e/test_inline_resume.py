"""The inline runtime is exact: however often a run is killed and resumed, it comes out the same."""

from __future__ import annotations

import random
import secrets
from dataclasses import dataclass
from pathlib import Path

import pytest

from coordinator.archive import Archive
from coordinator.run_folder import RunFolder
from coordinator.run_store import open_store
from coordinator.store import RunState
from tests.e2e.runs import NEVER, SMALL, Record, assert_healthy, league, league_until, options, record

STEPS = 40_000
EXPLOITERS = "kuhn"
"""The game in whose league exploiters begin anew; a team's critic does too."""
COPIERS = "connect_four"
"""The game in whose league players copy one another."""
GAMES = {
    "tictactoe": {},
    "matrix:rps": {"league.matchmaker": "population", "league.players": "main,main-2"},
    EXPLOITERS: {
        "league.matchmaker": "alphastar",
        "league.main_exploiters": "main-exploiter",
        "league.league_exploiters": "league-exploiter",
        "league.league_exploiter_reset": 0.5,
        "league.snapshot_steps": 2_000,
        "league.snapshot_min_steps": 1_000,
    },
    COPIERS: {
        "league.matchmaker": "population",
        "league.players": "main,main-2,main-3",
        "league.snapshot_steps": 2_000,
        "league.snapshot_min_steps": 1_000,
        "pbt.period": 3_000,
        "pbt.gap": 0,
        "pbt.spread": 30,
    },
    "pettingzoo:classic/tictactoe_v3": {
        "rollout.copies": 8,
        "learner.algorithm.batch": 4,
        "league.episodes": 8,
        "league.snapshot_steps": 1_000,
        "league.snapshot_min_steps": 500,
        "runtime.round_steps": 500,
    },
}
SHORT = {"pettingzoo:classic/tictactoe_v3": 4_000}
"""Games that step in Python take fewer steps."""

PREPARED = 2
"""Commits of a start before its first round: when it knows the goal, and when the first weights are safe."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600), pytest.mark.parametrize("game", GAMES)]


def train(game: str, folder: Path, steps: int) -> list[object]:
    fields = {**SMALL, "runtime.round_steps": 10_000, **GAMES[game], "runtime.runtime": "inline"}
    return ["train", game, "--run", folder, "--seed", 5, "--steps", steps, *options(fields)]


def carry_out(*words: object) -> None:
    done = league(*words)
    assert done.returncode == 0, done.stdout + done.stderr


@dataclass(frozen=True)
class OneGo:
    """A run without a stop."""

    record: Record
    done: list[dict[str, int]]
    """What it did after each commit: kind -> things (see `killed_at`)."""


@pytest.fixture(scope="module")
def one_go(tmp_path_factory: pytest.TempPathFactory) -> dict[str, OneGo]:
    """2 N steps without a stop, by game; filled as they are asked for."""
    return {}


def straight(game: str, one_go: dict[str, OneGo], folder: Path) -> OneGo:
    if game not in one_go:
        done = league_until(
            NEVER, *train(game, folder, 2 * SHORT.get(game, STEPS)), file=folder.with_name("done")
        )
        assert_healthy(folder)
        assert len(Archive(folder / "archive").segments()) > 2, "it must archive to show anything"
        one_go[game] = OneGo(record(folder), done)
    return one_go[game]


def kill_in_every_round(game: str, kind: str, whole: OneGo, tmp_path: Path) -> None:
    """Begin it, and resume it, as often as it has rounds, killed in each; then it comes out the same."""
    folder = tmp_path / "killed"
    words = train(game, folder, 2 * STEPS)
    for _ in range(len(whole.done) - PREPARED - 3):
        league_until((PREPARED + 1, kind, 1), *words, file=tmp_path / "done")
        assert_healthy(folder)
        words = ["resume", folder]
    carry_out("resume", folder)
    assert record(folder) == whole.record


def test_two_halves_make_the_whole(game: str, one_go: dict[str, OneGo], tmp_path: Path) -> None:
    whole = straight(game, one_go, tmp_path / "whole").record
    steps = SHORT.get(game, STEPS)
    carry_out(*train(game, tmp_path / "halves", steps))
    half = record(tmp_path / "halves")
    assert 0 < half.results < whole.results
    carry_out("resume", tmp_path / "halves", "--steps", steps)
    assert record(tmp_path / "halves") == whole
    assert len(whole.snapshots) > len(half.snapshots) > 1, "it must freeze in both halves to show anything"


def test_killed_at_random_moments(game: str, one_go: dict[str, OneGo], tmp_path: Path) -> None:
    """While it begins, as it opens the store again, and twice further on; once each in play and elsewhere."""
    whole = straight(game, one_go, tmp_path / "whole")
    seed = secrets.randbelow(1_000_000)
    folder, chance, kills = tmp_path / "killed", random.Random(seed), []
    begins, *goes_on = chance.sample(["play", "file", "store"], 3)
    kinds = [begins, chance.choice(("file", "store")), *goes_on]
    rounds = [chance.choice((-1, 0, 1)), -2, 1, chance.choice((1, 2))]  # so at most 7 of 8 are committed
    words = train(game, folder, 2 * SHORT.get(game, STEPS))
    for kind, past in zip(kinds, rounds, strict=True):
        commits = PREPARED + past
        number = chance.randint(1, max(1, whole.done[commits].get(kind, 0)))
        moment = commits, kind, number
        league_until(moment, *words, file=tmp_path / "done")
        print(f"seed {seed}: killed at {kind} {number} after {commits} commits")
        assert_healthy(folder)
        with open_store(RunFolder.open(folder)) as store:
            kills.append(store.counts().done)
            assert store.state() == RunState.RUNNING
        words = ["resume", folder]
    print(f"seed {seed}: {kills} of {whole.record.results} results were committed")
    assert kills[0] <= kills[1] < kills[2] < kills[3] < whole.record.results, "it must be killed in mid-run"
    carry_out("resume", folder)
    assert record(folder) == whole.record
