from __future__ import annotations

import pytest

from envs.game import GameError
from envs.teams import split_teams

TAG = ("adversary_0", "adversary_1", "agent_0")


@pytest.mark.parametrize(
    ("seats", "rule", "teams"),
    [
        (("player_1", "player_2"), "auto", {"player_1": (0,), "player_2": (1,)}),
        (("piston_0", "piston_1"), "auto", {"team": (0, 1)}),
        (TAG, "auto", {"adversary": (0, 1), "agent": (2,)}),
        (("black_0", "white_0"), "auto", {"black": (0,), "white": (1,)}),
        (("black", "white"), "auto", {"black": (0,), "white": (1,)}),
        (TAG, "seats", {"adversary_0": (0,), "adversary_1": (1,), "agent_0": (2,)}),
        (("player_0", "player_1"), "prefix", {"player": (0, 1)}),
        (TAG, "one", {"team": (0, 1, 2)}),
    ],
)
def test_split(seats: tuple[str, ...], rule: str, teams: dict[str, tuple[int, ...]]) -> None:
    assert split_teams(seats, rule) == teams


def test_an_unknown_rule_names_the_known() -> None:
    with pytest.raises(GameError, match="teams is 'two', allowed are auto, seats, prefix, one"):
        split_teams(TAG, "two")
