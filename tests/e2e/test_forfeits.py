"""A scripted player that raises, hangs or cheats forfeits: counted, shown and named, and the run goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dashboards.cli import main
from tests.e2e.runs import SMALL, assert_healthy, assert_one_line, options

pytestmark = pytest.mark.slow
PLAYERS = "tests.e2e.players_for_tests"
FIELDS = {
    **SMALL,
    "league.matchmaker": "pfsp",
    "league.latest_probability": 0.5,
    "league.evaluate_share": 0.3,
    "league.snapshot_min_steps": 1000,
    "league.snapshot_steps": 2000,
    "runtime.round_steps": 10_000,
    "runtime.runtime": "inline",
    "runtime.hang_seconds": 1.0,
}


def shown(capsys: pytest.CaptureFixture[str], *words: object) -> Any:
    capsys.readouterr()
    assert main([*map(str, words), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_forfeits_are_counted_and_shown_and_the_run_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"{PLAYERS}:{how}" for how in ("raises", "hangs", "cheats")]
    fields = options({**FIELDS, "league.scripted": ",".join(names)})
    folder = tmp_path / "run"
    assert main(["train", "tictactoe", "--run", str(folder), "--quiet", "--steps", "20000", *fields]) == 0
    assert_healthy(folder)
    status = shown(capsys, "status", folder)
    assert status["steps"] >= 20_000
    assert status["forfeits"].keys() == set(names)
    assert all(count >= 3 for count in status["forfeits"].values()), "and then they are drawn no more"
    matches = shown(capsys, "matches", folder)
    forfeited = [match for match in matches if match["outcome"] and match["outcome"]["forfeits"]]
    said = {
        name: {m["outcome"]["forfeits"][name] for m in forfeited if name in m["outcome"]["forfeits"]}
        for name in names
    }
    assert said[names[0]] == {"raised RuntimeError: the book has no such page"}
    assert all("took more than 0.5 s over" in what for what in said[names[1]])
    assert all("played 99, which is illegal: legal are [" in what for what in said[names[2]])
    last = max(match["id"] for match in forfeited)
    later = [match for match in matches if match["id"] > last]
    assert later
    assert not {name for match in later for name in match["teams"].values()} & set(names)
    assert main(["status", str(folder)]) == 0
    assert f"{names[0]} {status['forfeits'][names[0]]}" in capsys.readouterr().out


def test_eval_says_who_failed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    words = ["train", "tictactoe", "--run", folder, "--quiet", "--steps", 1000, *options(FIELDS)]
    assert main([str(word) for word in words]) == 0
    for how, pattern in (("raises", "the book has no such page"), ("cheats", "played 99, which is illegal")):
        name = f"{PLAYERS}:{how}"
        assert main(["eval", str(folder), "--player", "main", "--against", name, "--games", "20"]) == 1
        assert_one_line(capsys.readouterr().err, f"{name} forfeited: ", pattern)


def test_games_of_who_never_varies_differ(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A greedy network against a script without dice is one game in either seat, were it not for openings."""
    folder = tmp_path / "run"
    words = ["train", "tictactoe", "--run", folder, "--quiet", "--steps", 1000, *options(FIELDS)]
    assert main([str(word) for word in words]) == 0
    report = shown(
        capsys,
        *("eval", folder, "--player", "main", "--against", f"{PLAYERS}:plain"),
        *("--games", 200, "--greedy", "--seed", 1),
    )
    seats = [report["as_first"], report["as_second"]]
    assert [seat["games"] for seat in seats] == [100, 100]
    assert any(0 < seat["wins"] < 100 for seat in seats), report
