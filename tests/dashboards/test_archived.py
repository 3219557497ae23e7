"""A run says the same of itself whether its results are archived or not."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import pytest

from coordinator import archive as archive_module
from coordinator.archive import Archive
from coordinator.run_folder import RunFolder
from coordinator.run_store import serve_store
from coordinator.store import Commit
from dashboards.cli import main
from dashboards.reading import reading
from league.ledger import Ledger


def said(capsys: pytest.CaptureFixture[str], *words: object) -> object:
    """What a command prints as JSON."""
    main([*map(str, words), "--json"])
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def archived(copied: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same run, 36 of its 40 results archived."""
    monkeypatch.setattr(archive_module, "SEGMENT", 9)
    monkeypatch.setattr(archive_module, "KEPT", 2)
    run = RunFolder.open(copied)
    with run.lock(), serve_store(run) as (store, _):
        store.begin_epoch()
        Archive(run.archive).take_over(store, folded=40)
        assert len(store.results(0)) == 4
    return copied


@pytest.mark.parametrize(
    "words",
    [
        ["matches"],
        ["matches", "--last", 2],
        ["matches", "--last", 15],
        ["matches", "--last", 1000],
        ["leaderboard"],
        ["snapshots"],
    ],
    ids=lambda words: " ".join(map(str, words)),
)
def test_commands_say_the_same(
    words: list[object], resting: Path, archived: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command, *options = words
    before = said(capsys, command, resting, *options)
    after = said(capsys, command, archived, *options)
    assert before
    assert json.loads(json.dumps(after).replace(str(archived), str(resting))) == before


def test_matches_for_people(archived: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["matches", str(archived), "--last", "40"]) == 0
    out = capsys.readouterr().out
    assert all(f" {id} " in out for id in range(1, 43))


def test_a_ledger_that_lags_behind_is_folded_on_from_the_archive(archived: Path) -> None:
    """A reader may take the ledger, and the coordinator commit and archive before it takes the log."""
    run = RunFolder.open(archived)
    with reading(archived) as now:
        whole = now.store.fold()
        early = Ledger()
        for result in islice(now.log.after(0), 5):
            early.apply(result.seq, result.match, result.outcome)
    with run.lock(), serve_store(run) as (store, _):
        store.begin_epoch()
        store.commit(Commit(fold=early.to_json()))
    with reading(archived) as now:
        assert now.view().ledger.to_json() == whole


def test_a_damaged_segment_is_one_line(archived: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = min((archived / "archive").iterdir())
    first.write_bytes(first.read_bytes()[:-1])
    assert main(["matches", str(archived), "--json"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("league: error: ")
    assert err.count("\n") == 1
    assert f"{first}: damaged" in err
