"""The leaderboard of small leagues whose truth is known."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from league.leaderboard import RatedRow, ReturnRow, leaderboard
from league.ledger import Ledger, Returns
from league.players import Player, Role, Snapshot
from league.view import LeagueView


def snapshots(player: str, count: int) -> list[Snapshot]:
    return [Snapshot(player, g, "", f"{player}@{g - 1}" if g else None, 0, "") for g in range(count)]


def rated(view: LeagueView) -> dict[str, RatedRow]:
    rows = leaderboard(view)
    assert all(isinstance(row, RatedRow) for row in rows)
    return {
        row.player if row.generation is None else f"{row.player}@{row.generation}": row
        for row in rows
        if isinstance(row, RatedRow)
    }


def test_a_ladder_of_generations() -> None:
    ledger = Ledger()
    for generation in range(1, 4):
        ledger.tally.record(f"main@{generation}", f"main@{generation - 1}", 80, 10, 10)
    ledger.tally.record("main@0", "random", 60, 0, 40)
    view = LeagueView(
        {"main": Player("main", generation=3)}, snapshots("main", 3), ledger, ("a", "b"), True, ("random",)
    )
    rows = leaderboard(view)
    assert [(row.player, row.generation, row.live) for row in rows] == [
        ("main", 3, True),
        ("main", 2, False),
        ("main", 1, False),
        ("main", 0, False),
        ("random", None, False),
    ]
    board = rated(view)
    assert board["main@0"].elo == pytest.approx(1200)
    assert all(row.elo_low < row.elo < row.elo_high for row in board.values())
    assert (board["main@1"].wins, board["main@1"].draws, board["main@1"].losses) == (90, 20, 90)
    assert board["main@1"].games == 200
    assert board["main@3"].nash == pytest.approx(1.0)
    assert board["random"].role == "scripted"
    assert sum(row.nash or 0 for row in rows) == pytest.approx(1)
    assert sum(row.alpha_rank or 0 for row in rows) == pytest.approx(1)
    assert max(board.values(), key=lambda row: row.alpha_rank or 0) is board["main@3"]


def test_the_json_is_the_documented_one() -> None:
    view = LeagueView(
        {"main": Player("main", generation=1)}, snapshots("main", 1), Ledger(), ("a", "b"), True
    )
    common = {
        "player", "generation", "role", "live", "games", "wins", "draws", "losses", "nash", "alpha_rank",
        "team",
    }  # fmt: skip
    for row in leaderboard(view):
        assert asdict(row).keys() == common | {"elo", "elo_low", "elo_high"}
        json.dumps(asdict(row), allow_nan=False)
    alone = LeagueView(view.players, view.snapshots, Ledger(), ("all",), True)
    for other in leaderboard(alone):
        assert asdict(other).keys() == common | {"return_mean", "return_low", "return_high"}
        json.dumps(asdict(other), allow_nan=False)


def test_a_cycle_shares_the_nash_mass() -> None:
    ledger = Ledger()
    for winner, loser in (("r", "s"), ("s", "p"), ("p", "r")):
        ledger.tally.record(f"{winner}@0", f"{loser}@0", 500, 0, 500 - 100)
        ledger.tally.record(f"{winner}@0", "weak@0", 900, 0, 100)
    names = ["r", "p", "s", "weak"]
    view = LeagueView(
        {name: Player(name, generation=1) for name in names},
        [snapshot for name in names for snapshot in snapshots(name, 1)],
        ledger,
        ("a", "b"),
        True,
    )
    board = rated(view)
    for name in ("r@0", "p@0", "s@0"):
        assert board[name].elo == pytest.approx(board["r@0"].elo, abs=1)
        assert board[name].nash == pytest.approx(1 / 3, abs=1e-3)
        assert board[name].alpha_rank == pytest.approx(1 / 3, abs=0.01)
    # The live generations met nobody: whatever is expected of them, they stay out of the mixture.
    assert [board[name].nash for name in ("weak@0", "r@1", "weak@1")] == pytest.approx([0, 0, 0])


def test_teams_that_differ_have_a_mixture_each() -> None:
    ledger = Ledger()
    for wolf, sheep, wins in ((0, 0, 80), (0, 1, 20), (1, 0, 20), (1, 1, 80)):
        ledger.tally.record(f"wolf@{wolf}", f"sheep@{sheep}", 10 * wins, 0, 1000 - 10 * wins)
    players = {
        "wolf": Player("wolf", team="hunters", generation=1),
        "sheep": Player("sheep", team="prey", generation=1),
    }
    frozen = [*snapshots("wolf", 1), *snapshots("sheep", 1)]
    view = LeagueView(players, frozen, ledger, ("hunters", "prey"), False, ("random",))
    board = rated(view)
    for name in ("wolf@0", "wolf@1", "sheep@0", "sheep@1"):
        assert board[name].nash == pytest.approx(0.5, abs=0.02)
        assert board[name].alpha_rank == pytest.approx(0.5, abs=0.02)
    assert board["random"].nash is None


def test_the_better_of_each_team_has_its_mass() -> None:
    ledger = Ledger()
    for wolf, sheep, wins in ((0, 0, 90), (0, 1, 60), (1, 0, 40), (1, 1, 10)):
        ledger.tally.record(f"wolf@{wolf}", f"sheep@{sheep}", 10 * wins, 0, 1000 - 10 * wins)
    players = {
        "wolf": Player("wolf", team="hunters", generation=1),
        "sheep": Player("sheep", team="prey", generation=1),
    }
    frozen = [*snapshots("wolf", 1), *snapshots("sheep", 1)]
    board = rated(LeagueView(players, frozen, ledger, ("hunters", "prey"), False))
    masses = [board[name].nash for name in ("wolf@0", "wolf@1", "sheep@0", "sheep@1")]
    assert masses == pytest.approx([1, 0, 0, 1], abs=1e-6)
    ranked = [board[name].alpha_rank for name in ("wolf@0", "wolf@1", "sheep@0", "sheep@1")]
    assert ranked == pytest.approx([1, 0, 0, 1], abs=0.05)


def test_a_new_generation_is_expected_to_stand_where_its_predecessor_does() -> None:
    ledger = Ledger()
    ledger.tally.record("main@1", "main@0", 90, 0, 10)
    view = LeagueView({"main": Player("main", generation=2)}, snapshots("main", 2), ledger, ("a", "b"), True)
    board = rated(view)
    assert board["main@2"].elo == pytest.approx(board["main@1"].elo, abs=1e-3)
    assert board["main@1"].elo > 1400


def test_three_teams_that_differ_have_none() -> None:
    players = {name: Player(name, team=name) for name in "abc"}
    view = LeagueView(players, [], Ledger(), ("a", "b", "c"), False)
    assert [row.nash for row in leaderboard(view)] == [None] * 3


def test_alone_the_mean_return_ranks() -> None:
    ledger = Ledger(returns={"main@0": Returns(4, 4.0, 6.0), "main@1": Returns(1, 9.0, 81.0)})
    players = {"main": Player("main", generation=2), "random": Player("random", role=Role.SCRIPTED)}
    rows = leaderboard(LeagueView(players, snapshots("main", 2), ledger, ("all",), False))
    assert [(row.player, row.generation) for row in rows] == [
        ("main", 1), ("main", 0), ("main", 2), ("random", None),
    ]  # fmt: skip
    best, second, third, _ = (row for row in rows if isinstance(row, ReturnRow))
    assert (best.return_mean, best.return_low, best.games) == (9.0, None, 1)
    reach = 1.959963984540054 * (2 / 3 / 4) ** 0.5
    assert (second.return_low, second.return_high) == pytest.approx((1 - reach, 1 + reach))
    assert third.return_mean is None


def test_a_league_larger_than_the_meta_game() -> None:
    ledger = Ledger()
    for generation in range(1, 100):
        ledger.tally.record(f"main@{generation}", f"main@{generation - 1}", 60, 0, 40)
    view = LeagueView(
        {"main": Player("main", generation=99)}, snapshots("main", 99), ledger, ("a", "b"), True
    )
    rows = leaderboard(view)
    assert len(rows) == 100
    assert all(row.nash == row.alpha_rank == 0.0 for row in rows[64:])
    assert sum(row.nash or 0 for row in rows) == pytest.approx(1)
