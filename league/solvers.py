"""What a table of payoffs is worth: Nash equilibria and alpha-rank. Pure functions of small matrices."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from league.players import LeagueError
from league.simplex import equilibrium

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


class NashSolution(NamedTuple):
    """An equilibrium of a two-player zero-sum game."""

    value: float
    """What the row player gets."""
    row: Floats
    """[R] mixed strategy of the player that maximises."""
    column: Floats
    """[C] mixed strategy of the player that minimises."""


class AlphaRank(NamedTuple):
    """The Markov chain of alpha-rank over strategy profiles, in the order of `itertools.product`."""

    transition: Floats
    """[P, P] chance to move from the row's profile to the column's."""
    stationary: Floats
    """[P] how much of the time is spent in each profile."""


def nash(payoff: npt.ArrayLike) -> NashSolution:
    """Equilibrium of a zero-sum game by linear programming (von Neumann 1928; Dantzig 1951).

    payoff: [R, C] what the row player gets and the column player pays; finite.
    Where there are several equilibria this is a corner of their set, not its middle: of two rows that
    are alike, one has all the mass.
    Raises LeagueError where the matrix is empty, not a matrix or not finite.
    """
    matrix = np.asarray(payoff, np.float64)
    if matrix.ndim != 2 or not matrix.size or not np.isfinite(matrix).all():
        raise LeagueError(f"payoff of shape {matrix.shape} must be a matrix of finite numbers")
    row, column = equilibrium(matrix)
    return NashSolution(float((row @ matrix).min()), row, column)


def alpha_rank(
    payoffs: Sequence[npt.ArrayLike], alpha: float, m: int = 50, local_selection: bool = True
) -> AlphaRank:
    """alpha-rank (Omidshafiei et al. 2019, equations 1-4).

    payoffs: one [S_1, .., S_K] array a population; a single [S, S] array is one population that plays
        itself, the row's payoff given.
    alpha: strength of selection; the larger, the surer the better strategy takes over.
    m: individuals in a population.
    local_selection: in one population, a mutant is compared with the resident in their game against each
        other; if False, by its mean payoff in the mixed population.
    """
    tables = [np.asarray(table, np.float64) for table in payoffs]
    if len(tables) == 1:
        (table,) = tables
        if table.ndim != 2 or table.shape[0] != table.shape[1]:
            raise LeagueError(f"the payoff of one population has shape {table.shape}, but must be square")
        fixation = (
            _fixation(alpha * (table.T - table), m) if local_selection else _fixation_global(table, alpha, m)
        )
        transition = fixation / max(len(table) - 1, 1)
    else:
        transition = _unilateral(tables, alpha, m)
    np.fill_diagonal(transition, 0.0)
    np.fill_diagonal(transition, 1.0 - transition.sum(axis=1))
    return AlphaRank(transition, stationary(transition))


def _fixation(gain: Floats, m: int) -> Floats:
    """(1 - e^-u) / (1 - e^-mu) for a mutant's advantage u, 1/m at u = 0; no overflow at either end."""
    size = np.abs(gain)
    safe = np.where(size > 0, size, 1.0)
    upward = np.expm1(-safe) / np.expm1(-m * safe)
    chance = np.where(gain > 0, upward, upward * np.exp(-(m - 1) * safe))
    return np.where(size > 0, chance, 1.0 / m)


def _fixation_global(table: Floats, alpha: float, m: int) -> Floats:
    """[resident, mutant] fixation where fitness is the mean payoff against everybody but oneself.

    1 / (1 + sum_k prod_{p <= k} e^(-alpha (f_mutant(p) - f_resident(p)))), p mutants among m.
    """
    mutants = np.arange(1, m)[:, None, None]
    own, resident, mutant = np.diag(table), table, table.T
    fitness_mutant = ((mutants - 1) * own[None, :] + (m - mutants) * mutant) / (m - 1)
    fitness_resident = (mutants * resident + (m - mutants - 1) * own[:, None]) / (m - 1)
    exponents = np.cumsum(-alpha * (fitness_mutant - fitness_resident), axis=0)
    top = np.maximum(exponents.max(axis=0), 0.0)
    chance: Floats = np.exp(-top) / (np.exp(-top) + np.exp(exponents - top).sum(axis=0))
    return chance


def _unilateral(tables: list[Floats], alpha: float, m: int) -> Floats:
    """[P, P] chances of one population moving to another strategy while the others stay."""
    shape = tables[0].shape
    if any(table.shape != shape for table in tables) or len(shape) != len(tables):
        raise LeagueError(f"{len(tables)} populations need that many dimensions each, not {shape}")
    profiles = np.array(list(product(*map(range, shape))))
    different = profiles[:, None, :] != profiles[None, :, :]
    transition = np.zeros((len(profiles), len(profiles)))
    for population, table in enumerate(tables):
        payoff = table.reshape(-1)
        moves = different[:, :, population] & (different.sum(axis=2) == 1)
        transition += np.where(moves, _fixation(alpha * (payoff[None, :] - payoff[:, None]), m), 0.0)
    return transition / max(sum(shape) - len(shape), 1)


def stationary(transition: Floats) -> Floats:
    """[P] stationary distribution of an irreducible chain (Grassmann, Taksar and Heyman 1985).

    Elimination without a subtraction, so that chances of 1e-40 count; the diagonal is not read.
    Raises LeagueError where a set of states is never left: the distribution then depends on the start.
    """
    chain = np.array(transition, np.float64)
    size = len(chain)
    for last in range(size - 1, 0, -1):
        leaving = chain[last, :last].sum()
        if not leaving > 0:
            raise LeagueError("the chain is not irreducible: some states are never left; lower alpha or m")
        chain[:last, last] /= leaving
        chain[:last, :last] += np.outer(chain[:last, last], chain[last, :last])
    mass = np.zeros(size)
    mass[0] = 1.0
    for state in range(1, size):
        mass[state] = mass[:state] @ chain[:state, state]
    result: Floats = mass / mass.sum()
    return result


def projected_replicator(
    payoff: npt.ArrayLike, steps: int = 110, dt: float = 2.0, gamma: float = 1e-3
) -> NashSolution:
    """Projected replicator dynamics (Lanctot et al. 2017, section 3.2), averaged over all steps.

    payoff: [R, C] of a zero-sum game; time is counted as for payoffs of size 1/2. gamma: least chance that a
    strategy keeps, divided by the number of strategies, so that none dies out for ever. value: what the two
    averages make against each other.
    A step goes by the gains that the last two foretell (Rakhlin and Sridharan 2013): so few and long steps
    stay in a cycle that Euler's run out of.
    """
    matrix = np.asarray(payoff, np.float64)
    alike = matrix.shape[0] == matrix.shape[1] and np.array_equal(matrix, -matrix.T)
    # Both sides in one array: of a symmetric game one is enough, of another the shorter ends with nobodies.
    table = np.zeros((max(matrix.shape),) * 2)
    table[: matrix.shape[0], : matrix.shape[1]] = matrix / (2.0 * np.abs(matrix).max() or 1.0)
    alive = np.arange(len(table)) < np.array(matrix.shape[: 1 if alike else 2])[:, None]
    played: Floats = alive / alive.sum(axis=1, keepdims=True)
    least, total, before = gamma * played, np.zeros_like(played), None
    for _ in range(steps):
        row = table @ played[-1]
        gains = row[None] if alike else np.stack([row, -(played[0] @ table)])
        ahead = gains if before is None else 2.0 * gains - before
        before = gains
        growth = ahead - (played * ahead).sum(axis=1, keepdims=True)
        played = _project(played * (1.0 + dt * growth), least, alive)
        total += played
    return _averages(matrix, total[0, : matrix.shape[0]], total[-1, : matrix.shape[1]])


def _project(strategies: Floats, least: Floats, alive: Bools) -> Floats:
    """The nearest strategies, a line each, whose every chance is `least` or more (Michelot 1986).

    Chances that fall below are held there, and what that adds is taken from the others, until none falls.
    """
    free = alive & (strategies >= least)
    count = free.sum(axis=1, keepdims=True)
    while True:
        excess = np.where(free, strategies, least).sum(axis=1, keepdims=True) - 1.0
        projected = np.where(free, strategies - excess / count, least)
        free &= projected >= least
        left = free.sum(axis=1, keepdims=True)
        if (left == count).all():
            return projected
        count = left


def regret_matching(payoff: npt.ArrayLike, steps: int = 150) -> NashSolution:
    """Regret matching+ with linear averaging (Hart and Mas-Colell 2000; Tammelin 2014), players in turn.

    payoff: [R, C] of a zero-sum game. value: what the two averages make against each other.
    """
    matrix = np.asarray(payoff, np.float64)
    row, column = (np.full(size, 1.0 / size) for size in matrix.shape)
    regret, other_regret = np.zeros_like(row), np.zeros_like(column)
    rows, columns = np.zeros_like(row), np.zeros_like(column)
    for step in range(1, steps + 1):
        gain = matrix @ column
        regret = np.maximum(regret + gain - row @ gain, 0.0)
        row = _matched(regret)
        loss = row @ matrix
        other_regret = np.maximum(other_regret + loss @ column - loss, 0.0)
        column = _matched(other_regret)
        rows, columns = rows + step * row, columns + step * column
    return _averages(matrix, rows, columns)


def _matched(regret: Floats) -> Floats:
    total = regret.sum()
    matched: Floats = regret / total if total > 0 else np.full_like(regret, 1.0 / len(regret))
    return matched


def _averages(matrix: Floats, rows: Floats, columns: Floats) -> NashSolution:
    row, column = rows / rows.sum(), columns / columns.sum()
    return NashSolution(float(row @ matrix @ column), row, column)
