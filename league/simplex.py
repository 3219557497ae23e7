"""Equilibria of zero-sum games in a few milliseconds: the simplex method on one small table.

With all payoffs made positive, the column player maximises sum(y) where M y <= 1 and y >= 0. In the table of
that linear program (Dantzig 1951; without its unit columns, Tucker 1960)

    M   1        M[i, j] payoffs, 1 limits           at the end: limits are y,
   -1   0        -1 what each column gains           the bottom line is x

the row player's strategy x stands in the bottom line when nothing gains any more. A general solver spends
longer on being called than a table of 64 x 64 takes; it is asked only where what was found is no equilibrium.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog

from league.players import LeagueError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

EXACT = 1e-9
"""Of the largest difference of payoffs: what both players together may gain by leaving an equilibrium."""
TINY = 1e-11
"""Numbers of size one below this are rounding."""
MOST_TURNS = 5
"""Of the simplex method, for every row and column; two are many. Ties might let it go round in circles."""


def equilibrium(matrix: Floats) -> tuple[Floats, Floats]:
    """[R] and [C] strategies of who gets and who pays matrix [R, C], which is finite and not empty."""
    return _simplex(matrix) or (_maximin(matrix), _maximin(-matrix.T))


def _simplex(matrix: Floats) -> tuple[Floats, Floats] | None:
    """Both strategies; None where rounding, or a circle, kept it from an equilibrium."""
    rows, columns = matrix.shape
    spread = float(np.ptp(matrix)) or 1.0
    table = np.zeros((rows + 1, columns + 1))
    table[:-1, :-1] = (matrix - matrix.min()) / spread + 1.0
    table[:-1, -1], table[-1, :-1] = 1.0, -1.0
    basic, free = np.arange(columns, columns + rows), np.arange(columns)
    for _ in range(MOST_TURNS * (rows + columns)):
        enters = int(table[-1, :-1].argmin())
        if table[-1, enters] > -TINY:
            break
        leaves = _leaving(table[:-1, enters], table[:-1, -1])
        _pivot(table, leaves, enters)
        basic[leaves], free[enters] = free[enters], basic[leaves]
    whole = np.zeros((2, rows + columns))
    whole[0, basic], whole[1, free] = table[:-1, -1], table[-1, :-1]
    column, row = np.maximum(whole[0, :columns], 0.0), np.maximum(whole[1, columns:], 0.0)
    if not (row.sum() > 0 and column.sum() > 0):
        return None
    row, column = row / row.sum(), column / column.sum()
    gap = float((matrix @ column).max() - (row @ matrix).min())
    return (row, column) if gap <= EXACT * spread else None


def _leaving(column: Floats, limits: Floats) -> int:
    """The row that limits most. There is one: all payoffs are positive."""
    ratios = np.full(len(column), np.inf)
    np.divide(limits, column, out=ratios, where=column > TINY)
    return int(ratios.argmin())


def _pivot(table: Floats, row: int, column: int) -> None:
    """Exchange what is basic in a row for what is free in a column."""
    pivot = table[row, column]
    turned, lost = table[row] / pivot, table[:, column].copy()
    table -= np.outer(lost, turned)
    table[row], table[:, column] = turned, -lost / pivot
    table[row, column] = 1.0 / pivot


def _maximin(matrix: Floats) -> Floats:
    """x with the greatest least entry of x M, by HiGHS: maximise v where x M >= v, x >= 0, sum x = 1."""
    rows, columns = matrix.shape
    # The solver's tolerances are absolute: give it numbers of size one.
    scale = float(np.abs(matrix).max()) or 1.0
    solved = linprog(
        c=np.append(np.zeros(rows), -1.0),
        A_ub=np.hstack([-matrix.T / scale, np.ones((columns, 1))]),
        b_ub=np.zeros(columns),
        A_eq=np.append(np.ones(rows), 0.0)[None],
        b_eq=[1.0],
        bounds=[(0.0, None)] * rows + [(None, None)],
        method="highs",
    )
    if not solved.success:
        raise LeagueError(f"the linear program of a {rows} x {columns} payoff failed: {solved.message}")
    played = np.maximum(solved.x[:-1], 0.0)
    strategy: Floats = played / played.sum()
    return strategy
