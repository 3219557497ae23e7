"""What a single number per player hides: how often A beats B, B beats C, and C beats A."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from league.payoff import Payoff
from league.ratings.bradley_terry import NORMAL_95


class Cycles(NamedTuple):
    """Triples of nodes among whom all three pairs are decided."""

    cyclic: int
    """Those in which everybody beats one and loses to one."""
    triples: int
    """All of them."""


def cyclic_triples(tally: Payoff, nodes: Sequence[str]) -> Cycles:
    """How many decided triples of `nodes` are cyclic (Kendall and Babington Smith 1940).

    A pair is decided where wins and losses differ by more than a fair coin would make them in 95 % of the
    cases, draws left aside; so noise between equals is not read as a cycle. Costs O(N^3).
    """
    home, away, wins, _, losses = tally.pairs(nodes)
    lead = (wins - losses) / np.sqrt(np.maximum(wins + losses, 1.0))
    beats = np.zeros((len(nodes), len(nodes)))
    beats[home, away] = lead > NORMAL_95
    beats[away, home] = lead < -NORMAL_95
    decided = beats + beats.T
    # The trace of a cube counts closed walks of three steps: a cycle thrice, an undirected triangle six
    # times.
    cyclic = np.sum((beats @ beats) * beats.T) / 3
    triples = np.sum((decided @ decided) * decided) / 6
    return Cycles(round(float(cyclic)), round(float(triples)))
