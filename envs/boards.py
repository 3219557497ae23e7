"""Two seats in turn claim cells of a small board: many boards side by side, a board two integers.

A board of N cells is the stones of the seat to move and of the other seat, one bit a cell, in row-major
order with row 0 at the bottom. A call is a fixed number of numpy operations over all copies, into arrays
that were allocated once; only the observation, which `np.unpackbits` makes from the bits, is new.
"""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from envs.buffers import blank_step
from envs.game import Array, ArraySpec, Bools, Discrete, Game, GameSpec, Ints, Step
from envs.legal import check_form, check_legal


class Board(Game):
    """The part that board games share: turns, rewards, ends, observations.

    Observations are uint8 planes [2, rows, columns]: stones of the seat that moves, stones of the other.
    The winner is given +1, the loser -1, at the end; a draw gives 0.
    """

    def __init__(
        self, name: str, copies: int, *, rows: int, columns: int, claims: Ints, legal_moves: Bools
    ) -> None:
        """
        name: as in `GameSpec.name`.
        claims: [A] the cells that an action may claim, as bits; it claims the one that is playable.
        legal_moves: [keys, A] the mask for each key that `_mask_keys` finds.
        """
        self.spec = GameSpec(
            name=name,
            seats=("player_0", "player_1"),
            teams={"first": (0,), "second": (1,)},
            observation=ArraySpec((2, rows, columns), "uint8"),
            actions=Discrete(len(claims)),
            slots=1,
            symmetric=True,
        )
        self.copies = copies
        self._cells = rows * columns
        self._full = (1 << self._cells) - 1
        self._claims = claims
        self._legal_moves = _rows_as_words(legal_moves)
        self._own = np.zeros(copies, np.int64)
        self._other = np.zeros(copies, np.int64)
        self._taken = np.zeros(copies, np.int64)
        self._playable = np.zeros(copies, np.int64)
        self._move = np.zeros(copies, np.int64)
        self._keep = np.zeros(copies, np.int64)
        self._scratch = np.zeros((3, copies), np.int64)
        self._won = np.zeros(copies, bool)
        self._sign = np.zeros(copies, np.int64)
        self._words = np.zeros((copies, -(-2 * self._cells // 64)), "<i8")
        self._mask_words = np.zeros((copies, *self._legal_moves.shape[1:]), self._legal_moves.dtype)
        self._step = blank_step(self.spec, copies)
        mask_bytes = self._mask_words.view(np.bool_).reshape(copies, -1)
        self._step.mask = mask_bytes[:, None, : len(claims)]

    @abstractmethod
    def _find_playable(self) -> None:
        """Write into `_playable` the cells that may be claimed now, given `_taken`."""

    @abstractmethod
    def _find_won(self) -> None:
        """Write into `_won` whether the stones `_own` make a line."""

    @abstractmethod
    def _mask_keys(self) -> Ints:
        """[C] row of `legal_moves` for every copy, given `_taken`."""

    def reset(self, seed: int) -> Step:
        """See `Game.reset`; there is no chance in these games, so the seed changes nothing."""
        step = self._step
        for array in (self._own, self._other, self._taken, step.seat, step.reward):
            array.fill(0)
        for flags in (step.terminated, step.truncated, step.over):
            flags.fill(False)
        self._show()
        return step

    def step(self, actions: Array) -> Step:
        """See `Game.step`."""
        step = self._step
        check_form(self.spec, self.copies, actions)
        self._claim(actions[:, 0].view(np.int64))
        own, other, taken, keep, seat = self._own, self._other, self._taken, self._keep, step.seat[:, 0]
        own |= self._move
        taken |= self._move
        self._find_won()
        np.equal(taken, self._full, out=step.over)
        step.over |= self._won

        np.multiply(seat, -2, out=self._sign)
        self._sign += 1
        self._sign *= self._won
        step.reward[:, 0] = self._sign
        np.negative(step.reward[:, 0], out=step.reward[:, 1])
        step.terminated[:] = step.over[:, None]

        np.subtract(step.over, 1, out=keep)  # all bits where the episode goes on, none where it is over
        own &= keep
        other &= keep
        taken &= keep
        seat ^= 1
        seat &= keep
        self._own, self._other = other, own
        self._show()
        return step

    def _claim(self, actions: Ints) -> None:
        """Write into `_move` the cell that every copy's action claims."""
        np.take(self._claims, actions, out=self._move, mode="clip")
        self._move &= self._playable
        in_range = actions.view(np.uint64).max() < len(self._claims)  # negative numbers look huge
        if not (in_range and self._move.all()):
            check_legal(self.spec, self._step, actions[:, None])

    def _show(self) -> None:
        """Fill mask and observation from the boards."""
        self._find_playable()
        np.take(self._legal_moves, self._mask_keys(), axis=0, out=self._mask_words, mode="clip")
        words = self._words
        np.left_shift(self._other, self._cells, out=words[:, 0])
        words[:, 0] |= self._own
        if words.shape[1] > 1:
            np.right_shift(self._other, 64 - self._cells, out=words[:, 1])
        count = 2 * self._cells
        bits = words.view(np.uint8)[:, : -(-count // 8)]
        planes = np.unpackbits(bits, axis=1, count=count, bitorder="little")
        self._step.observation = planes.reshape(self.copies, 1, *self.spec.observation.shape)


def _rows_as_words(table: Bools) -> Ints:
    """bool [keys, A] -> int64 [keys, words], padded with False: whole words are gathered much faster."""
    keys, choices = table.shape
    padded = np.zeros((keys, -(-choices // 8) * 8), bool)
    padded[:, :choices] = table
    return padded.view(np.int64)
