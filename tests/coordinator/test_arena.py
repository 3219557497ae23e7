"""Games against somebody who stands still, and what may be said of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import t as student

from coordinator.arena import Arena, Interval, Played, Summary, summary
from envs.catalogue import make_game
from tests.coordinator.still import always, still

Doubles = npt.NDArray[np.float64]
ROCK, PAPER, SCISSORS = range(3)


def met(game: str, target_choices: tuple[int, ...], chances: tuple[float, ...], side: int) -> list[Played]:
    """400 games in each team of somebody who always makes the choice `side`."""
    target = still(game, *target_choices, chances=chances)
    with make_game(game, 32) as made:
        arena = Arena(made, target.teams, target.behaviours, np.random.default_rng(3))
        return [arena.meet(team, [always(side, game)], 400)[0] for team in arena.answering]


def test_an_opponent_is_drawn_for_every_game() -> None:
    for played in met("matrix:rps", (ROCK, PAPER), (0.25, 0.75), SCISSORS):
        np.testing.assert_array_equal(played.own, -played.other)
        assert np.mean(played.own == 1) == pytest.approx(0.75, abs=0.07)
        changes = np.count_nonzero(np.diff(played.own))
        assert changes == pytest.approx(2 * 0.25 * 0.75 * 399, abs=40), "drawn one by one"


def test_each_side_plays_its_own_games_in_the_team_it_is_given() -> None:
    target = still("matrix:pennies", 0, teams="odd")
    with make_game("matrix:pennies", 8) as game:
        arena = Arena(game, target.teams, target.behaviours, np.random.default_rng(0))
        assert arena.answering == ("even",)
        same, other = arena.meet("even", [always(0, "matrix:pennies"), always(1, "matrix:pennies")], 20)
    assert same.own.tolist() == [1.0] * 20
    assert other.own.tolist() == [-1.0] * 20


@pytest.mark.parametrize(
    ("game", "choices", "mean"), [("matrix:rps", (0, 1, 2), 0.0), ("matrix:prisoners", (0,), -1.0)]
)
def test_against_itself_a_zero_sum_game_gives_nothing(
    game: str, choices: tuple[int, ...], mean: float
) -> None:
    target = still(game, *choices, chances=(1 / len(choices),) * len(choices))
    with make_game(game, 16) as made:
        arena = Arena(made, target.teams, target.behaviours, np.random.default_rng(0))
        assert arena.meet_itself(50).tolist() == [mean] * 50


def test_one_stake_has_wilsons_interval_though_all_games_were_won() -> None:
    found = summary([Played(np.full(50, 3.0), np.full(50, -3.0))] * 2, np.zeros(100))
    assert found.score.mean == 1.0
    assert found.score.low == pytest.approx(1 / (1 + 1.959964**2 / 100))
    assert found.returns == Interval(3.0, 3.0 * (2 * found.score.low - 1), 3.0)
    assert found.gain == found.returns


def test_games_that_were_all_drawn_leave_doubt_too() -> None:
    found = summary([Played(np.zeros(50), np.zeros(50))] * 2, np.zeros(100))
    assert found.returns.mean == 0.0
    assert found.returns.low == 2 * found.score.low - 1 < 0 < found.returns.high
    assert found.gain == found.returns


def test_other_returns_have_students_interval() -> None:
    generator = np.random.default_rng(1)
    own = generator.normal(2.0, 3.0, 30)
    found = summary([Played(own, -own)], None)
    low, high = student.interval(0.95, 29, own.mean(), own.std(ddof=1) / np.sqrt(30))
    assert found.returns == pytest.approx((own.mean(), low, high))
    assert found.gain is None


def test_a_gain_is_what_is_above_the_game_against_itself() -> None:
    own, other = np.array([5.0, 1.0, 4.0]), np.array([2.0, 2.0, 2.0])
    found = summary([Played(own, other), Played(own + 2, other)], np.full(3, 3.0))
    assert found.returns.mean == pytest.approx(own.mean() + 1)
    assert found.gain is not None
    assert found.gain.mean == pytest.approx(own.mean() + 1 - 3)
    reach = found.returns.high - found.returns.mean
    assert found.gain.high - found.gain.mean == pytest.approx(reach), "no doubt is left of the other part"


def test_intervals_cover_what_they_should() -> None:
    """A game with three outcomes of unequal stakes, in two teams of different means."""
    generator = np.random.default_rng(5)

    def drawn(values: list[float], chances: list[float], games: int) -> Doubles:
        return generator.choice(values, games, p=chances)

    def once() -> Summary:
        first = drawn([2.0, 0.0, -1.0], [0.5, 0.2, 0.3], 40)
        second = drawn([1.0, -4.0], [0.7, 0.3], 40)
        return summary([Played(first, -first), Played(second, -second)], drawn([1.0, -1.0], [0.5, 0.5], 40))

    gain = (0.7 - 0.5) / 2
    covered = []
    for _ in range(1000):
        found = once().gain
        assert found is not None
        covered.append(found.low <= gain <= found.high)
    assert 0.93 <= np.mean(covered) <= 0.98
