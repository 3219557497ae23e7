"""Scripted players: legal, as strong as they claim, found by name or refused in one clear line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pyspiel
import pytest

from agents.errors import AgentError
from agents.scripted import Rows, Scripted, make_scripted
from agents.scripted.minimax import best_moves, value
from envs.game import ActionSpace, ArraySpec, Box, Discrete, GameSpec, MultiDiscrete


def spec_of(name: str, shape: tuple[int, ...], actions: ActionSpace) -> GameSpec:
    return GameSpec(
        name=name,
        seats=("first", "second"),
        teams={"first": (0,), "second": (1,)},
        observation=ArraySpec(shape, "uint8"),
        actions=actions,
        slots=1,
        symmetric=True,
    )


TICTACTOE = spec_of("tictactoe", (2, 3, 3), Discrete(9))
CONNECT_FOUR = spec_of("connect_four", (2, 6, 7), Discrete(7))


def rows_of(states: list[Any], copies: list[int], spec: GameSpec) -> Rows:
    """What a player sees of OpenSpiel's states; the board is filled in for tic-tac-toe only."""
    observation = np.zeros((len(states), *spec.observation.shape), np.uint8)
    mask = np.zeros((len(states), spec.choices), bool)
    for row, state in enumerate(states):
        mask[row, state.legal_actions()] = True
        if spec.name == "tictactoe":
            for t, cell in enumerate(state.history()):
                own = t % 2 == state.current_player()
                observation[row, 0 if own else 1, cell // 3, cell % 3] = 1
    return Rows(
        observation=observation,
        mask=mask,
        seat=np.array([state.current_player() for state in states]),
        copy=np.array(copies),
        history=[state.history() for state in states],
    )


def returns_of_first(twin: str, spec: GameSpec, players: list[Scripted], games: int, seed: int) -> np.ndarray:
    """What the first of two players gets in each game. He begins in the even ones."""
    generator = np.random.default_rng(seed)
    game = pyspiel.load_game(twin)
    states = [game.new_initial_state() for _ in range(games)]
    while any(not state.is_terminal() for state in states):
        for turn in (0, 1):
            due = [
                i
                for i, state in enumerate(states)
                if not state.is_terminal() and (state.current_player() + i) % 2 == turn
            ]
            if due:
                actions = players[turn].act(rows_of([states[i] for i in due], due, spec), generator)
                for i, action in zip(due, actions, strict=True):
                    states[i].apply_action(int(action))
    return np.array([state.player_return(i % 2) for i, state in enumerate(states)])


@pytest.mark.parametrize("seed", range(3))
def test_random_is_uniform_over_legal_choices(seed: int) -> None:
    rows = 20_000
    generator = np.random.default_rng(seed)
    legal = generator.random(7) < 0.6
    legal[generator.integers(7)] = True
    player = make_scripted("random", CONNECT_FOUR)
    actions = player.act(plain_rows(np.tile(legal, (rows, 1))), generator)
    assert actions.dtype == np.int64
    expected = legal / legal.sum()
    frequency = np.bincount(actions, minlength=7) / rows
    assert np.all(abs(frequency - expected) <= 5 * np.sqrt(expected * (1 - expected) / rows))


def plain_rows(mask: np.ndarray) -> Rows:
    zeros = np.zeros(len(mask), np.int64)
    return Rows(observation=np.zeros((len(mask), 1)), mask=mask, seat=zeros, copy=zeros)


def test_random_chooses_each_of_several_numbers() -> None:
    player = make_scripted("random", spec_of("multi", (1,), MultiDiscrete((2, 3))))
    mask = np.tile([True, False, False, True, True], (500, 1))
    actions = player.act(plain_rows(mask), np.random.default_rng(0))
    assert actions.shape == (500, 2)
    assert {tuple(action) for action in actions} == {(0, 1), (0, 2)}


def test_random_fills_a_box() -> None:
    inf = np.inf
    box = Box((0.0, -3.0, -inf, -inf), (1.0, 5.0, inf, -1.0))
    player = make_scripted("random", spec_of("box", (1,), box))
    actions = player.act(plain_rows(np.zeros((20_000, 0), bool)), np.random.default_rng(0))
    assert actions.dtype == np.float32
    assert actions.shape == (20_000, 4)
    assert np.all(actions >= box.low)
    assert np.all(actions <= box.high)
    np.testing.assert_allclose(actions[:, :3].mean(0), [0.5, 1.0, 0.0], atol=0.06)
    np.testing.assert_allclose(actions[:, :3].std(0), [1 / 12**0.5, 8 / 12**0.5, 1.0], atol=0.06)


def ends(state: Any, perfect: int) -> Iterator[float]:
    """What the perfect seat gets in every game it can come to: its best moves against any moves."""
    if state.is_terminal():
        yield state.player_return(perfect)
        return
    mover = state.current_player()
    best = best_moves(stones(state, mover), stones(state, 1 - mover))
    for move in state.legal_actions():
        if mover != perfect or best >> move & 1:
            yield from ends(state.child(move), perfect)


def stones(state: Any, seat: int) -> int:
    """A seat's cells of tic-tac-toe, as bits."""
    return sum(1 << cell for cell in state.history()[seat::2])


@pytest.mark.parametrize("seat", [0, 1])
def test_minimax_loses_no_line_of_play(seat: int) -> None:
    assert set(ends(pyspiel.load_game("tic_tac_toe").new_initial_state(), perfect=seat)) == {0, 1}


def test_minimax_agrees_with_openspiel_on_random_positions() -> None:
    from open_spiel.python.algorithms.minimax import alpha_beta_search

    game = pyspiel.load_game("tic_tac_toe")
    generator = np.random.default_rng(0)
    for _ in range(30):
        state = game.new_initial_state()
        for _ in range(generator.integers(2, 7)):
            if not state.is_terminal():
                state.apply_action(int(generator.choice(state.legal_actions())))
        if not state.is_terminal():
            mover = state.current_player()
            expected, _ = alpha_beta_search(game, state=state, maximizing_player_id=mover)
            assert value(stones(state, mover), stones(state, 1 - mover)) == expected, str(state)


def test_minimax_beats_random_and_draws_against_itself() -> None:
    minimax, random = (make_scripted(name, TICTACTOE) for name in ("minimax", "random"))
    against_random = returns_of_first("tic_tac_toe", TICTACTOE, [minimax, random], games=500, seed=0)
    assert against_random.min() >= 0
    assert against_random.mean() > 0.8
    against_itself = returns_of_first("tic_tac_toe", TICTACTOE, [minimax, minimax], games=100, seed=1)
    assert not against_itself.any()


def test_minimax_varies_its_best_moves() -> None:
    rows = rows_of([pyspiel.load_game("tic_tac_toe").new_initial_state()] * 200, [0] * 200, TICTACTOE)
    actions = make_scripted("minimax", TICTACTOE).act(rows, np.random.default_rng(0))
    assert set(actions) == set(range(9))


@pytest.mark.parametrize(
    "spec",
    [CONNECT_FOUR, replace(TICTACTOE, observation=ArraySpec((3, 3, 2), "uint8"))],
    ids=["game", "observation"],
)
def test_minimax_refuses_what_it_cannot_read(spec: GameSpec) -> None:
    with pytest.raises(AgentError, match=r"^player 'minimax' plays tictactoe only"):
        make_scripted("minimax", spec)


def test_mcts_beats_random() -> None:
    players = [make_scripted("mcts:30", CONNECT_FOUR), make_scripted("random", CONNECT_FOUR)]
    assert returns_of_first("connect_four", CONNECT_FOUR, players, games=20, seed=0).mean() > 0.8


def test_mcts_is_stronger_when_it_solves() -> None:
    players = [make_scripted("mcts_solver:60", CONNECT_FOUR), make_scripted("mcts:60", CONNECT_FOUR)]
    assert returns_of_first("connect_four", CONNECT_FOUR, players, games=60, seed=0).mean() > 0.2


def test_mcts_draws_with_minimax() -> None:
    players = [make_scripted("mcts:2000", TICTACTOE), make_scripted("minimax", TICTACTOE)]
    assert not returns_of_first("tic_tac_toe", TICTACTOE, players, games=6, seed=0).any()


def test_mcts_that_solves_takes_a_win_and_stops_one() -> None:
    game = pyspiel.load_game("connect_four")
    states = [game.new_initial_state() for _ in range(2)]
    for state, moves in zip(states, ([3, 0, 3, 0, 3, 0], [3, 0, 3, 0, 3]), strict=True):
        for move in moves:
            state.apply_action(move)
    actions = make_scripted("mcts_solver:300", CONNECT_FOUR).act(
        rows_of(states, [0, 1], CONNECT_FOUR), np.random.default_rng(0)
    )
    assert list(actions) == [3, 3]


def test_mcts_depends_on_its_generator_alone() -> None:
    """A player that has seen other games, and one that has not, choose the same in the same place."""
    state = pyspiel.load_game("connect_four").new_initial_state()
    veteran = make_scripted("mcts:20", CONNECT_FOUR)
    for move in (3, 3, 2, 4):  # An episode before; the next one begins differently.
        veteran.act(rows_of([state], [0], CONNECT_FOUR), np.random.default_rng(move))
        state.apply_action(move)
    states = [pyspiel.load_game("connect_four").new_initial_state() for _ in range(30)]
    for i, state in enumerate(states):
        state.apply_action(i % 7)
    rows = rows_of(states, list(range(30)), CONNECT_FOUR)
    fresh = make_scripted("mcts:20", CONNECT_FOUR)
    first, second = (p.act(rows, np.random.default_rng(5)) for p in (veteran, fresh))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, fresh.act(rows, np.random.default_rng(6)))


def test_mcts_wants_the_history() -> None:
    rows = replace(
        rows_of([pyspiel.load_game("connect_four").new_initial_state()], [0], CONNECT_FOUR), history=None
    )
    player = make_scripted("mcts:10", CONNECT_FOUR)
    assert player.needs_history
    with pytest.raises(ValueError, match="history"):
        player.act(rows, np.random.default_rng(0))


def test_mcts_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspiel", None)
    with pytest.raises(AgentError, match=r"not installed; pip install 'selfplay-league\[openspiel\]'"):
        make_scripted("mcts:100", CONNECT_FOUR)


@pytest.mark.parametrize(
    ("identity", "message"),
    [
        ("minmax", r"no player is called 'minmax'; did you mean 'minimax'\?; allowed: random, minimax, mcts"),
        ("randon", "did you mean 'random'"),
        ("xyzzy", "no player is called 'xyzzy'; allowed: random, minimax, mcts:N, mcts_solver:N, rrps:BOT"),
        ("random:3", r"no player is called 'random:3'; did you mean 'random'\?"),
        ("mcts", "player 'mcts': mcts:N needs N >= 1 simulations, as in 'mcts:100'"),
        ("mcts:0", "mcts:N needs N >= 1"),
        ("mcts:ten", "mcts:N needs N >= 1"),
        ("mcts_solver:0", "mcts_solver:N needs N >= 1"),
        ("no_such_module:make", "player 'no_such_module:make': no module is called 'no_such_module'"),
        ("json:make", "player 'json:make': AttributeError: .*make"),
        ("json:loads", "player 'json:loads': TypeError"),
        ("builtins:repr", "player 'builtins:repr' made a str, which lacks act"),
    ],
)
def test_unknown_players_are_refused_in_one_line(identity: str, message: str) -> None:
    with pytest.raises(AgentError, match=message) as refused:
        make_scripted(identity, CONNECT_FOUR)
    assert "\n" not in str(refused.value)


def test_mcts_refuses_games_without_a_twin() -> None:
    with pytest.raises(AgentError, match="cannot play 'kuhn'; it plays connect_four, tictactoe"):
        make_scripted("mcts:100", spec_of("kuhn", (3,), Discrete(2)))


def test_a_user_brings_a_player(monkeypatch: pytest.MonkeyPatch) -> None:
    class Last:
        needs_history = False

        def __init__(self, spec: GameSpec) -> None:
            self.choices = spec.choices

        def act(self, rows: Rows, generator: np.random.Generator) -> np.ndarray:
            return np.full(len(rows.seat), self.choices - 1)

    def broken(spec: GameSpec) -> Last:
        raise RuntimeError(f"cannot play\n{spec.name}")

    module = ModuleType("my_players")
    module.last, module.broken = Last, broken
    monkeypatch.setitem(sys.modules, "my_players", module)
    player = make_scripted("my_players:last", CONNECT_FOUR)
    assert list(player.act(plain_rows(np.ones((2, 7), bool)), np.random.default_rng(0))) == [6, 6]
    with pytest.raises(AgentError, match=r"'my_players:broken': RuntimeError: cannot play connect_four$"):
        make_scripted("my_players:broken", CONNECT_FOUR)
