"""The command line, as a person and a program meet it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from coordinator.run_folder import RunFolder
from dashboards.cli import main
from dashboards.training import program
from tests.dashboards.conftest import ALARM


def run_json(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    assert main([*map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_leaderboard_json(resting: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = run_json(capsys, "leaderboard", resting)
    assert list(rows[0]) == [
        "player",
        "generation",
        "role",
        "elo",
        "elo_low",
        "elo_high",
        "games",
        "wins",
        "draws",
        "losses",
        "nash",
        "alpha_rank",
    ]
    assert {(row["player"], row["generation"]) for row in rows} == {
        *(("main", g) for g in range(5)),
        ("random", None),
    }
    assert [row["elo"] for row in rows] == sorted((row["elo"] for row in rows), reverse=True)
    assert rows[-1]["player"] == "random"
    assert all(row["elo_low"] < row["elo"] < row["elo_high"] for row in rows)
    assert sum(row["games"] for row in rows) == 2 * 40 * 32


def test_status_json(resting: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = run_json(capsys, "status", resting)
    assert report == {
        "run": str(resting),
        "state": "stopped",
        "steps": 5000,
        "updates": 40,
        "seconds": 61.5,
        "steps_per_second": 81.3,
        "policy_lag": 1.25,
        "players": {"main": {"role": "main", "team": None, "generation": 4, "steps": 5000, "version": 40}},
        "actors": {},
        "matches": {"ready": 1, "leased": 1, "done": 40, "parked": 1},
        "stages": {"learner": {"loss": 0.4, "waiting": 0.25}, "actor": {"game": 0.5, "inference": 0.3}},
        "forfeits": {},
        "forgetting": [ALARM],
    }


def test_matches_json(resting: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = run_json(capsys, "matches", resting)
    assert [row["id"] for row in rows] == list(range(1, 44))
    assert [row["state"] for row in rows[-4:]] == ["done", "parked", "leased", "ready"]
    assert list(rows[0]) == ["id", "purpose", "state", "teams", "reason", "outcome"]
    assert rows[0]["outcome"]["episodes"] == 32
    assert rows[40]["outcome"] == {"failures": 3, "why": "the game raised <ZeroDivisionError>"}
    assert rows[41]["outcome"] is None
    assert [row["id"] for row in run_json(capsys, "matches", resting, "--last", 2)] == [42, 43]


def test_snapshots_json(resting: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = run_json(capsys, "snapshots", resting)
    assert [row["generation"] for row in rows] == [0, 1, 2, 3]
    assert rows[1] == {
        "player": "main",
        "generation": 1,
        "sha256": f"{1:064x}",
        "parent": "main@0",
        "steps": 1000,
        "reason": "beat its past",
        "path": str(resting / "snapshots" / f"{1:064x}"),
    }


def test_doctor_fails_where_an_invariant_is_broken(resting: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The made-up snapshots have no files."""
    assert main(["doctor", str(resting), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is False
    assert any(not check["ok"] and check["name"] == "snapshots" for check in report["checks"])
    assert main(["doctor", str(resting)]) == 1
    assert "BROKEN" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("leaderboard", ["main@3", "random", "±"]),
        (
            "status",
            [
                "stopped",
                "40 done",
                "1 parked",
                "5.00k steps",
                "loss 40%, waiting 25%",
                "main@4 forgets main@1",
            ],
        ),
        ("matches", ["past: main@3, one of 4", "the game raised <ZeroDivisionError>", "parked"]),
        ("snapshots", ["main@2", "beat its past"]),
    ],
)
def test_tables_for_people(
    resting: Path, capsys: pytest.CaptureFixture[str], command: str, shown: list[str]
) -> None:
    assert main([command, str(resting)]) == 0
    out = capsys.readouterr().out
    for words in shown:
        assert words in out


def test_the_leaderboard_says_who_still_learns_and_what_elo_hides(
    resting: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["leaderboard", str(resting)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines if " learning " in line] == ["main@4"]
    assert lines[-1].startswith("Elo")
    assert "decided triples is cyclic." in lines[-1]


def test_matches_that_nobody_began_are_only_counted(
    resting: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["matches", str(resting), "--last", "3"]) == 0
    out = capsys.readouterr().out
    numbers = [line.split()[0] for line in out.splitlines()[1:] if line]
    assert numbers == ["38", "39", "40", "41", "42", "1"]
    assert "1 more match made and not begun." in out


@pytest.mark.parametrize(
    ("called", "on_path", "shown"),
    [
        (".venv/bin/league", None, ".venv/bin/league"),
        ("/opt/a folder/league", None, "'/opt/a folder/league'"),
        ("/opt/league", "/opt/league", "league"),
        ("/usr/bin/pytest", None, "league"),
    ],
)
def test_the_next_commands_can_be_typed_as_they_stand(
    called: str, on_path: str | None, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", [called])
    monkeypatch.setattr("shutil.which", lambda name: on_path)
    assert program() == shown


def test_a_run_that_was_killed_is_interrupted(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from coordinator.run_store import serve_store

    with serve_store(RunFolder.open(copied)) as (store, _):
        store.begin_epoch()
        store.set_state("running")
        assert run_json(capsys, "status", copied)["state"] == "running"
    assert run_json(capsys, "status", copied)["state"] == "interrupted"


@pytest.mark.parametrize(
    ("player", "message"),
    [
        ("mian", "unknown player mian: did you mean main?"),
        ("main@77", "unknown player main@77: did you mean main@"),
        ("zzz", "unknown player zzz: known are main, random, minimax, mcts:N"),
    ],
)
def test_a_misspelt_player_is_wrong_usage(
    resting: Path, capsys: pytest.CaptureFixture[str], player: str, message: str
) -> None:
    assert main(["eval", str(resting), "--player", player, "--against", "random", "--seed", "1"]) == 2
    assert message in capsys.readouterr().err


def test_eval_passes_its_options_on(
    resting: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    seat = {"games": 5, "wins": 4, "draws": 1, "losses": 0, "score": 0.9}
    report = {"player": "main", "against": "main@0", **seat, "score_low": 0.7, "score_high": 0.97}
    report |= {"games": 10, "as_first": seat, "as_second": seat}

    def play(run: RunFolder, store: object, *options: object, **named: object) -> dict[str, object]:
        asked.extend([run.path, *options, named])
        return report

    monkeypatch.setattr("coordinator.evaluation.evaluate", play)
    arguments = ["eval", str(resting), "--player", "main", "--against", "main@0", "--games", "10", "--greedy"]
    assert main([*arguments, "--seed", "3", "--json"]) == 0
    assert asked == [resting.resolve(), "main", "main@0", 10, {"seed": 3, "greedy": True}]
    out, err = capsys.readouterr()
    assert (json.loads(out), err) == (report, "")
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    assert "score 0.900, 95 % interval 0.700 to 0.970" in out
    assert err.startswith("seed ")


@pytest.mark.slow
def test_train_stop_resume_and_what_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    small = ["--rollout.copies", "64", "--runtime.round-steps", "2000", "--learner.algorithm.batch", "16"]
    assert main(["train", "tictactoe", "--runtime", "inline", "--steps", "4000", *small]) == 0
    out = capsys.readouterr().out
    assert out.startswith("tictactoe in runs/tictactoe-1, seed ")
    assert "Reached its goal" in out
    assert "league resume runs/tictactoe-1 --seconds 60" in out
    assert main(["resume", "runs/tictactoe-1", "--steps", "2000", "--quiet"]) == 0
    capsys.readouterr()
    report = run_json(capsys, "status", "runs/tictactoe-1")
    assert report["state"] == "finished"
    assert report["steps"] >= 6000
    rows = run_json(capsys, "leaderboard", "runs/tictactoe-1")
    assert {row["player"] for row in rows} == {"main", "random"}
    run_json(capsys, "doctor", "runs/tictactoe-1")


def test_envs_and_presets_json(capsys: pytest.CaptureFixture[str]) -> None:
    games = {row["name"]: row for row in run_json(capsys, "envs")}
    assert games["connect_four"]["teams"] == "first, second"
    presets = run_json(capsys, "presets")
    assert {"name", "option", "description"} == set(presets[0])
    assert {"impala", "self_play", "population"} <= {row["name"] for row in presets}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("trian", "unknown command trian: did you mean train?"),
        ("zzz", "unknown command zzz: known are train, resume, leaderboard"),
        ("train", "required: ENV (see league train --help)"),
        ("train conect_four", "did you mean connect_four?"),
        ("train connect_four --sede 5", "unknown option --sede: did you mean --seed?"),
        ("train connect_four --qqq 5", "unknown option --qqq: see league train --help"),
        (
            "train tictactoe --league.latest-probabilty 0.5",
            "unknown option --league.latest-probabilty 0.5: did you mean --league.latest-probability?",
        ),
        (
            "train --league.latest-probability x tictactoe",
            "--league.latest-probability x: must be a number",
        ),
        ("train tictactoe --league.window", "--league.window: needs a value, like --league.window VALUE"),
        ("train tictactoe --steps many", "--steps: 'many' must be a whole number from 1"),
        ("train tictactoe --seconds -1", "--seconds: '-1' must be a number of seconds above 0"),
        ("train tictactoe --seed 1.5", "--seed: '1.5' must be a whole number from 0"),
        ("train tictactoe --actors 0", "--actors: '0' must be a whole number from 1"),
        ("train tictactoe --runtime inlin", "--runtime: invalid choice: 'inlin'"),
        ("train tictactoe --resume --force", "not allowed with argument"),
        ("train tictactoe --preset imapla", "did you mean impala?"),
        ("train tictactoe --resume", "--resume: say which run by --run DIR"),
        ("train tictactoe --run x --resume --seed 1", "--seed: a run goes on as it was configured"),
        ("train tictactoe --config nowhere.yaml", "config file nowhere.yaml: cannot be read"),
        ("train tictactoe --learner.algorithm.rho-bar 0.5", "rho_bar 0.5 is below c_bar 1.0"),
        ("leaderboard", "required: DIR"),
        ("leaderboard x --jsn", "unknown option --jsn: did you mean --json?"),
        ("status x y", "y: unexpected (see league status --help)"),
        ("dashboard x --port 99999", "--port: '99999' must be a port"),
        ("--jsno", "unknown option --jsno: see league --help"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(
    arguments: str,
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("league: error: ")
    assert err.count("\n") == 1
    assert message in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "command", ["leaderboard", "status", "matches", "snapshots", "doctor", "resume", "dashboard"]
)
def test_a_folder_that_is_no_run_is_one_line_and_status_1(
    command: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main([command, str(tmp_path / "nowhere")]) == 1
    assert main([command, str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.startswith("league: error: ") for line in err.splitlines()] == [True, True]


def test_training_refuses_a_folder_that_holds_a_run(
    resting: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(resting.rglob("*"))
    assert main(["train", "tictactoe", "--run", str(resting)]) == 1
    assert "holds a run already" in capsys.readouterr().err
    assert sorted(resting.rglob("*")) == before


def test_resume_by_train_checks_the_game(resting: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "connect_four", "--run", str(resting), "--resume"]) == 2
    assert f"connect_four: the run in {resting} plays tictactoe" in capsys.readouterr().err


def test_a_config_file_is_a_layer_under_the_flags(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("league: {window: 5, latest_probability: 0.25}\nseed: 11\n")
    arguments = ["train", "tictactoe", "--config", str(file), "--league.window=7", "--help-config"]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert "--league.window 7\n    " in out
    assert "--league.latest-probability 0.25\n" in out
    assert "--seed 11\n" in out


def test_a_config_file_with_an_unknown_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("leage: {window: 5}\n")
    assert main(["train", "tictactoe", "--config", str(file)]) == 2
    assert "unknown field leage: did you mean league?" in capsys.readouterr().err


def test_help_exits_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["--help"], ["train", "--help"]):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 0
        assert "league train connect_four" in capsys.readouterr().out


def test_help_and_mistakes_import_nothing_heavy() -> None:
    code = (
        "import sys; from dashboards.cli import main; main(['trian']); "
        "heavy = {'torch', 'ray', 'pettingzoo', 'redis', 'numpy', 'scipy', 'rich', 'starlette'}; "
        "print(*heavy & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_reading_a_run_imports_neither_torch_nor_ray(resting: Path) -> None:
    code = (
        f"import sys; from dashboards.cli import main; main(['leaderboard', {str(resting)!r}]); "
        "assert not {'torch', 'ray', 'pettingzoo'} & set(sys.modules), 'heavy'"
    )
    subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


def test_a_reader_that_leaves_is_no_traceback() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "dashboards.cli", "envs", "--json"],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(write)
    assert done.stderr == ""
    assert done.returncode == 1


@pytest.mark.parametrize(("typed", "field"), [("auto", "0"), ("3", "3")])
def test_actors_are_a_number_or_as_cores_allow(
    typed: str, field: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "tictactoe", "--actors", typed, "--help-config"]) == 0
    assert f"--runtime.actors {field}\n" in capsys.readouterr().out


def test_actors_are_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "tictactoe", "--actors", "many"]) == 2
    assert (
        "--actors: 'many' must be a whole number from 1, like 1000 or 1e6, or auto" in capsys.readouterr().err
    )
