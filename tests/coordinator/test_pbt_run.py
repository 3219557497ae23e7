"""Population-based training as it is carried out: by learners, by the coordinator, and by a whole run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agents.policy import Weights
from coordinator.archive import Archive
from coordinator.config import RunConfig
from coordinator.coordinator import Coordinator
from coordinator.first_players import first_players
from coordinator.launch import train
from coordinator.learner_loop import LearnerLoop
from coordinator.learners import Learners
from coordinator.options import to_plain
from coordinator.presets import build
from coordinator.redis_server import RedisServer
from coordinator.run_folder import RunFolder
from coordinator.run_store import open_store
from coordinator.snapshots import SnapshotStore
from coordinator.store import Store
from envs.catalogue import make_game
from envs.game import GameSpec
from league.pbt import Turn
from league.players import Player, Snapshot
from tests.e2e.runs import SMALL, Record, assert_healthy, record

FIELDS = {
    **SMALL,
    "league.snapshot_steps": 10_000,
    "league.snapshot_min_steps": 10_000,
    "runtime.round_steps": 8_000,
    "runtime.runtime": "inline",
    "pbt.period": 2_000,
    "pbt.gap": 0.0,
    "pbt.mutation": 0.5,
    "pbt.spread": 30.0,
    "pbt.start": 1_000,
    "seed": 4,
}
STEPS = 40_000
COPY = Turn("main", "main-2", {"entropy_cost": 0.5, "learning_rate": 0.25}, "weaker than main-2")


def config() -> RunConfig:
    return build("tictactoe", league="pbt", flags=FIELDS)


def spec() -> GameSpec:
    with make_game("tictactoe", 1) as game:
        return game.spec


def folders(path: Path) -> dict[str, SnapshotStore]:
    return {name: SnapshotStore(path / name) for name in ("checkpoints", "snapshots")}


PLAYERS = {
    name: Player(name, hyper={"entropy_cost": 0.1, "learning_rate": 0.01}) for name in ("main", "main-2")
}


class TestLearners:
    def test_a_turn_copies_the_rival_and_leaves_it_as_it_is(self, tmp_path: Path) -> None:
        learners = Learners(config(), spec(), PLAYERS, **folders(tmp_path))
        rival, _ = learners.weights("main-2")
        assert (learners.weights("main")[0] != rival).any()
        learners.turn(COPY, frozen_at=0)
        assert (learners.weights("main")[0] == rival).all()
        assert learners.versions() == {"main": 1, "main-2": 0}, "whoever acts has to notice"

    def test_what_a_copy_replaces_is_frozen_in_the_same_call(self, tmp_path: Path) -> None:
        stores = folders(tmp_path)
        learners = Learners(config(), spec(), PLAYERS, **stores)
        own, _ = learners.weights("main")
        assert learners.turn(replace(COPY, rival=None), frozen_at=7) is None, "it keeps its weights"
        assert learners.turn(COPY, frozen_at=0) is None, "its last snapshot is of them"
        learners = Learners(config(), spec(), PLAYERS, **stores)
        frozen = learners.turn(COPY, frozen_at=7)
        assert frozen is not None
        tensors, _ = stores["snapshots"].read(frozen[0])
        assert (tensors["weights"] == own).all()
        assert frozen[1] == 0

    def test_numbers_that_are_not_finite_lead_back_to_the_copy(self, tmp_path: Path) -> None:
        learners = Learners(config(), spec(), PLAYERS, **folders(tmp_path))
        learners.turn(COPY, frozen_at=0)
        tensors, counters = learners._good["main"]
        assert (tensors["mean"] == learners.weights("main-2")[0]).all()
        assert counters["version"] == 1

    def test_hyper_parameters_are_those_of_the_player_and_then_of_its_last_turn(self, tmp_path: Path) -> None:
        learners = Learners(config(), spec(), PLAYERS, **folders(tmp_path))
        algorithm = config().learner.algorithm

        def schedule(name: str) -> tuple[float, float]:
            pace, costs = learners._learners[name]._schedule()
            return pace * algorithm.learning_rate, costs.entropy

        assert schedule("main") == pytest.approx((0.01, 0.1))
        learners.turn(replace(COPY, rival=None), frozen_at=0)
        assert schedule("main") == pytest.approx((0.25, 0.5))
        assert schedule("main-2") == pytest.approx((0.01, 0.1))
        assert learners.version("main") == 0

    def test_actors_are_given_the_copy_at_once(self, tmp_path: Path) -> None:
        loop = LearnerLoop(config(), spec(), PLAYERS, {}, folder=tmp_path, core=None)
        told: list[tuple[str, Weights, int]] = []
        try:
            loop.listen("actor-0", lambda *new: told.append(new))
            rival = {name: weights for name, weights, _ in told}["main-2"]
            told.clear()
            loop.turn(COPY, frozen_at=0)
        finally:
            loop.stop()
        ((name, weights, version),) = told
        assert (name, version) == ("main", 1)
        np.testing.assert_array_equal(weights, rival)


class TestCoordinator:
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        with RedisServer(tmp_path / "redis") as server, Store.connect(server.url, "test") as store:
            store.create({})
            yield store

    def test_a_turn_is_written_with_the_next_commit_and_lost_without(
        self, store: Store, tmp_path: Path
    ) -> None:
        def a_mind() -> Coordinator:
            return Coordinator(store, Archive(tmp_path / "archive"), config(), spec())

        mind = a_mind()
        assert mind.players["main"].hyper != mind.players["main-2"].hyper
        for name in mind.learners:
            mind.froze(name, "0" * 64, 0, "the beginning")
            mind.trained(name, 5_000)
        mind.commit()
        turn = mind.turn()
        assert turn is not None
        assert a_mind().turn() == turn, "a kill neither loses it nor draws again"
        mind = a_mind()
        copied = replace(turn, rival="main-3")
        mind.took_turn(copied, ("1" * 64, 5_000))
        assert mind.turn() != turn
        assert a_mind().turn() == turn, "nobody wrote it"
        mind.commit()
        player = a_mind().players[turn.player]
        assert (player.hyper, player.turned_at, player.parent) == (turn.hyper, 5_000, "main-3@0")


def trained(folder: Path, *steps: int) -> RunFolder:
    """A run in so many goes."""
    run = RunFolder.create(folder, to_plain(config()))
    for more in steps:
        train(config(), run, watch=lambda frame: None, steps=more)
    return run


def read(run: RunFolder) -> tuple[dict[str, Player], list[Snapshot]]:
    with open_store(run) as store:
        return store.players(), store.snapshots()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return trained(tmp_path_factory.mktemp("pbt") / "whole", 2 * STEPS)


@pytest.mark.slow
class TestRun:
    def test_the_fit_are_copied_and_what_they_replace_is_kept(self, whole: RunFolder) -> None:
        assert_healthy(whole.path)
        players, snapshots = read(whole)
        replaced = [
            snapshot for snapshot in snapshots if snapshot.reason.startswith("replaced by a copy of ")
        ]
        assert len(replaced) > 1, "it must copy to show anything"
        names = {snapshot.name for snapshot in snapshots}
        for snapshot in replaced:
            after = [
                s for s in snapshots if (s.player, s.generation) == (snapshot.player, snapshot.generation + 1)
            ]
            parent = after[0].parent if after else players[snapshot.player].parent
            # Which one it is, `turned` decides: tests/league/test_pbt.py.
            assert parent in names
            assert parent != snapshot.name, "what was replaced is nobody's parent by that"

    def test_hyper_parameters_end_where_they_did_not_begin(self, whole: RunFolder) -> None:
        players, _ = read(whole)
        first = first_players(config(), spec())
        assert all(players[name].hyper != player.hyper for name, player in first.items())
        assert all(player.turned_at > 0 for player in players.values())

    def test_two_halves_make_the_whole(self, whole: RunFolder, tmp_path: Path) -> None:
        halves: Record = record(trained(tmp_path / "halves", STEPS, STEPS).path)
        assert halves == record(whole.path)
