"""The sequential test against its definition, its error rates, and what swapping seats is good for."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize

from league.players import LeagueError
from league.sprt import NORMALISED_ELO, UPPER, Verdict, sprt


def literal_llr(counts: list[float], lower: float, upper: float) -> float:
    """Maximise the multinomial likelihood under each hypothesis by a solver that knows nothing of it."""
    seen, scores = np.array(counts, float), np.linspace(0.0, 1.0, len(counts))
    scale = NORMALISED_ELO if len(counts) == 3 else NORMALISED_ELO / math.sqrt(2.0)

    def loss(chances: np.ndarray) -> float:
        return float(-(seen / seen.sum() * np.log(chances)).sum())

    def best(elo: float) -> float:
        def off(chances: np.ndarray) -> float:
            mean = chances @ scores
            return float(mean - 0.5 - elo / scale * math.sqrt(chances @ (scores - mean) ** 2))

        constraints = [{"type": "eq", "fun": off}, {"type": "eq", "fun": lambda p: p.sum() - 1.0}]
        bounds = [(1e-9, 1.0)] * len(seen)
        found = minimize(loss, seen / seen.sum(), bounds=bounds, constraints=constraints, tol=1e-13)
        assert found.success
        return float(found.fun)

    return float(seen.sum() * (best(lower) - best(upper)))


@pytest.mark.parametrize(
    "counts", [[300, 500, 340], [10, 2, 30], [20, 90, 200, 110, 30], [5, 1, 5, 1, 5], [1, 1, 1]]
)
@pytest.mark.parametrize(("lower", "upper"), [(0.0, 2.0), (0.5, 2.5), (0.0, 50.0), (-30.0, 30.0)])
def test_against_the_definition(counts: list[float], lower: float, upper: float) -> None:
    assert sprt(counts, lower, upper).llr == pytest.approx(literal_llr(counts, lower, upper), abs=2e-4)


@pytest.mark.parametrize(
    ("counts", "verdict"),
    [
        ([0, 0, 0], Verdict.UNDECIDED),
        ([0, 0, 0, 0, 0], Verdict.UNDECIDED),
        ([10, 0, 10], Verdict.UNDECIDED),
        ([400, 0, 600], Verdict.BETTER),
        ([600, 0, 400], Verdict.NO_BETTER),
        ([0, 0, 500], Verdict.BETTER),
        ([500, 0, 0], Verdict.NO_BETTER),
        ([0, 10, 300, 90, 10], Verdict.BETTER),
        ([10, 90, 300, 10, 0], Verdict.NO_BETTER),
    ],
)
def test_verdict(counts: list[float], verdict: Verdict) -> None:
    assert sprt(counts, 0.0, 50.0).verdict is verdict


def test_bounds() -> None:
    assert pytest.approx(2.944, abs=1e-3) == UPPER


def test_turned_round_the_answer_turns_round() -> None:
    for counts in ([30, 50, 60], [3, 9, 20, 14, 5]):
        here, there = sprt(counts, -20.0, 20.0), sprt(counts[::-1], -20.0, 20.0)
        assert here.llr == pytest.approx(-there.llr, abs=1e-6)


def test_where_the_seat_decides_much_pairs_are_surer_than_games() -> None:
    """Who begins wins nine times out of ten: single games swing, pairs hardly do."""
    first, second = np.zeros(1000), np.zeros(1000)
    first[:920] = 1.0
    second[:110], second[990:] = 1.0, 1.0  # 120 wins, spread over the pairs as if by chance
    scores = np.bincount((2 * (first + second)).astype(int), minlength=5)
    games, pairs = sprt([960, 0, 1040], 0.0, 20.0), sprt(scores, 0.0, 20.0)
    assert games.verdict is Verdict.UNDECIDED
    assert pairs.verdict is Verdict.BETTER


@pytest.mark.parametrize(("true", "wrong"), [(0.0, Verdict.BETTER), (60.0, Verdict.NO_BETTER)])
def test_it_errs_as_often_as_it_says(true: float, wrong: Verdict) -> None:
    """At most 5 % of tests at either bound end wrongly; 120 of them, 30 % draws, seed 1."""
    generator, errors, decided = np.random.default_rng(1), 0, 0
    deviation = math.sqrt(0.7 / 4)
    win = 0.35 + true / NORMALISED_ELO * deviation
    for _ in range(120):
        counts = np.zeros(3)
        for _ in range(80):
            counts += generator.multinomial(50, [0.7 - win, 0.3, win])
            verdict = sprt(counts, 0.0, 60.0).verdict
            if verdict is not Verdict.UNDECIDED:
                errors += verdict is wrong
                decided += 1
                break
    assert decided > 110
    assert (
        errors <= 13
    )  # 6 are expected at most; more than 13 come about once in a hundred thousand such tests


@pytest.mark.parametrize("counts", [[1, 2], [1, 2, 3, 4], [1, -1, 3], [1, float("nan"), 2]])
def test_other_counts_are_refused(counts: list[float]) -> None:
    with pytest.raises(LeagueError, match="must be 3 \\(games\\) or 5 \\(pairs\\)"):
        sprt(counts, 0.0, 2.0)
