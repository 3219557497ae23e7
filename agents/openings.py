"""Moves at random that games begin with: two games of players who never vary are then two games.

A greedy network, or a script without dice, plays one position in one way: of a thousand games between two
of them only one differs from the other in nothing but the seats. Both games of a pair begin alike, once
with either player in either seat, so that what an opening gives cancels out.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from envs.game import Bools, Discrete, GameSpec, Ints, Step

LONGEST = 4
"""Moves of an opening, at most: after more, too many games are decided before anybody has played."""


def may_open(spec: GameSpec, step: Step) -> bool:
    """Whether games can begin with moves at random, and differ by nothing else. step: after `Game.reset`.

    Seats must take turns at choices, and every copy begin alike: where cards are dealt, games differ as it
    is, and a move at random may be half of a hand. A single copy does not tell.
    """
    first = step.observation[:1]
    turns = spec.slots == 1 and len(spec.teams) > 1 and isinstance(spec.actions, Discrete)
    return turns and len(step.observation) > 1 and bool((step.observation == first).all())


def length(openings: int, choices: int) -> int:
    """Moves, at most `LONGEST`, in which so many openings could differ if all choices were legal."""
    moves = 0
    while choices**moves < openings and moves < LONGEST:
        moves += 1
    return moves


def numbers(seed: int, openings: int, moves: int) -> npt.NDArray[np.float64]:
    """[openings, moves] in [0, 1): what decides each move."""
    return np.random.default_rng(seed).random((openings, moves))


def nth_legal(mask: Bools, number: npt.NDArray[np.float64]) -> Ints:
    """One of the True places of each row of [N, A], by a number in [0, 1); a row without any gives 0."""
    places = mask.cumsum(axis=1)
    nth = (number * places[:, -1]).astype(np.int64)
    chosen: Ints = np.argmax(places > nth[:, None], axis=1)
    return chosen
