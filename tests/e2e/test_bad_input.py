"""What users may get wrong: one line with field, value and what is allowed; status 2 for wrong usage."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from coordinator.options import to_plain
from coordinator.presets import build
from coordinator.run_folder import RunFolder
from coordinator.run_store import serve_store
from coordinator.store import Commit
from dashboards.cli import main
from league.players import Player
from tests.e2e.runs import assert_one_line

INLINE = ["--runtime", "inline", "--quiet"]


@pytest.fixture
def fails(capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    """Carries out a command and checks its exit status and its one line."""

    def check(status: int, words: list[object], *patterns: str) -> None:
        assert main([str(word) for word in words]) == status
        out, err = capsys.readouterr()
        assert_one_line(err, *patterns)
        assert "league: error" not in out

    return check


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A run that nobody has trained yet."""
    return RunFolder.create(tmp_path / "run", to_plain(build("tictactoe")))


@pytest.mark.parametrize(
    ("words", "patterns"),
    [
        (["train", "conect_four"], ["conect_four", "did you mean connect_four"]),
        (["train", "matrix:rsp"], ["matrix:rsp", "did you mean matrix:rps"]),
        (["train", "pettingzoo:classic/tictacto_v3"], ["did you mean pettingzoo:classic/tictactoe"]),
        (["train", "gymnasium:CartPole-v9"], ["gymnasium:CartPole-v9", "CartPole-v1"]),
        (["train", "no_such_module:env"], ["no_such_module"]),
        (["train", "tests.e2e.envs_for_tests:sond"], ["sond", "did you mean sound"]),
        (["trian", "tictactoe"], ["trian", "did you mean train"]),
        (["train", "tictactoe", "--stepz", "5"], ["--stepz", "did you mean --steps"]),
        (["train", "tictactoe", "--steps", "0"], ["--steps", "'0'", "from 1"]),
        (["train", "tictactoe", "--seconds", "-3"], ["--seconds", "'-3'", "above 0"]),
        (["train", "tictactoe", "--runtime", "rey"], ["rey", "ray"]),
        (["train", "tictactoe", "--preset", "impalla"], ["impalla", "did you mean impala"]),
        (["train", "tictactoe", "--league", "selfplay"], ["selfplay", "did you mean self_play"]),
        (["train", "tictactoe", "--rollout.copys", "5"], ["rollout.copys", "did you mean"]),
        (["train", "tictactoe", "--rollout.copies", "many"], ["rollout.copies", "many"]),
        (["train", "tictactoe", "--rollout.copies", "0"], ["copies is 0", "at least 1"]),
        (["train", "tictactoe", "--learner.algorithm.learning_rate", "0"], ["learning_rate is 0", "above 0"]),
        (["train", "tictactoe", "--learner.network.hidden", "64,0"], ["hidden", "at least 1"]),
        (["train", "tictactoe", "--runtime.actors", "10000"], ["runtime.actors 10000", "cores"]),
        (["train", "tictactoe", "--league.players", "Main"], ["Main"]),
        (
            ["train", "tictactoe", "--league.gate", "sprt", "--league.evaluate_share", "0"],
            ["gate is sprt", "evaluate_share is 0.0", "above 0"],
        ),
        (
            ["train", "matrix:pennies", "--league.gate", "sprt"],
            ["league.gate sprt", "matrix:pennies are even, odd, which differ", "allowed are win_rate, time"],
        ),
        (["train", "matrix:climbing", "--league.gate", "sprt"], ["league.gate sprt", "are team"]),
        (
            ["train", "tictactoe", "--league.gate", "sprt", "--league.sprt_elo", "20,0"],
            ["sprt_elo is", "20.0, 0.0", "lower first"],
        ),
        (["train", "tictactoe", "--league.evaluate_share", "1"], ["evaluate_share is 1.0", "below 1"]),
        (["train", "tictactoe", "--league.latest_probability", "1.5"], ["latest_probability is 1.5", "0, 1"]),
        (
            ["train", "tictactoe", "--league.snapshot_min_steps", "9000000"],
            ["snapshot_min_steps 9000000 is above snapshot_steps 2000000"],
        ),
        (
            ["train", "tictactoe", "--league.main_exploiters", "x"],
            ["main_exploiters", "self_play knows no roles"],
        ),
        (
            ["train", "matrix:pennies", "--league.players", "even"],
            ["nobody plays team odd", "name a player odd"],
        ),
    ],
    ids=lambda value: "-".join(value[1:]) if isinstance(value, list) and "train" in value[0] else "",
)
def test_misspelt_or_out_of_range(
    fails, words: list[object], patterns: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fails(2, words, *patterns)
    assert not list(tmp_path.rglob("config.json")) or "runtime.actors" in words[2]


@pytest.mark.parametrize(
    ("text", "patterns"),
    [
        ("rollout:\n  copys: 5\n", ["rollout.copys", "did you mean"]),
        ("rollout:\n  copies: many\n", ["rollout.copies", "many"]),
        ("rollout: 5\n", ["rollout"]),
        ("rollout: [\n", ["config.yaml"]),
        ("learner:\n  cooperation: both\n", ["learner.cooperation", "both", "joint"]),
        ("league:\n  snapshot_min_steps: 100\n  snapshot_steps: 10\n", ["snapshot_min_steps|snapshot_steps"]),
    ],
)
def test_a_config_file_that_is_wrong(fails, text: str, patterns: list[str], tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    fails(2, ["train", "tictactoe", "--config", file, "--run", tmp_path / "run"], *patterns)
    assert not (tmp_path / "run").exists()


def test_a_config_file_that_is_not_there(fails, tmp_path: Path) -> None:
    fails(2, ["train", "tictactoe", "--config", tmp_path / "no.yaml", "--run", tmp_path / "run"], "no.yaml")


def test_a_folder_that_is_taken(fails, run: RunFolder, tmp_path: Path) -> None:
    fails(1, ["train", "tictactoe", "--run", run.path], "holds a run already", "--force")
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "thesis.txt").write_text("mine")
    for words in (["--run", tmp_path / "else"], ["--run", tmp_path / "else", "--force"]):
        fails(1, ["train", "tictactoe", *words], "not empty and not a run")
    assert (tmp_path / "else" / "thesis.txt").read_text() == "mine"


def test_a_folder_that_is_no_run(fails, tmp_path: Path) -> None:
    for command in ("resume", "leaderboard", "status", "doctor", "matches", "snapshots"):
        fails(1, [command, tmp_path / "nothing"], "does not exist")
        fails(1, [command, tmp_path], "is not a run")


def test_a_run_of_a_newer_schema(fails, run: RunFolder) -> None:
    file = run.path / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "schema": 99}))
    for command in ("resume", "status"):
        fails(1, [command, run.path], "schema 99", "schema 1")


def test_a_run_whose_configuration_is_damaged(fails, run: RunFolder) -> None:
    (run.path / "config.json").write_text('{"schema": 1, "namesp')
    fails(1, ["resume", run.path], "config.json")


def test_a_run_in_use(fails, run: RunFolder) -> None:
    with run.lock():
        fails(1, ["resume", run.path], r"in use by process \d+")


def test_a_misspelt_player(fails, run: RunFolder) -> None:
    with serve_store(run) as (store, _):
        store.create(run.config)
        fails(2, ["eval", run.path, "--player", "mian", "--against", "random"], "mian", "random", "mcts:N")
        store.begin_epoch()
        store.commit(Commit(players=(Player("main"),)))
        fails(2, ["eval", run.path, "--player", "mian", "--against", "random"], "mian", "did you mean main")
        fails(2, ["eval", run.path, "--player", "main@3", "--against", "random"], "main@3")


def test_a_server_that_does_not_answer(fails, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"redis://:secret@127.0.0.1:{probe.getsockname()[1]}/0"
        words = ["train", "tictactoe", "--run", tmp_path / "run", "--redis", url, *INLINE]
        fails(1, words, "does not answer", r"^((?!secret).)*$")


def test_a_server_of_another_scheme(fails, tmp_path: Path) -> None:
    words = ["train", "tictactoe", "--run", tmp_path / "run", "--redis", "http://there", *INLINE]
    fails(1, words, "http://there is not redis://")


def test_a_server_that_is_too_old(fails, tmp_path: Path) -> None:
    with old_server() as url:
        words = ["train", "tictactoe", "--run", tmp_path / "run", "--redis", url, *INLINE]
        fails(1, words, "Redis 6.2.0, which is too old", "Redis >= 7.0")


@contextmanager
def old_server() -> Iterator[str]:
    """Answers INFO as Redis 6.2 does, and OK to everything else."""
    info = b"# Server\r\nredis_version:6.2.0\r\n"

    def answer(connection: socket.socket) -> None:
        with connection:
            while data := connection.recv(4096):
                for _ in range(data.upper().count(b"*")):
                    connection.sendall(
                        b"$%d\r\n%s\r\n" % (len(info), info) if b"INFO" in data.upper() else b"+OK\r\n"
                    )

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return  # closed: the test is over
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(timeout=5)


@pytest.mark.parametrize(
    ("env", "pattern"),
    [
        ("shows_nan", "shows_nan, copy 0.*: its observation is NaN or infinite"),
        ("shows_wrong_shape", "shows_wrong_shape, copy 0.*shape"),
        ("allows_nothing", "allows_nothing, copy 0.*: it must act but its action mask allows nothing"),
        ("own_raises", "own_raises: the environment raised ValueError: the dice fell off"),
        ("own_nan", "own_nan, copy 0: a reward is NaN or infinite"),
        ("own_shape", r"own_shape: reward has shape \(\d+, 1\), must have \(\d+, 2\)"),
        ("own_mask", "own_mask, copy 0: a seat must act but its action mask allows nothing"),
        ("raises_always", "raises_always, copy 0.*: the environment raised ValueError: the dice fell off"),
    ],
)
def test_an_environment_that_is_wrong(fails, env: str, pattern: str, tmp_path: Path) -> None:
    game = f"tests.e2e.envs_for_tests:{env}"
    fails(1, ["train", game, "--run", tmp_path / "run", *INLINE], pattern)
