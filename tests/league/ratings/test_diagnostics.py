"""Cyclic triples against counting them one by one."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest

from league.payoff import Payoff
from league.ratings.diagnostics import Cycles, cyclic_triples


def test_rock_paper_scissors_is_one_cycle() -> None:
    tally = Payoff()
    for winner, loser in (("r", "s"), ("s", "p"), ("p", "r")):
        tally.record(winner, loser, 20, 5, 2)
    assert cyclic_triples(tally, ["r", "p", "s"]) == Cycles(1, 1)
    assert cyclic_triples(tally, ["r", "p"]) == Cycles(0, 0)
    assert cyclic_triples(tally, []) == Cycles(0, 0)


def test_noise_between_equals_is_no_cycle() -> None:
    tally = Payoff()
    for winner, loser in (("r", "s"), ("s", "p"), ("p", "r")):
        tally.record(winner, loser, 6, 100, 4)
    assert cyclic_triples(tally, ["r", "p", "s"]) == Cycles(0, 0)


@pytest.mark.parametrize("seed", range(3))
def test_against_counting(seed: int) -> None:
    generator, names, tally = np.random.default_rng(seed), [str(i) for i in range(12)], Payoff()
    for one, two in combinations(names, 2):
        tally.record(one, two, *generator.integers(0, 40, 3).tolist())

    def beats(one: str, two: str) -> bool:
        wins, _, losses = tally.counts(one, two)
        return wins - losses > 1.959963984540054 * (wins + losses) ** 0.5

    decided = [
        three
        for three in combinations(names, 3)
        if all(beats(*two) or beats(*two[::-1]) for two in combinations(three, 2))
    ]
    cyclic = [
        three
        for three in decided
        if any(beats(a, b) and beats(b, c) and beats(c, a) for a, b, c in permutations(three))
    ]
    assert cyclic_triples(tally, names) == Cycles(len(cyclic), len(decided))
    assert cyclic
