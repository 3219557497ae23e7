"""Kuhn and Leduc poker against OpenSpiel's, step by step, and by hand."""

from __future__ import annotations

import numpy as np
import pyspiel
import pytest

from envs.catalogue import make_game
from envs.game import GameError, Step
from envs.legal import random_legal
from envs.openspiel import Twin

CARDS = {"kuhn": (3, 2), "leduc": (6, 3)}
"""Cards in the pack, and how many of them are dealt."""


def deal_of(name: str, step: Step, copy: int) -> list[int]:
    """The cards that a copy dealt, as its state shows them."""
    pack, dealt = CARDS[name]
    assert step.state is not None
    return [int(card) for card in step.state[copy, -pack * dealt :].reshape(dealt, pack).argmax(axis=1)]


def begin(twin: Twin, deal: list[int]) -> pyspiel.State:
    state = twin.game.new_initial_state()
    turn_up(state, deal)
    return state


def turn_up(state: pyspiel.State, deal: list[int]) -> None:
    """Let OpenSpiel's chance deal what ours has dealt."""
    while state.is_chance_node():
        dealt = sum(player.player == pyspiel.PlayerId.CHANCE for player in state.full_history())
        state.apply_action(deal[dealt])


def assert_same_position(twin: Twin, step: Step, copy: int, state: pyspiel.State) -> None:
    seat = state.current_player()
    assert step.seat[copy, 0] == seat
    assert np.flatnonzero(step.mask[copy, 0]).tolist() == state.legal_actions()
    assert step.observation[copy, 0].tolist() == state.information_state_tensor(seat)
    observation, mask = twin.row(state)
    np.testing.assert_array_equal(step.observation[copy, 0], observation)
    np.testing.assert_array_equal(step.mask[copy, 0], mask)


@pytest.mark.parametrize("name", CARDS)
def test_equal_to_openspiel_over_ten_thousand_games(name: str) -> None:
    twin, generator, copies = Twin(name), np.random.default_rng(0), 500
    game = make_game(name, copies)
    step = game.reset(0)
    deals = [deal_of(name, step, copy) for copy in range(copies)]
    states = [begin(twin, deal) for deal in deals]
    ended = 0
    while ended < 10_000:
        for copy, state in enumerate(states):
            assert_same_position(twin, step, copy, state)
        actions = random_legal(game.spec, step, generator)
        step = game.step(actions)
        for copy, state in enumerate(states):
            state.apply_action(int(actions[copy, 0]))
            turn_up(state, deals[copy])
            assert step.over[copy] == state.is_terminal()
            assert step.terminated[copy].tolist() == [state.is_terminal()] * 2
            assert step.reward[copy].tolist() == state.rewards()
            if state.is_terminal():
                ended += 1
                deals[copy] = deal_of(name, step, copy)
                states[copy] = begin(twin, deals[copy])
            assert deal_of(name, step, copy) == deals[copy]
    assert not step.truncated.any()


@pytest.mark.parametrize("name", CARDS)
def test_all_deals_are_as_likely(name: str) -> None:
    step = make_game(name, 60_000).reset(3)
    pack, dealt = CARDS[name]
    deals = [tuple(deal_of(name, step, copy)) for copy in range(60_000)]
    kinds = int(np.prod(range(pack - dealt + 1, pack + 1)))
    counts = np.array([deals.count(deal) for deal in set(deals)])
    assert len(counts) == kinds
    assert all(len(set(deal)) == dealt for deal in deals)
    expected = 60_000 / kinds
    assert ((counts - expected) ** 2 / expected).sum() < kinds + 6 * np.sqrt(2 * kinds)  # chi-squared


@pytest.mark.parametrize(("name", "states"), [("kuhn", 12), ("leduc", 936)])
def test_information_states_are_those_of_the_game(name: str, states: int) -> None:
    listed = Twin(name).information_states()
    assert len(listed.names) == states
    game, generator = make_game(name, 4000), np.random.default_rng(1)
    step = game.reset(1)
    seen: set[tuple[bytes, bytes]] = set()
    for _ in range(300):
        rows = zip(step.observation[:, 0], step.mask[:, 0], strict=True)
        seen |= {(observation.tobytes(), mask.tobytes()) for observation, mask in rows}
        step = game.step(random_legal(game.spec, step, generator))
    pairs = zip(listed.observation, listed.mask, strict=True)
    assert seen == {(observation.tobytes(), mask.tobytes()) for observation, mask in pairs}


@pytest.mark.parametrize("name", CARDS)
def test_what_a_seat_did_before_leads_to_what_it_knows(name: str) -> None:
    listed = Twin(name).information_states()
    after = np.flatnonzero(listed.before >= 0)
    before = listed.before[after]
    assert after.size
    assert (before < after).all()
    assert (listed.seat[before] == listed.seat[after]).all()
    assert listed.mask[before, listed.action[after]].all()
    forgotten = (listed.observation[after] == 0) & (listed.observation[before] == 1)
    assert not forgotten.any()


def test_an_illegal_action_is_refused_and_changes_nothing() -> None:
    game = make_game("leduc", 2)
    first = game.reset(0).observation.copy()
    with pytest.raises(
        GameError, match=r"leduc, copy 1, seat player_0: action 0 is illegal, legal are \[1, 2\]"
    ):
        game.step(np.array([[1], [0]]))
    with pytest.raises(GameError, match="action 3 is illegal"):
        game.step(np.array([[1], [3]]))
    with pytest.raises(GameError, match="action -1 is illegal"):
        game.step(np.array([[-1], [1]]))
    np.testing.assert_array_equal(game._step.observation, first)  # type: ignore[attr-defined]


def test_a_game_whose_information_states_are_too_many() -> None:
    with pytest.raises(GameError, match="connect_four: its information states cannot be listed"):
        Twin("connect_four")


def test_without_openspiel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyspiel", None)
    with pytest.raises(GameError, match=r"pip install 'selfplay-league\[openspiel\]'"):
        Twin("kuhn")
