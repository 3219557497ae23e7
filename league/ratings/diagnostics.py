"""What a single number per player hides: how often A beats B, B beats C, and C beats A."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from league.payoff import Payoff
from league.ratings.bradley_terry import NORMAL_95

MANY_CYCLES = 0.05
"""Share of decided triples that are cyclic, from which on one number is called misleading."""
MUCH_MASS = 0.5
"""Mass on nodes that are clearly weaker by Elo, from which on a mixture is said to contradict it."""


class Cycles(NamedTuple):
    """Triples of nodes among whom all three pairs are decided."""

    cyclic: int
    """Those in which everybody beats one and loses to one."""
    triples: int
    """All of them."""


class Standing(NamedTuple):
    """What the ratings of one node say, side by side."""

    node: str
    elo: float
    low: float
    """Lower end of Elo's 95 % interval."""
    high: float
    nash: float | None
    """Mass in the Nash mixture; None where the game has none."""
    alpha_rank: float | None
    """Mass in alpha-rank's stationary distribution; None where the game has none."""


def cyclic_triples(tally: Payoff, nodes: Sequence[str]) -> Cycles:
    """How many decided triples of `nodes` are cyclic (Kendall and Babington Smith 1940).

    A pair is decided where wins and losses differ by more than a fair coin would make them in 95 % of the
    cases, draws left aside; so noise between equals is not read as a cycle. Costs one product of N x N
    matrices.
    """
    home, away, wins, _, losses = tally.pairs(nodes)
    lead = (wins - losses) / np.sqrt(np.maximum(wins + losses, 1.0))
    # Paths are whole numbers of at most N, which float32 holds exactly, at half the cost of float64.
    beats = np.zeros((len(nodes), len(nodes)), np.float32)
    beats[home, away] = lead > NORMAL_95
    beats[away, home] = lead < -NORMAL_95
    paths = beats @ beats
    # A beats B, B beats C: where C beats A, one of the three such paths of a cycle; where A beats C, the only
    # one of its triple.
    cyclic = np.sum(paths * beats.T, dtype=np.float64) / 3
    ordered = np.sum(paths * beats, dtype=np.float64)
    return Cycles(round(float(cyclic)), round(float(cyclic + ordered)))


def verdict(groups: Mapping[str, Sequence[Standing]], cycles: Cycles) -> str:
    """One line: whether Elo, the Nash mixture and alpha-rank lead with the same player, and how many circles
    there are; empty where nobody played.

    groups: those who may take each other's place, by the name of their team; one group without a name where
        any may play any team. Elo is contradicted where most of a mixture lies on nodes that it holds for
        clearly weaker than its leader: their interval ends below where the leader's begins.
    """
    found = [_leaders(team, standings) for team, standings in groups.items() if standings]
    if not found:
        return ""
    facts = "; ".join(text for text, _ in found) + _circles(cycles)
    many = cycles.cyclic > MANY_CYCLES * cycles.triples
    if many or not all(agrees for _, agrees in found):
        return f"{facts}: no single number orders this league."
    return f"{facts}."


def _leaders(team: str, standings: Sequence[Standing]) -> tuple[str, bool]:
    """Whom each of the three leads with, in words; and whether they agree."""
    leader = max(standings, key=lambda one: one.elo)
    masses: dict[str, Callable[[Standing], float]] = {
        "the Nash mixture": lambda one: one.nash or 0.0,
        "α-rank": lambda one: one.alpha_rank or 0.0,
    }
    where = f"{team}: " if team else ""
    if all(one.nash is None for one in standings):
        return f"{where}Elo leads with {leader.node}", True
    weaker = [one for one in standings if one.high < leader.low]
    agrees = all(sum(mass(one) for one in weaker) < MUCH_MASS for mass in masses.values())
    heaviest = {name: max(standings, key=mass) for name, mass in masses.items()}
    if all(one is leader for one in heaviest.values()):
        return f"{where}Elo, the Nash mixture and α-rank lead with {leader.node}", agrees
    put = [f"{name} puts {masses[name](one):.2f} on {one.node}" for name, one in heaviest.items()]
    return f"{where}Elo leads with {leader.node}, {' and '.join(put)}", agrees


def _circles(cycles: Cycles) -> str:
    if not cycles.triples:
        return ""
    of = f"of {_grouped(cycles.triples)} decided {'triple' if cycles.triples == 1 else 'triples'}"
    if not cycles.cyclic:
        return f"; none {of} is cyclic"
    return f"; {_grouped(cycles.cyclic)} {of} {'is' if cycles.cyclic == 1 else 'are'} cyclic"


def _grouped(number: int) -> str:
    """`12 341`, with spaces that no line is broken at."""
    return f"{number:,}".replace(",", "\N{NO-BREAK SPACE}")
