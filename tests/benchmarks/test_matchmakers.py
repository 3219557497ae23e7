"""The pure parts of the experiments on matchmaking; nothing here is trained but in the last, slow test."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from agents.scripted import make_scripted
from agents.scripted_policy import ScriptedPolicy
from benchmarks import alphastar_ablation, jobs, matchmakers
from benchmarks.alphastar_ablation import ARMS, Population, called, population, trained, until
from benchmarks.jobs import Job, paced
from benchmarks.matchmakers import GAMES, RULES, Finding, describe, draw, read, spread, write
from benchmarks.meetings import play, relative_performance
from coordinator.presets import build
from envs.catalogue import make_game
from league.payoff import Payoff
from league.players import Snapshot

FINDING = Finding("kuhn", "psro", 0, 1000, "kuhn-0-x", {"last": 0.1, "mixture": 0.02, "average": 0.05})


def rock_paper_scissors() -> Payoff:
    payoff = Payoff()
    for winner, loser in (("rock", "scissors"), ("scissors", "paper"), ("paper", "rock")):
        payoff.record(winner, loser, 8, 0, 0)
    return payoff


@pytest.mark.parametrize(
    ("home", "away", "value"),
    [
        (["rock"], ["scissors"], 1.0),
        (["rock"], ["rock", "paper", "scissors"], -1.0),
        (["rock", "paper", "scissors"], ["paper", "rock", "scissors"], 0.0),
        # rock loses to paper and beats scissors, paper draws and loses: [[-1, 1], [0, -1]], whose value is
        # ((-1)(-1) - (1)(0)) / (-1 - 1 - 1 - 0) = -1/3, with paper in two games of three
        (["rock", "paper"], ["paper", "scissors"], -1 / 3),
    ],
)
def test_relative_population_performance_by_hand(home: list[str], away: list[str], value: float) -> None:
    assert relative_performance(rock_paper_scissors(), home, away) == pytest.approx((1 + value) / 2)


def test_players_meet_in_either_seat() -> None:
    with make_game("tictactoe", 1) as game:
        spec = game.spec
        acting = {name: ScriptedPolicy(make_scripted(name, spec), spec) for name in ("minimax", "random")}
    payoff = Payoff()
    play("tictactoe", acting, [("minimax", "random"), ("random", "random")], 40, payoff, seed=0)
    met = payoff.counts("random", "minimax")
    assert met.games == 40
    assert met.wins == 0
    assert met.losses > 20


def test_a_run_is_known_by_all_that_it_follows_from() -> None:
    job = Job("matrix:rps", "psro", 0, 1000, ("--league=psro",))
    assert job.folder == replace(job, arm="of another name").folder
    others = [
        replace(job, game="kuhn"),
        replace(job, seed=1),
        replace(job, steps=2000),
        replace(job, options=("--league=pfsp",)),
    ]
    assert len({job.folder, *(other.folder for other in others)}) == 5


@pytest.mark.parametrize("game", GAMES)
@pytest.mark.parametrize("rule", RULES)
def test_every_run_can_be_configured(game: str, rule: str) -> None:
    job = matchmakers.job(game, rule, 0, 1.0)
    fields = dict(option.removeprefix("--").split("=") for option in job.options)
    named, runtime = fields.pop("league"), fields.pop("runtime")
    config = build(game, league=named, flags={"runtime.runtime": runtime, **fields})
    players = [name for name, role in config.league.roles.items() if role.learns]
    assert len(players) == matchmakers.LEARNERS.get(rule, 1)
    assert job.steps % config.runtime.round_steps == 0
    assert config.league.snapshot_steps * jobs.GENERATIONS == job.steps
    assert config.learner.algorithm.anneal_steps * len(players) == job.steps


def test_findings_are_read_as_they_were_written(tmp_path: Path) -> None:
    file = tmp_path / "new" / "findings.json"
    assert read(file) == {}
    findings = {run: replace(FINDING, run=run, seed=seed) for seed, run in enumerate("ba")}
    write(file, findings)
    assert read(file) == findings
    assert len(file.read_text().splitlines()) == 4


def test_what_was_found_before_is_not_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = matchmakers.job("kuhn", "psro", 0, 1.0)
    known = replace(FINDING, run=job.folder)
    write(tmp_path / "found.json", {job.folder: known})
    monkeypatch.setattr(jobs, "league", lambda *arguments: pytest.fail("trained again"))
    assert matchmakers.complete([job], tmp_path / "found.json", tmp_path / "runs", 1) == [known]


def test_a_table_has_a_row_a_rule() -> None:
    findings = [
        FINDING,
        replace(FINDING, seed=1, figures={"last": 0.3, "mixture": 0.04, "average": 0.05}),
        replace(FINDING, rule="pfsp"),
        replace(FINDING, game="connect_four", figures={"elo": 1250.4, "low": 1, "high": 2, "score": 0.5}),
    ]
    exact, rated = describe(findings).split("\n\n")
    assert exact.splitlines()[2:] == [
        "| kuhn | psro | 0.200 (0.100 – 0.300) | 0.030 (0.020 – 0.040) | 0.050 (0.050 – 0.050) |",
        "| kuhn | pfsp | 0.100 (0.100 – 0.100) | 0.020 (0.020 – 0.020) | 0.050 (0.050 – 0.050) |",
    ]
    assert rated.splitlines()[2:] == ["| connect_four | psro | 1250 (1250 – 1250) | 0.500 (0.500 – 0.500) |"]


def test_spread_is_mean_least_and_most() -> None:
    assert spread([0.1, 0.2, 0.6]) == "0.300 (0.100 – 0.600)"
    assert spread([-99.0, 300.4]) == "101 (-99 – 300)"


def test_the_same_figures_make_the_same_plot(tmp_path: Path) -> None:
    rated = replace(FINDING, game="connect_four", figures={"elo": 1250.4, "low": 1, "high": 2, "score": 0.5})
    for name in ("one.svg", "two.svg"):
        draw([FINDING, rated], tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    assert "connect_four" in (tmp_path / "one.svg").read_text()


def frozen(player: str, generation: int, steps: int) -> Snapshot:
    return Snapshot(player, generation, "0" * 64, None, steps, "by hand")


PAST = [
    frozen("main", 1, 100),
    frozen("exploiter", 1, 90),
    frozen("main", 2, 200),
    frozen("exploiter", 2, 190),
]


def test_a_population_is_cut_by_what_its_main_was_trained_on() -> None:
    assert trained(PAST) == 200
    assert until(PAST, 200) == PAST[:3]
    assert until(PAST, 199) == PAST[:1]


def test_a_population_is_led_by_its_newest_main() -> None:
    job = Job("connect_four", "mains", 1, 1000, ())
    found = population(job, PAST)
    assert found.main == called(job, PAST[2]) == "mains, seed 1: main@2"
    assert found.trained == 200
    assert len(set(found.members)) == 4


def test_compositions_side_by_side() -> None:
    populations = [
        Population("mains", 0, "rock", ("rock",), 2_000_000),
        Population("mains", 1, "paper", ("paper",), 2_000_000),
        Population("+ main exploiters", 0, "scissors", ("scissors",), 1_000_000),
    ]
    elos = {"rock": 1300.0, "paper": 1100.0, "scissors": 1200.0}
    rows = alphastar_ablation.describe(populations, elos, rock_paper_scissors()).splitlines()[2:]
    assert rows == [
        "| mains | 2.00 | 1200 (1100 – 1300) | – | 0.500 (0.000 – 1.000) |",
        "| + main exploiters | 1.00 | 1200 (1200 – 1200) | 0.500 (0.000 – 1.000) | – |",
    ]


def test_compositions_leave_out_whom_they_say() -> None:
    for arm, (players, options) in ARMS.items():
        fields = dict(option.removeprefix("--").split("=") for option in options)
        config = build("connect_four", league="alphastar", flags=fields)
        assert sum(role.learns for role in config.league.roles.values()) == players, arm
    assert "--learner.algorithm.anneal-steps=250" in paced(1000, 4)


@pytest.mark.slow
def test_the_experiment_in_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--games", "matrix:rps", "kuhn", "--rules", "psro", "--seeds", "1", "--scale", "0.02"]
    monkeypatch.setattr(sys, "argv", ["x", *arguments, f"--runs={tmp_path}/runs", f"--out={tmp_path}/out"])
    assert matchmakers.main() == 0
    first = capsys.readouterr().out
    assert first.count("trained") == 2
    monkeypatch.setattr(jobs, "league", lambda *arguments: pytest.fail("trained again"))
    assert matchmakers.main() == 0
    assert capsys.readouterr().out.splitlines()[-4:] == first.splitlines()[-4:]
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["matchmakers.json"]
    found = read(tmp_path / "runs" / "matchmakers.json").values()
    assert all(0 <= figure <= 4 for one in found for figure in one.figures.values())
