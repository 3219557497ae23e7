"""Who waits for whom at the learner process: in step for a quorum, for the end of an update, for room."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from agents.learner import Learner
from agents.trajectory import Trajectory, joined
from coordinator.config import RunConfig
from coordinator.learner_loop import Delivery, LearnerLoop, Published
from coordinator.learners import Learners
from coordinator.presets import build
from envs.catalogue import make_game
from league.players import Player
from tests.agents.batches import a_batch

UNROLL, COLUMNS, A_WHILE = 4, 6, 0.4
ACTORS = 3
with make_game("tictactoe", 1) as _game:
    SPEC = _game.spec
Submitted = Future[dict[str, Published]]


def a_config(coordination: str = "sync", **flags: object) -> RunConfig:
    plain = {
        "runtime.coordination": coordination,
        "runtime.actors": ACTORS,
        "learner.network.hidden": "8",
        "learner.precision": "float32",
        "learner.algorithm.batch": COLUMNS,
        "rollout.unroll": UNROLL,
    }
    return build("tictactoe", preset="impala", flags={**plain, **flags})


def a_delivery(seed: int, player: str = "main", release: Callable[[], None] | None = None) -> Delivery:
    return Delivery(player, batch(seed), release)


def batch(seed: int) -> Trajectory:
    return a_batch(SPEC, UNROLL, COLUMNS, seed=seed)


@contextmanager
def a_loop(folder: Path, config: RunConfig, *names: str) -> Iterator[LearnerLoop]:
    players = {name: Player(name) for name in names or ("main",)}
    loop = LearnerLoop(config, SPEC, players, {}, folder=folder, core=None)
    try:
        yield loop
    finally:
        loop.stop()


class Actors:
    """Threads that submit, each waiting as an actor's call does."""

    def __init__(self, loop: LearnerLoop, pool: ThreadPoolExecutor) -> None:
        self._loop = loop
        self._pool = pool

    def submit(self, *deliveries: Delivery, known: Mapping[str, int] | None = None) -> Submitted:
        return self._pool.submit(self._loop.submit, deliveries, {"main": 0} if known is None else known)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as threads:
        yield threads


def waits(*submitted: Submitted) -> bool:
    """Whether they all wait on, after a while in which they could have ended."""
    threading.Event().wait(A_WHILE)
    return not any(future.done() for future in submitted)


def updated(config: RunConfig, *batches: Trajectory) -> np.ndarray:
    """Weights after one update of the first ones by all of these together."""
    learner = Learner(config.learner, SPEC, team=None, seed=config.seed)
    learner.update(joined(batches))
    return learner.weights()


def test_an_update_waits_for_every_actor_and_is_of_all_their_batches(
    tmp_path: Path, pool: ThreadPoolExecutor
) -> None:
    config = a_config()
    with a_loop(tmp_path, config) as loop:
        actors = Actors(loop, pool)
        first = [actors.submit(a_delivery(seed)) for seed in range(2)]
        assert waits(*first)
        assert loop.progress().versions == {"main": 0}
        last = actors.submit(a_delivery(2))
        for future in (*first, last):
            weights, version = future.result(60)["main"]
            assert version == 1
        progress = loop.progress()
        assert progress.versions == {"main": 1}
        assert progress.steps["main"] == sum(int(batch(seed).acting[:-1].sum()) for seed in range(3))
        assert progress.figures["main"].updates == 1
        # Sums are in the order of arrival.
        np.testing.assert_allclose(weights, updated(config, *(batch(seed) for seed in range(3))), atol=1e-5)
        assert np.abs(weights - updated(config, batch(0))).max() > 1e-4


def test_who_is_slow_is_not_waited_for_and_joins_the_next(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    """A quorum of 60 % of three is two."""
    config = a_config(**{"runtime.quorum": 0.6})
    with a_loop(tmp_path, config) as loop:
        actors = Actors(loop, pool)
        for future in [actors.submit(a_delivery(seed)) for seed in range(2)]:
            assert future.result(60)["main"][1] == 1
        slow = actors.submit(a_delivery(2))
        assert waits(slow)
        again = actors.submit(a_delivery(3), known={"main": 1})
        assert slow.result(60)["main"][1] == again.result(60)["main"][1] == 2
        assert loop.progress().figures["main"].updates == 2


def test_asynchronously_nobody_waits_for_another(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    with a_loop(tmp_path, a_config("async")) as loop:
        actors = Actors(loop, pool)
        for count in range(1, 4):
            actors.submit(a_delivery(count)).result(60)
        while loop.progress().versions["main"] < 3:
            threading.Event().wait(0.01)  # or the test's own time limit
        assert actors.submit(known={"main": 2}).result(60)["main"][1] == 3
        assert actors.submit(known={"main": 3}).result(60) == {}


def test_a_shipment_of_nothing_is_answered_at_once(tmp_path: Path) -> None:
    with a_loop(tmp_path, a_config()) as loop:
        assert loop.submit([], {})["main"][1] == 0
        assert loop.submit([], None) == {}


def test_every_player_has_an_update_of_its_own(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    """Of the batches that came for it, from whomever."""
    with a_loop(tmp_path, a_config(), "main", "main-2") as loop:
        actors = Actors(loop, pool)
        shipments = [
            (a_delivery(0), a_delivery(1, "main-2")),
            (a_delivery(2), a_delivery(3)),
            (a_delivery(4, "main-2"),),
        ]
        for future in [actors.submit(*shipment) for shipment in shipments]:
            assert {name: new[1] for name, new in future.result(60).items()} == {"main": 1, "main-2": 1}
        steps = loop.progress().steps
        for name, seeds in (("main", (0, 2, 3)), ("main-2", (1, 4))):
            assert steps[name] == sum(int(batch(seed).acting[:-1].sum()) for seed in seeds)


def test_in_step_a_submit_ends_once_it_is_trained(
    tmp_path: Path, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, began, train = threading.Event(), threading.Event(), Learners.train

    def slowly(learners: Learners, name: str, given: Trajectory) -> None:
        began.set()
        assert go_on.wait(60)
        train(learners, name, given)

    monkeypatch.setattr(Learners, "train", slowly)
    with a_loop(tmp_path, a_config()) as loop:
        submitted = [Actors(loop, pool).submit(a_delivery(seed)) for seed in range(ACTORS)]
        assert began.wait(60)
        assert waits(*submitted)
        go_on.set()
        assert [future.result(60)["main"][1] for future in submitted] == [1] * ACTORS


@pytest.mark.parametrize("coordination", ["sync", "async"])
def test_every_batch_is_given_back_once_and_not_read_after_that(
    coordination: str, tmp_path: Path, pool: ThreadPoolExecutor
) -> None:
    """What lies there then is another batch, here of nonsense."""
    batches, released = [batch(seed) for seed in range(ACTORS)], [0] * ACTORS

    def release(index: int) -> None:
        released[index] += 1
        batches[index].reward[:] = np.nan
        batches[index].version[:] = 99

    with a_loop(tmp_path, a_config(coordination)) as loop:
        actors = Actors(loop, pool)
        submitted = [
            actors.submit(Delivery("main", each, partial(release, index)))
            for index, each in enumerate(batches)
        ]
        for future in submitted:
            future.result(60)
        while sum(released) < ACTORS:
            threading.Event().wait(0.01)
        figures = loop.progress().figures["main"]
        assert (figures.skipped, figures.dropped) == (0, 0)
    assert released == [1] * ACTORS


def test_what_stops_the_training_reaches_whoever_waits(
    tmp_path: Path, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(learners: Learners, name: str, given: Trajectory) -> None:
        raise ZeroDivisionError("of a learner")

    monkeypatch.setattr(Learners, "train", breaks)
    with a_loop(tmp_path, a_config()) as loop:
        submitted = [Actors(loop, pool).submit(a_delivery(seed)) for seed in range(ACTORS)]
        for future in submitted:
            with pytest.raises(ZeroDivisionError, match="of a learner"):
                future.result(60)
        with pytest.raises(ZeroDivisionError):
            loop.progress()
        with pytest.raises(ZeroDivisionError):
            loop.submit([a_delivery(9)], None)


def test_a_stop_ends_the_wait_for_others(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    with a_loop(tmp_path, a_config(**{"runtime.actors": 3})) as loop:
        alone = Actors(loop, pool).submit(a_delivery(0))
        assert waits(alone)
        loop.stop()
        alone.result(60)


def test_a_stop_ends_the_wait_for_room(
    tmp_path: Path, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is trained, one waits in the inbox, one for room in it."""
    go_on, began = threading.Event(), threading.Event()

    def slowly(learners: Learners, name: str, given: Trajectory) -> None:
        began.set()
        assert go_on.wait(60)

    monkeypatch.setattr(Learners, "train", slowly)
    with a_loop(tmp_path, a_config("async")) as loop:
        actors = Actors(loop, pool)
        actors.submit(a_delivery(0)).result(60)
        assert began.wait(60)
        actors.submit(a_delivery(1)).result(60)
        last = actors.submit(a_delivery(2))
        assert waits(last)
        stopping = pool.submit(loop.stop)
        assert last.result(60) == {}
        go_on.set()
        stopping.result(60)
