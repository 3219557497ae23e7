"""Self-play goes round; the Nash mixture of its generations does not. See docs/experiments/cycles.md."""

from __future__ import annotations

import pytest

from benchmarks.cycles import run

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("game", ["rps", "pennies"])
def test_the_mixture_stands_still_where_self_play_goes_round(game: str) -> None:
    latest = run(game, "latest", seed=0, steps=600_000)
    assert latest.turns >= 1
    assert latest.newest > 0.15
    league = run(game, "league", seed=0, steps=600_000)
    assert league.mixed("exact") < 0.05
    assert league.mixed("far") < 0.05
    assert league.mixed("played") < 0.1
