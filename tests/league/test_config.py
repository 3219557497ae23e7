"""Contradictions in a league's configuration are told with their numbers."""

from __future__ import annotations

from typing import Any

import pytest

from league.config import LeagueConfig
from league.players import Role


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
        ({"matchmaker": "alphastr"}, "did you mean 'alphastar'"),
        ({"weighting": "square"}, "weighting is 'square', known are .*; did you mean 'squared'"),
        ({"meta_strategy": "mean"}, "meta_strategy is 'mean', known are uniform, nash"),
        ({"gate": "elo"}, "gate is 'elo', known are win_rate, sprt, time"),
        ({"delta": 1.1}, r"delta is 1.1, but must lie in \[0, 1\]"),
        ({"quality_step": -1.0}, "quality_step is -1.0, but must be at least 0"),
        ({"league_exploiter_reset": 25.0}, r"league_exploiter_reset is 25.0, but must lie in \[0, 1\]"),
        ({"sprt_elo": (2.0, 0.0)}, r"sprt_elo is \(2.0, 0.0\), but must be two bounds, the lower first"),
        ({"sprt_elo": (2.0,)}, r"sprt_elo is \(2.0,\), but must be two bounds"),
        ({"main_exploiters": ("exploiter",)}, "matchmaker self_play knows no roles, only alphastar and"),
        ({"matchmaker": "psro"}, "window is 0, but matchmaker psro mixes 1 to 64 snapshots"),
        ({"matchmaker": "psro", "window": 65}, "window is 65, but matchmaker psro mixes 1 to 64"),
        (
            {"matchmaker": "alphastar", "league_exploiters": ("main",)},
            "league_exploiters and players has a name twice: main",
        ),
        ({"matchmaker": "alphastar", "main_exploiters": ("Hans",)}, "main_exploiters has 'Hans', but a name"),
        ({"scripted": ("main@3",)}, "scripted has 'main@3', but"),
        ({"scripted": ("minimax", "minimax")}, "scripted has a name twice: minimax"),
        ({"matchmaker": "population"}, r"needs two players or more, but players is \('main',\)"),
    ],
)
def test_contradiction(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        LeagueConfig(**changes)


def test_roles_by_name() -> None:
    config = LeagueConfig(
        "alphastar",
        ("main", "main-2"),
        main_exploiters=("hunter",),
        league_exploiters=("thief",),
        generic_players=("joe",),
        scripted=("mcts:100",),
    )
    assert list(config.roles.items()) == [
        ("main", Role.MAIN),
        ("main-2", Role.MAIN),
        ("hunter", Role.MAIN_EXPLOITER),
        ("thief", Role.LEAGUE_EXPLOITER),
        ("joe", Role.PLAYER),
        ("mcts:100", Role.SCRIPTED),
    ]


def test_the_defaults_agree_with_each_other() -> None:
    assert LeagueConfig().players == ("main",)
