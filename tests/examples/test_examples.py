"""The files of docs/extending.md, run as the page says."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

from agents.errors import AgentError
from agents.scripted import make_scripted
from agents.scripted.base import Rows
from dashboards.cli import main
from envs.catalogue import make_game
from envs.conformance import check_game
from envs.game import GameError
from examples.auction import Auction
from examples.nim import MOST, STONES, Nim

with warnings.catch_warnings():
    # PettingZoo's tests import one of its own games in the way that it deprecates.
    warnings.filterwarnings("ignore", "The old environment creation API", DeprecationWarning)
    from pettingzoo.test import parallel_api_test

ROOT = Path(__file__).parents[2]
NIM, PERFECT, AUCTION = "examples.nim:Nim", "examples.perfect_nim:PerfectNim", "examples.auction:Auction"


@pytest.fixture(autouse=True)
def _from_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("name", [NIM, AUCTION])
def test_the_games_keep_to_what_a_game_promises(name: str) -> None:
    check_game(lambda copies: make_game(name, copies))


def test_the_last_stone_wins() -> None:
    game = Nim(2)
    step = game.reset(0)
    for _ in range(STONES - 1):
        assert not step.over.any()
        step = game.step(np.zeros((2, 1), np.int64))
    assert step.mask[0, 0].tolist() == [True, False, False]
    step = game.step(np.zeros((2, 1), np.int64))
    assert step.over.all()
    assert step.reward.tolist() == [[1, -1]] * 2  # 21 stones one by one: the first player takes the last
    with pytest.raises(GameError, match="illegal"):
        game.step(np.full((2, 1), MOST))


def test_the_perfect_player_leaves_a_multiple_of_four() -> None:
    player = make_scripted(PERFECT, Nim(1).spec)
    observation = np.eye(STONES, dtype=np.float32)
    mask = np.arange(1, MOST + 1) <= np.arange(1, STONES + 1)[:, None]
    zeros = np.zeros(STONES, np.int64)
    taken = player.act(Rows(observation, mask, zeros, zeros), np.random.default_rng(0)) + 1
    left = np.arange(1, STONES + 1) - taken
    assert (left >= 0).all()
    lost = np.arange(1, STONES + 1) % 4 == 0
    assert (left[~lost] % 4 == 0).all()
    with pytest.raises(AgentError, match=r"plays examples\.nim:Nim only"):
        make_scripted(PERFECT, make_game("connect_four", 1).spec)


def test_the_auction_is_a_pettingzoo_environment() -> None:
    parallel_api_test(Auction(), num_cycles=50)


def test_the_higher_bid_gains_value_less_bid_and_equal_bids_nothing() -> None:
    auction = Auction()
    seen, _ = auction.reset(seed=3)
    _, rewards, *_ = auction.step({"player_0": 4, "player_1": 2})
    assert rewards == {"player_0": pytest.approx(seen["player_0"][0] - 0.4), "player_1": 0.0}
    _, rewards, *_ = auction.step({"player_0": 4, "player_1": 4})
    assert rewards == {"player_0": 0.0, "player_1": 0.0}


@pytest.mark.slow
@pytest.mark.parametrize("name", [NIM, AUCTION])
def test_a_league_trains_on_them(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = str(tmp_path / "run")
    small = ["--runtime.round-steps", "2000", "--rollout.copies", "32", "--learner.algorithm.batch", "16"]
    assert main(["train", name, "--run", run, "--runtime", "inline", "--steps", "4000", *small]) == 0
    capsys.readouterr()
    assert main(["leaderboard", run, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["player"] for row in rows} == {"main", "random"}
    if name == NIM:
        arguments = ["eval", run, "--player", "random", "--against", PERFECT, "--games", "200", "--seed", "5"]
        assert main([*arguments, "--json"]) == 0
        report = json.loads(capsys.readouterr().out)
        assert report["games"] == 200
        assert report["as_second"]["wins"] == 0  # who is second cannot win, and random hardly can as first
        assert report["score"] < 0.05
