"""check_game passes what ships, and notices each breach."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from envs.catalogue import catalogue, make_game
from envs.conformance import check_game
from envs.game import Array, Game, GameError, Step
from envs.tictactoe import TicTacToe
from envs.two_step import TwoStep

BUILT_IN = [entry.name for entry in catalogue() if entry.kind != "adapter"]


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_games_pass(name: str) -> None:
    check_game(lambda copies: make_game(name, copies))


def spoiled(base: type[Game], spoil: Callable[[Game, Step], None]) -> Callable[[int], Game]:
    """Maker of a game whose steps (not its reset) are spoiled."""

    class Spoiled(base):  # type: ignore[misc, valid-type]
        def step(self, actions: Array) -> Step:
            step = super().step(actions)
            spoil(self, step)
            return step

    return Spoiled


def set_mask(game: Game, step: Step) -> None:
    step.mask[0] = False


def set_reward(game: Game, step: Step) -> None:
    step.reward[1, 0] = np.nan


def set_dtype(game: Game, step: Step) -> None:
    step.observation = step.observation.astype(np.float64)


def set_shape(game: Game, step: Step) -> None:
    step.observation = step.observation[:, 0]


def set_both(game: Game, step: Step) -> None:
    step.terminated[:] = step.truncated[:] = True


def set_truncated(game: Game, step: Step) -> None:
    step.truncated[:], step.terminated[:], step.over[:] = True, False, True


def set_over(game: Game, step: Step) -> None:
    step.over[:] = True


def set_early_end(game: Game, step: Step) -> None:
    step.terminated[:, 0] = True


def set_idle(game: Game, step: Step) -> None:
    step.acting[:] = False


def set_random(game: Game, step: Step) -> None:
    step.reward[:] = np.random.default_rng().random(step.reward.shape)


def set_leak(game: Game, step: Step) -> None:
    step.reward[:] = step.observation.sum()


def set_stateless(game: Game, step: Step) -> None:
    step.state = None


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (set_mask, "a seat must act but has no legal choice"),
        (set_reward, "reward holds NaN or infinity"),
        (set_dtype, "observation has dtype float64, must be float32"),
        (set_shape, r"observation has shape \(4, 5\), must be \(4, 2, 5\)"),
        (set_both, "a seat is both terminated and truncated"),
        (set_truncated, "a seat was truncated but final_observation is None"),
        (set_over, "an episode is over but not every seat was ended"),
        (set_early_end, "a seat must act after its part has ended"),
        (set_idle, "a copy shows no seat that must act"),
        (set_random, "the same seed and actions gave a different reward"),
        (set_stateless, "state is not as the spec says"),
    ],
)
def test_breaches_are_noticed(spoil: Callable[[Game, Step], None], complaint: str) -> None:
    with pytest.raises(GameError, match=f"^two_step: {complaint}"):
        check_game(spoiled(TwoStep, spoil))


def test_copies_that_touch_each_other_are_noticed() -> None:
    with pytest.raises(GameError, match="what other copies played changed reward of copy 0"):
        check_game(spoiled(TicTacToe, set_leak))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"teams": {"team": (0,)}}, "do not hold each of 2 seats once"),
        ({"slots": 3}, "slots is 3, must be 1 or the number of seats 2"),
        ({"seats": ("a", "a")}, "seat names repeat"),
        ({"teams": {"team": (0, 1), "none": ()}}, "a team is empty"),
    ],
)
def test_contradictions_in_the_spec_are_noticed(change: dict[str, object], complaint: str) -> None:
    def make(copies: int) -> Game:
        game = TwoStep(copies)
        game.spec = replace(game.spec, **change)  # type: ignore[arg-type]
        return game

    with pytest.raises(GameError, match=complaint):
        check_game(make)
