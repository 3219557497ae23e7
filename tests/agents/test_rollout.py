"""The rollout: who is asked, what of it is kept, and that every seat learns from its own decisions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from agents.config import LearnerConfig, NetworkConfig
from agents.learner import Learner
from agents.policy import NetworkPolicy
from agents.rollout import Rollout
from agents.stages import Stages
from agents.streams import StreamConfig
from agents.tables import Table
from agents.trajectory import TIMED, Trajectory
from envs.game import ActionSpace, Box, Discrete, MultiDiscrete
from envs.tictactoe import TicTacToe
from tests.agents.fakes import FINAL, Moment, Row, ScriptedGame, Teller, log_prob_of, play, row_of, rows_of
from tests.agents.turn_based_oracle import CUT, GAME_OVER, Tick, cut_turns

CASES = json.loads((Path(__file__).parents[1] / "golden/turn_based.json").read_text())["cases"]
ONE = StreamConfig(unroll=1, batch=1)
"""Every decision leaves as a column of its own."""


def taking_turns(*scripts: Sequence[Tick], players: int) -> ScriptedGame:
    everybody = tuple(range(players))
    moments = [
        [Moment((tick.player,), tick.rewards, everybody if tick.terminal else ()) for tick in script]
        for script in scripts
    ]
    return ScriptedGame(moments, [[seat] for seat in everybody], turns=True)


def transitions_of(columns: list[Trajectory]) -> dict[tuple[int, int], list[tuple[Any, ...]]]:
    """(copy, player) -> (t, reward_sum, terminal, next_t) of columns with one decision each."""
    transitions: dict[tuple[int, int], list[tuple[Any, ...]]] = {}
    for column in columns:
        copy, player, t = column.observation[0, 0, 0].astype(int)
        now, later = row_of(column, 0, 0), row_of(column, 1, 0)
        assert later.first == now.terminated
        next_t = GAME_OVER if now.terminated else int(later.tick)
        transitions.setdefault((copy, player), []).append((t, now.reward, now.terminated, next_t))
    return transitions


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["case"]))
def test_golden_transitions(case: dict[str, Any]) -> None:
    players = case["num_players"]
    ticks = [Tick(**{**tick, "rewards": tuple(tick["rewards"])}) for tick in case["steps"]]
    # Once more everybody moves, since a decision leaves with the next one of its player.
    coda = [Tick(player, 0, (0.0,) * players, False) for player in range(players)]
    columns = play(taking_turns(ticks + coda, players=players), len(ticks) + players, ONE)
    got = transitions_of(columns)
    for player, golden in enumerate(case["transitions_per_player"]):
        ended = [tuple(g[key] for key in ("t", "reward_sum", "terminal", "next_t")) for g in golden]
        ended = [g for g in ended if g[3] != CUT]
        assert got[0, player][: len(ended)] == [pytest.approx(g, rel=1e-6) for g in ended]
    before_coda = transitions_of(play(taking_turns(ticks, players=players), len(ticks), ONE))
    for player, golden in enumerate(case["transitions_per_player"]):
        left = {t for t, *_ in before_coda.get((0, player), [])}
        assert not left & {g["t"] for g in golden if g["next_t"] == CUT}


def random_ticks(generator: np.random.Generator, players: int, count: int) -> list[Tick]:
    """Anybody may move next; rewards come at any time; in the end everybody moves once more."""
    rewards = generator.integers(-8, 9, (count, players)) / 8 * (generator.random((count, players)) < 0.4)
    order = [*generator.integers(players, size=count - players), *generator.permutation(players)]
    return [
        Tick(int(player), 0, tuple(map(float, given)), bool(generator.random() < 0.15))
        for player, given in zip(order, rewards, strict=True)
    ]


@pytest.mark.parametrize("players", [1, 2, 3, 5])
@pytest.mark.parametrize("seed", range(5))
def test_any_order_of_turns_gives_the_oracles_transitions(players: int, seed: int) -> None:
    generator = np.random.default_rng([seed, players])
    scripts = [random_ticks(generator, players, 60) for _ in range(3)]
    got = transitions_of(play(taking_turns(*scripts, players=players), 60, ONE))
    for copy, script in enumerate(scripts):
        for player, wanted in enumerate(cut_turns(script, players, gamma=1.0)):
            # The last decision has no next one, so it stays.
            expected = [(w.t, w.reward_sum, w.terminal, w.next_t) for w in wanted[:-1]]
            assert got.get((copy, player), []) == expected


@pytest.mark.parametrize(("unroll", "batch"), [(1, 4), (3, 1), (5, 7), (20, 2)])
def test_columns_of_any_length_hold_the_same_decisions(unroll: int, batch: int) -> None:
    generator = np.random.default_rng(unroll)
    scripts = [random_ticks(generator, 3, 200) for _ in range(4)]
    long = rows_of(play(taking_turns(*scripts, players=3), 200, StreamConfig(unroll=unroll, batch=batch)))
    short = rows_of(play(taking_turns(*scripts, players=3), 200, ONE))
    assert len(long) == 12
    for stream, rows in long.items():
        assert rows == short[stream][: len(rows)]
        assert batch > 1 or len(rows) == len(short[stream]) // unroll * unroll


def test_what_was_decided_stays_with_the_decision() -> None:
    scripts = [random_ticks(np.random.default_rng(copy), 2, 80) for copy in range(3)]
    game = taking_turns(*scripts, players=2)
    for batch in play(game, 80, StreamConfig(unroll=4, batch=3), versions=True):
        copy, seat, tick = np.moveaxis(batch.observation, -1, 0)
        np.testing.assert_array_equal(batch.log_prob, log_prob_of(seat, tick))
        np.testing.assert_array_equal(batch.version, tick[..., 0])
        illegal = (copy + seat + tick) % 3
        np.testing.assert_array_equal(batch.mask, np.arange(3) != illegal[..., None])
        np.testing.assert_array_equal(batch.action, illegal == 0)  # the first legal choice


def test_a_seat_that_is_cut_short_bootstraps_from_what_it_would_have_seen() -> None:
    script = [Moment((0,)), Moment((0,), (1.0,), truncated=(0,))]
    rows = rows_of(play(ScriptedGame([script], [[0]], state=True), 6, ONE))[0, 0]
    assert rows == [
        Row(0, first=True),
        Row(1, reward=1.0),
        Row(FINAL + 1, acting=False, terminated=True),
        Row(2, first=True),
        Row(3, reward=1.0),
        Row(FINAL + 3, acting=False, terminated=True),
        Row(4, first=True),
        Row(5, reward=1.0),
    ]


def test_seats_end_at_different_times() -> None:
    """Seat 0 dies, seat 1 is cut short later, seat 2 dies last; what comes after a death is not its."""
    script = [
        Moment((0, 1, 2), (1, 1, 1)),
        Moment((0, 1, 2), (2, 2, 2), terminated=(0,)),
        Moment((1, 2), (3, 3, 3), truncated=(1,)),
        Moment((2,), (4, 4, 4), terminated=(2,)),
    ]
    streams = rows_of(play(ScriptedGame([script], [[0], [1], [2]]), 8, ONE))
    assert streams[0, 0][:3] == [Row(0, 1, first=True), Row(1, 2, terminated=True), Row(4, 1, first=True)]
    assert streams[0, 1][:4] == [
        Row(0, 1, first=True),
        Row(1, 2),
        Row(2, 3),
        Row(FINAL + 2, acting=False, terminated=True),
    ]
    assert streams[0, 2][:4] == [Row(0, 1, first=True), Row(1, 2), Row(2, 3), Row(3, 4, terminated=True)]


def test_a_recurrent_state_begins_at_zero_with_the_episode_and_leaves_as_it_was_before_row_0() -> None:
    script = [Moment((0, 1)), Moment((0,)), Moment((0, 1), truncated=(0,)), Moment((1,), terminated=(1,))]
    columns = play(ScriptedGame([script], [[0], [1]]), 40, StreamConfig(unroll=2, batch=1, core=1))
    decided = {0: {0: 0, 1: 1, 2: 2, FINAL + 2: 3}, 1: {0: 0, 2: 1, 3: 2}}
    seen = set()
    for column in columns:
        _, seat, tick = column.observation[0, 0, 0].tolist()
        within = tick % 4 if tick < FINAL else FINAL + 2
        assert column.core is not None
        assert (column.core == decided[int(seat)][within]).all()
        seen.add((seat, within))
    assert seen == {(0, 0), (0, 2), (1, 0), (1, 2), (1, 3)}


def test_only_who_learns_is_kept_and_nobody_is_swapped_in_mid_episode() -> None:
    script = [Moment((0, 1)), Moment((0, 1)), Moment((0, 1), terminated=(0, 1))]
    main, frozen = Teller(), Teller()
    game = ScriptedGame([script] * 2, [[0], [1]])
    columns = play(game, 30, ONE, holders=("main", "frozen"), behaviours={"main": main, "frozen": frozen})
    for who, shift in ((main, 0), (frozen, 1)):
        seen = np.concatenate([rows.observation for rows in who.asked])
        episode = seen[:, 2] // 3
        # The two copies take the first two episodes, and so on: copy and episode tell how it is turned.
        np.testing.assert_array_equal(seen[:, 1], (seen[:, 0] + shift) % 2)
        assert set(episode) == set(range(10))
    # Each seat of each copy is a stream of its own, whoever may come to sit there.
    assert set(rows_of(columns)) == {(0, 0), (1, 1)}
    assert sum(map(len, rows_of(columns).values())) == 2 * 29


def table(key: int, holders: tuple[str, ...], episodes: int, *learners: str) -> Table:
    return Table(key, holders, episodes, frozenset(learners))


def test_results_count_decisions_and_returns_of_every_episode() -> None:
    script = [Moment((0, 1), (1.0, 0.0)), Moment((1,), (0.0, 0.5)), Moment((0,), (1.0, 0.25), (0, 1))]
    rollout = Rollout(ScriptedGame([script] * 3, [[0], [1]], symmetric=False), {})
    rollout.reset(0)
    rollout.behaviours = {"a": Teller(), "b": Teller()}
    rollout.seating.open(table(7, ("a", "b"), 5))
    results = []
    for _ in range(6):
        rollout.tick()
        results += rollout.results()
    (result,) = results
    assert (result.key, result.episodes, result.decisions) == (7, 5, 20)
    assert result.pairs == (("a", "b", 5, 0, 0, 5 * 0.625),)
    assert result.returns == (("a", 5, 10.0, 20.0), ("b", 5, 3.75, 5 * 0.75**2))
    assert rollout.decisions == 20  # the copy that found no table plays for nobody


def test_an_evaluation_trains_nobody_even_who_trains_beside_it() -> None:
    rollout = Rollout(ScriptedGame([[Moment((0,), (1.0,), (0,))]] * 2, [[0]]), {"main": ONE})
    rollout.reset(0)
    rollout.behaviours = {"main": Teller()}
    rollout.seating.open(table(0, ("main",), 1, "main"))
    rollout.seating.open(table(1, ("main",), 1))
    rollout.tick()
    rollout.seating.open(table(2, ("main",), 1))
    rollout.seating.open(table(3, ("main",), 1, "main"))
    rollout.tick()
    rollout.seating.open(table(4, ("main",), 2, "main"))
    rollout.tick()
    assert [len(rows) for rows in rows_of(rollout.take()["main"]).values()] == [1, 1]
    assert [result.key for result in rollout.results()] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("actions", [Discrete(4), MultiDiscrete((3, 2)), Box((-1.0,), (1.0,))])
def test_copies_without_a_table_play_legal_moves_that_count_for_nothing(actions: ActionSpace) -> None:
    game = ScriptedGame([[Moment((0, 1), (1.0, 1.0), (0, 1)), Moment((1,), (), (0, 1))]], [[0], [1]],
                        actions=actions)  # fmt: skip
    rollout = Rollout(game, {"main": ONE})
    rollout.reset(0)
    for _ in range(6):
        rollout.tick()  # raises GameError where a move is illegal
    assert rollout.decisions == 0
    assert not rollout.results()
    assert not rollout.take()["main"]


def test_history_is_of_this_episode_alone_even_where_nobody_wanted_the_last() -> None:
    script = [Moment((tick % 2,), (), (0, 1) if tick == 3 else ()) for tick in range(4)]
    rollout = Rollout(ScriptedGame([script, script[2:]], [[0], [1]], turns=True), {})
    rollout.reset(0)
    reader = Teller(needs_history=True)
    rollout.behaviours = {"reader": reader, "other": Teller()}
    rollout.seating.open(table(0, ("other", "other"), 4))
    for _ in range(2):
        rollout.tick()
    del rollout.behaviours["reader"]  # in the middle of an episode of copy 0
    for _ in range(2):
        rollout.tick()
    rollout.behaviours["reader"] = reader
    rollout.seating.open(table(1, ("reader", "reader"), 100))
    for _ in range(9):
        rollout.tick()
    played = [actions[:, 0].tolist() for actions in rollout.game.played]  # type: ignore[attr-defined]
    assert reader.asked
    for rows in reader.asked:
        for copy, tick, history in zip(rows.copy, rows.observation[:, 2], rows.history or (), strict=True):
            begin = int(tick) - int(tick) % (4, 2)[copy]
            assert history == [actions[copy] for actions in played[begin : int(tick)]]


def learned(seed: int, ticks: int, rollout: Rollout, config: LearnerConfig) -> list[Trajectory]:
    """Columns of a network that plays itself and its copy at tic-tac-toe."""
    spec = rollout.game.spec
    weights = Learner(config, spec, team=None, seed=1).weights()
    rollout.reset(seed)
    for name in ("main", "old"):
        policy = NetworkPolicy(config, spec, team=None)
        policy.load(weights, 1)
        rollout.behaviours[name] = policy
    rollout.seating.open(table(0, ("main", "old"), 40, "main"))
    rollout.seating.open(table(1, ("main", "main"), 1000, "main"))
    for _ in range(ticks):
        rollout.tick()
    return rollout.take()["main"]


@pytest.mark.parametrize("lstm", [0, 8])
def test_the_same_seed_gives_the_same_columns_to_the_last_bit(lstm: int) -> None:
    config = LearnerConfig(NetworkConfig(hidden=(16,), lstm=lstm))
    streams = {"main": StreamConfig(unroll=4, batch=8, core=lstm)}
    used = Rollout(TicTacToe(16), streams)
    first, again = (learned(3, 40, used, config) for _ in range(2))
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002 - it must not matter
    fresh = learned(3, 40, Rollout(TicTacToe(16), streams), config)
    other = learned(4, 40, Rollout(TicTacToe(16), streams), config)
    for same in (again, fresh):
        assert len(first) == len(same) > 5
        for left, right in zip(first, same, strict=True):
            for name in (*TIMED, "place", "core"):
                np.testing.assert_array_equal(getattr(left, name), getattr(right, name), err_msg=name)
    assert any((a.action != b.action).any() for a, b in pairwise([first[0], other[0]]))


def test_a_tick_tells_its_stages() -> None:
    """Game, inference, sampling, storage, results: each is entered, and left again."""
    entered: list[str] = []

    class Noting(Stages):
        def __call__(self, name: str) -> Any:
            entered.append(name)
            return super().__call__(name)

    stages = Noting()
    rollout = Rollout(TicTacToe(4), {"main": ONE}, stages)
    rollout.reset(0)
    rollout.behaviours = {"main": NetworkPolicy(LearnerConfig(), rollout.game.spec, team=None)}
    rollout.seating.open(Table(0, ("main", "main"), 4, frozenset({"main"})))
    rollout.tick()
    assert set(entered) == {"game", "inference", "sampling", "storage", "results"}
    assert len(entered) <= 8, "a stage is for a tick, not for its rows"
    assert len(stages.open) == 1
