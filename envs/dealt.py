"""Card games of two seats, small enough to be tables: many games side by side, a game two integers.

All cards are dealt before the first move, though some are turned up later, and all moves are seen by both
seats. So a position is the moves so far, a *node*, and a *deal*, and what there is to know of it was
looked up once. A call is a fixed number of numpy operations over all copies, into arrays that were
allocated once. Shapes below use N nodes in which a seat acts, E ends, D deals, W numbers in an observation.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from envs.buffers import blank_step
from envs.game import Array, ArraySpec, Discrete, Game, GameSpec, Ints, Step
from envs.legal import check_form, check_legal

Moves = tuple[int, ...]
"""The actions of both seats since the cards were dealt."""
Deal = tuple[int, ...]
"""The cards: of seat 0, of seat 1, then those on the table."""


class Rules(ABC):
    """What one game of this kind is."""

    actions: int
    """Numbers an action may have."""
    cards: int
    """In the pack."""
    deals: Sequence[Deal]
    """All that may be dealt, each as likely as the others."""

    @abstractmethod
    def legal(self, moves: Moves) -> Sequence[int]:
        """Actions that are open after these moves; none where the game is over."""

    @abstractmethod
    def seat(self, moves: Moves) -> int:
        """Who acts after these moves."""

    @abstractmethod
    def observe(self, moves: Moves, deal: Deal) -> Sequence[int]:
        """[W] zeros and ones: all that the acting seat has seen so far."""

    @abstractmethod
    def wins(self, moves: Moves, deal: Deal) -> float:
        """What seat 0 wins of seat 1 where these moves have ended the game."""


class DealtGame(Game):
    """A game by its rules. What one seat wins the other loses, at the end.

    Observation uint8 [W]: see `Rules.observe`. State uint8: the same, then every card of the deal, one-hot,
    whether it is turned up or not. A central critic that sees it has no luck with cards to wonder about.
    """

    def __init__(self, name: str, copies: int, rules: Rules) -> None:
        """name: as in `GameSpec.name`."""
        nodes, ends = _positions(rules)
        places = {moves: place for place, moves in enumerate([*nodes, *ends])}
        self._nodes, self._deals = len(nodes), len(rules.deals)
        self._next = np.full((len(nodes), rules.actions), -1, np.int64)
        for moves in nodes:
            for action in rules.legal(moves):
                self._next[places[moves], action] = places[*moves, action]
        self._legal_moves = self._next >= 0
        self._seats = np.array([rules.seat(moves) for moves in nodes], np.int64)
        self._observations = np.array(
            [rules.observe(m, deal) for m in nodes for deal in rules.deals], np.uint8
        )
        cards = [[one_hot(card, rules.cards) for card in deal] for deal in rules.deals]
        hidden = np.tile(np.array(cards, np.uint8).reshape(self._deals, -1), (self._nodes, 1))
        self._states = np.hstack([self._observations, hidden])
        wins = [[rules.wins(moves, deal) for deal in rules.deals] for moves in ends]
        self._wins = np.concatenate([np.zeros((len(nodes), self._deals)), wins]).astype(np.float32)
        self.spec = GameSpec(
            name=name,
            seats=("player_0", "player_1"),
            teams={"first": (0,), "second": (1,)},
            observation=ArraySpec(self._observations.shape[1:], "uint8"),
            actions=Discrete(rules.actions),
            slots=1,
            symmetric=True,
            state=ArraySpec(self._states.shape[1:], "uint8"),
        )
        self.copies = copies
        self._node = np.zeros(copies, np.int64)
        self._moved = np.zeros(copies, np.int64)
        self._position = np.zeros(copies, np.int64)
        self._going_on = np.zeros(copies, bool)
        self._step = blank_step(self.spec, copies)

    def reset(self, seed: int) -> Step:
        """See `Game.reset`; the seed is that of the cards."""
        self._generator = np.random.default_rng(seed)
        self._deal = self._draw()
        self._node.fill(0)
        step = self._step
        step.reward.fill(0.0)
        for flags in (step.terminated, step.over):
            flags.fill(False)
        self._show()
        return step

    def step(self, actions: Array) -> Step:
        """See `Game.step`."""
        step, moved, position = self._step, self._moved, self._position
        check_form(self.spec, self.copies, actions)
        self._move(actions[:, 0].view(np.int64))
        np.greater_equal(moved, self._nodes, out=step.over)
        step.terminated[:] = step.over[:, None]
        np.multiply(moved, self._deals, out=position)
        position += self._deal
        step.reward[:, 0] = self._wins.ravel().take(position)
        np.negative(step.reward[:, 0], out=step.reward[:, 1])

        np.logical_not(step.over, out=self._going_on)
        np.multiply(moved, self._going_on, out=self._node)
        # Cards are drawn for every copy, so that none depends on which others have ended.
        np.copyto(self._deal, self._draw(), where=step.over)
        self._show()
        return step

    def _draw(self) -> Ints:
        return self._generator.integers(self._deals, size=self.copies)

    def _move(self, actions: Ints) -> None:
        """Write into `_moved` where every copy's action leads; the game itself is not changed."""
        choices = self.spec.choices
        np.multiply(self._node, choices, out=self._position)
        self._position += actions
        self._next.take(self._position, out=self._moved, mode="clip")
        in_range = actions.view(np.uint64).max() < choices  # negative numbers look huge
        if not in_range or self._moved.min() < 0:
            check_legal(self.spec, self._step, actions[:, None])

    def _show(self) -> None:
        """Fill seat, mask, observation and state."""
        step, node, position = self._step, self._node, self._position
        np.multiply(node, self._deals, out=position)
        position += self._deal
        self._observations.take(position, axis=0, out=step.observation[:, 0], mode="clip")
        self._states.take(position, axis=0, out=step.state, mode="clip")
        self._legal_moves.take(node, axis=0, out=step.mask[:, 0], mode="clip")
        self._seats.take(node, out=step.seat[:, 0], mode="clip")


def _positions(rules: Rules) -> tuple[list[Moves], list[Moves]]:
    """All moves after which a seat acts, the first of them (), and all that end the game."""
    nodes: list[Moves] = []
    ends: list[Moves] = []
    waiting: list[Moves] = [()]
    while waiting:
        moves = waiting.pop()
        legal = rules.legal(moves)
        (nodes if legal else ends).append(moves)
        waiting += [(*moves, action) for action in legal]
    return nodes, ends


def one_hot(place: int | None, size: int) -> list[int]:
    """`size` numbers, of which the one at `place` is 1; none where there is no place."""
    return [int(each == place) for each in range(size)]
