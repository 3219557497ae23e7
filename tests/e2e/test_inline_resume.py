"""The inline runtime is exact: however often a run is killed and resumed, it comes out the same."""

from __future__ import annotations

import random
import secrets
import time
from pathlib import Path

import pytest

from coordinator.run_folder import RunFolder
from coordinator.run_store import open_store
from coordinator.store import RunState
from tests.e2e.runs import SMALL, Record, assert_healthy, league, options, record, training

STEPS = 40_000
GAMES = {
    "tictactoe": {},
    "matrix:rps": {"league.matchmaker": "population", "league.players": "main,main-2"},
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

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("game", GAMES)]


def train(game: str, folder: Path, steps: int) -> list[object]:
    fields = {**SMALL, "runtime.round_steps": 10_000, **GAMES[game], "runtime.runtime": "inline"}
    return ["train", game, "--run", folder, "--seed", 5, "--steps", steps, *options(fields)]


def carry_out(*words: object) -> None:
    done = league(*words)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def one_go(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Record]:
    """2 N steps without a stop, by game; filled as they are asked for."""
    return {}


def straight(game: str, one_go: dict[str, Record], folder: Path) -> Record:
    if game not in one_go:
        carry_out(*train(game, folder, 2 * SHORT.get(game, STEPS)))
        assert_healthy(folder)
        one_go[game] = record(folder)
    return one_go[game]


def test_two_halves_make_the_whole(game: str, one_go: dict[str, Record], tmp_path: Path) -> None:
    whole = straight(game, one_go, tmp_path / "whole")
    steps = SHORT.get(game, STEPS)
    carry_out(*train(game, tmp_path / "halves", steps))
    half = record(tmp_path / "halves")
    assert 0 < half.results < whole.results
    carry_out("resume", tmp_path / "halves", "--steps", steps)
    assert record(tmp_path / "halves") == whole
    assert len(whole.snapshots) > len(half.snapshots) > 1, "it must freeze in both halves to show anything"


def test_killed_at_random_moments(game: str, one_go: dict[str, Record], tmp_path: Path) -> None:
    whole = straight(game, one_go, tmp_path / "whole")
    seed = secrets.randbelow(1000)
    folder, chance, kills = tmp_path / "killed", random.Random(seed), []
    words = train(game, folder, 2 * SHORT.get(game, STEPS))
    committed = 0
    for earliest in (0, 1, 1):  # once before anything is committed or soon after, then each time further on
        least = committed + earliest
        with training(folder, *words) as run:
            run.wait_until(lambda store, least=least: store.counts().done >= least)
            time.sleep(chance.uniform(0.0, 0.3))
            run.kill_group()
        assert_healthy(folder)
        with open_store(RunFolder.open(folder)) as store:
            committed = store.counts().done
            assert store.state() == RunState.RUNNING, "it was to be killed before its end: take more rounds"
        kills.append(committed)
        words = ["resume", folder]
    print(f"seed {seed}: killed with {kills} of {whole.results} results committed")
    assert 0 < kills[1] < kills[2] < whole.results, "it must be killed in mid-run to show anything"
    carry_out("resume", folder)
    assert record(folder) == whole
