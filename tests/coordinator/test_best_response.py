"""Trained answers against exact ones: they win nearly as much, and never more."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from agents.learner import Learner
from agents.machine import settle
from agents.trajectory import Trajectory
from agents.update import Update
from coordinator.best_response import Effort, lower_bound
from coordinator.config import RunConfig
from coordinator.exploiter import Attention, Progress, Start, Target, train
from coordinator.presets import build
from envs.catalogue import make_game
from envs.normal_form import NormalForm
from envs.openspiel import Twin
from league.players import Player
from tests.coordinator.still import still

SMALL = {
    "learner.network.hidden": (32,),
    "learner.algorithm.batch": 32,
    "learner.algorithm.learning_rate": 5e-3,
    "learner.algorithm.final_learning_rate": 1e-3,
    "rollout.copies": 128,
    "rollout.unroll": 4,
}
NOBODY_WATCHES = Attention()


def small(game: str) -> RunConfig:
    return build(game, flags=SMALL)


def answered(
    game: str,
    target: Target,
    effort: Effort,
    attention: Attention = NOBODY_WATCHES,
    teams: tuple[str | None, ...] = (None,),
    config: RunConfig | None = None,
) -> Any:
    """The row of a target, answered from first weights by all or by the teams that are named."""
    settle()
    starts = [Start(f"for {team or 'any'}", Player("somebody", team=team)) for team in teams]
    config = config or small(game)
    return lower_bound(partial(make_game, game), config, target, starts, effort, attention)


@pytest.mark.slow
def test_kuhn_against_a_uniform_player_is_a_bound_and_a_close_one() -> None:
    twin = Twin("kuhn")
    states = twin.information_states()
    exact = sum(twin.gains(states, states.mask / states.mask.sum(axis=1, keepdims=True))) / 2
    row = answered("kuhn", still("kuhn"), Effort(games=8000, seed=1), config=build("kuhn"))
    assert row["best_response"]["low"] <= exact
    assert row["exploitability"] >= 0.8 * exact
    assert row["nash_conv"] == 2 * row["exploitability"]
    assert row["best_response"]["budget"] == build("kuhn").league.snapshot_steps
    assert not row["exact"]


@pytest.mark.slow
def test_tictactoe_against_random_play_is_won() -> None:
    effort = Effort(300_000, games=1000, seed=1)
    row = answered("tictactoe", still("tictactoe"), effort, config=build("tictactoe"))
    found = row["best_response"]
    assert found["score"] > 0.9
    assert found["score_low"] < found["score"] < found["score_high"]
    assert row["exploitability"] == found["return_mean"] == pytest.approx(2 * found["score"] - 1)
    assert found["low"] == pytest.approx(2 * found["score_low"] - 1)
    assert list(found["teams"]) == ["first", "second"]
    assert found["games"] == 1000
    assert 300_000 <= found["decisions"] < 303_000


@pytest.mark.parametrize(
    ("game", "choices", "chances"),
    [
        ("rps", (0,), (1.0,)),
        ("rps", (0, 1), (0.25, 0.75)),
        ("prisoners", (0,), (1.0,)),  # who is betrayed for 0 where two who cooperate have -1 each
        ("pennies", (0,), (1.0,)),
    ],
)
def test_matrix_games_as_arithmetic_has_them(
    game: str, choices: tuple[int, ...], chances: tuple[float, ...]
) -> None:
    solver = NormalForm(game)
    policy = np.zeros((2, len(solver.information_states().mask[0])))
    policy[:, list(choices)] = chances
    exact = sum(solver.gains(solver.information_states(), policy))
    target = still(f"matrix:{game}", *choices, chances=chances)
    teams = ("even", "odd") if game == "pennies" else (None,)
    row = answered(f"matrix:{game}", target, Effort(8_000, games=1000, seed=2), teams=teams)
    assert row["nash_conv"] == pytest.approx(exact, abs=0.12)


@pytest.mark.parametrize("preset", ["ppo", "impact", "dqn", "ape_x", "r2d2"])
def test_whoever_learns_answers_by_what_it_learns_by(preset: str) -> None:
    """From a buffer, with a target network, exploring: a rock is answered by paper."""
    replay = {"learner.buffer.least": 40, "learner.algorithm.target_updates": 20}
    shape = {"rollout.unroll": 12} if preset == "r2d2" else {}
    config = build("matrix:rps", preset=preset, flags={**SMALL, **replay, **shape})
    row = answered("matrix:rps", still("matrix:rps", 0), Effort(6_000, games=200, seed=2), config=config)
    assert row["best_response"]["return_mean"] > 0.9
    assert row["best_response"]["decisions"] >= 6_000


def test_a_player_of_one_team_is_answered_by_the_other_and_has_no_nash_conv() -> None:
    target = still("matrix:pennies", 0, teams="even")
    row = answered("matrix:pennies", target, Effort(4_000, games=50, seed=0), teams=("odd",))
    found = row["best_response"]
    assert (row["nash_conv"], row["exploitability"], found["low"], found["high"]) == (None,) * 4
    assert found["return_mean"] == 1.0
    assert list(found["teams"]) == ["odd"]


def test_nobody_answers_for_a_team_that_it_did_not_learn_to_play() -> None:
    game, untrained = "tests.coordinator.uneven:make", Attention(stop=lambda: True)
    for seed in range(4):
        row = answered(game, still(game), Effort(1, 16, seed), untrained, ("hider", "seekers"))
        begun = {team: found["start"] for team, found in row["best_response"]["teams"].items()}
        assert begun == {"seekers": "for seekers", "hider": "for hider"}


def test_the_newest_weights_play_on(monkeypatch: pytest.MonkeyPatch) -> None:
    lags: list[int] = []

    def update(learner: Learner, batch: Trajectory, **given: Any) -> Update:
        lags.append(learner.version - int(batch.version.max()))
        return trains(learner, batch, **given)

    trains = Learner.update
    monkeypatch.setattr(Learner, "update", update)
    answered("matrix:rps", still("matrix:rps", 0), Effort(5_000, 4, 0))
    assert len(lags) == 5_000 // (32 * 4) + 1
    assert max(lags) <= 128 // 32, "one batch of each quarter of the copies"


def test_the_games_that_chose_an_answer_are_not_those_that_are_reported() -> None:
    """Against even chances no answer wins anything; the best of several, by its own few games, seems to."""
    target = still("matrix:rps")
    untrained = Attention(stop=lambda: True)
    gains = [
        answered("matrix:rps", target, Effort(1, 16, seed), untrained, (None,) * 4)["exploitability"]
        for seed in range(25)
    ]
    # The best of eight, each by eight games a seat, would seem to gain 0.4.
    assert np.mean(gains) == pytest.approx(0.0, abs=4 * np.sqrt(2 / 3 / (16 * 25)))


def test_the_same_seed_gives_the_same_answer() -> None:
    rows = [answered("matrix:rps", still("matrix:rps"), Effort(600, 40, seed)) for seed in (4, 4, 5)]
    assert rows[0] == rows[1]
    assert rows[0] != rows[2]


def test_a_start_from_known_weights_begins_with_what_they_can() -> None:
    """Of two starts, neither of which is trained, the one that knows the answer is chosen."""
    settle()
    make, config, target = partial(make_game, "matrix:rps"), small("matrix:rps"), still("matrix:rps", 0)
    new = Start("new", Player("somebody"))
    known = train(make, config, target, new, 8_000, np.random.default_rng(0), NOBODY_WATCHES).mean_weights()
    starts = [new, Start("main@3", Player("main"), known)]
    stopped = Attention(stop=lambda: True)
    row = lower_bound(make, config, target, starts, Effort(8_000, 200, 0), stopped)
    assert row["best_response"]["decisions"] == 0
    assert {team["start"] for team in row["best_response"]["teams"].values()} == {"main@3"}
    assert row["exploitability"] == 1.0


def test_who_looks_on_sees_how_far_it_is_and_may_end_it() -> None:
    seen: list[Progress] = []
    attention = Attention(stop=lambda: len(seen) >= 2, watch=seen.append)
    row = answered("matrix:rps", still("matrix:rps", 0), Effort(1_000_000, 40, 0), attention)
    assert [(one.target, one.start, one.budget) for one in seen] == [("still", "for any", 1_000_000)] * 2
    assert row["best_response"]["decisions"] == seen[-1].decisions < 10_000
    assert row["best_response"]["budget"] == 1_000_000
