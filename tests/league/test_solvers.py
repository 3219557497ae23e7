"""Equilibria against golden numbers and against their definitions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linprog

from league import simplex
from league.players import LeagueError
from league.solvers import alpha_rank, nash, projected_replicator, regret_matching, stationary

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "equilibria.json").read_text())


@pytest.mark.parametrize("case", GOLDEN["zero_sum"], ids=lambda case: case["name"])
def test_golden_zero_sum(case: dict[str, Any]) -> None:
    solution = nash(case["payoff"])
    assert solution.value == pytest.approx(case["value"], abs=1e-9)
    assert case["unique"]
    np.testing.assert_allclose(solution.row, case["row_strategy"], atol=1e-9)
    np.testing.assert_allclose(solution.column, case["col_strategy"], atol=1e-9)


@pytest.mark.parametrize("case", GOLDEN["alpharank"], ids=lambda case: f"{case['name']}-{case['alpha']}")
def test_golden_alpha_rank(case: dict[str, Any]) -> None:
    local = case.get("local_selection", True)
    ranked = alpha_rank(case["payoffs"], case["alpha"], case["m"], local)
    np.testing.assert_allclose(ranked.transition, case["transition"], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(ranked.stationary, case["stationary"], rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize(
    ("solve", "nash_conv"), [(projected_replicator, 0.03), (regret_matching, 0.003)], ids=["prd", "rm"]
)
@pytest.mark.parametrize("seed", range(6))
def test_learning_comes_near_the_equilibrium(solve: Any, nash_conv: float, seed: int) -> None:
    """Games of one population and of two, of the size of scores."""
    generator = np.random.default_rng(seed)
    payoff = generator.uniform(-0.5, 0.5, tuple(generator.integers(2, 20, 2)))
    if seed % 2:
        square = generator.uniform(-0.5, 0.5, (12, 12))
        payoff = (square - square.T) / 2
    value, row, column = solve(payoff)
    for strategy in (row, column):
        assert strategy.sum() == pytest.approx(1)
        assert strategy.min() >= 0
    assert (payoff @ column).max() - (row @ payoff).min() < nash_conv
    assert value == pytest.approx(nash(payoff).value, abs=nash_conv)


def test_projected_replicators_keep_everybody_alive() -> None:
    """A strategy that is beaten by all others keeps gamma / size, as without projection it would not."""
    payoff = [[0.0, 0.5, 0.5], [-0.5, 0.0, 0.0], [-0.5, 0.0, 0.0]]
    row = projected_replicator(payoff, steps=4000, gamma=0.03).row
    assert row[1] == pytest.approx(0.01, abs=0.003)
    assert projected_replicator(payoff, steps=4000, gamma=1e-9).row[1] < 0.003


def test_a_strategy_that_is_dominated_by_a_mixture_is_not_played() -> None:
    value, row, column = nash([[0.0, 1.0], [1.0, 0.0], [0.4, 0.4]])
    assert value == pytest.approx(0.5)
    np.testing.assert_allclose(row, [0.5, 0.5, 0.0], atol=1e-9)
    np.testing.assert_allclose(column, [0.5, 0.5], atol=1e-9)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("seed", range(5))
def test_nobody_gains_by_leaving_the_equilibrium(seed: int, scale: float) -> None:
    generator = np.random.default_rng(seed)
    payoff = scale * generator.normal(size=tuple(generator.integers(1, 30, 2)))
    value, row, column = nash(payoff)
    assert row.sum() == pytest.approx(1)
    assert column.sum() == pytest.approx(1)
    assert min(row.min(), column.min()) >= 0
    assert (row @ payoff).min() == pytest.approx(value, abs=1e-8 * scale)
    assert (payoff @ column).max() == pytest.approx(value, abs=1e-8 * scale)


@pytest.mark.parametrize("kind", ["random", "symmetric", "ranks", "ties", "copies", "scores"])
@pytest.mark.parametrize("seed", range(4))
def test_large_and_degenerate_tables_are_solved_exactly(seed: int, kind: str) -> None:
    """Up to 64 strategies: many that are alike, all equal, in one order, or counts of few games."""
    generator = np.random.default_rng(seed)
    size = int(generator.integers(40, 65))
    uniform = generator.uniform(-0.5, 0.5, (size, size))
    strength = np.sort(generator.normal(size=size))
    ties = np.sign(strength[:, None] - strength[None, :]) * (generator.random((size, size)) < 0.1)
    copied = (uniform - uniform.T)[:, :8][:8].repeat(8, axis=0).repeat(8, axis=1)
    games = generator.binomial(4, 0.5 + 0.4 * (uniform - uniform.T)) / 4
    payoff = {
        "random": uniform,
        "symmetric": uniform - uniform.T,
        "ranks": np.tanh(strength[:, None] - strength[None, :]),
        "ties": ties - ties.T,
        "copies": copied,
        "scores": games - games.T,
    }[kind]
    value, row, column = nash(payoff)
    assert (payoff @ column).max() - (row @ payoff).min() < 1e-9
    assert value == pytest.approx(linprog_value(payoff), abs=1e-9)
    assert row.sum() == pytest.approx(1)
    assert column.sum() == pytest.approx(1)


def linprog_value(payoff: Any) -> float:
    """The least that the column player can hold the row player to, by another solver."""
    rows, columns = payoff.shape
    solved = linprog(
        np.append(np.zeros(columns), 1.0),
        A_ub=np.hstack([payoff, -np.ones((rows, 1))]),
        b_ub=np.zeros(rows),
        A_eq=np.append(np.ones(columns), 0.0)[None],
        b_eq=[1.0],
        bounds=[(0, None)] * columns + [(None, None)],
    )
    return float(solved.fun)


@pytest.mark.parametrize(("name", "value"), [("EXACT", -1.0), ("TINY", 0.02), ("MOST_TURNS", 0)])
def test_where_the_table_leads_to_no_equilibrium_another_solver_is_asked(
    monkeypatch: pytest.MonkeyPatch, name: str, value: float
) -> None:
    monkeypatch.setattr(simplex, name, value)
    payoff = np.random.default_rng(0).normal(size=(9, 7))
    worth, row, column = nash(payoff)
    assert (payoff @ column).max() == pytest.approx((row @ payoff).min(), abs=1e-8)
    monkeypatch.undo()
    assert nash(payoff).value == pytest.approx(worth, abs=1e-8)


@pytest.mark.parametrize("payoff", [[], [[]], [1.0], [[1.0, float("nan")]]])
def test_no_game_no_equilibrium(payoff: list[Any]) -> None:
    with pytest.raises(LeagueError, match="must be a matrix of finite numbers"):
        nash(payoff)


@pytest.mark.parametrize("seed", range(5))
def test_the_stationary_distribution_does_not_move(seed: int) -> None:
    generator = np.random.default_rng(seed)
    transition = generator.dirichlet(np.ones(9) * 0.2, size=9)
    mass = stationary(transition)
    np.testing.assert_allclose(mass @ transition, mass, atol=1e-12)
    assert mass.sum() == pytest.approx(1)


def test_chances_too_small_for_subtraction_still_count() -> None:
    tiny = 1e-40
    np.testing.assert_allclose(
        stationary(np.array([[1 - tiny, tiny], [3 * tiny, 1 - 3 * tiny]])), [0.75, 0.25]
    )


def test_malformed_chains_and_payoffs_are_refused() -> None:
    with pytest.raises(LeagueError, match="not irreducible"):
        stationary(np.eye(2))
    with pytest.raises(LeagueError, match="must be square"):
        alpha_rank([np.zeros((2, 3))], 1.0)
    with pytest.raises(LeagueError, match="2 populations need that many dimensions"):
        alpha_rank([np.zeros((2, 3)), np.zeros((3, 2))], 1.0)


def test_one_strategy_has_all_the_mass() -> None:
    assert alpha_rank([np.zeros((1, 1))], 1.0).stationary.tolist() == [1.0]
    assert alpha_rank([np.zeros((1, 1))] * 2, 1.0).stationary.tolist() == [1.0]
