"""Ratings against golden numbers, a slow oracle, and the promise of their intervals."""

from __future__ import annotations

import json
import math
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from league.payoff import Pairs, Payoff
from league.players import LeagueError
from league.ratings.bradley_terry import POINTS, maximise, probabilities, rate

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "ratings.json").read_text())
NONE = Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0), np.zeros(0))
Floats = npt.NDArray[np.float64]


def pairs(rows: list[tuple[int, int, float, float, float]]) -> Pairs:
    home, away, wins, draws, losses = zip(*rows, strict=True)
    return Pairs(np.array(home), np.array(away), *(np.array(c, np.float64) for c in (wins, draws, losses)))


def test_golden_maximum_likelihood() -> None:
    golden = GOLDEN["bradley_terry"]
    wins = np.array(golden["wins"]) + 0.5 * np.array(golden["draws"])
    assert wins.tolist() == golden["w_eff"]
    games = pairs([(i, j, wins[i, j], 0.0, wins[j, i]) for i, j in combinations(range(5), 2)])
    theta = maximise(5, games, NONE).theta
    np.testing.assert_allclose(theta, golden["theta"], rtol=1e-9)
    np.testing.assert_allclose(POINTS * theta, golden["elo_scale"], rtol=1e-9)
    win = probabilities(theta[:, None] - theta[None, :], 0.0)[0]
    np.testing.assert_allclose(win, golden["win_prob"], rtol=1e-9)
    likelihood = sum(wins[i, j] * math.log(win[i, j]) for i in range(5) for j in range(5) if i != j)
    assert likelihood == pytest.approx(golden["log_likelihood"], rel=1e-9)


def slow_log_posterior(point: Floats, games: Pairs, prior: Pairs) -> float:
    """Davidson's likelihood and the prior written out game by game; `point` is theta and log nu."""
    theta, nu = point[:-1], math.exp(point[-1])
    value = 0.5 * math.log(nu / (2 + nu)) + 0.5 * math.log(2 / (2 + nu))
    for (i, j, wins, draws, losses), draw in [(row, nu) for row in zip(*games, strict=True)] + [
        (row, 0.0) for row in zip(*prior, strict=True)
    ]:
        strong, weak = math.exp(theta[i] / 2 - theta[j] / 2), math.exp(theta[j] / 2 - theta[i] / 2)
        total = strong + weak + draw
        value += wins * math.log(strong / total) + losses * math.log(weak / total)
        value += draws * math.log(draw / total) if draws else 0.0
    return value


@pytest.mark.parametrize("seed", range(5))
def test_gradient_vanishes_and_intervals_are_the_inverse_hessian(seed: int) -> None:
    generator, n = np.random.default_rng(seed), 5
    rows = [(i, j, *generator.integers(0, 12, 3).astype(float)) for i, j in combinations(range(n), 2)]
    games, prior = pairs(rows), pairs([(i, i - 1, 2.0, 0.0, 2.0) for i in range(1, n)])
    fit = maximise(n, games, prior)
    point, step, size = np.append(fit.theta, math.log(fit.nu)), 1e-4, n + 1
    unit = np.eye(size) * step

    def at(offset: Floats) -> float:
        return slow_log_posterior(point + offset, games, prior)

    gradient = [(at(unit[i]) - at(-unit[i])) / (2 * step) for i in range(size)]
    np.testing.assert_allclose(gradient, 0.0, atol=1e-5)
    hessian = np.array(
        [
            [
                at(unit[i] + unit[j]) - at(unit[i] - unit[j]) - at(unit[j] - unit[i]) + at(-unit[i] - unit[j])
                for j in range(size)
            ]
            for i in range(size)
        ]
    ) / (4 * step**2)
    covariance = np.linalg.pinv(-hessian, rcond=1e-5)[:n, :n]
    np.testing.assert_allclose(fit.deviation, np.sqrt(np.diag(covariance)), rtol=1e-4)


def coverage(draws: float, half_wins: bool = False) -> float:
    """Share of 95 % intervals that hold the truth, in 200 leagues of 12 generations and 1 500 games.

    draws: share of drawn games between equals, by Davidson's model. half_wins: count a draw as half a win and
    half a loss, as who has no draw term does.
    """
    generator, size, held = np.random.default_rng(20), 12, []
    names = [f"main@{number:02}" for number in range(size)]
    parents = {name: names[number - 1] if number else None for number, name in enumerate(names)}
    home, away = np.triu_indices(size, 1)
    for _ in range(200):
        theta = np.cumsum(generator.normal(0.2, 0.5, size))
        chances = np.stack(probabilities(theta[home] - theta[away], 2 * draws / (1 - draws)), axis=1)
        games = generator.multinomial(1500, np.full(len(home), 1 / len(home)))
        results = generator.multinomial(games, chances).astype(np.float64)
        if half_wins:
            results = results @ [[1, 0, 0], [0.5, 0, 0.5], [0, 0, 1]]
        plain: dict[str, dict[str, list[float]]] = {name: {} for name in names}
        for first, second, row in zip(home, away, results.tolist(), strict=True):
            plain[names[first]][names[second]] = row
        ratings = rate(Payoff.from_plain(plain), parents).by_node
        elo, low, high = np.array([[one.elo, one.low, one.high] for one in ratings.values()]).T
        truth = elo.mean() + POINTS * (theta - theta.mean())
        held.append((low <= truth) & (truth <= high))
    share = float(np.mean(held))
    print(f"{draws:.0%} draws, {half_wins=}: {share:.3f} of 95 % intervals hold the truth")
    return share


@pytest.mark.parametrize("draws", [0.0, 0.1, 0.5])
def test_intervals_hold_the_truth_as_often_as_they_say(draws: float) -> None:
    assert 0.93 <= coverage(draws) <= 0.975


def test_a_draw_counted_as_half_a_win_would_be_found_out() -> None:
    """That the test above can fail: who has no draw term takes draws for close games, and leads for small."""
    assert coverage(0.5, half_wins=True) < 0.93


def test_an_undefeated_player_has_a_finite_rating_with_a_wide_interval() -> None:
    tally = Payoff()
    tally.record("b", "a", 1_000_000, 0, 0)
    ratings = rate(tally, {"a": None, "b": "a"})
    assert ratings.by_node["a"].elo == 1200
    assert 1800 < ratings.by_node["b"].elo < 4000
    assert ratings.by_node["b"].high - ratings.by_node["b"].low > 200
    assert ratings.nu == 0.0


def test_without_games_all_stand_at_the_anchor() -> None:
    ratings = rate(Payoff(), {"a": None, "b": "a", "c": None})
    assert [rating.elo for rating in ratings.by_node.values()] == pytest.approx([1200.0] * 3)
    assert rate(Payoff(), {}).by_node == {}
    alone = rate(Payoff(), {"a": None}).by_node["a"]
    assert (alone.low, alone.elo, alone.high) == pytest.approx((1200, 1200, 1200), abs=1e-6)


def test_drawn_games_say_equal_and_say_so_less_surely_than_coin_flips() -> None:
    drawn, flipped = Payoff(), Payoff()
    drawn.record("b", "a", 0, 100, 0)
    flipped.record("b", "a", 50, 0, 50)
    reach = [rate(tally, {"a": None, "b": "a"}).by_node["b"] for tally in (drawn, flipped)]
    assert reach[0].elo == reach[1].elo == pytest.approx(1200.0)
    # Davidson: a draw is likely over a wide range of leads, so it tells less of theta than a decided game.
    assert reach[0].high - reach[0].low > reach[1].high - reach[1].low


def test_sets_of_nodes_that_never_met_are_centred_apart() -> None:
    fit = maximise(4, pairs([(0, 1, 30.0, 0.0, 10.0), (2, 3, 10.0, 0.0, 20.0)]), NONE)
    np.testing.assert_allclose(
        fit.theta, [math.log(3) / 2, -math.log(3) / 2, -math.log(2) / 2, math.log(2) / 2]
    )


def test_expected_scores_are_symmetric() -> None:
    tally = Payoff()
    tally.record("a", "b", 5, 3, 1)
    scores = rate(tally, {"a": None, "b": "a"}).expected_scores(["a", "b"], ["a", "b"])
    np.testing.assert_allclose(scores + scores.T, 1.0)
    assert scores[0, 1] > 0.5


def test_no_maximum_and_no_prior_are_refused() -> None:
    with pytest.raises(LeagueError, match="no maximum"):
        maximise(2, pairs([(0, 1, 3.0, 0.0, 0.0)]), NONE)
    with pytest.raises(LeagueError, match=r"prior_draws is 0.0, but must be 0.01 or more"):
        rate(Payoff(), {"a": None}, prior_draws=0.0)


@pytest.mark.slow
def test_a_league_of_a_thousand_nodes_and_a_million_games() -> None:
    generator, n = np.random.default_rng(4), 1000
    theta = np.cumsum(generator.normal(0.02, 0.2, n))
    home = generator.integers(1, n, 10_000)
    away = np.maximum(home - generator.geometric(0.1, len(home)), 0)
    chances = np.stack(probabilities(theta[home] - theta[away], 0.5), axis=1)
    games = Pairs(home, away, *generator.multinomial(100, chances).T.astype(np.float64))
    half = np.full(n - 1, 2.0)
    fit = maximise(n, games, Pairs(np.arange(1, n), np.arange(n - 1), half, 0 * half, half))
    held = np.abs(fit.theta - (theta - theta.mean())) <= 1.96 * fit.deviation
    assert fit.nu == pytest.approx(0.5, abs=0.02)
    assert held.mean() > 0.9
