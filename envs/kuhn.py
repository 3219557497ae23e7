"""Kuhn poker (Kuhn 1950): three cards, one each, one bet. Its value for the first seat is -1/18.

Action 0 passes: it checks, or folds to a bet. Action 1 bets: it bets, or calls. Both have paid 1; a bet is 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

from envs.dealt import Deal, DealtGame, Moves, Rules, one_hot

PASS, BET = range(2)
CARDS = 3
LONGEST = 3
"""Moves in a game, at most."""
ENDS = ((PASS, PASS), (BET, PASS), (BET, BET), (PASS, BET, PASS), (PASS, BET, BET))


class KuhnRules(Rules):
    """Observation [11]: own seat, own card, then two numbers for every move: whether it passed, or bet."""

    actions = 2
    cards = CARDS
    deals = tuple(permutations(range(CARDS), 2))

    def legal(self, moves: Moves) -> Sequence[int]:
        return () if moves in ENDS else (PASS, BET)

    def seat(self, moves: Moves) -> int:
        return len(moves) % 2

    def observe(self, moves: Moves, deal: Deal) -> Sequence[int]:
        seat = self.seat(moves)
        shown = [*moves, *[None] * (LONGEST - len(moves))]
        return [
            *one_hot(seat, 2),
            *one_hot(deal[seat], CARDS),
            *(bit for move in shown for bit in one_hot(move, 2)),
        ]

    def wins(self, moves: Moves, deal: Deal) -> float:
        if moves[-2:] == (BET, PASS):  # whoever would act next is the one who bet
            return 1.0 if self.seat(moves) == 0 else -1.0
        stake = 2.0 if BET in moves else 1.0
        return stake if deal[0] > deal[1] else -stake


class Kuhn(DealtGame):
    """See `KuhnRules`."""

    def __init__(self, copies: int) -> None:
        super().__init__("kuhn", copies, KuhnRules())
