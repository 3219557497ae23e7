"""Every learning system is a valid configuration that trains, and goes on exactly after a stop."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coordinator.config import RunConfig
from coordinator.first_players import first_players
from coordinator.limits import check_age, check_memory, check_round
from coordinator.metrics import read_metrics
from coordinator.options import OptionError
from coordinator.presets import PRESETS, build
from coordinator.run_folder import RunFolder
from coordinator.run_store import open_store
from coordinator.snapshots import SnapshotStore
from dashboards.cli import main
from envs.catalogue import make_game
from envs.game import Box, GameSpec
from tests.e2e.runs import NEVER, assert_healthy, assert_one_line, league, league_until, options, record

GAMES = [
    "connect_four",
    "tictactoe",
    "kuhn",
    "matrix:rps",
    "repeated_rps",
    "gymnasium:CartPole-v1",
    "gymnasium:Pendulum-v1",
]
OF_CHOICES = {"dqn", "gorila", "ape_x", "r2d2", "seed_r2d2", "rnad"}
"""Those for actions that are one choice of a few."""
APART = {"a3c", "gorila", "seed", "seed_r2d2"}
"""Those that are made of processes."""
TINY = {
    "runtime.runtime": "inline",
    "runtime.round_steps": 500,
    "learner.network.hidden": "16",
    "learner.algorithm.batch": 8,
    "learner.buffer.least": 20,
    "learner.buffer.capacity": 100,
    "rollout.copies": 16,
    "rollout.unroll": 12,
    "league.episodes": 8,
    "league.snapshot_steps": 500,
    "league.snapshot_min_steps": 300,
}
INLINE = [name for name in PRESETS if name not in APART]


def spec_of(game: str) -> GameSpec:
    with make_game(game, 1) as made:
        return made.spec


def check(config: RunConfig, spec: GameSpec) -> None:
    """All that a start of a run asks of a configuration."""
    learners = [player for player in first_players(config, spec).values() if player.role.learns]
    check_memory(config, spec, learners)
    check_age(config, spec, learners)
    check_round(config, spec, learners)


@pytest.mark.parametrize("game", GAMES)
def test_every_system_is_a_configuration_of_every_game(game: str) -> None:
    spec = spec_of(game)
    for preset in PRESETS:
        config = build(game, preset=preset)
        assert config.learner.algorithm.batch > 0
        if preset in OF_CHOICES and isinstance(spec.actions, Box):
            told = r"policy_loss is \w+, but must be gradient, ppo or impact in gymnasium:Pendulum-v1, whose"
            with pytest.raises(OptionError, match=told):
                check(config, spec)
        else:
            check(config, spec)


@pytest.mark.parametrize("preset", INLINE)
def test_a_system_in_step_is_one_inline(preset: str) -> None:
    check(build("tictactoe", preset=preset, flags=TINY), spec_of("tictactoe"))


@pytest.mark.parametrize("preset", sorted(APART))
def test_what_is_made_of_processes_is_none_inline(preset: str) -> None:
    with pytest.raises(OptionError, match=r"but must be .* with runtime"):
        build("tictactoe", preset=preset, flags=TINY)


REFUSED: dict[str, tuple[str, dict[str, object], str]] = {
    "values of a team": (
        "ape_x",
        {"learner.cooperation": "joint"},
        r"cooperation is joint, but must be independent with algorithm\.policy_loss q",
    ),
    "a replay for policies": (
        "impala",
        {"learner.buffer.kind": "prioritized"},
        r"buffer\.kind is prioritized, but must be queue or circular with algorithm\.policy_loss gradient",
    ),
    "single decisions of a queue": (
        "impala",
        {"learner.buffer.transitions": True},
        r"buffer\.transitions is true, but must be false with buffer\.kind queue",
    ),
    "single decisions with a memory": (
        "ape_x",
        {"learner.network.lstm": 8},
        r"buffer\.transitions is true, but must be false with network\.lstm 8",
    ),
    "a burn-in of no memory": (
        "r2d2",
        {"learner.network.lstm": 0},
        r"q\.burn_in is 8, but must be 0 with network\.lstm 0",
    ),
    "columns that never move on": (
        "r2d2",
        {"rollout.unroll": 8},
        r"rollout\.unroll is 8, but must be above 8: .* q\.burn_in rows",
    ),
    "windows longer than columns": (
        "ape_x",
        {"rollout.unroll": 2},
        r"rollout\.unroll is 2, but must be above 2: .* \(q\.steps - 1",
    ),
    "nobody to wait for": ("ppo", {"runtime.quorum": 0.0}, r"quorum is 0\.0, but must lie in \(0, 1\]"),
    "more than all": ("dd_ppo", {"runtime.quorum": 1.5}, r"quorum is 1\.5, but must lie in \(0, 1\]"),
    "a target without a cost": (
        "ppo",
        {"learner.algorithm.kl_target": 0.1},
        r"kl_target is 0\.1 and kl_cost 0, but",
    ),
    "divergence of a gradient": (
        "impala",
        {"learner.algorithm.kl_cost": 0.1},
        r"kl_cost is 0\.1, but must be 0 with policy_loss gradient: it is part of ppo or impact only",
    ),
    "a magnet beside a target network": (
        "impact",
        {"learner.algorithm.magnet_cost": 0.1},
        r"magnet_cost is 0\.1, but must be 0 with policy_loss impact",
    ),
    "a dual clip that is none": (
        "ppo",
        {"learner.algorithm.dual_clip": 0.5},
        r"dual_clip is 0\.5, but must be above 1, or 0",
    ),
    "uncorrected targets of older policies": (
        "impact",
        {"learner.algorithm.targets": "gae"},
        r"targets is gae, but must be vtrace with policy_loss impact",
    ),
    "upgoing returns, not corrected": (
        "batched_a2c",
        {"learner.algorithm.upgo_cost": 1.0},
        r"upgo_cost is 1\.0, but must be 0 with targets gae",
    ),
    "no steps": ("ape_x", {"learner.q.steps": 0}, r"steps is 0, but must be at least 1"),
    "chances above one": ("ape_x", {"learner.q.exploration": 1.5}, r"exploration is 1\.5, .* \[0, 1\]"),
    "a replay that is never full enough": (
        "ape_x",
        {"learner.buffer.capacity": 10},
        r"least is 100 and capacity 10, but",
    ),
    "no draws": ("ape_x", {"learner.buffer.ratio": 0.0}, r"ratio is 0\.0, but must be above 0"),
    "no passes": ("ppo", {"learner.buffer.passes": 0}, r"passes is 0, but must be at least 1"),
    "gradients of passes": (
        "ppo",
        {"runtime.shipment": "gradients", "runtime.coordination": "async"},
        r"buffer\.kind is circular, but must be queue or prioritized with runtime\.shipment gradients",
    ),
    "gradients that are tuned": (
        "a3c",
        {"pbt.period": 1000, "pbt.tuned": ("entropy_cost",)},
        r"pbt\.tuned has entropy_cost, but must be learning_rate alone with runtime\.shipment gradients",
    ),
    "gradients to a teacher": (
        "a3c",
        {"learner.algorithm.magnet_cost": 0.5},
        r"magnet_cost is 0\.5, but must be 0 with runtime\.shipment gradients",
    ),
    "two learners and gradients": (
        "a3c",
        {"runtime.learners": 2},
        r"runtime\.shipment is gradients, but must be trajectories with runtime\.learners 2",
    ),
    "two learners and a server": (
        "seed",
        {"runtime.learners": 2},
        r"runtime\.inference is central, but must be actor with runtime\.learners 2",
    ),
    "two learners and replays": (
        "ape_x",
        {"runtime.learners": 2},
        r"buffer\.kind is prioritized, but must be queue or circular with runtime\.learners 2",
    ),
    "two learners of three players": (
        "ppo",
        {"runtime.learners": 2, "league.matchmaker": "population", "league.players": ("a", "b", "c")},
        r"runtime\.learners is 2, but must be 1 where 3 players learn \(a, b, c\)",
    ),
    "two learners of three actors": (
        "ppo",
        {"runtime.learners": 2, "runtime.actors": 3},
        r"runtime\.actors is 3, but must be a multiple of runtime\.learners 2",
    ),
    "gradients in step": (
        "batched_a2c",
        {"runtime.shipment": "gradients"},
        r"runtime\.coordination is sync, but must be async with runtime\.shipment gradients",
    ),
    "a server that all wait for": (
        "ppo",
        {"runtime.inference": "central"},
        r"inference is central, but must be actor with coordination sync",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_makes_no_sense_is_refused_with_field_value_and_what_is_allowed(what: str) -> None:
    preset, flags, told = REFUSED[what]
    with pytest.raises(OptionError, match=told) as refused:
        build("tictactoe", preset=preset, flags=flags)
    assert "\n" not in str(refused.value)


def test_a_user_reads_it_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "gymnasium:Pendulum-v1", "--preset", "ape_x", "--run", str(tmp_path / "run"), "--quiet"]
    assert main([*words, "--runtime", "inline", "--steps", "1"]) == 2
    assert_one_line(capsys.readouterr().err, "policy_loss is q, but must be gradient, ppo or impact")


def test_presets_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["presets"]) == 0
    listed = capsys.readouterr().out
    assert all(f" {name} " in listed for name in PRESETS)


# Runs.


def train(game: str, preset: str, folder: Path, steps: int, **more: object) -> list[str]:
    flags = options({**TINY, **more})
    words = ["train", game, "--preset", preset, "--run", folder, "--seed", 3, "--steps", steps, "--quiet"]
    return [*map(str, words), *flags]


def weights_of(folder: Path) -> dict[str, Any]:
    """Tensors of main's newest checkpoint."""
    run = RunFolder.open(folder)
    with open_store(run) as store:
        return dict(SnapshotStore(run.checkpoints).read(store.checkpoints()["main"].sha256)[0])


def trains(game: str, preset: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A tiny run updates, learns from every decision once, and says what it did."""
    assert main(train(game, preset, folder, 500)) == 0
    assert_healthy(folder)
    capsys.readouterr()
    assert main(["status", str(folder), "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert 500 <= status["steps"] < 2000
    assert status["updates"] == status["players"]["main"]["version"] >= 5
    rows = [row for row in read_metrics(folder / "metrics") if "main/entropy" in row]
    assert rows
    assert {f"main/{name}" for name in ("policy_lag", "value_loss", "divergence", "rho")} <= rows[-1].keys()
    tensors = weights_of(folder)
    assert all(np.isfinite(tensor).all() for name, tensor in tensors.items() if not name.startswith("buffer"))
    if preset == "dppo":
        assert max(row["main/divergence"] for row in rows) > 0
    if preset in ("ape_x", "r2d2", "dqn"):
        assert any(name.startswith("buffer.") for name in tensors)
        assert any(name.startswith("model.target.") for name in tensors)


@pytest.mark.parametrize("preset", INLINE)
def test_it_trains(preset: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trains("tictactoe", preset, tmp_path / "run", capsys)


@pytest.mark.slow
@pytest.mark.parametrize("preset", INLINE)
@pytest.mark.parametrize("game", ["gymnasium:CartPole-v1", "kuhn", "gymnasium:Pendulum-v1"])
def test_it_trains_elsewhere(
    game: str, preset: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if game.startswith("gymnasium:Pendulum") and preset in OF_CHOICES:
        pytest.skip("its actions are numbers")
    trains(game, preset, tmp_path / "run", capsys)


EXACT = ["impact", "ape_x", "ppo", "r2d2"]


@pytest.mark.parametrize(
    "preset", [*EXACT[:2], *(pytest.param(preset, marks=pytest.mark.slow) for preset in EXACT[2:])]
)
def test_two_halves_make_the_whole(preset: str, tmp_path: Path) -> None:
    """Also of what waited in a buffer between them."""
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    assert main(train("tictactoe", preset, whole, 1000)) == 0
    assert main(train("tictactoe", preset, halves, 500)) == 0
    half = record(halves)
    assert main(["resume", str(halves), "--steps", "500", "--quiet"]) == 0
    assert record(halves) == record(whole)
    assert 0 < half.results < record(whole).results
    assert half.checkpoints != record(whole).checkpoints


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("preset", EXACT)
def test_killed_and_resumed_it_is_the_same(preset: str, tmp_path: Path) -> None:
    """In mid-round, so that what was played since the last commit is played again."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    done = league_until(NEVER, *train("tictactoe", preset, whole, 3000), file=tmp_path / "done")
    rounds = len(done)
    words: list[object] = [*train("tictactoe", preset, killed, 3000)]
    for commits in (3, 2):
        league_until((commits, "play", 5), *words, file=tmp_path / "done")
        assert_healthy(killed)
        words = ["resume", killed]
    finished = league("resume", killed)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert rounds > 5, "it must be killed in mid-run"
    assert record(killed) == record(whole)
