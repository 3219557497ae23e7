"""A kill between a turn of population-based training and its commit neither loses nor repeats a copy."""

from __future__ import annotations

from pathlib import Path

import pytest

from league.codec import from_json
from league.players import Player
from tests.e2e.test_inline_resume import COPIERS, OneGo, kill_in_every_round, straight

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> OneGo:
    """A population that copies, trained in one go."""
    return straight(COPIERS, {}, tmp_path_factory.mktemp("whole") / "run")


def test_somebody_is_copied_and_not_only_once(whole: OneGo) -> None:
    players = [from_json(Player, text) for text in whole.record.players]
    assert any(player.copied_from for player in players)
    assert sum(reason.startswith("replaced by a copy") for *_, reason in whole.record.snapshots) > 1


@pytest.mark.parametrize("kind", ["play", "file"])
def test_killed_in_every_round(whole: OneGo, tmp_path: Path, kind: str) -> None:
    """As it begins, when turns are taken and not committed, or as what is to be replaced is frozen."""
    kill_in_every_round(COPIERS, kind, whole, tmp_path)
