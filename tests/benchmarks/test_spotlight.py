"""The synthetic game of frames: keeps to what a game promises, and pays for what its pictures show."""

from __future__ import annotations

import numpy as np

from benchmarks.spotlight import FRAMES, PLACES, SIDE, TICKS, Spotlight
from envs.catalogue import make_game
from envs.conformance import check_game
from envs.game import Array, Ints


def seen_place(frames: Array) -> Ints:
    """[C] the place of the square in the newest of the frames [C, 84, 84, 4], found by eye."""
    middle = SIDE // 2
    bright = frames[..., -1] == 255
    rows, columns = bright.any(axis=2).argmax(axis=1), bright.any(axis=1).argmax(axis=1)
    return np.asarray(2 * (rows >= middle) + (columns >= middle), np.int64)


def test_it_keeps_to_what_a_game_promises() -> None:
    check_game(Spotlight, ticks=2 * TICKS + 5)


def test_it_can_be_named_on_the_command_line() -> None:
    with make_game("benchmarks.spotlight:Spotlight", 3) as game:
        assert game.reset(0).observation.shape == (3, 1, SIDE, SIDE, FRAMES)


def test_whoever_looks_is_paid_and_whoever_does_not_is_paid_by_chance() -> None:
    copies, returns = 8, {"look": 0.0, "same": 0.0}
    for how in returns:
        game = Spotlight(copies)
        step = game.reset(0)
        for tick in range(TICKS):
            choice = seen_place(step.observation[:, 0]) if how == "look" else np.zeros(copies, np.int64)
            step = game.step(choice[:, None])
            returns[how] += float(step.reward.sum()) / copies
            assert (step.over == (tick == TICKS - 1)).all()
    assert returns["look"] == TICKS
    assert 0 < returns["same"] < 2 * TICKS / PLACES


def test_the_square_moves_from_frame_to_frame() -> None:
    frames = Spotlight(1).reset(0).observation[0, 0]
    columns = (frames == 255).any(axis=0).argmax(axis=0)
    assert (np.diff(columns) > 0).all()
