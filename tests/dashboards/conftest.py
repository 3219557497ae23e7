"""A run as it lies on disk after some training: real folder, real store, results made up."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from coordinator.options import to_plain
from coordinator.presets import build
from coordinator.run_folder import RunFolder
from coordinator.run_store import serve_store
from coordinator.store import Store
from coordinator.store_types import Commit, RunState
from league.ledger import Ledger
from league.players import Match, Outcome, PairResult, Player, Purpose, Snapshot

GENERATIONS = 4
ALARM = {
    "player": "main",
    "generation": 4,
    "ancestor": "main@1",
    "score": 0.25,
    "games": 96,
    "earlier": "main@2",
    "earlier_score": 0.75,
    "earlier_games": 64,
    "chance": 2e-6,
}
STRENGTH = {"random": 0.0, **{f"main@{g}": 1.0 + 0.6 * g for g in range(GENERATIONS + 1)}}


def played(number: int, home: str, away: str, generator: np.random.Generator) -> tuple[Match, Outcome]:
    """A match of 32 episodes whose result follows the made-up strengths."""
    nodes = {one: f"{one}@{GENERATIONS}" if one == "main" else one for one in (home, away)}
    draw = {
        "opponent": away,
        "branch": "latest" if home == away else "past",
        "latest_probability": 0.8,
        "candidates": GENERATIONS,
    }
    reason = {"rule": "self_play", "player": home, "branch": draw["branch"], "draws": {"second": draw}}
    match = Match(number, {"first": home, "second": away}, 32, 7, Purpose.TRAIN, nodes, reason)
    chance = 1 / (1 + np.exp(STRENGTH[nodes[away]] - STRENGTH[nodes[home]]))
    wins, draws, losses = (int(n) for n in generator.multinomial(32, [chance * 0.9, 0.1, 0.9 - chance * 0.9]))
    return match, Outcome(number, 1, 32, 288, (PairResult(home, away, wins, draws, losses),), ())


def fill(store: Store) -> None:
    """Forty results, one match of each open state, figures."""
    generator = np.random.default_rng(1)
    store.begin_epoch()
    ledger, results = Ledger(), []
    names = list(STRENGTH)
    for number in range(1, 41):
        home, away = (names[int(i)] for i in generator.choice(len(names), 2, replace=False))
        home, away = (one.replace(f"main@{GENERATIONS}", "main") for one in (home, away))
        match, outcome = played(number, home, away, generator)
        results.append((match, outcome))
        ledger.apply(number, match, outcome)
    snapshots = tuple(
        Snapshot("main", g, f"{g:064x}", f"main@{g - 1}" if g else None, g * 1000, "beat its past")
        for g in range(GENERATIONS)
    )
    player = Player("main", generation=GENERATIONS, steps=5000, frozen_at=3000)
    status = {
        "steps": 5000,
        "updates": 40,
        "seconds": 61.5,
        "steps_per_second": 81.3,
        "policy_lag": 1.25,
        "versions": {"main": 40},
        "stages": {"learner": {"loss": 0.4, "waiting": 0.25}, "actor": {"game": 0.5, "inference": 0.3}},
        "forgetting": [ALARM],
    }
    store.commit(Commit((player,), snapshots, {}, ledger.to_json(), tuple(results), status, RunState.STOPPED))
    parked, leased, ready = (played(number, "main", "main@3", generator)[0] for number in (41, 42, 43))
    store.offer([parked])
    for attempt in (1, 2, 3):
        store.lease("actor-0", 1, 2e9)
        store.fail(parked.id, attempt, "the game raised <ZeroDivisionError>")
    store.offer([leased])
    store.lease("actor-1", 1, 2e9)
    store.offer([ready])


@pytest.fixture(scope="session")
def resting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nobody runs. Read it only."""
    path = tmp_path_factory.mktemp("runs") / "tictactoe-1"
    config = to_plain(build("tictactoe"))
    run = RunFolder.create(path, config)
    with run.lock(), serve_store(run) as (store, _):
        store.create(config)
        fill(store)
    return path


@pytest.fixture
def copied(resting: Path, tmp_path: Path) -> Path:
    """A run of one's own, to be changed."""
    path = tmp_path / "tictactoe-1"
    shutil.copytree(resting, path)
    return path
