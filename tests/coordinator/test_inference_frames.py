"""Questions as bytes: nothing is lost on the way, and what is wrong is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from agents.asking import Asked, Ended, Over, Question, Rewarded
from agents.config import Cooperation
from agents.scripted.base import Rows
from agents.streams import StreamConfig
from coordinator.inference_frames import FrameError, Frames
from envs.game import ArraySpec, Discrete, GameSpec
from tests.agents.served import CASES, Direct, assert_alike

RUN = 2**55 + 7


class Wired(Direct):
    """Every question travels as bytes."""

    def carried(self, question: Question) -> Question:
        frames = Frames(*self.made)
        arrived, run = frames.unpack(frames.pack(question, RUN))
        assert run == RUN
        return arrived


@pytest.mark.parametrize("name", sorted(CASES.keys() - {"memory", "values", "joint with a memory"}))
def test_what_travels_is_kept_to_the_last_bit(name: str) -> None:
    assert_alike(CASES[name], Wired)


SPEC = GameSpec(
    name="four",
    seats=("a", "b", "c", "d"),
    teams={"one": (0, 1), "two": (2, 3)},
    observation=ArraySpec((3,), "uint8"),
    actions=Discrete(3),
    slots=4,
    symmetric=False,
    state=ArraySpec((2,), "float32"),
)
COPIES = 3
LEARNERS = {
    "joint": StreamConfig(unroll=2, batch=1, cooperation=Cooperation.JOINT),
    "bound": StreamConfig(unroll=2, batch=1, team="two"),
}
FRAMES = Frames(SPEC, COPIES, LEARNERS)


def flags(*rows: str) -> Any:
    return np.array([[mark == "x" for mark in row] for row in rows])


def rewarded() -> Rewarded:
    return Rewarded("joint", np.array([0, 2]), flags("xx..", "xx.."), np.ones((2, 4), np.float32))


def ended() -> Ended:
    """The team `one` is cut short in copy 1."""
    held = flags("xx..")
    last = np.arange(6, dtype=np.uint8).reshape(2, 3)
    state = np.array([[5, 6]], np.float32)
    return Ended("joint", np.array([1]), held, flags("xxxx"), flags("..xx"), held, last, state)


def rows(copies: list[int], seats: list[int]) -> Rows:
    count = len(copies)
    observation = np.arange(3 * count, dtype=np.uint8).reshape(count, 3)
    return Rows(observation, np.ones((count, 3), np.bool_), np.array(seats), np.array(copies))


def question(**changes: Any) -> Question:
    """Two rows of one player, and one of another, which is only rated."""
    whole = Question(
        news=[rewarded(), ended(), Over(np.array([1]))],
        asked=[Asked("joint", True, 2), Asked("bound", False, 1)],
        rows=rows([0, 0, 2], [0, 1, 3]),
        states_of=np.array([0]),
        states=np.array([[1, 2]], np.float32),
    )
    return whole._replace(**changes)


def same(one: Any, other: Any) -> bool:
    """Whether they are the same to the last bit, whatever of tuples they are made of."""
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, Rows):
        return all(same(getattr(one, name), getattr(other, name)) for name in Rows.__slots__)
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(same(*pair) for pair in zip(one, other, strict=True))
    return bool(one == other)


def test_all_of_a_question_arrives() -> None:
    assert same(FRAMES.unpack(FRAMES.pack(question(), RUN)), (question(), RUN))


WRONG: dict[str, Callable[[], Question]] = {
    "nothing": lambda: question(asked=[], rows=rows([], [])),
    "more than once": lambda: question(rows=rows([0, 0, 0], [0, 0, 3])),
    "a copy that is not below 3": lambda: question(rows=rows([0, 3, 2], [0, 1, 3])),
    "a copy that is not": lambda: question(news=[Over(np.array([-1]))]),
    "a seat that is not below 4": lambda: question(rows=rows([0, 0, 2], [0, 1, 4])),
    "seats that their players cannot hold": lambda: question(rows=rows([0, 0, 2], [0, 1, 0])),
    "bound is said to hold": lambda: question(news=[rewarded()._replace(player="bound")]),
    "a copy more than once": lambda: question(news=[rewarded()._replace(copies=np.array([2, 2]))]),
    "2 final observations and 0 states": lambda: question(
        news=[ended()._replace(final_state=np.zeros((0, 2), np.float32))]
    ),
    "1 final observations": lambda: question(
        news=[ended()._replace(final_observation=np.zeros((1, 3), np.uint8))]
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_question_that_cannot_be_is_refused(what: str) -> None:
    with pytest.raises(FrameError, match=what):
        FRAMES.unpack(FRAMES.pack(WRONG[what](), RUN))


def test_damaged_frames_are_refused() -> None:
    """Whatever is cut off or added, and whatever the numbers at its head say."""
    frame = FRAMES.pack(question(), RUN)
    for end in range(0, len(frame), 8):
        with pytest.raises(FrameError):
            FRAMES.unpack(frame[:end])
    with pytest.raises(FrameError, match="left over"):
        FRAMES.unpack(frame + bytes(8))
    generator = np.random.default_rng(5)
    head = 8 * (5 + 3 * 5 + 2 * 3)
    for _ in range(2000):
        at = int(generator.integers(head))
        harmed = bytearray(frame)
        harmed[at] ^= 1 << int(generator.integers(8))
        try:
            got, run = FRAMES.unpack(bytes(harmed))
        except FrameError:
            continue
        # What is left says something else, and could have been asked.
        assert not same((got, run), (question(), RUN))
        assert FRAMES.pack(got, run) == bytes(harmed)


def test_an_answer_is_of_the_length_that_was_asked_for() -> None:
    actions = np.array([2, 0, 1])
    np.testing.assert_array_equal(FRAMES.unpack_answer(actions.tobytes(), 3), actions)
    for rows_asked in (2, 4):
        with pytest.raises(FrameError):
            FRAMES.unpack_answer(actions.tobytes(), rows_asked)


def test_whoever_knows_another_game_has_another_fingerprint() -> None:
    others = [
        Frames(SPEC, COPIES + 1, LEARNERS),
        Frames(SPEC, COPIES, dict(reversed(LEARNERS.items()))),
        Frames(SPEC, COPIES, {**LEARNERS, "bound": StreamConfig(unroll=3, batch=1, team="two")}),
    ]
    assert FRAMES.fingerprint == Frames(SPEC, COPIES, dict(LEARNERS)).fingerprint
    assert len({frames.fingerprint for frames in (FRAMES, *others)}) == 4
