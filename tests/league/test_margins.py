"""By how much games were won: from results to the payoff, the meta-game and PSRO's mixtures."""

from __future__ import annotations

import json

import numpy as np
import pytest

from league.codec import dumps, from_json, to_json
from league.ledger import Ledger
from league.matchmaking import MetaStrategy, Psro
from league.meta_game import one_population
from league.payoff import Payoff, advantages, win_rates
from league.players import LeagueError, Match, Outcome, PairResult, Player, Purpose
from league.ratings.bradley_terry import rate
from tests.league.leagues import make_view


def test_a_margin_is_opposite_for_the_two_of_a_pair_and_decays_with_their_games() -> None:
    payoff = Payoff()
    payoff.record("a", "b", 3, 1, 0, 0.5, margin=70.0)
    payoff.record("b", "a", 1, 0, 1, 0.5, margin=10.0)
    assert payoff.table(["a"], ["b", "a", "c"])[1].tolist() == [[25.0, 0.0, 0.0]]
    assert payoff.table(["b"], ["a"])[1].tolist() == [[-25.0]]
    assert payoff.counts("a", "b") == (2.5, 0.5, 1.0)


def test_without_a_margin_every_win_is_worth_one() -> None:
    payoff = Payoff()
    payoff.record("a", "b", 5, 2, 1)
    assert payoff.table(["a"], ["b"])[1].tolist() == [[4.0]]
    assert dumps(payoff.to_plain()) == '{"a":{"b":[5.0,2.0,1.0]}}'


@pytest.mark.parametrize("seed", range(3))
def test_margins_read_back_to_the_last_bit(seed: int) -> None:
    generator, payoff = np.random.default_rng(seed), Payoff()
    names = [f"main@{index}" for index in range(30)]
    for _ in range(200):
        home, away = generator.choice(names, 2)
        wins, draws, losses = generator.integers(0, 9, 3).tolist()
        margin = float(generator.normal())
        payoff.record(str(home), str(away), wins, draws, losses, decay=0.99, margin=margin)
    again = Payoff.from_plain(json.loads(dumps(payoff.to_plain())))
    assert dumps(again.to_plain()) == dumps(payoff.to_plain())
    assert (again.table(names, names)[1] == payoff.table(names, names)[1]).all()


@pytest.mark.parametrize("row", [[1, 1, 1, 1, 1], [1, 1, 1, "x"]])
def test_other_numbers_are_refused(row: list[object]) -> None:
    with pytest.raises(LeagueError, match="not the counts of a payoff"):
        Payoff.from_plain({"a": {"b": row}})


def test_where_every_win_is_worth_the_same_an_advantage_is_the_win_rate_less_a_half() -> None:
    generator = np.random.default_rng(4)
    results = generator.integers(0, 9, (6, 7, 3)).astype(float)
    leads = results[..., 0] - results[..., 2]
    expected = win_rates(results.reshape(-1, 3)).reshape(6, 7) - 0.5
    for stake in (1.0, 250.0):
        np.testing.assert_allclose(advantages(results, stake * leads), expected, atol=1e-15)


def test_a_big_win_outweighs_a_small_one_and_nothing_played_is_even() -> None:
    results = np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    assert advantages(results, np.array([30.0, 10.0, 0.0])).tolist() == [0.75, 0.25, 0.0]
    assert advantages(np.zeros((2, 3)), np.zeros(2)).tolist() == [0.0, 0.0]
    # Wins and losses even out, what they were worth does not.
    assert advantages(np.array([[1.0, 0.0, 1.0]]), np.array([3.0])).tolist() == [0.75]


def played(*pairs: PairResult) -> Ledger:
    match = Match(1, {"a": "x", "b": "y"}, 4, 0, Purpose.TRAIN, {"x": "x@0", "y": "y@0"})
    ledger = Ledger()
    ledger.apply(1, match, Outcome(1, 1, 4, 8, pairs, ()))
    return ledger


def test_the_ledger_adds_up_both_ways_of_seating() -> None:
    ledger = played(PairResult("x", "y", 1, 0, 1, 3.5), PairResult("y", "x", 2, 0, 0, 10.0))
    assert ledger.tally.table(["x@0"], ["y@0"])[1].tolist() == [[-6.5]]
    assert Ledger.from_json(ledger.to_json()).tally.table(["y@0"], ["x@0"])[1].tolist() == [[6.5]]


def test_what_was_written_before_there_were_margins_folds_to_the_same_bytes() -> None:
    text = '{"away":"y","draws":1,"home":"x","losses":0,"wins":3}'
    old = from_json(PairResult, text)
    assert old.margin is None
    assert json.loads(to_json(old))["margin"] is None
    counted = PairResult("x", "y", 3, 1, 0, 3.0)
    assert played(old).to_json() == played(counted).to_json()
    assert json.loads(played(old).to_json())["tally"] == {"x@0": {"y@0": [3.0, 1.0, 0.0]}}


RARE = {("rare", "dull"): 500.0, ("dull", "often"): 500.0, ("often", "rare"): 1000.0}
"""Each beats the next in every game; who beats `rare` wins twice as much."""


def beaten_round() -> Payoff:
    tally = Payoff()
    for (winner, loser), margin in RARE.items():
        tally.record(f"{winner}@0", f"{loser}@0", 10_000, 0, 0, margin=margin * 10_000)
    return tally


def test_the_mixtures_of_a_league_weigh_wins_by_what_they_were_worth() -> None:
    """Rock, paper, scissors, where one win is worth two: who is spared by it is played twice as often."""
    tally = beaten_round()
    names = ["rare@0", "dull@0", "often@0"]
    masses = one_population(tally, rate(tally, dict.fromkeys(names)), names)
    assert [masses[name][0] for name in names] == pytest.approx([0.25, 0.5, 0.25], abs=1e-3)

    ledger = Ledger()
    ledger.tally = tally
    view = make_view([Player(name, generation=1) for name in ("rare", "dull", "often")], ledger=ledger)
    proposal = Psro(MetaStrategy.NASH, 32)(view, view.players["dull"], np.random.default_rng(0))
    drawn = proposal.reason["draws"]["second"]
    chances = dict(zip(drawn["names"], drawn["probabilities"], strict=True))
    assert [chances[name] for name in names] == pytest.approx([0.25, 0.5, 0.25], abs=1e-9)
