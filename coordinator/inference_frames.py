"""A question of central inference as bytes, and back: see `agents.asking.Question`.

    question    head, news, asked       int64, what there is and how much of it
                arrays                  C-contiguous, in their own dtypes, each at a multiple of 8 bytes
    answer      actions                 as the game understands them, nothing else

Both ends know the game and the players, so that a frame needs no names, shapes or dtypes. Whoever reads one
checks its length to the byte, and every player, copy and seat in it: one that is not right is refused as a
whole, and nothing of it is trained on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

from agents.asking import Asked, Ended, News, Over, Question, Rewarded, no_states
from agents.columns import Index
from agents.config import Cooperation
from agents.scripted.base import Rows
from agents.streams import StreamConfig
from envs.game import Array, ArraySpec, GameSpec

MARK = 0x4C47_5545_0001
"""First number of a frame: what it is, and which layout it has."""
_HEAD = 5
"""Numbers at its beginning: mark, run, and how many news, asked and states follow."""
_NEWS = 5
"""Numbers of each of the news: kind, player, copies, final observations, final states."""
_ASKED = 3
"""Numbers of each of those asked: player, whether it learns, rows."""
_REWARDED, _ENDED, _OVER = range(3)
_ALIGNED = 8
_COPY, _SEAT = ArraySpec((), "int32"), ArraySpec((), "uint16")
"""How copies and seats travel."""


class FrameError(ValueError):
    """Bytes that are no frame of this game. One line that says why."""


class Frames:
    """Writes and reads the frames of one game."""

    def __init__(self, spec: GameSpec, copies: int, learners: Mapping[str, StreamConfig]) -> None:
        """copies: that an actor plays. learners: players that are served, and how their decisions are cut."""
        self._spec = spec
        self._copies = copies
        self._players = list(learners)
        self._number = {name: number for number, name in enumerate(learners)}
        self._may_hold = np.zeros((len(learners), len(spec.seats)), np.bool_)
        """[players, S] seats that a player may hold."""
        for number, config in enumerate(learners.values()):
            self._may_hold[number, [seat for group in config.groups(spec) for seat in group]] = True
        joint = [config.cooperation is Cooperation.JOINT for config in learners.values()]
        self._state_of = [spec.state if one else None for one in joint]
        """Global state that a player learns from, if any."""
        self._state = spec.state if any(joint) else None
        known = repr((MARK, spec, copies, list(learners.items())))
        self.fingerprint = sha256(known.encode()).hexdigest()
        """Of all that both ends must have in common."""

    def pack(self, question: Question, run: int) -> bytes:
        """run: which of the actor's runs of games, from one beginning to the next, it belongs to."""
        numbers = [MARK, run, len(question.news), len(question.asked), len(question.states_of)]
        arrays: list[Array] = []
        for news in question.news:
            numbers += self._heading(news)
            arrays += _arrays(news)
        for player, learns, rows in question.asked:
            numbers += self._number[player], int(learns), rows
        seen = question.rows
        arrays += seen.copy.astype(_COPY.dtype), seen.seat.astype(_SEAT.dtype), seen.observation, seen.mask
        arrays += question.states_of.astype(_COPY.dtype), question.states
        return b"".join(_aligned([np.array(numbers, np.int64), *arrays]))

    def unpack(self, frame: bytes) -> tuple[Question, int]:
        """A question, most of it views into the frame, and the actor's run. Raises FrameError."""
        reader = _Reader(frame)
        ((mark, run, news, asked, states),) = reader.numbers(1, _HEAD)
        if mark != MARK:
            raise FrameError(f"it begins with {mark:#x}, not with {MARK:#x}")
        headings, parts = reader.numbers(news, _NEWS), reader.numbers(asked, _ASKED)
        told = [self._read_news(reader, *heading) for heading in headings]
        whose = [Asked(self._player(player), _flag(learns), count) for player, learns, count in parts]
        rows = self._read_rows(reader, whose)
        states_of = self._read_copies(reader, states)
        shown = self._read_states(reader, states, self._state)
        reader.end()
        return Question(told, whose, rows, states_of, shown), run

    def unpack_answer(self, frame: bytes, rows: int) -> Array:
        """[rows] or [rows, D] actions. Raises FrameError."""
        reader = _Reader(frame)
        actions = reader.array(rows, ArraySpec(self._spec.action_shape, self._spec.action_dtype))
        reader.end()
        return actions

    def _heading(self, news: News) -> Sequence[int]:
        match news:
            case Rewarded():
                return _REWARDED, self._number[news.player], len(news.copies), 0, 0
            case Ended():
                finals, states = len(news.final_observation), len(news.final_state)
                return _ENDED, self._number[news.player], len(news.copies), finals, states
            case Over():
                return _OVER, 0, len(news.copies), 0, 0

    def _read_news(
        self, reader: _Reader, kind: int, number: int, count: int, finals: int, states: int
    ) -> News:
        unused = (finals, states) if kind == _REWARDED else (number, finals, states) if kind == _OVER else ()
        if kind not in (_REWARDED, _ENDED, _OVER) or any(unused):
            raise FrameError(f"news of kind {kind}, with {number}, {finals} and {states}")
        copies = self._read_copies(reader, count)
        if kind == _OVER:
            return Over(copies)
        player, flags = self._player(number), ArraySpec((len(self._spec.seats),), "bool")
        held = reader.array(count, flags)
        if (held & ~self._may_hold[number]).any():
            raise FrameError(f"{player} is said to hold seats that it cannot")
        if kind == _REWARDED:
            return Rewarded(player, copies, held, reader.array(count, replace(flags, dtype="float32")))
        gone, terminated, truncated = (reader.array(count, flags) for _ in range(3))
        cut, state = held & truncated, self._state_of[number]
        wanted = int(cut.sum()), int(cut.any(axis=1).sum()) if state else 0
        if (finals, states) != wanted:
            raise FrameError(f"{finals} final observations and {states} states, and not {wanted}")
        observation = reader.array(finals, self._spec.observation)
        last = self._read_states(reader, states, state)
        return Ended(player, copies, held, gone, terminated, truncated, observation, last)

    def _read_rows(self, reader: _Reader, whose: Sequence[Asked]) -> Rows:
        if not whose or min(asked.rows for asked in whose) < 1:
            raise FrameError("it asks for nothing")
        count, spec = sum(asked.rows for asked in whose), self._spec
        copy = _below(reader.array(count, _COPY), self._copies, "copy")
        seat = _below(reader.array(count, _SEAT), len(spec.seats), "seat")
        if len(np.unique(copy * len(spec.seats) + seat)) != count:
            raise FrameError("it asks for a seat of a copy more than once")
        players = np.repeat([self._number[one.player] for one in whose], [one.rows for one in whose])
        if not self._may_hold[players, seat].all():
            raise FrameError("it asks for seats that their players cannot hold")
        observation = reader.array(count, spec.observation)
        return Rows(observation, reader.array(count, ArraySpec((spec.choices,), "bool")), seat, copy)

    def _read_copies(self, reader: _Reader, count: int) -> Index:
        copies = _below(reader.array(count, _COPY), self._copies, "copy")
        if len(np.unique(copies)) != count:
            raise FrameError("it names a copy more than once")
        return copies

    def _read_states(self, reader: _Reader, count: int, state: ArraySpec | None) -> Array:
        if count and state is None:
            raise FrameError(f"{count} states of which nobody learns")
        return reader.array(count, state) if state else no_states(self._spec.state)

    def _player(self, number: int) -> str:
        if not 0 <= number < len(self._players):
            raise FrameError(f"player {number} of {len(self._players)}")
        return self._players[number]


class _Reader:
    """Takes arrays out of a frame, one after the other."""

    def __init__(self, frame: bytes) -> None:
        self._frame = frame
        self._at = 0

    def numbers(self, count: int, width: int) -> list[list[int]]:
        """[count][width]"""
        numbers: list[list[int]] = self.array(count, ArraySpec((width,), "int64")).tolist()
        return numbers

    def array(self, count: int, row: ArraySpec) -> npt.NDArray[Any]:
        """[count, *row]"""
        dtype = np.dtype(row.dtype)
        size = count * row.size * dtype.itemsize
        if count < 0 or self._at + size > len(self._frame):
            raise FrameError(f"{count} rows more were announced than its {len(self._frame)} bytes hold")
        array: npt.NDArray[Any] = np.frombuffer(self._frame, dtype, count * row.size, self._at)
        self._at = min(_whole(self._at + size), len(self._frame))
        return array.reshape(count, *row.shape)

    def end(self) -> None:
        if self._at != len(self._frame):
            raise FrameError(f"{len(self._frame) - self._at} bytes are left over")


def _arrays(news: News) -> Sequence[Array]:
    others = () if isinstance(news, Over) else news[2:]
    return news.copies.astype(_COPY.dtype), *others


def _aligned(arrays: Sequence[Array]) -> Iterator[memoryview | bytes]:
    for array in arrays:
        yield np.ascontiguousarray(array).data
        yield bytes(_whole(array.nbytes) - array.nbytes)


def _whole(size: int) -> int:
    return -(-size // _ALIGNED) * _ALIGNED


def _flag(number: int) -> bool:
    if number not in (0, 1):
        raise FrameError(f"{number} where there are but 0 and 1")
    return bool(number)


def _below(numbers: Array, limit: int, what: str) -> Index:
    index = numbers.astype(np.intp)
    if index.size and not 0 <= index.min() <= index.max() < limit:
        raise FrameError(f"a {what} that is not below {limit}")
    return index
