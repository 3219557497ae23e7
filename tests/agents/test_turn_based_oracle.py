"""The oracle that rollouts are held against gives the golden transitions."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.agents.turn_based_oracle import Tick, cut_turns

CASES = json.loads((Path(__file__).parents[1] / "golden/turn_based.json").read_text())["cases"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["case"]))
def test_oracle_gives_the_golden_transitions(case: dict[str, Any]) -> None:
    ticks = [Tick(**{**step, "rewards": tuple(step["rewards"])}) for step in case["steps"]]
    cut = cut_turns(ticks, case["num_players"], case["gamma"])
    got = [[asdict(transition) for transition in transitions] for transitions in cut]
    expected = case["transitions_per_player"]
    for mine, golden in zip(got, expected, strict=True):
        assert mine == [pytest.approx(transition, rel=1e-12, abs=1e-12) for transition in golden]


def test_the_loser_gets_what_the_winning_move_did_to_him() -> None:
    ticks = [Tick(0, 0, (0, 0), False), Tick(1, 0, (0, 0), False), Tick(0, 0, (1, -1), True)]
    winner, loser = cut_turns(ticks, 2, gamma=0.5)
    assert [(t.reward_sum, t.terminal) for t in winner] == [(0, False), (1, True)]
    assert [(t.reward_sum, t.reward_env_discounted, t.terminal) for t in loser] == [(-1, -0.5, True)]
