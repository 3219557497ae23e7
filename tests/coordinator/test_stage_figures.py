"""What processes are busy with goes from where it is measured to metrics, status and JSON."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from agents import stages
from agents.stages import WAITING
from coordinator.figures import mean_shares
from coordinator.learner_loop import LearnerLoop
from coordinator.metrics import read_metrics
from coordinator.presets import build
from dashboards.cli import main
from dashboards.tables import show_processes
from envs.catalogue import make_game
from league.players import Player
from tests.e2e.runs import SMALL, options

LEARNER = {"learning", "publishing", "checkpoint"}
"""Of its loop; what it learns by has stages of its own."""
ACTOR = {"game", "inference", "sampling", "storage", "results"}


def test_the_mean_of_actors_leaves_out_who_has_not_spoken() -> None:
    means = mean_shares([{"game": 0.5, "waiting": 0.25}, {}, {"game": 0.25}])
    assert means == {"game": 0.375, "waiting": 0.125}
    assert mean_shares([{}, {}]) == {}


def test_an_inline_run_tells_what_it_is_busy_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stages, "PERIOD", 0.0)
    folder = tmp_path / "run"
    words = ["train", "tictactoe", "--run", folder, "--quiet", "--seed", 1, "--steps", 20_000]
    fields = {**SMALL, "runtime.runtime": "inline"}
    assert main([*map(str, words), *options(fields)]) == 0
    capsys.readouterr()
    rows = read_metrics(folder / "metrics")
    named = {name for name in rows[-1] if name.startswith("stage/")}
    assert {f"stage/actor/{name}" for name in ACTOR} <= named
    assert {f"stage/learner/{name}" for name in LEARNER} <= named
    assert main(["status", str(folder), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["stages"]
    assert set(told["actor"]) == ACTOR
    assert set(told["learner"]) >= LEARNER
    assert all(0 <= share <= 1 for shares in told.values() for share in shares.values())


def test_a_learner_process_measures_the_thread_that_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "PERIOD", 0.0)
    with make_game("tictactoe", 1) as game:
        spec = game.spec
    loop = LearnerLoop(build("tictactoe"), spec, {"main": Player("main")}, {}, folder=tmp_path, core=None)
    try:
        while not loop.progress().stages.get(WAITING):
            time.sleep(0.01)  # a wait for shipments ends by itself, and is counted then
    finally:
        loop.stop()


def test_status_shows_learner_and_every_actor(capsys: pytest.CaptureFixture[str]) -> None:
    beats = {"actor-0.1.1": {"stages": {"game": 0.5, "inference": 0.3, "store": 0.001}}, "actor-1.1.2": {}}
    known = {"learner": {"loss": 0.4, "backward": 0.35, "waiting": 0.2}, "actor": {"game": 0.5}}
    show_processes({"actors": beats, "stages": known})
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert [line.split()[0] for line in lines[1:]] == ["process", "learner", "actor-0.1.1"]
    assert lines[2].endswith("75%  loss 40%, backward 35%, waiting 20%")
    assert lines[3].endswith("80%  game 50%, inference 30%")


def test_status_of_a_run_that_knows_nothing_yet_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    show_processes({"actors": {}, "stages": {}})
    assert capsys.readouterr().out == ""
