"""Cyclic triples against counting them one by one; and what is said of them and of the mixtures."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest

from league.payoff import Payoff
from league.ratings.diagnostics import Cycles, Standing, cyclic_triples, verdict


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


def standing(node: str, elo: float, mass: float) -> Standing:
    return Standing(node, elo, elo - 10, elo + 10, nash=mass, alpha_rank=mass)


BEST, NEXT, OLD = (
    standing("main@12", 1500, 0.05), standing("main@11", 1490, 0.06), standing("randbot", 1200, 0.89),
)  # fmt: skip


@pytest.mark.parametrize(
    ("standings", "cycles", "line"),
    [
        (
            [BEST, NEXT, OLD],
            Cycles(956, 12_341),
            "Elo leads with main@12, the Nash mixture puts 0.89 on randbot and α-rank puts 0.89 on randbot; "
            "956 of 12 341 decided triples are cyclic: no single number orders this league.",
        ),
        (
            [standing("main@3", 1500, 1.0), standing("main@2", 1400, 0.0)],
            Cycles(0, 1),
            "Elo, the Nash mixture and α-rank lead with main@3; none of 1 decided triple is cyclic.",
        ),
        (  # Two whose intervals overlap may stand in either order.
            [standing("main@3", 1500, 0.0), standing("main@2", 1485, 1.0)],
            Cycles(1, 90),
            "Elo leads with main@3, the Nash mixture puts 1.00 on main@2 and α-rank puts 1.00 on main@2; "
            "1 of 90 decided triples is cyclic.",
        ),
        (  # The same leader, but most of the mixture lies on two that Elo holds for much weaker.
            [standing("main@3", 1500, 0.4), standing("main@0", 1200, 0.3), standing("main@1", 1250, 0.3)],
            Cycles(0, 0),
            "Elo, the Nash mixture and α-rank lead with main@3: no single number orders this league.",
        ),
        (
            [standing("a", 1500, 1.0), standing("b", 1400, 0.0)],
            Cycles(6, 100),
            "Elo, the Nash mixture and α-rank lead with a; 6 of 100 decided triples are cyclic: "
            "no single number orders this league.",
        ),
        (  # A mixture is never all on one among near equals.
            [standing("a", 1500, 0.55), standing("b", 1470, 0.45)],
            Cycles(0, 0),
            "Elo, the Nash mixture and α-rank lead with a.",
        ),
        ([Standing("a", 1500, 1490, 1510, None, None)], Cycles(0, 0), "Elo leads with a."),
        ([], Cycles(0, 0), ""),
    ],
)
def test_the_line_under_a_leaderboard(standings: list[Standing], cycles: Cycles, line: str) -> None:
    assert verdict({"": standings}, cycles).replace("\N{NO-BREAK SPACE}", " ") == line


def test_teams_that_differ_are_judged_apart() -> None:
    groups = {"prey": [standing("hare", 1300, 1.0)], "hunters": [BEST, OLD], "idle": []}
    assert verdict(groups, Cycles(0, 0)) == (
        "prey: Elo, the Nash mixture and α-rank lead with hare; hunters: Elo leads with main@12, "
        "the Nash mixture puts 0.89 on randbot and α-rank puts 0.89 on randbot: "
        "no single number orders this league."
    )
