"""Contradictions in a league's configuration are told with their numbers."""

from __future__ import annotations

from typing import Any

import pytest

from league.config import LeagueConfig


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"matchmaker": "selfplay"}, "did you mean 'self_play'"),
        ({"latest_probability": 1.5}, r"latest_probability is 1.5, but must lie in \[0, 1\]"),
        ({"latest_probability": float("nan")}, "latest_probability is nan"),
        ({"window": -1}, "window is -1, but must be at least 0"),
        (
            {"snapshot_steps": 10, "snapshot_min_steps": 20},
            "snapshot_min_steps 20 is above snapshot_steps 10",
        ),
        ({"episodes": 0}, "episodes is 0, but must be at least 1"),
        ({"evaluate_share": 1.0}, "evaluate_share is 1.0"),
        ({"payoff_decay": 0.0}, "payoff_decay is 0.0"),
        ({"elo_k": float("nan")}, "elo_k is nan"),
        ({"prior_draws": 0.0}, "prior_draws is 0.0"),
        ({"players": ()}, "players is empty"),
        ({"players": ("main", "main")}, "players has a name twice"),
        ({"players": ("main@1",)}, "players has 'main@1'"),
        ({"matchmaker": "population"}, r"needs two players or more, but players is \('main',\)"),
    ],
)
def test_contradiction(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        LeagueConfig(**changes)


def test_the_defaults_agree_with_each_other() -> None:
    assert LeagueConfig().players == ("main",)
