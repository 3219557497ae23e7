"""The payoff against golden numbers and against a literal replay of its history."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from league.codec import dumps, loads
from league.payoff import Counts, Payoff
from league.players import LeagueError

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "ratings.json").read_text())


def test_golden_decayed_payoff() -> None:
    golden, payoff = GOLDEN["decayed_payoff"], Payoff()
    for match in golden["matches"]:
        home, away = str(match["home"]), str(match["away"])
        result = [float(match["result"] == kind) for kind in ("win", "draw", "loss")]
        payoff.record(home, away, *result, decay=golden["decay"])
        assert payoff.win_rate(home, away) == pytest.approx(match["win_rate_home"], rel=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_counts_are_the_weighted_sum_of_the_pairs_history(seed: int) -> None:
    generator, payoff, names, decay = np.random.default_rng(seed), Payoff(), list("abcdefgh"), 0.9
    history: dict[tuple[str, str], list[tuple[int, int, int]]] = {}
    for _ in range(300):
        home, away = (str(name) for name in generator.choice(names, 2))
        wins, draws, losses = (int(count) for count in generator.integers(0, 5, 3))
        payoff.record(home, away, wins, draws, losses, decay)
        if home != away:
            history.setdefault((home, away), []).append((wins, draws, losses))
            history.setdefault((away, home), []).append((losses, draws, wins))
    for player in names:
        for opponent in names:
            results = history.get((player, opponent), [])
            weights = [decay ** (len(results) - 1 - age) for age in range(len(results))]
            wins, draws, losses = (
                sum(weight * result[kind] for weight, result in zip(weights, results, strict=True))
                for kind in range(3)
            )
            assert payoff.counts(player, opponent) == pytest.approx((wins, draws, losses))
            games = wins + draws + losses
            assert payoff.win_rate(player, opponent) == pytest.approx(
                (wins + draws / 2) / games if games else 0.5
            )
        rates = payoff.win_rates(player, names)
        assert rates.tolist() == [payoff.win_rate(player, opponent) for opponent in names]


def test_a_match_of_many_games_decays_once() -> None:
    payoff = Payoff()
    payoff.record("a", "b", 10, 0, 0, 0.5)
    payoff.record("a", "b", 0, 0, 10, 0.5)
    assert payoff.counts("a", "b") == Counts(5.0, 0.0, 10.0)
    assert payoff.counts("b", "a") == Counts(10.0, 0.0, 5.0)


def test_against_oneself_and_strangers_it_reads_one_half() -> None:
    payoff = Payoff()
    payoff.record("a", "a", 9, 0, 0)
    assert payoff.counts("a", "a").games == 0
    assert payoff.win_rates("a", ["a", "b"]).tolist() == [0.5, 0.5]
    assert payoff.win_rates("a", []).shape == (0,)
    assert payoff.opponents("a") == []


def test_totals_and_pairs() -> None:
    payoff = Payoff()
    payoff.record("b", "a", 1, 2, 3)
    payoff.record("b", "c", 4, 0, 0)
    payoff.record("c", "stranger", 7, 0, 0)
    assert payoff.totals("b") == Counts(5.0, 2.0, 3.0)
    pairs = payoff.pairs(["a", "b", "c"])
    assert np.array(pairs).T.tolist() == [[0, 1, 3, 2, 1], [1, 2, 4, 0, 0]]
    assert payoff.pairs([]).home.shape == (0,)


@pytest.mark.parametrize("seed", range(3))
def test_plain_data_reads_back_to_the_last_bit(seed: int) -> None:
    generator, payoff = np.random.default_rng(seed), Payoff()
    for _ in range(200):
        home, away = (f"main@{index}" for index in generator.integers(0, 30, 2))
        payoff.record(home, away, *generator.integers(0, 9, 3).tolist(), decay=0.99)
    text = dumps(payoff.to_plain())
    again = Payoff.from_plain(loads(text))
    assert dumps(again.to_plain()) == text
    names = [f"main@{index}" for index in range(30)]
    assert all((again.win_rates(name, names) == payoff.win_rates(name, names)).all() for name in names)


@pytest.mark.parametrize("plain", [[], {"a": 1}, {"a": {"b": [1, 2]}}, {"a": {"b": ["x", 1, 1]}}])
def test_other_data_is_refused(plain: object) -> None:
    with pytest.raises(LeagueError, match="not the counts of a payoff"):
        Payoff.from_plain(plain)
