"""A league with bots in its pool, which keep memories and draw from the C library, resumes exactly."""

from __future__ import annotations

from pathlib import Path

import pytest

from coordinator.run_folder import RunFolder
from coordinator.run_store import open_store
from league.ledger import Ledger
from tests.e2e.runs import SMALL, assert_healthy, league, options, record

STEPS = 20_000
BOTS = ("rrps:randbot", "rrps:iocainebot", "rrps:rockbot")
FIELDS: dict[str, object] = {
    **SMALL,
    "league.matchmaker": "psro",
    "league.meta_strategy": "uniform",
    "league.window": 2,
    "league.scripted": ",".join(BOTS),
    "learner.network.lstm": 8,
    "rollout.copies": 16,
    "runtime.round_steps": 5_000,
    "runtime.runtime": "inline",
}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def carry_out(*words: object) -> None:
    done = league(*words)
    assert done.returncode == 0, done.stdout + done.stderr


def test_two_halves_make_the_whole(tmp_path: Path) -> None:
    for folder, steps in (("whole", 2 * STEPS), ("halves", STEPS)):
        carry_out(
            "train", "repeated_rps:20", "--run", tmp_path / folder, "--seed", 3, "--steps", steps,
            *options(FIELDS),
        )  # fmt: skip
    carry_out("resume", tmp_path / "halves", "--steps", STEPS)
    whole = record(tmp_path / "whole")
    assert record(tmp_path / "halves") == whole
    assert_healthy(tmp_path / "halves")
    with open_store(RunFolder.open(tmp_path / "whole")) as store:
        ledger = Ledger.from_json(store.fold() or "null")
    for bot in BOTS:
        assert ledger.tally.totals(bot).games > 0, bot
    margins = ledger.tally.table(["rrps:rockbot"], ledger.tally.opponents("rrps:rockbot"))[1]
    wins, _, losses = ledger.tally.totals("rrps:rockbot")
    assert margins.sum() < wins - losses, "who always throws a rock loses by more than one throw"
