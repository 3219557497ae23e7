"""Streams: the seats of a team that learns as one share their rows."""

from __future__ import annotations

import numpy as np
import pytest

from agents.config import Cooperation
from agents.streams import StreamConfig
from agents.trajectory import Trajectory
from tests.agents.fakes import FINAL, Moment, ScriptedGame, Teller, play

TEAM, LONE = (0, 1, 2), (3,)


def joint(unroll: int, core: int = 0, team: str | None = "team_0") -> StreamConfig:
    return StreamConfig(unroll=unroll, batch=1, cooperation=Cooperation.JOINT, team=team, core=core)


def team_against_one(script: list[Moment], ticks: int, config: StreamConfig) -> list[Trajectory]:
    """Columns of a team of three; the lone seat of the other team belongs to somebody else."""
    game = ScriptedGame([script], [TEAM, LONE], symmetric=False, state=True)
    behaviours = {"main": Teller(core=config.core), "other": Teller()}
    return play(game, ticks, config, holders=("main", "other"), behaviours=behaviours)


def ticks_seen(column: Trajectory) -> list[list[float]]:
    """[T+1][S] the tick that every seat shows."""
    return column.observation[:, 0, :, 2].tolist()  # type: ignore[no-any-return]


def test_a_seat_that_dies_early_rests_until_the_team_is_gone() -> None:
    script = [
        Moment((0, 1, 2, 3), (1, 2, 3, 9)),
        Moment((0, 1, 2, 3), (1, 2, 3, 9), terminated=(1,)),
        Moment((0, 2, 3), (1, 7, 3, 9), terminated=(0,)),
        Moment((2, 3), (0, 0, 5, 9), terminated=(2,)),
        Moment((3,), (0, 8, 0, 9), terminated=(3,)),
    ]
    (column,) = team_against_one(script, 8, joint(unroll=5))
    assert column.acting[:, 0].tolist() == [
        [True, True, True],
        [True, True, True],
        [True, False, True],
        [False, False, True],
        [True, True, True],
        [True, True, True],
    ]
    assert ticks_seen(column) == [[0, 0, 0], [1, 1, 1], [2, 1, 2], [2, 1, 3], [5, 5, 5], [6, 6, 6]]
    # What a dead seat is given while its team plays on belongs to the team's decision of that tick.
    assert column.reward[:5, 0].tolist() == [[1, 2, 3], [1, 2, 3], [1, 7, 3], [0, 0, 5], [1, 2, 3]]
    assert column.terminated[:5, 0].tolist() == [False, False, False, True, False]
    assert column.first[:, 0].tolist() == [True, False, False, False, True, False]
    assert column.place.tolist() == [[0, 1, 2]]
    assert column.state is not None
    assert column.state[:, 0, 1].tolist() == [0, 1, 2, 3, 5, 6]


def test_what_a_resting_seat_shows_means_nothing_and_is_always_the_same() -> None:
    script = [Moment((0, 1, 2, 3)), Moment((1, 3)), Moment((0, 2, 3), terminated=(0, 1, 2, 3))]
    for column in team_against_one(script, 20, joint(unroll=4)):
        resting = ~column.acting
        assert resting.any()
        assert column.mask[resting].all()
        assert not column.action[resting].any()
        assert not column.log_prob[resting].any()


def test_a_team_that_takes_turns_shows_what_each_last_saw_in_this_episode_only() -> None:
    script = [Moment((0,)), Moment((2,)), Moment((1,), (1, 2, 3)), Moment((0,), (), terminated=TEAM)]
    game = ScriptedGame([script], [TEAM], turns=True)
    (column,) = play(game, 7, joint(unroll=6))
    assert ticks_seen(column) == [[0, 0, 0], [0, 0, 1], [0, 2, 1], [3, 2, 1], [4, 0, 0], [4, 0, 5], [4, 6, 5]]
    assert column.acting[:, 0].argmax(axis=1).tolist() == [0, 2, 1, 0, 0, 2, 1]
    assert (column.acting.sum(axis=2) == 1).all()
    assert column.reward[:6, 0].tolist() == [[0, 0, 0], [0, 0, 0], [1, 2, 3], [0, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert column.terminated[:6, 0].tolist() == [False, False, False, True, False, False]
    assert column.first[:, 0].tolist() == [True, False, False, False, True, False, False]


def test_a_team_that_is_cut_short_shows_the_end_to_those_who_saw_it() -> None:
    """Seat 1 was gone before: there the final observation means nothing."""
    script = [
        Moment((0, 1, 2, 3), terminated=(1,)),
        Moment((0, 2, 3), (1, 0, 2, 0), truncated=(0, 2), terminated=(3,)),
    ]
    (column,) = team_against_one(script, 4, joint(unroll=4))
    assert ticks_seen(column) == [[0, 0, 0], [1, 0, 1], [FINAL + 1, 0, FINAL + 1], [2, 2, 2], [3, 2, 3]]
    assert column.acting[:, 0].any(axis=1).tolist() == [True, True, False, True, True]
    assert column.terminated[:4, 0].tolist() == [False, False, True, False]
    assert column.state is not None
    assert column.state[:, 0, 1].tolist() == [0, 1, FINAL + 1, 2, 3]
    assert column.first[:, 0].tolist() == [True, False, False, True, False]


def test_both_teams_of_a_player_against_itself_are_streams() -> None:
    script = [Moment((0, 1, 2, 3)), Moment((1, 2), (1, 2, 3, 4), terminated=(0, 1, 2, 3))]
    game = ScriptedGame([script] * 2, [(0, 2), (1, 3)])
    columns = play(game, 5, joint(unroll=3, team=None))
    assert len(columns) == 4
    for column in columns:
        first_seat = int(column.observation[0, 0, 0, 1])
        assert column.observation[0, 0, :, 1].tolist() == [first_seat, first_seat + 2]
        assert column.place.tolist() == [[0, 1]]
        assert column.reward[1, 0].tolist() == [first_seat + 1, first_seat + 3]
        assert column.acting[1, 0].tolist() == [first_seat == 1, first_seat == 0]


def test_recurrent_state_of_every_seat_leaves_with_the_team() -> None:
    script = [Moment((0, 1, 2, 3)), Moment((1, 3)), Moment((1, 2, 3)), Moment((0, 3), (), (0, 1, 2, 3))]
    first, second, third = team_against_one(script, 7, joint(unroll=2, core=1))
    for column, decided in ((first, [0, 0, 0]), (second, [1, 2, 1]), (third, [0, 0, 0])):
        assert column.core is not None
        assert column.core[0, :, 0, 0].tolist() == decided


@pytest.mark.parametrize(
    ("cooperation", "team", "groups"),
    [
        (Cooperation.INDEPENDENT, None, ((0,), (2,), (1,), (3,))),
        (Cooperation.INDEPENDENT, "team_1", ((1,), (3,))),
        (Cooperation.JOINT, None, ((0, 2), (1, 3))),
        (Cooperation.JOINT, "team_0", ((0, 2),)),
    ],
)
def test_groups(cooperation: Cooperation, team: str | None, groups: tuple[tuple[int, ...], ...]) -> None:
    game = ScriptedGame([[Moment((0, 1, 2, 3))]], [(0, 2), (1, 3)])
    assert StreamConfig(1, 1, cooperation, team).groups(game.spec) == groups


def test_independent_seats_of_a_bound_player_know_their_places() -> None:
    game = ScriptedGame([[Moment((0, 1, 2, 3))]], [(0, 2), (1, 3)], symmetric=False)
    behaviours = {"main": Teller(), "other": Teller()}
    columns = play(
        game, 4, StreamConfig(1, 1, team="team_1"), holders=("other", "main"), behaviours=behaviours
    )
    assert {(int(c.observation[0, 0, 0, 1]), int(c.place[0, 0])) for c in columns} == {(1, 0), (3, 1)}
    assert all(np.isfinite(column.observation).all() for column in columns)
