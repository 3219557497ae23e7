"""What each of OpenSpiel's 43 bots of repeated rock, paper, scissors wins of each other.

Every pair plays some games of 1000 throws, and more as long as it is not clear which of the two is better,
those with the widest errors first. Two bots without dice play one game: all others would be the same.

Run: nice -n 10 python -m benchmarks.rrps_table [--seconds N] [--workers N] [--out FILE]
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import combinations
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import numpy.typing as npt

from agents.scripted.rrps import BOTS
from envs.repeated_rps import THROWS
from league.payoff import Payoff
from league.ratings.diagnostics import Cycles, cyclic_triples
from league.solvers import alpha_rank, nash

Floats = npt.NDArray[np.float64]
OUT = Path("tests/golden/rrps_bots.json")
FIRST = 4
"""Games of every pair, before it is asked which are clear."""
MOST = 1000
"""Games of a pair, as in the table that Lanctot et al. (2023) published."""
CLEAR = 4.0
"""Standard errors from 0 at which a mean return is left alone."""
UNIFORM = "randbot"
"""Throws at random."""
BATCH = 8
"""Games of a pair between two looks at the table."""


@dataclass
class Cell:
    """What came of one pair, home's part of it."""

    home: str
    away: str
    games: int = 0
    wins: int = 0
    draws: int = 0
    losses: int = 0
    total: float = 0.0
    """Of returns."""
    squares: float = 0.0

    @property
    def mean(self) -> float:
        return self.total / self.games

    @property
    def error(self) -> float:
        """Standard error of the mean; 0 for a pair without dice."""
        spread = max(self.squares / self.games - self.mean**2, 0.0)
        return float(np.sqrt(spread / max(self.games - 1, 1)))

    def add(self, returns: list[float]) -> None:
        """More games."""
        for value in returns:
            self.games += 1
            self.wins, self.draws, self.losses = (
                self.wins + (value > 0),
                self.draws + (value == 0),
                self.losses + (value < 0),
            )
            self.total += value
            self.squares += value * value


def play(job: tuple[str, str, int, int]) -> tuple[str, str, list[float]]:
    """(home, away, number of the first game, games) -> home's returns. A game follows from its number."""
    import pyspiel

    home, away, first, games = job
    game = pyspiel.load_game(f"repeated_game(stage_game=matrix_rps(),num_repetitions={THROWS})")
    seed_c = ctypes.CDLL(None).srandom
    returns = []
    for number in range(first, first + games):
        sequence = np.random.SeedSequence([BOTS.index(home), BOTS.index(away), number])
        seed_c(ctypes.c_uint(int(sequence.generate_state(1)[0])))
        one, two = pyspiel.make_roshambo_bot(0, home), pyspiel.make_roshambo_bot(1, away)
        state = game.new_initial_state()
        for _ in range(THROWS):
            state.apply_actions([one.step(state), two.step(state)])
        returns.append(float(state.returns()[0]))
    return home, away, returns


def unclear(cells: list[Cell]) -> list[Cell]:
    """Pairs that another game would tell something about, the widest errors first."""
    open_ones = [
        cell for cell in cells if cell.games < MOST and cell.error and abs(cell.mean) < CLEAR * cell.error
    ]
    return sorted(open_ones, key=lambda cell: -cell.error)


def measure(seconds: float, workers: int) -> list[Cell]:
    """The table, after so many seconds."""
    cells = {two: Cell(*two) for two in combinations(BOTS, 2)}
    end = time.monotonic() + seconds
    with get_context("spawn").Pool(workers) as pool:

        def rounds() -> Iterator[list[tuple[str, str, int, int]]]:
            yield [(*two, 0, FIRST) for two in cells]
            while time.monotonic() < end and (rest := unclear(list(cells.values()))):
                yield [(cell.home, cell.away, cell.games, BATCH) for cell in rest[: 8 * workers]]

        for jobs in rounds():
            for home, away, returns in pool.imap_unordered(play, jobs):
                same = len(set(returns)) == 1 and not cells[home, away].games
                cells[home, away].add(returns[:1] if same else returns)
    return list(cells.values())


def write(path: Path, cells: list[Cell]) -> None:
    """JSON, a line a pair."""
    names = [field.name for field in fields(Cell)]
    rows = ",\n".join(json.dumps([getattr(cell, name) for name in names]) for cell in cells)
    path.write_text(f'{{"throws": {THROWS}, "fields": {json.dumps(names)}, "pairs": [\n{rows}\n]}}\n')


def read(path: Path) -> list[Cell]:
    """The cells that `write` wrote."""
    return [Cell(*row) for row in json.loads(path.read_text())["pairs"]]


def table(cells: list[Cell]) -> Floats:
    """[B, B] mean return of the row against the column, in the order of `BOTS`."""
    means = np.zeros((len(BOTS), len(BOTS)))
    for cell in cells:
        home, away = BOTS.index(cell.home), BOTS.index(cell.away)
        means[home, away], means[away, home] = cell.mean, -cell.mean
    return means


def circles(means: Floats) -> Cycles:
    """Cyclic triples of the table, where of two bots the one with the better mean return beats the other."""
    signs = Payoff()
    for home, away in combinations(range(len(means)), 2):
        if lead := means[home, away]:
            signs.record(BOTS[home], BOTS[away], 100.0 * (lead > 0), 0.0, 100.0 * (lead < 0))
    return cyclic_triples(signs, BOTS)


def redrawn(cells: list[Cell], generator: np.random.Generator, games: int = MOST) -> Floats:
    """[B, B] the table as it might come out again of so many games a pair.

    Nobody has an edge over who throws at random: the true mean return of these pairs is known to be 0.
    """
    again = []
    for cell in cells:
        mean = 0.0 if UNIFORM in (cell.home, cell.away) else cell.mean
        spread = cell.error * np.sqrt(max(cell.games - 1, 1)) / np.sqrt(games)
        again.append(Cell(cell.home, cell.away, 1, total=float(generator.normal(mean, spread))))
    return table(again)


def luck(cells: list[Cell], draws: int = 200) -> list[str]:
    """Between which numbers the same bots may bring two figures of the table, 95 times of 100."""
    generator = np.random.default_rng(0)
    tables = [redrawn(cells, generator) for _ in range(draws)]
    figures = {
        f"Nash mass of {UNIFORM}": [nash(means).row[BOTS.index(UNIFORM)] for means in tables],
        "cyclic triples": [circles(means).cyclic for means in tables],
    }
    return [
        f"{name}: {np.quantile(values, 0.025):.3g} to {np.quantile(values, 0.975):.3g} of 95 % of tables"
        for name, values in figures.items()
    ]


def report(means: Floats) -> list[str]:
    """What the table says, a line each."""
    scores = means.sum(axis=1) / len(BOTS)
    mass, ranked = nash(means).row, alpha_rank([means / np.abs(means).max()], 1.0).stationary
    cycles = circles(means)

    def best(values: Floats) -> str:
        return ", ".join(f"{BOTS[at]} {values[at]:.3f}" for at in np.argsort(-values)[:5])

    return [
        f"mean return: {best(scores)}",
        f"Nash: {best(mass)}",
        f"alpha-rank: {best(ranked)}",
        f"cyclic triples: {cycles.cyclic} of {cycles.triples}",
    ]


def main() -> None:
    """Play, print what the table says, write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=540.0)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    from benchmarks.runs import describe_machine  # loads what the processes that play can do without

    cells = measure(args.seconds, args.workers)
    games = [cell.games for cell in cells]
    print(f"{describe_machine()}: {sum(games)} games, {min(games)} to {max(games)} of a pair")
    print("\n".join([*report(table(cells)), *luck(cells)]))
    write(args.out, cells)


if __name__ == "__main__":
    main()
