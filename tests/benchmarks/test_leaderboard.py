"""The benchmark of the leaderboard measures a league in which everybody met everybody."""

from __future__ import annotations

from benchmarks.leaderboard import PARTS, league, measured


def test_a_small_league_is_measured_whole() -> None:
    row = measured(12, repeat=1)
    assert row["pairs"] == 66
    assert row["games"] >= 144
    assert all(row[part] >= 0 for part in PARTS)


def test_all_its_generations_stand_in_the_table() -> None:
    view = league(12, seed=3)
    names = [*view.past.names, view.players["main"].node]
    assert len(names) == 12
    assert all(len(view.ledger.tally.opponents(name)) == 11 for name in names)
