"""The PettingZoo adapter on real environments."""

from __future__ import annotations

import numpy as np
import pytest

from envs.catalogue import make_game
from envs.conformance import check_game
from envs.game import ArraySpec, Discrete
from envs.legal import random_legal

REAL = {
    "pettingzoo:classic/leduc_holdem_v4": (1, True, Discrete(4), 2),
    "pettingzoo:classic/tictactoe_v3": (1, True, Discrete(9), 2),
    "pettingzoo:classic/rps_v2": (2, True, Discrete(3), 2),
    "mpe2:simple_tag": (4, False, Discrete(5), 2),
    "mpe2:simple_adversary_v3": (3, False, Discrete(5), 2),
    "pettingzoo:mpe/simple_spread_v3": (3, False, Discrete(5), 1),
}


@pytest.mark.parametrize("name", REAL)
def test_real_environments_conform(name: str) -> None:
    slots, symmetric, actions, teams = REAL[name]
    game = make_game(name, 1)
    assert (game.spec.slots, game.spec.symmetric, game.spec.actions) == (slots, symmetric, actions)
    assert len(game.spec.teams) == teams
    game.close()
    check_game(lambda copies: make_game(name, copies), copies=2, ticks=60)


@pytest.mark.filterwarnings("ignore:.*render method without specifying any render mode:UserWarning")
def test_an_environment_of_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    game = make_game("pettingzoo:butterfly/cooperative_pong_v6", 1)
    assert game.spec.observation == ArraySpec((3, 280, 480), "uint8")
    assert game.spec.teams == {"team": (0, 1)}
    generator, step = np.random.default_rng(0), game.reset(0)
    for _ in range(3):
        step = game.step(random_legal(game.spec, step, generator))
    game.close()


def test_teams_can_be_chosen() -> None:
    game = make_game("mpe2:simple_tag", 1, teams="one")
    assert game.spec.teams == {"team": (0, 1, 2, 3)}


def test_simple_tag_gives_its_state() -> None:
    game = make_game("mpe2:simple_tag", 2)
    step = game.reset(0)
    assert step.state is not None
    seen = [step.observation[0, seat, : 16 if seat < 3 else 14] for seat in range(4)]
    np.testing.assert_array_equal(step.state[0], np.concatenate(seen))
