"""Copies stepped by other processes: a slow one holds nobody, and a failing one is named."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from agents.rollout import Rollout
from agents.scripted.base import Rows
from agents.scripted_policy import ScriptedPolicy
from agents.streams import StreamConfig
from agents.tables import Table, TableResult
from envs.asynchronous import AsynchronousGame
from envs.conformance import check_game
from envs.game import Array, GameError, Step
from tests.envs.obedient import DIE, EPISODE, GATE, HANG, MOVE, RAISE, WAIT

NAME = "tests.envs.obedient:Obedient"
COPIES, WORKERS, SLOW = 6, 3, 3
"""Copies 2 and 3 share a worker; copy 3 is the slow one."""
PATIENCE = 60.0


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "gate"
    os.mkfifo(path)
    monkeypatch.setenv(GATE, str(path))
    return path


@pytest.fixture
def game(gate: Path) -> Iterator[AsynchronousGame]:
    with AsynchronousGame(NAME, COPIES, workers=WORKERS, patience=PATIENCE) as game:
        yield game


def orders(**by_copy: int) -> Array:
    """Actions: `c3=HANG` for copy 3, all others move on."""
    actions = np.full((COPIES, 1), MOVE, np.int64)
    for copy, order in by_copy.items():
        actions[int(copy[1:])] = order
    return actions


def open_gate(gate: Path) -> None:
    with gate.open("w"):
        pass


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["tictactoe", "pettingzoo:classic/leduc_holdem_v4", "mpe2:simple_tag", "gymnasium:Pendulum-v1"]
)
def test_it_conforms_where_all_are_waited_for(name: str) -> None:
    check_game(
        lambda copies: AsynchronousGame(name, copies, workers=2, patience=PATIENCE, ready_share=1.0), ticks=60
    )


class Watch:
    """Holds every copy to what it did, whenever that shows."""

    def __init__(self) -> None:
        self.decisions = np.zeros(COPIES, int)
        self.rewards = np.zeros(COPIES)

    def act(self, step: Step) -> None:
        self.decisions += step.acting[:, 0]

    def see(self, step: Step) -> None:
        ready = step.acting[:, 0]
        assert (step.observation[ready, 0, 0] == self.decisions[ready] % EPISODE).all()
        assert (step.over[ready] == (self.decisions[ready] % EPISODE == 0)).all()
        assert (step.truncated[:, 0] == step.over).all()
        if step.over.any():
            assert step.final_observation is not None
            assert (step.final_observation[step.over] == EPISODE).all()
        assert (step.reward[:, 0] == ready).all()
        self.rewards += step.reward[:, 0]


def test_a_slow_copy_does_not_hold_the_others(game: AsynchronousGame, gate: Path) -> None:
    watch, step = Watch(), game.reset(0)
    assert step.acting.all()
    watch.act(step)
    step = game.step(orders(c3=WAIT))
    while watch.decisions.sum() < 200:
        watch.see(step)
        assert not step.acting[2:4].any()
        assert step.acting.any()
        watch.act(step)
        step = game.step(orders())
    watch.see(step)
    open_gate(gate)
    while not step.acting[SLOW]:
        watch.act(step)
        step = game.step(orders())
        watch.see(step)
    assert watch.decisions[2:4].tolist() == watch.rewards[2:4].tolist() == [1, 1]


def test_a_reset_waits_for_all(game: AsynchronousGame, gate: Path) -> None:
    game.reset(0)
    game.step(orders(c3=WAIT))
    open_gate(gate)
    step = game.reset(0)
    assert step.acting.all()
    assert not step.observation.any()
    assert not step.reward.any()
    watch = Watch()
    while watch.decisions.sum() < 100:
        watch.act(step)
        step = game.step(orders())
        watch.see(step)


class Drill:
    """A script that moves on, but for the first decision of the slow copy."""

    needs_history = True

    def __init__(self) -> None:
        self.begun = False

    def act(self, rows: Rows, generator: np.random.Generator) -> Array:
        assert rows.history is not None
        assert [len(history) for history in rows.history] == rows.observation[:, 0].tolist()
        action = np.where((rows.copy == SLOW) & (not self.begun), WAIT, MOVE)
        self.begun = True
        return action


def test_a_rollout_plays_on_with_those_that_are_ready(game: AsynchronousGame, gate: Path) -> None:
    rollout = Rollout(game, {"main": StreamConfig(unroll=EPISODE, batch=1)})
    rollout.behaviours["main"] = ScriptedPolicy(Drill(), game.spec)
    rollout.reset(0)
    rollout.seating.open(Table(7, ("main",), 60, frozenset({"main"})))
    while rollout.decisions < 200:
        rollout.tick()
    assert rollout.seating.key_of(SLOW) == 7
    assert not rollout.results()
    open_gate(gate)
    results: list[TableResult] = []
    while not results:
        rollout.tick()
        results = rollout.results()
    assert [(result.key, result.episodes, result.decisions) for result in results] == [(7, 60, 60 * EPISODE)]
    assert results[0].returns == (("main", 60, 60.0 * EPISODE, 60.0 * EPISODE**2),)
    batches = rollout.take()["main"]
    assert len(batches) >= 60 - COPIES
    assert sum(int((batch.action == WAIT).sum()) for batch in batches) == 1


def test_what_a_game_raises_names_its_copy(game: AsynchronousGame) -> None:
    game.reset(0)
    with pytest.raises(
        GameError, match=r"copy 1, seat agent: .*as you wish \(counted from copy 2\)"
    ) as caught:
        play(game, orders(c3=RAISE))
    assert caught.value.copy == 3


def test_a_process_that_dies_is_named(game: AsynchronousGame) -> None:
    game.reset(0)
    with pytest.raises(GameError, match=r"one of copies 4 to 5: .* ended with exit status 7"):
        play(game, orders(c5=DIE))


def test_a_copy_that_hangs_is_named_and_closing_ends_it() -> None:
    before = set(psutil.Process().children())  # other tests may have left some that are not ours
    with AsynchronousGame(NAME, 1, workers=1, patience=PATIENCE) as game:
        game.reset(0)
        game._patience = 0.1
        (worker,) = set(psutil.Process().children()) - before
        with pytest.raises(GameError, match=r"copy 0: has not moved for 0.1 s") as caught:
            game.step(np.array([[HANG]]))
        assert caught.value.copy == 0
        game.close()
        assert not worker.is_running()


def play(game: AsynchronousGame, actions: Array) -> None:
    """One such step, then others until it shows."""
    game.step(actions)
    while True:
        game.step(orders())


def test_what_cannot_be_made_is_refused_as_ever() -> None:
    before = set(psutil.Process().children())
    with pytest.raises(GameError, match=r"^no game is called 'tictactow': did you mean tictactoe\?$"):
        AsynchronousGame("tictactow", 2, workers=2, patience=PATIENCE)
    assert set(psutil.Process().children()) <= before


ORPHANS = f"""
import os, signal, numpy, psutil
from envs.asynchronous import AsynchronousGame
game = AsynchronousGame({NAME!r}, 2, workers=2, patience=60.0)
game.reset(0)
game.step(numpy.array([[{MOVE}], [{HANG}]]))
print(*(child.pid for child in psutil.Process().children()), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a process in mid-step ends after its step")
def test_nothing_is_left_behind_when_the_parent_is_killed() -> None:
    parent = subprocess.run([sys.executable, "-c", ORPHANS], stdout=subprocess.PIPE, text=True, check=False)
    assert parent.returncode == -signal.SIGKILL
    workers = [int(pid) for pid in parent.stdout.split()]
    assert len(workers) == 2
    while any(map(alive, workers)):
        time.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
