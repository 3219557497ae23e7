"""An exploiter begins anew once its copy is safe: what the coordinator, the learners and a run do of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from agents.policy import Weights
from agents.trajectory import allocate
from coordinator.archive import Archive
from coordinator.config import RunConfig
from coordinator.coordinator import Coordinator
from coordinator.launch import train
from coordinator.learner_loop import Delivery, LearnerLoop
from coordinator.learners import Learners
from coordinator.options import to_plain
from coordinator.presets import build
from coordinator.redis_server import RedisServer
from coordinator.run_folder import RunFolder
from coordinator.run_store import open_store
from coordinator.snapshots import SnapshotStore
from coordinator.store import Commit, Store
from envs.catalogue import make_game
from envs.game import GameSpec
from league.players import Match, Player, Purpose, Role
from tests.e2e.runs import SMALL

FIELDS = {
    **SMALL,
    "learner.algorithm.averaging": 0.9,
    "league.snapshot_steps": 2_000,
    "league.snapshot_min_steps": 1_000,
    "league.league_exploiter_reset": 0.5,
    "runtime.round_steps": 6_000,
    "runtime.runtime": "inline",
    "seed": 4,
}
EXPLOITERS = ("main-exploiter", "league-exploiter", "league-exploiter-2")
NAME = "main-exploiter"


def alphastar() -> RunConfig:
    return build("tictactoe", league="alphastar", flags=FIELDS)


def spec() -> GameSpec:
    with make_game("tictactoe", 1) as game:
        return game.spec


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with RedisServer(tmp_path / "redis") as server, Store.connect(server.url, "test") as store:
        store.create({})
        yield store


def coordinator(store: Store, tmp_path: Path) -> Coordinator:
    return Coordinator(store, Archive(tmp_path / "archive"), alphastar(), spec())


def frozen(mind: Coordinator, times: int) -> None:
    """Let everybody be frozen so often, with a commit after all but the last."""
    for generation in range(times):
        if generation:
            mind.commit()
        for name in mind.learners:
            mind.froze(name, f"{generation:x}" * 64, generation * 5_000, "why")


class TestCoordinator:
    def test_nobody_is_due_before_a_commit_has_registered_the_copy(
        self, store: Store, tmp_path: Path
    ) -> None:
        mind = coordinator(store, tmp_path)
        frozen(mind, 2)
        assert mind.resets_due() == {}
        mind.commit()
        due = mind.resets_due()
        assert due[NAME] == "main-exploiter@1 is safe, a main exploiter begins anew"
        assert "main" not in due
        assert coordinator(store, tmp_path).resets_due() == due, "a kill does not lose it, nor draw again"

    def test_once_it_is_written_it_is_done(self, store: Store, tmp_path: Path) -> None:
        mind = coordinator(store, tmp_path)
        frozen(mind, 2)
        mind.commit()
        reason = mind.resets_due()[NAME]
        mind.was_reset(NAME, reason)
        assert NAME not in mind.resets_due()
        assert NAME in coordinator(store, tmp_path).resets_due(), "nobody wrote it"
        mind = coordinator(store, tmp_path)
        mind.was_reset(NAME, reason)
        mind.commit()
        again = coordinator(store, tmp_path)
        assert NAME not in again.resets_due()
        assert (again.players[NAME].reset_at, again.players[NAME].reset_reason) == (2, reason)

    def test_the_next_generation_grows_from_the_first_weights(self, store: Store, tmp_path: Path) -> None:
        mind = coordinator(store, tmp_path)
        frozen(mind, 3)
        mind.commit()
        mind.was_reset(NAME, "why")
        parents = [mind.froze(name, "a" * 64, 15_000, "why").parent for name in (NAME, "main", NAME)]
        assert parents == ["main-exploiter@0", "main@2", "main-exploiter@3"]

    def test_players_stand_in_the_same_order_after_a_resume(self, store: Store, tmp_path: Path) -> None:
        mind = coordinator(store, tmp_path)
        mind.commit()
        assert list(coordinator(store, tmp_path).players) == list(mind.players) == ["main", *EXPLOITERS]

    def test_snapshots_stand_in_the_same_order_after_a_resume(self, store: Store, tmp_path: Path) -> None:
        mind = coordinator(store, tmp_path)
        for name in ("main", "main", NAME, "league-exploiter", "main"):
            mind.froze(name, "a" * 64, 0, "why")
        mind.commit()
        assert mind.snapshots == coordinator(store, tmp_path).snapshots

    def test_matches_of_the_old_weights_are_withdrawn(self, store: Store, tmp_path: Path) -> None:
        mind = coordinator(store, tmp_path)
        pairs = [("main", NAME), ("main", "main"), (f"{NAME}@0", "main"), (NAME, "league-exploiter@0")]
        matches = [
            Match(number, {"first": home, "second": away}, 4, 0, Purpose.TRAIN, {home: home, away: away})
            for number, (home, away) in enumerate(pairs, 1)
        ]
        store.offer(matches)
        mind.withdraw([NAME])
        assert [match.id for match in store.open_matches()] == [2, 3]


class TestLearners:
    PLAYERS: ClassVar = {NAME: Player(NAME, Role.MAIN_EXPLOITER)}

    def test_bad_numbers_lead_back_to_the_reset_and_not_beyond(self, tmp_path: Path) -> None:
        """Twenty updates that are not finite lead back to the last good state."""
        files = SnapshotStore(tmp_path)
        learners = Learners(alphastar(), spec(), self.PLAYERS, checkpoints=files, snapshots=files)
        first, _ = learners.weights(NAME)
        learners._learners[NAME].set_weights(first + 1)
        learners.checkpoint()
        learners.reset(NAME)
        learners._learners[NAME].load_state(*learners._good[NAME])
        np.testing.assert_array_equal(learners.weights(NAME)[0], first)
        assert learners.version(NAME) == 1

    def test_actors_are_told_at_once_and_what_is_under_way_is_dropped(self, tmp_path: Path) -> None:
        config = alphastar()
        columns = config.learner.algorithm.batch
        told: list[tuple[str, Weights, int]] = []
        loop = LearnerLoop(config, spec(), self.PLAYERS, {}, folder=tmp_path, core=None)
        try:
            loop.listen("actor", lambda *news: told.append(news))
            first = told.pop()[1]
            loop._learners._learners[NAME].set_weights(first + 1)
            loop.reset(NAME)
            ((name, weights, version),) = told
            assert (name, version) == (NAME, 1)
            np.testing.assert_array_equal(weights, first)
            assert loop.submit([], {NAME: 0})[NAME][1] == 1
            old = allocate(spec(), rows=5, columns=columns, seats=1, state=False, core=0)
            old.acting[:] = True
            loop.submit([Delivery(NAME, old)], None)
            while not (figures := loop.progress().figures[NAME]).dropped:
                time.sleep(0.01)
            assert (figures.dropped, figures.updates) == (columns, 0)
            assert loop.progress().steps == {NAME: 0}
        finally:
            loop.stop()


@pytest.mark.slow
def test_a_run_freezes_commits_resets_and_commits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this order, always: the copy that is registered is of the trained weights, never of the first."""
    config = alphastar()
    run = RunFolder.create(tmp_path / "run", to_plain(config))
    snapshots, events = SnapshotStore(run.snapshots), watched(monkeypatch)
    train(config, run, watch=lambda _: None, steps=60_000)
    resets = [(at, event) for at, event in enumerate(events) if isinstance(event, tuple)]
    assert {name for _, (name, _, _) in resets} >= {NAME, "league-exploiter"}
    for at, (name, before, after) in resets:
        registered = {one.name: one for commit in commits(events[:at]) for one in commit.snapshots}
        newest = max((one for one in registered.values() if one.player == name), key=lambda s: s.generation)
        tensors, _ = snapshots.read(newest.sha256)
        np.testing.assert_array_equal(tensors["weights"], before, "trained on between copy and reset")
        first, _ = snapshots.read(registered[f"{name}@0"].sha256)
        np.testing.assert_array_equal(first["weights"], after)
        assert not np.array_equal(before, after)
        player = next(one for one in commits(events[at:])[0].players if one.name == name)
        assert player.reset_at == newest.generation + 1
    with open_store(run) as store:
        for snapshot in store.snapshots():
            if snapshot.player == NAME and snapshot.generation > 1:
                assert snapshot.parent == f"{NAME}@0", "a main exploiter always begins anew"


def watched(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What a run does from now on: every Commit, and (player, mean before, weights after) of every reset."""
    events: list[Any] = []
    commit, reset = Store.commit, Learners.reset

    def committed(store: Store, change: Commit) -> int:
        seq = commit(store, change)
        events.append(change)
        return seq

    def was_reset(learners: Learners, name: str) -> None:
        before = learners._learners[name].mean_weights()
        reset(learners, name)
        events.append((name, before, learners.weights(name)[0]))

    monkeypatch.setattr(Store, "commit", committed)
    monkeypatch.setattr(Learners, "reset", was_reset)
    return events


def commits(events: list[Any]) -> list[Commit]:
    return [event for event in events if isinstance(event, Commit)]
