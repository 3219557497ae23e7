"""A kill between a freeze, a reset and their commits neither loses a reset nor makes it twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from league.codec import from_json
from league.players import Player
from tests.e2e.test_inline_resume import EXPLOITERS, OneGo, kill_in_every_round, straight

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> OneGo:
    """A league with exploiters, trained in one go."""
    return straight(EXPLOITERS, {}, tmp_path_factory.mktemp("whole") / "run")


def test_exploiters_begin_anew_and_mains_do_not(whole: OneGo) -> None:
    players = {player.name: player for player in (from_json(Player, text) for text in whole.record.players)}
    assert (players["main"].reset_at, players["main"].reset_reason) == (0, "")
    assert players["main-exploiter"].reset_at > 2, "it must be reset more than once to show anything"
    assert players["league-exploiter"].reset_at > 0
    assert "a main exploiter begins anew" in players["main-exploiter"].reset_reason


@pytest.mark.parametrize("kind", ["play", "file"])
def test_killed_in_every_round(whole: OneGo, tmp_path: Path, kind: str) -> None:
    """As it begins, when resets are done and not committed, or as its checkpoints are written."""
    kill_in_every_round(EXPLOITERS, kind, whole, tmp_path)
