"""Games this project never saw train with their defaults, and have a leaderboard."""

from __future__ import annotations

import pytest

from benchmarks.any_game import GAMES, run
from league.leaderboard import RatedRow

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("game", GAMES)
def test_a_few_seconds_lead_to_a_leaderboard(game: str) -> None:
    found = run(game, runtime="inline", seed=0, seconds=6)
    assert found.steps > 0
    assert found.generations >= 1
    assert found.matches > 0
    names = {row.player for row in found.rows}
    assert "random" in names
    assert len(names) >= 2
    assert all(isinstance(row, RatedRow) and row.elo_low <= row.elo <= row.elo_high for row in found.rows)
    assert sum(row.games for row in found.rows) > 0
