"""The table of OpenSpiel's 43 bots of repeated rock, paper, scissors: who wins most is not whom to play.

It is our own, by `python -m benchmarks.rrps_table`: that of Lanctot et al. (2023) comes with no package. Of
theirs it is known that greenberg wins most, that a Nash mixture has 0.892 on randbot, and that 956 of 12 341
triples are cyclic.
"""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from agents.scripted.rrps import BOTS
from benchmarks.rrps_table import Cell, Floats, circles, play, read, redrawn, table, write
from league.leaderboard import RatedRow, leaderboard
from league.ledger import Ledger
from league.players import Match, Outcome, PairResult, Player, Purpose, Role
from league.ratings.diagnostics import cyclic_triples
from league.solvers import nash
from league.view import LeagueView

GOLDEN = Path(__file__).parents[1] / "golden" / "rrps_bots.json"
CELLS = read(GOLDEN)
NASH_OF_RANDBOT, CYCLIC, TRIPLES = 0.892, 956, 12_341
"""Of the published table."""
GAMES = 1000
"""Of every pair in a league: what a pair has played is scaled to so many."""


@pytest.fixture(scope="module")
def means() -> Floats:
    return table(CELLS)


@pytest.fixture(scope="module")
def again() -> list[Floats]:
    """What the table may be if every pair plays a thousand games once more, as the published one did."""
    generator = np.random.default_rng(1)
    return [redrawn(CELLS, generator) for _ in range(60)]


def league_of_bots() -> LeagueView:
    """A league whose results are the table's."""
    ledger = Ledger()
    for seq, cell in enumerate(CELLS, 1):
        won, lost = (round(GAMES * count / cell.games) for count in (cell.wins, cell.losses))
        pair = PairResult(cell.home, cell.away, won, GAMES - won - lost, lost, GAMES * cell.mean)
        teams = {"first": cell.home, "second": cell.away}
        match = Match(seq, teams, GAMES, 0, Purpose.EVALUATE, {name: name for name in teams.values()})
        ledger.apply(seq, match, Outcome(seq, 1, GAMES, 2 * GAMES, (pair,), ()))
    players = {bot: Player(bot, Role.SCRIPTED) for bot in BOTS}
    return LeagueView(players, [], ledger, ("first", "second"), symmetric=True)


def test_every_pair_is_there_once() -> None:
    assert {frozenset((cell.home, cell.away)) for cell in CELLS} == set(map(frozenset, combinations(BOTS, 2)))
    assert len(CELLS) == 43 * 42 / 2


def test_greenberg_wins_most_and_is_not_what_to_play(means: Floats) -> None:
    assert BOTS[means.mean(axis=1).argmax()] == "greenberg"
    solution = nash(means)
    assert solution.value == pytest.approx(0.0, abs=1e-6)
    assert (solution.row @ means).min() > -1e-6, "a bot beats the mixture"
    assert solution.row.max() < 0.9
    assert means[BOTS.index("greenberg")].min() < -10, "somebody beats greenberg"


def test_the_published_figures_lie_where_luck_puts_them(again: list[Floats]) -> None:
    """Nobody has an edge over randbot, whose mass is therefore anything: luck alone picks the mixture."""
    masses = [nash(each).row[BOTS.index("randbot")] for each in again]
    assert np.quantile(masses, 0.1) < NASH_OF_RANDBOT < np.quantile(masses, 0.99)
    cycles = [circles(each) for each in again]
    ties = sum(cell.total == 0 and cell.error == 0 for cell in CELLS)
    assert all(TRIPLES - 41 * ties <= each.triples < TRIPLES for each in cycles), "bots without dice may tie"
    numbers = [each.cyclic for each in cycles]
    assert np.quantile(numbers, 0.02) < CYCLIC < np.quantile(numbers, 0.98)


def test_a_leaderboard_of_these_results_says_that_no_number_orders_them(means: Floats) -> None:
    view = league_of_bots()
    rows = {row.player: row for row in leaderboard(view) if isinstance(row, RatedRow)}
    assert len(rows) == 43
    cycles = cyclic_triples(view.ledger.tally, BOTS)
    assert 0.05 * cycles.triples < cycles.cyclic < CYCLIC, "those between equals are left out"
    mixture = np.array([rows[bot].nash or 0.0 for bot in BOTS])
    assert mixture.sum() == pytest.approx(1.0)
    # The prior of the ratings moves it a little, by some throws in a thousand.
    assert (mixture @ means).min() > -4.0
    assert max(rows.values(), key=lambda row: row.nash or 0.0).player != max(rows.values(), key=_elo).player


def _elo(row: RatedRow) -> float:
    return row.elo


def test_a_game_follows_from_its_number() -> None:
    _, _, returns = play(("greenberg", "randbot", 0, 2))
    assert play(("greenberg", "randbot", 1, 1)) == ("greenberg", "randbot", returns[1:])
    assert returns[0] != returns[1]
    assert play(("rotatebot", "copybot", 5, 1)) == ("rotatebot", "copybot", [-1.0])


def test_cells_add_up_and_read_back(tmp_path: Path) -> None:
    cell = Cell("a", "b")
    for returns in ([3.0, -1.0], [0.0, 2.0]):
        cell.add(returns)
    assert (cell.games, cell.wins, cell.draws, cell.losses) == (4, 2, 1, 1)
    assert cell.mean == 1.0
    assert cell.error == pytest.approx(np.std([3.0, -1.0, 0.0, 2.0], ddof=1) / 2)
    write(tmp_path / "table.json", [cell])
    assert read(tmp_path / "table.json") == [cell]
