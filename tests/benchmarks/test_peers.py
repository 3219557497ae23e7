"""A peer's policy must play here as it was trained there."""

from pathlib import Path

import numpy as np
import pytest

from agents.scripted.base import Rows
from benchmarks.peers.environments import PEERS
from benchmarks.peers.player import Greedy, load, score
from benchmarks.peers.protocol import Progress, Task, from_picture, read_trained
from benchmarks.peers.turns import Turns


def random_layers(generator: np.random.Generator) -> dict[str, np.ndarray]:
    sizes = {"a": (84, 128), "b": (128, 128), "p": (128, 7)}
    weights = {f"{name}.w": generator.normal(size=size) for name, size in sizes.items()}
    biases = {f"{name}.b": generator.normal(size=size[1]) for name, size in sizes.items()}
    return {name: array.astype(np.float32) for name, array in (weights | biases).items()}


def picture(moves: list[int]) -> np.ndarray:
    """[6, 7, 2] own stones and the other's, top row first, seen by whoever is to move."""
    board = np.zeros((6, 7, 2), np.float32)
    height = [0] * 7
    for turn, column in enumerate(moves):
        mine = (len(moves) - turn) % 2 == 0
        board[5 - height[column], column, 0 if mine else 1] = 1
        height[column] += 1
    return board


def test_weights_over_a_picture_become_weights_over_our_planes() -> None:
    weights = np.random.default_rng(0).normal(size=(84, 5)).astype(np.float32)
    moves = [3, 3, 2, 6, 0, 6, 3]
    turns = Turns(1)
    for column in moves:
        turns.step(np.array([column]))
    ours = turns.observation.astype(np.float32) @ from_picture(weights)
    np.testing.assert_allclose(ours[0], picture(moves).reshape(-1) @ weights, rtol=1e-5)


def test_turns_reward_whoever_won_and_begin_again() -> None:
    turns = Turns(2)
    for first, second in ((0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2)):
        reward, over = turns.step(np.array([first, second]))
        assert not reward.any()
        assert not over.any()
    reward, over = turns.step(np.array([0, 5]))
    assert reward.tolist() == [1, 0]
    assert over.tolist() == [True, False]
    assert not turns.observation[0].any()
    assert turns.observation[1].any()


def test_turns_show_closed_columns() -> None:
    turns = Turns(1)
    for _ in range(6):
        turns.step(np.array([4]))
    assert turns.legal[0].tolist() == [True, True, True, True, False, True, True]


def test_greedy_plays_the_best_legal_column() -> None:
    layers = random_layers(np.random.default_rng(1))
    layers["p.w"][:] = 0
    layers["p.b"][:] = [0, 5, 3, 4, 1, 2, 0]
    mask = np.ones((2, 7), bool)
    mask[1, [1, 3]] = False
    rows = Rows(np.zeros((2, 2, 6, 7), np.uint8), mask, np.zeros(2, int), np.arange(2))
    assert Greedy(layers).act(rows, np.random.default_rng(0)).tolist() == [1, 2]


def test_greedy_is_the_network_of_the_benchmark() -> None:
    import torch

    layers = random_layers(np.random.default_rng(2))
    board = np.random.default_rng(3).integers(0, 2, (64, 2, 6, 7)).astype(np.uint8)
    hidden = torch.from_numpy(board).float().flatten(1)
    for name in ("a", "b"):
        weight, bias = (torch.from_numpy(layers[f"{name}.{part}"]) for part in "wb")
        hidden = torch.nn.functional.linear(hidden, weight.T, bias).relu()
    logits = torch.nn.functional.linear(
        hidden, torch.from_numpy(layers["p.w"]).T, torch.from_numpy(layers["p.b"])
    )
    rows = Rows(board, np.ones((64, 7), bool), np.zeros(64, int), np.arange(64))
    played = Greedy(layers).act(rows, np.random.default_rng(0))
    assert played.tolist() == logits.argmax(1).tolist()
    assert len(set(played)) > 1


def test_a_saved_policy_is_scored_in_both_seats(tmp_path: Path) -> None:
    np.savez(tmp_path / "1.npz", **random_layers(np.random.default_rng(4)))
    row = score(load(tmp_path / "1.npz"), "random", 40, seed=1)
    assert row["games"] == 40
    assert row["as_first"]["games"] == row["as_second"]["games"] == 20
    assert row["score_low"] <= row["score"] <= row["score_high"]


def test_progress_says_and_saves_what_is_due(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    now = [100.0]
    layers = random_layers(np.random.default_rng(5))
    task = Task(10.0, 0, (5.0, 7.0, 30.0), tmp_path)
    progress = Progress(task, clock=lambda: now[0])
    going = []
    for when, steps in ((103.0, 10), (103.2, 20), (109.0, 30), (110.0, 40), (113.0, 50)):
        now[0] = when
        going.append(progress.trained(steps, lambda: layers))
    assert going == [True, True, True, True, False]  # ten seconds from the first update
    assert read_trained(capsys.readouterr().out.splitlines()) == [
        (103.0, 10),
        (109.0, 30),
        (110.0, 40),
        (113.0, 50),
    ]
    assert [file.name for file in tmp_path.iterdir()] == ["30.npz"]  # two were due at once


def test_a_task_survives_the_command_line() -> None:
    task = Task(12.5, 3, (10.0, 20.0), Path("somewhere"))
    assert Task.parse(task.arguments()) == task
    assert Task.parse(Task(1.0, 0).arguments()) == Task(1.0, 0)


def test_every_peer_has_its_program() -> None:
    folder = Path(__file__).parents[2] / "benchmarks" / "peers"
    assert PEERS
    for peer in PEERS.values():
        assert (folder / f"{peer.program}.py").is_file()
