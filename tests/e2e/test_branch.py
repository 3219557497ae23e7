"""Branches of other runs, and players pretrained in them: by the command line, from real runs."""

from __future__ import annotations

import json
import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coordinator.run_folder import RunFolder
from coordinator.run_store import open_store
from coordinator.snapshots import SnapshotStore
from coordinator.store import Store
from dashboards.cli import main
from league.ledger import Ledger
from league.players import Role, Snapshot
from tests.e2e.runs import (
    NEVER,
    SMALL,
    assert_healthy,
    assert_one_line,
    league,
    league_until,
    options,
    record,
    results,
)

FIELDS = {
    **SMALL,
    "league.snapshot_steps": 2_500,
    "league.snapshot_min_steps": 1_500,
    "runtime.round_steps": 5_000,
    "runtime.runtime": "inline",
}
STEPS = 20_000

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


def train(folder: Path, *words: object, game: str = "tictactoe", **fields: object) -> list[object]:
    given = {**FIELDS, **{name.replace("__", "."): value for name, value in fields.items()}}
    words = ("--seed", 5, "--steps", STEPS, *words)
    return ["train", game, "--run", folder, "--quiet", *words, *options(given)]


def carry_out(words: list[object]) -> None:
    assert main([*map(str, words)]) == 0


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two players at rest, with a handful of generations. Read it only."""
    folder = tmp_path_factory.mktemp("old") / "old"
    carry_out(train(folder, "--league", "population", league__players="main,main-2"))
    return folder


@pytest.fixture
def fails(capsys: pytest.CaptureFixture[str], tmp_path: Path):  # type: ignore[no-untyped-def]
    """Carries out a `train` that is wrong usage: status 2, one line, nothing made."""

    def check(words: list[object], *patterns: str) -> None:
        capsys.readouterr()
        before = {*tmp_path.iterdir()}
        assert main([*map(str, words)]) == 2
        assert_one_line(capsys.readouterr().err, *patterns)
        assert {*tmp_path.iterdir()} == before

    return check


def snapshots(folder: Path) -> dict[str, Snapshot]:
    with open_store(RunFolder.open(folder)) as store:
        return {snapshot.name: snapshot for snapshot in store.snapshots()}


def ledger(store: Store) -> Ledger:
    return Ledger.from_json(store.fold() or "")


def files(folder: Path) -> dict[str, str]:
    """What a run is made of, by the hash of its contents."""
    parts = [*folder.glob("*.json"), *(folder / "snapshots").rglob("*"), *(folder / "checkpoints").rglob("*")]
    parts += (folder / "archive").rglob("*")
    return {str(path): sha256(path.read_bytes()).hexdigest() for path in parts if path.is_file()}


def test_a_branch_takes_over_ancestors_and_goes_on(old: Path, tmp_path: Path) -> None:
    before, made_of = record(old), files(old)
    branch = tmp_path / "branch"
    carry_out(
        train(
            branch, "--league", "population", "--initialize-from", f"{old}@2", league__players="main,main-2"
        )
    )
    assert (record(old), files(old)) == (before, made_of), "the other run was changed"
    assert_healthy(branch)
    theirs, ours = snapshots(old), snapshots(branch)
    for name in ("main", "main-2"):
        assert [ours[f"{name}@{g}"] for g in range(3)] == [theirs[f"{name}@{g}"] for g in range(3)]
        first = ours[f"{name}@3"]
        assert first.parent == f"{name}@2"
        assert theirs[f"{name}@2"].steps < first.steps
        assert first.sha256 != theirs[f"{name}@3"].sha256
    with open_store(RunFolder.open(old)) as store:
        there = ledger(store)
    with open_store(RunFolder.open(branch)) as store:
        here, players = ledger(store), store.players()
        assert sum(player.steps for player in players.values()) >= STEPS + sum(
            theirs[f"{name}@2"].steps for name in players
        )
    ancestors = ["main@0", "main-2@0", "main@1", "main-2@1", "main@2", "main-2@2"]
    met = there.tally.pairs([*ancestors, "random"])
    assert met.wins.sum() > 0
    old_games = {
        (a, b): there.tally.counts(a, b)
        for a in ancestors
        for b in ancestors
        if there.tally.counts(a, b).games
    }
    for (a, b), counts in old_games.items():
        assert here.tally.counts(a, b).games >= counts.games
        assert here.tally.counts(a, b).wins >= counts.wins


def test_it_begins_by_the_weights_and_the_results_of_that_generation(old: Path, tmp_path: Path) -> None:
    """Killed before its first round, a branch shows what it took over, and nothing more."""
    branch = tmp_path / "branch"
    words = train(branch, "--initialize-from", f"{old}:main@2")
    league_until((3, "play", 1), *words, file=tmp_path / "done")
    run = RunFolder.open(branch)
    theirs = snapshots(old)
    with open_store(run) as store:
        player, point = store.players()["main"], store.checkpoints()["main"]
        played, taken = results(branch, store), ledger(store)
    assert (player.generation, player.steps, player.frozen_at) == (3, *[theirs["main@2"].steps] * 2)
    tensors, meta = SnapshotStore(run.checkpoints).read(point.sha256)
    weights, of_theirs = SnapshotStore(old / "snapshots").read(theirs["main@2"].sha256)
    np.testing.assert_array_equal(tensors["mean"], weights["weights"])
    assert all(not array.any() for name, array in tensors.items() if name.startswith("optimizer."))
    assert (meta["version"], meta["steps"]) == (of_theirs["version"], of_theirs["steps"])
    with open_store(RunFolder.open(old)) as store:
        log = results(old, store)
    known = {"main@0", "main@1", "main@2", "random"}
    expected = [one for one in log if {*one.match.nodes.values()} <= known]
    assert len(expected) > 10
    assert [one.outcome.pairs for one in played] == [one.outcome.pairs for one in expected]
    again = Ledger()
    for seq, one in enumerate(expected, 1):
        again.apply(seq, *_renumbered(one, seq))
    assert taken.to_json() == again.to_json()


def _renumbered(result: Any, number: int) -> tuple[Any, Any]:
    from dataclasses import replace

    return replace(result.match, id=number), replace(result.outcome, match=number)


def test_a_branch_is_exact_wherever_it_is_killed_and_needs_the_other_no_more(
    old: Path, tmp_path: Path
) -> None:
    source = shutil.copytree(old, tmp_path / "source")
    words = ["--league", "population", "--initialize-from", f"{source}@2"]
    straight = train(tmp_path / "straight", *words, league__players="main,main-2")
    done = league_until(NEVER, *straight, file=tmp_path / "done")
    whole = record(tmp_path / "straight")
    killed = tmp_path / "killed"
    words = train(killed, *words, league__players="main,main-2")
    copies = done[0]["file"]
    # In the middle of the copies, twice; before and after the results are written; before the players are.
    moments = [(0, "file", copies // 3), (0, "file", 6), (0, "store", 3), (0, "store", 4), (0, "store", 3)]
    for moment in moments:
        league_until(moment, *words, file=tmp_path / "done")
        with open_store(RunFolder.open(killed)) as store:
            assert not store.players(), "it has not begun"
        words = ["resume", killed, "--steps", STEPS]
    league_until((2, "play", 1), *words, file=tmp_path / "done")
    shutil.rmtree(source)
    carry_out(["resume", killed, "--quiet"])
    assert_healthy(killed)
    assert record(killed) == whole


@pytest.mark.parametrize(
    ("source", "patterns"),
    [
        ("OLD", ["--initialize-from .*old", "RUN@12 or RUN:main@12"]),
        ("NOWHERE@2", ["--initialize-from .*nowhere@2", "nowhere does not exist"]),
        ("OLD@99", ["--initialize-from .*old@99", "no generation 99 there: main has 0 to"]),
        ("OLD:mian@2", ["mian", "did you mean main"]),
    ],
)
def test_there_is_no_such_source(fails, old: Path, tmp_path: Path, source: str, patterns: list[str]) -> None:
    text = source.replace("OLD", str(old)).replace("NOWHERE", str(tmp_path / "nowhere"))
    fails(train(tmp_path / "new", "--initialize-from", text), *patterns)


def test_a_source_that_does_not_fit(fails, old: Path, tmp_path: Path) -> None:
    words = ["--initialize-from", f"{old}@2"]
    fails(train(tmp_path / "new", *words, game="kuhn"), "game.name is tictactoe there and kuhn here")
    other = {"learner__network__hidden": "24"}
    fails(train(tmp_path / "new", *words, **other), "network.hidden of main is 16 there and 24 here")
    fails(train(tmp_path / "new", *words, league__players="hero"), "it is of main, main-2, but .* hero")
    fails(train(old, *words, "--force"), "cannot begin from itself")
    assert_healthy(old)


def test_a_source_that_is_damaged(fails, old: Path, tmp_path: Path) -> None:
    source = shutil.copytree(old, tmp_path / "source")
    file = source / "snapshots" / snapshots(old)["main@1"].sha256 / "tensors.safetensors"
    data = bytearray(file.read_bytes())
    data[-20] ^= 1
    file.write_bytes(data)
    fails(train(tmp_path / "new", "--initialize-from", f"{source}@2"), "damaged", r"it is main@1\)")
    carry_out(train(tmp_path / "new", "--initialize-from", f"{source}:main-2@2", league__players="main-2"))


def test_a_resumed_run_takes_no_other_start(fails, old: Path) -> None:
    fails(
        ["train", "tictactoe", "--run", old, "--resume", "--initialize-from", f"{old}@1"], "--initialize-from"
    )


@pytest.fixture(scope="module", params=["inline", "ray"])
def run(request: pytest.FixtureRequest, old: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pretrained") / "run"
    fields = {
        "league__pretrained": f"champion={old}:main@2",
        "learner__network__hidden": "24,24",
        "runtime__runtime": request.param,
        "runtime__actors": 1,
        "league__evaluate_share": 0.2,
    }
    source = shutil.copytree(old, folder.with_name("old"))
    fields["league__pretrained"] = f"champion={source}:main@2"
    done = league(*train(folder, "--league", "pfsp", **fields))
    assert done.returncode == 0, done.stdout + done.stderr
    shutil.rmtree(source)
    return folder


class TestPretrained:
    """A player whose network is another than those of the run, and never changes."""

    def test_its_weights_are_in_the_run(self, run: Path, old: Path) -> None:
        assert_healthy(run)
        with open_store(RunFolder.open(run)) as store:
            champion = store.players()["champion"]
            met = ledger(store).tally.counts("champion", "main@1").games
        assert champion.role is Role.PRETRAINED
        assert champion.weights == snapshots(old)["main@2"].sha256
        assert (run / "snapshots" / champion.weights).is_dir()
        assert met > 0
        config = json.loads((run / "config.json").read_text())["config"]
        assert config["variants"]["champion"]["network"]["hidden"] == [16]

    def test_it_is_ranked_and_can_be_met(self, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
        carry_out(["leaderboard", run, "--json"])
        rows = {row["player"]: row for row in json.loads(capsys.readouterr().out)}
        assert (rows["champion"]["role"], rows["champion"]["generation"]) == ("pretrained", None)
        assert rows["champion"]["games"] > 0
        words = ["--player", "champion", "--against", "main@0", "--games", 200, "--seed", 1, "--json"]
        carry_out(["eval", run, *words])
        assert json.loads(capsys.readouterr().out)["games"] == 200

    def test_it_goes_on_without_the_other_run(self, run: Path) -> None:
        done = league("resume", run, "--steps", 2_000)
        assert done.returncode == 0, done.stdout + done.stderr
        assert_healthy(run)

    def test_a_damaged_file_is_named_and_left_out(self, run: Path, tmp_path: Path) -> None:
        folder = shutil.copytree(run, tmp_path / "run")
        with open_store(RunFolder.open(folder)) as store:
            weights = store.players()["champion"].weights
        file = folder / "snapshots" / weights / "tensors.safetensors"
        file.write_bytes(file.read_bytes()[:-10])
        done = league("resume", folder, "--steps", 20_000)
        assert done.returncode == 0, done.stdout + done.stderr
        with open_store(RunFolder.open(folder)) as store:
            assert "(it is champion)" in "\n".join(store.status()["notes"])


@pytest.mark.parametrize(
    ("entry", "patterns"),
    [
        ("champion", ["pretrained", "'champion'", "NAME=RUN:PLAYER@N"]),
        ("champion=OLD", ["league.pretrained champion=", "RUN@12 or RUN:main@12"]),
        ("champion=OLD@2", ["main, main-2 have one: say whose", "old:main@2"]),
        ("champion=OLD:main@99", ["no generation 99"]),
        ("main=OLD:main@2", ["a name twice: main"]),
        ("Champ=OLD:main@2", ["Champ"]),
    ],
)
def test_a_pretrained_player_that_cannot_be(
    fails, old: Path, tmp_path: Path, entry: str, patterns: list[str]
) -> None:
    fails(train(tmp_path / "new", league__pretrained=entry.replace("OLD", str(old))), *patterns)
