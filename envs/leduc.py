"""Leduc hold'em (Southey et al. 2005): six cards, one each and one on the table, two rounds of bets.

Action 0 folds, which is open only to who faces a raise; 1 calls or checks; 2 raises, twice a round at most.
Both have paid 1; a raise is 2 in the first round, and 4 in the second, before which the card on the table
is turned up. Who has its rank wins; else the higher rank; with equal ranks nobody does.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

from envs.dealt import Deal, DealtGame, Moves, Rules, one_hot

FOLD, CALL, RAISE = range(3)
CARDS = 6
ROUNDS = 2
MOST_RAISES = 2
LONGEST = 4
"""Moves in a round, at most."""
RAISES = (2.0, 4.0)
"""Size of a raise in each round."""
ANTE = 1.0


class LeducRules(Rules):
    """Observation [30]: own seat, own card, the card on the table once it is turned up, then two numbers for
    every move of either round: whether it called, or raised.
    """

    actions = 3
    cards = CARDS
    deals = tuple(permutations(range(CARDS), 3))

    def legal(self, moves: Moves) -> Sequence[int]:
        if self._folded(moves):
            return ()
        first, second = _rounds(moves)
        if _closed(second):
            return ()
        current = second if _closed(first) else first
        facing = current[-1:] == (RAISE,)
        return [
            *([FOLD] if facing else []),
            CALL,
            *([RAISE] if current.count(RAISE) < MOST_RAISES else []),
        ]

    def seat(self, moves: Moves) -> int:
        first, second = _rounds(moves)
        return len(second if _closed(first) else first) % 2

    def observe(self, moves: Moves, deal: Deal) -> Sequence[int]:
        seat, (first, second) = self.seat(moves), _rounds(moves)
        shown = [move for part in (first, second) for move in (*part, *[None] * (LONGEST - len(part)))]
        return [
            *one_hot(seat, 2),
            *one_hot(deal[seat], CARDS),
            *one_hot(deal[2] if _closed(first) else None, CARDS),
            *(bit for move in shown for bit in (move == CALL, move == RAISE)),
        ]

    def wins(self, moves: Moves, deal: Deal) -> float:
        paid = _paid(moves)
        if self._folded(moves):
            return paid[1] if self.seat(moves) == 0 else -paid[0]  # who would act next is who stayed in
        mine, others = (_strength(card, deal[2]) for card in deal[:2])
        return paid[0] * ((mine > others) - (mine < others))

    @staticmethod
    def _folded(moves: Moves) -> bool:
        return moves[-1:] == (FOLD,)


class Leduc(DealtGame):
    """See `LeducRules`."""

    def __init__(self, copies: int) -> None:
        super().__init__("leduc", copies, LeducRules())


def _closed(moves: Moves) -> bool:
    """Whether these moves of one round end it: somebody called a raise, or both checked."""
    return len(moves) > 1 and moves[-1] == CALL


def _rounds(moves: Moves) -> tuple[Moves, Moves]:
    """The moves of the first round and of the second."""
    length = next((end for end in range(2, len(moves) + 1) if _closed(moves[:end])), len(moves))
    return moves[:length], moves[length:]


def _paid(moves: Moves) -> list[float]:
    """What each seat has put in."""
    paid = [ANTE, ANTE]
    for part, size in zip(_rounds(moves), RAISES, strict=True):
        for place, move in enumerate(part):
            seat = place % 2
            if move != FOLD:
                paid[seat] = paid[1 - seat] + (size if move == RAISE else 0.0)
    return paid


def _strength(card: int, table: int) -> tuple[bool, int]:
    """Of two hands with the same card on the table, the greater wins. Cards 2 r and 2 r + 1 have rank r."""
    return card // 2 == table // 2, card // 2
