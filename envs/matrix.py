"""Games of one simultaneous choice by two seats, given by their payoff tables."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from envs.buffers import blank_step
from envs.game import Array, ArraySpec, Discrete, Floats, Game, GameSpec, Step
from envs.legal import check_form, check_legal

Table = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Matrix:
    """A two-player game in normal form. Both seats have the same number of choices."""

    description: str
    """What is at stake, for `league envs`."""
    row: Table
    """row[i][j]: what the row seat is given where it chooses i and the other seat j."""
    column: Table
    """column[i][j]: what the column seat is given then."""
    teams: tuple[str, ...] = ("first", "second")
    """Names of the two teams, row first; one name where the seats are one team."""

    @property
    def symmetric(self) -> bool:
        """Whether exchanging the seats changes nothing, and there is an opponent to exchange with."""
        return len(self.teams) > 1 and self.column == _transposed(self.row)


def _transposed(table: Table) -> Table:
    return tuple(zip(*table, strict=True))


def _negated(table: Table) -> Table:
    return tuple(tuple(-value for value in values) for values in table)


def _zero_sum(description: str, row: Table, teams: tuple[str, ...] = ("first", "second")) -> Matrix:
    return Matrix(description, row, _negated(row), teams)


def _symmetric(description: str, row: Table) -> Matrix:
    return Matrix(description, row, _transposed(row))


def _cooperative(description: str, row: Table) -> Matrix:
    return Matrix(description, row, row, ("team",))


def _blotto(coins: int, fields: int) -> Table:
    """Who wins more fields, for all ways to lay out the coins; the larger heap wins a field."""
    ways = np.array([heaps for heaps in product(range(coins + 1), repeat=fields) if sum(heaps) == coins])
    won = np.sign(ways[:, None] - ways).sum(axis=-1)
    return _whole(np.sign(won))


def _skill(choices: int, cycles: float, seed: int) -> Table:
    """A random game of skill (Czarnecki et al. 2020), by who wins: sign of S_i - S_j + (W_ij - W_ji) / 2.

    S and W are standard normal, W times `cycles`: the more, the less does it help to be stronger.
    """
    generator = np.random.default_rng(seed)
    strength, chance = generator.normal(size=choices), generator.normal(size=(choices, choices))
    edge = strength[:, None] - strength + cycles * (chance - chance.T) / 2
    return _whole(np.sign(edge))


def _whole(table: npt.NDArray[np.generic]) -> Table:
    return tuple(tuple(map(int, values)) for values in table.tolist())


MATRICES = {
    "rps": _zero_sum("rock, paper, scissors", ((0, -1, 1), (1, 0, -1), (-1, 1, 0))),
    "pennies": _zero_sum("matching pennies", ((1, -1), (-1, 1)), ("even", "odd")),
    "blotto": _zero_sum("Colonel Blotto: 10 coins on 3 fields, most fields win", _blotto(10, 3)),
    "skill": _zero_sum(
        "random game of skill: 31 choices, an equilibrium plays nine of them", _skill(31, cycles=2.0, seed=0)
    ),
    "prisoners": _symmetric("prisoner's dilemma: cooperate or defect", ((-1, -3), (0, -2))),
    "stag_hunt": _symmetric("stag hunt: the better equilibrium is the riskier", ((4, 0), (3, 3))),
    "chicken": _symmetric("chicken: swerve or stay", ((0, -1), (1, -10))),
    "climbing": _cooperative(
        "climbing game (Claus and Boutilier 1998): best return 11",
        ((11, -30, 0), (-30, 7, 6), (0, 0, 5)),
    ),
    "penalty": _cooperative(
        "penalty game, k = -100 (Claus and Boutilier 1998): best return 10",
        ((10, 0, -100), (0, 2, 0), (-100, 0, 10)),
    ),
}
"""Name -> game; `matrix:NAME` on the command line."""


class MatrixGame(Game):
    """One choice by both seats at once, then the episode is over.

    Observation float32 [2]: which seat one is, one-hot. State float32 [1]: always 1.
    """

    def __init__(self, name: str, copies: int) -> None:
        """name: one of `MATRICES`; KeyError otherwise."""
        matrix = MATRICES[name]
        self.spec = GameSpec(
            name=f"matrix:{name}",
            seats=("player_0", "player_1"),
            teams=dict(zip(matrix.teams, ((0,), (1,)), strict=True))
            if len(matrix.teams) == 2
            else {matrix.teams[0]: (0, 1)},
            observation=ArraySpec((2,), "float32"),
            actions=Discrete(len(matrix.row)),
            slots=2,
            symmetric=matrix.symmetric,
            state=ArraySpec((1,), "float32"),
        )
        self.copies = copies
        self._payoff: Floats = np.stack([matrix.row, matrix.column], axis=-1).astype(np.float32)
        self._step = blank_step(self.spec, copies)
        self._step.observation[:] = np.eye(2, dtype=np.float32)
        self._step.mask.fill(True)
        assert self._step.state is not None
        self._step.state.fill(1.0)

    def reset(self, seed: int) -> Step:
        """See `Game.reset`; there is no chance in these games, so the seed changes nothing."""
        self._step.reward.fill(0.0)
        self._step.terminated.fill(False)
        self._step.over.fill(False)
        return self._step

    def step(self, actions: Array) -> Step:
        """See `Game.step`."""
        check_form(self.spec, self.copies, actions)
        check_legal(self.spec, self._step, actions)
        self._step.reward[:] = self._payoff[actions[:, 0], actions[:, 1]]
        self._step.terminated.fill(True)
        self._step.over.fill(True)
        return self._step
