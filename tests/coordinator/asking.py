"""A served game of tic-tac-toe: the server and its actors, all in one process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any

import numpy as np

from agents.asking import Asker
from agents.rollout import Rollout
from agents.stages import Stages
from agents.tables import Table
from agents.trajectory import Trajectory
from coordinator.config import RunConfig
from coordinator.inference_link import Address, InferenceLink
from coordinator.inference_server import InferenceServer
from coordinator.policies import Policies
from coordinator.presets import build
from envs.tictactoe import TicTacToe
from league.players import Player

FOREVER = 1e6
SECONDS = 120.0
"""After which a test is taken to hang."""
COPIES, UNROLL, BATCH = 4, 3, 2
MAIN = {"main": Player("main")}


def configured(**fields: Any) -> RunConfig:
    flags = {
        "rollout.copies": COPIES,
        "rollout.unroll": UNROLL,
        "learner.network.hidden": "8",
        "learner.algorithm.batch": BATCH,
        "runtime.actors": 2,
        "runtime.inference_seconds": FOREVER,
        **fields,
    }
    return build("tictactoe", preset="seed", flags=flags)


class Delivered:
    """Takes what the server delivers."""

    def __init__(self) -> None:
        self.batches: list[Trajectory] = []
        self.failures: SimpleQueue[Exception] = SimpleQueue()

    def take(self, full: Sequence[tuple[str, Trajectory]]) -> None:
        self.batches += [batch for _, batch in full]


def weights_of(config: RunConfig, seed: int) -> Any:
    policies: Any = Policies(config, TicTacToe(1).spec, None, list, MAIN)  # type: ignore[arg-type]
    size = len(policies.live("main").weights())
    return np.random.default_rng(seed).normal(0, 0.3, size).astype(np.float32)


@contextmanager
def serving(
    config: RunConfig,
    delivered: Delivered,
    take: Callable[..., None] | None = None,
    host: str | None = None,
) -> Iterator[InferenceServer]:
    spec, failed = TicTacToe(1).spec, delivered.failures.put
    server = InferenceServer(config, spec, MAIN, take or delivered.take, failed, host)
    server.load("main", weights_of(config, 1), 1)
    try:
        yield server
    finally:
        server.stop()


class Actor:
    """Plays one endless match, `main` against itself, and asks for every move."""

    def __init__(self, config: RunConfig, owner: str, find: Callable[[], Address | None]) -> None:
        self.stopping = False
        game = TicTacToe(COPIES)
        self.link = InferenceLink(config, owner, MAIN, find, Stages(), lambda: not self.stopping)
        self.asker: Asker = self.link.open(game.spec)
        self.rollout = Rollout(game, {"main": config.stream_config(MAIN["main"])}, asker=self.asker)
        self._policies: Any = Policies(config, game.spec, None, list, MAIN)  # type: ignore[arg-type]
        self.begin()

    def begin(self) -> None:
        self.rollout.reset(5)
        self.rollout.behaviours = {"main": self._policies.served("main")}
        self.rollout.open(Table(0, ("main", "main"), 10**6, frozenset({"main"})))

    def connect(self) -> None:
        deadline = Event()
        for _ in range(int(100 * SECONDS)):
            if self.link.ready(None):  # type: ignore[arg-type]
                return
            deadline.wait(0.01)
        raise AssertionError("there is no server")

    def tick(self, times: int = 1) -> Actor:
        for _ in range(times):
            self.rollout.tick()
        return self

    def ticking(self, times: int = 1) -> SimpleQueue[Any]:
        """In a thread of its own: what came of it, an error or None."""
        came: SimpleQueue[Any] = SimpleQueue()

        def run() -> None:
            try:
                self.tick(times)
            except Exception as error:
                came.put(error)
            else:
                came.put(None)

        Thread(target=run, daemon=True).start()
        return came


@contextmanager
def acting(config: RunConfig, server: InferenceServer | None, *owners: str) -> Iterator[list[Actor]]:
    actors = [Actor(config, owner, lambda: server.address if server else None) for owner in owners]
    try:
        for actor in actors:
            actor.connect()
        yield actors
    finally:
        for actor in actors:
            actor.link.close()
