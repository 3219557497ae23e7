"""When a player is frozen, as a table."""

from __future__ import annotations

import pytest

from league.config import LeagueConfig
from league.ledger import Ledger
from league.players import Player, Snapshot
from league.promotion import decide_freeze
from league.view import LeagueView

CONFIG = LeagueConfig(
    snapshot_steps=1000, snapshot_min_steps=100, snapshot_win_rate=0.7, snapshot_min_games=50
)
Results = dict[str, tuple[float, float]]


@pytest.mark.parametrize(
    ("trained", "results", "said"),
    [
        (0, {}, None),
        (999, {}, None),
        (1000, {}, "trained on 1000 decisions, 1000 is the most"),
        (5000, {"main@0": (0, 100)}, "trained on 5000 decisions"),
        (99, {"main@0": (100, 0)}, None),
        (100, {"main@0": (100, 0)}, "wins 1.00 or more against each of 1 snapshots"),
        (100, {"main@0": (70, 30)}, "wins 0.70 or more"),
        (100, {"main@0": (69, 31)}, None),
        (100, {"main@0": (49, 0)}, None),
        (100, {"main@0": (50, 0)}, "against each of 1 snapshots"),
        (100, {"main@0": (90, 10), "main@1": (60, 40)}, None),
        (100, {"main@0": (90, 10), "main@1": (80, 20)}, "2 snapshots it faced (least against main@1)"),
        (100, {"main@0": (90, 10), "main@1": (20, 20)}, "against each of 1 snapshots"),
        (100, {"random": (100, 0)}, None),
    ],
)  # fmt: skip
def test_rule(trained: int, results: Results, said: str | None) -> None:
    player = Player("main", generation=2, steps=7000 + trained, frozen_at=7000)
    ledger = Ledger()
    for opponent, (wins, losses) in results.items():
        ledger.payoff.record("main", opponent, wins, 0, losses)
        ledger.tally.record("main@2", opponent, wins, 0, losses)
    frozen = [Snapshot("main", generation, "", None, 0, "") for generation in range(2)]
    view = LeagueView({"main": player}, frozen, ledger, ("a", "b"), True, ("random",))
    reason = decide_freeze(player, view, CONFIG)
    assert (reason is None) if said is None else (reason is not None and said in reason), reason


def test_what_the_generation_before_won_does_not_count() -> None:
    player = Player("main", generation=2, steps=500)
    ledger = Ledger()
    ledger.payoff.record("main", "main@0", 1000, 0, 0)
    ledger.tally.record("main@1", "main@0", 1000, 0, 0)
    frozen = [Snapshot("main", generation, "", None, 0, "") for generation in range(2)]
    view = LeagueView({"main": player}, frozen, ledger, ("a", "b"), True)
    assert decide_freeze(player, view, CONFIG) is None
