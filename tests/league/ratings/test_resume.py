"""Resume never changes a rating by a bit: Elo, Bradley-Terry, openskill, Nash, alpha-rank, cycles."""

from __future__ import annotations

import pytest

from league.leaderboard import leaderboard, remark
from league.ledger import Ledger
from league.players import Player, split_identity
from tests.league.leagues import make_view
from tests.league.test_ledger import fold, random_log


def board(ledger: Ledger, teams: int) -> str:
    """All that a face shows of a ledger, as exact text: `repr` of a float is one to one."""
    newest = max(split_identity(node)[1] or 0 for node in ledger.elo)
    names = ("first", "second", "third")[:teams]
    view = make_view([Player("main", generation=newest)], names, scripted=("random",), ledger=ledger)
    rows = leaderboard(view)
    return f"{rows} {remark(rows, view)}"


@pytest.mark.parametrize("teams", [2, 3])
@pytest.mark.parametrize("split", [1, 57, 119])
def test_a_ledger_stored_half_way_comes_to_the_same_bits(split: int, teams: int) -> None:
    log = random_log(11, 120, teams)
    whole = fold(Ledger(), log)
    half = Ledger.from_json(fold(Ledger(), log[:split]).to_json())
    for other in (fold(half, log[split:]), Ledger.from_json(whole.to_json())):
        assert other.elo == whole.elo
        assert other.skills == whole.skills
        assert board(other, teams) == board(whole, teams)
    assert bool(whole.skills) == (teams == 3)
