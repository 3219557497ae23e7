"""A snapshot that fails its verification is named and met no more, and the run goes on without it."""

from __future__ import annotations

from pathlib import Path

import pytest

from coordinator.run_folder import RunFolder
from coordinator.run_store import open_store
from dashboards.cli import main
from tests.e2e.runs import SMALL, options, results

FIELDS = {
    **SMALL,
    "league.matchmaker": "fictitious",
    "league.evaluate_share": 0.0,
    "league.snapshot_steps": 10**9,
    "league.gate": "time",
    "runtime.round_steps": 2_000,
    "runtime.runtime": "inline",
}
"""Everybody meets `main@0`, the only snapshot."""


@pytest.mark.parametrize("damage", ["a bit", "all of it"])
def test_the_only_opponent_is_damaged(damage: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    words = ["train", "tictactoe", "--run", folder, "--quiet", "--steps", 2_000, *options(FIELDS)]
    assert main([str(word) for word in words]) == 0
    with open_store(RunFolder.open(folder)) as store:
        (snapshot,) = store.snapshots()
        before = len(results(folder, store))
    (tensors,) = (RunFolder.open(folder).snapshots / snapshot.sha256).glob("*.safetensors")
    data = bytearray(tensors.read_bytes())
    data[-3] ^= 4
    tensors.write_bytes(data) if damage == "a bit" else tensors.unlink()
    assert main(["resume", str(folder), "--quiet", "--steps", "2000"]) == 0
    with open_store(RunFolder.open(folder)) as store:
        notes = store.status()["notes"]
        later = results(folder, store)[before:]
        assert sum(player.steps for player in store.players().values()) >= 4_000
    assert sum("main@0" in note for note in notes) == 1, "named, and once"
    assert later
    assert {tuple(result.match.teams.values()) for result in later} == {("main", "main")}
    assert later[0].match.reason["branch"] == "latest, for want of a past"
