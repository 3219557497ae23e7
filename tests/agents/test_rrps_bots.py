"""OpenSpiel's bots of repeated rock, paper, scissors: each plays as OpenSpiel has it play."""

from __future__ import annotations

import ctypes
import sys

import numpy as np
import pyspiel
import pytest

from agents.errors import AgentError
from agents.rollout import Rollout
from agents.scripted import Rows, Scripted, expand, make_scripted
from agents.scripted.rrps import BOTS
from agents.scripted_policy import ScriptedPolicy
from agents.tables import Table, TableResult
from envs.catalogue import make_game
from envs.game import GameSpec
from envs.repeated_rps import RepeatedRps

THROWS = 60
SPEC = RepeatedRps(1, THROWS).spec
DETERMINISTIC = ("greenberg", "copybot", "rotatebot", "pibot", "debruijn81")


def rows_of(history: list[int], seat: int, copy: int = 0) -> Rows:
    """What one player is shown when so much was thrown; the bots read the history alone."""
    return Rows(
        np.zeros((1, 6), np.uint8), np.ones((1, 3), bool), np.array([seat]), np.array([copy]), [history]
    )


def play(player: Scripted, seat: int, others: np.ndarray, seed: int, copy: int = 0) -> list[int]:
    """What it throws in an episode against throws that are fixed."""
    generator = np.random.default_rng(seed)
    history: list[int] = []
    thrown: list[int] = []
    for other in others.tolist():
        thrown.append(int(player.act(rows_of(list(history), seat, copy), generator)[0]))
        history += [thrown[-1], other] if seat == 0 else [other, thrown[-1]]
    return thrown


def play_in_openspiel(bot: str, seat: int, others: np.ndarray, seed: int) -> list[int]:
    """The same by OpenSpiel's own objects, seeded alike before every throw."""
    generator, thrown = np.random.default_rng(seed), []
    state = pyspiel.load_game(
        f"repeated_game(stage_game=matrix_rps(),num_repetitions={THROWS})"
    ).new_initial_state()
    for tick, other in enumerate(others.tolist()):
        ctypes.CDLL(None).srandom(ctypes.c_uint(int(generator.integers(2**32))))
        if tick == 0:
            made = pyspiel.make_roshambo_bot(seat, bot, pyspiel.ROSHAMBO_NUM_THROWS)
        thrown.append(made.step(state))
        state.apply_actions([thrown[-1], other] if seat == 0 else [other, thrown[-1]])
    return thrown


def others(seed: int) -> np.ndarray:
    """Throws with a pattern to be found in them: mostly the one after the last."""
    generator = np.random.default_rng(seed)
    return np.cumsum(1 + (generator.random(THROWS) < 0.3)) % 3


def test_all_of_openspiels_bots_are_known() -> None:
    assert sorted(BOTS) == sorted(pyspiel.roshambo_bot_names())
    assert len(BOTS) == pyspiel.ROSHAMBO_NUM_BOTS == 43


@pytest.mark.parametrize("bot", BOTS)
def test_a_bot_throws_as_in_openspiel_whoever_it_has_met_before(bot: str) -> None:
    player = make_scripted(f"rrps:{bot}", SPEC)
    for episode in range(4):
        seat, seed = episode % 2, episode // 2
        against = others(seed)
        expected = play_in_openspiel(bot, seat, against, seed)
        assert play(player, seat, against, seed) == expected, (seat, seed)


def test_who_draws_depends_on_its_generator() -> None:
    player, against = make_scripted("rrps:randbot", SPEC), others(0)
    assert play(player, 0, against, seed=1) == play(player, 0, against, seed=1)
    assert play(player, 0, against, seed=1) != play(player, 0, against, seed=2)
    thrown = [throw for seed in range(40) for throw in play(player, 0, against, seed)]
    counts = np.bincount(thrown, minlength=3)
    assert (abs(counts / counts.sum() - 1 / 3) < 5 * np.sqrt(2 / 9 / counts.sum())).all()


@pytest.mark.parametrize("bot", DETERMINISTIC)
def test_one_that_comes_late_sees_what_was_thrown_before(bot: str) -> None:
    against = others(3)
    player = make_scripted(f"rrps:{bot}", SPEC)
    thrown = play(player, 0, against, seed=0)
    late = make_scripted(f"rrps:{bot}", SPEC)
    history = np.stack([thrown, against], axis=1)[: THROWS - 1].reshape(-1).tolist()
    assert late.act(rows_of(history, seat=0), np.random.default_rng(0)).tolist() == thrown[-1:]


def meet(home: str, away: str, episodes: int, copies: int = 3, throws: int = THROWS) -> TableResult:
    rollout = Rollout(make_game(f"repeated_rps:{throws}", copies), {})
    rollout.reset(0)
    spec = rollout.game.spec
    rollout.behaviours = {name: ScriptedPolicy(make_scripted(name, spec), spec) for name in {home, away}}
    rollout.open(Table(0, (home, away), episodes))
    while not (results := rollout.results()):
        rollout.tick()
    return results[0]


def test_copybot_beats_the_first_throw_of_rotatebot_and_draws_all_others() -> None:
    """OpenSpiel's own test of what its bots see, here over many episodes and in either seat."""
    result = meet("rrps:rotatebot", "rrps:copybot", episodes=8)
    assert result.pairs == (
        ("rrps:rotatebot", "rrps:copybot", 0, 0, 4, -4.0),
        ("rrps:copybot", "rrps:rotatebot", 4, 0, 0, 4.0),
    )
    assert result.returns == (("rrps:rotatebot", 8, -8.0, 8.0), ("rrps:copybot", 8, 8.0, 8.0))


def test_a_bot_against_itself_is_two() -> None:
    result = meet("rrps:rotatebot", "rrps:rotatebot", episodes=4)
    assert [pair[2:] for pair in result.pairs] == [(0, 2, 0, 0.0)] * 2


def test_the_winner_of_the_competition_beats_simple_ones_by_what_their_memory_allows() -> None:
    for bot, least in (("rotatebot", 0.9), ("switchbot", 0.3)):
        result = meet("rrps:greenberg", f"rrps:{bot}", episodes=2, copies=2, throws=300)
        assert result.returns[0][2] / 600 > least, bot


def test_all_stands_for_everybody_once() -> None:
    assert expand(["random", "rrps:all", "rrps:greenberg"]) == ("random", *(f"rrps:{bot}" for bot in BOTS))
    assert expand(["minimax"]) == ("minimax",)


@pytest.mark.parametrize(
    ("identity", "game", "message"),
    [
        ("rrps:greenburg", "repeated_rps", r"no bot is called 'greenburg'; did you mean 'rrps:greenberg'\?"),
        ("rrps:xyzzy", "repeated_rps", "no bot is called 'xyzzy'; known are actr_lag2_decay, adddriftbot2"),
        ("rrps:all", "repeated_rps", "rrps:all is for league.scripted alone, where it stands for all 43"),
        ("rrps:greenberg", "matrix:rps", "player 'rrps:greenberg' plays repeated_rps only, not 'matrix:rps'"),
        ("rrps", "repeated_rps", "no bot is called ''; known are actr_lag2_decay"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(identity: str, game: str, message: str) -> None:
    spec: GameSpec = make_game(game, 1).spec
    with pytest.raises(AgentError, match=message) as refused:
        make_scripted(identity, spec)
    assert "\n" not in str(refused.value)


def test_without_openspiel_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspiel", None)
    with pytest.raises(AgentError, match=r"not installed; pip install 'selfplay-league\[openspiel\]'"):
        make_scripted("rrps:randbot", SPEC)


def test_an_openspiel_without_the_bots_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(pyspiel, "make_roshambo_bot")
    with pytest.raises(AgentError, match="needs an OpenSpiel that was built with its bots"):
        make_scripted("rrps:randbot", SPEC)
