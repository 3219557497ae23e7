"""The inference server and its actors: whoever dies, begins anew or is not meant harms nobody else.

Times are so long that a wait which only a clock would end never ends, or so short that they are over at once.
"""

from __future__ import annotations

import platform
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any

import grpc
import numpy as np
import pytest

from agents.asking import NoAnswer
from agents.errors import AgentError
from agents.streams import Streams
from coordinator.inference_link import METHOD, SERVICE, WELCOME, Address
from coordinator.inference_server import InferenceServer
from coordinator.learner_loop import Delivery, LearnerLoop
from coordinator.options import OptionError
from envs.tictactoe import TicTacToe
from tests.coordinator.asking import (
    BATCH,
    COPIES,
    MAIN,
    SECONDS,
    UNROLL,
    Actor,
    Delivered,
    acting,
    configured,
    serving,
    weights_of,
)


def test_what_is_played_is_delivered_once_a_batch_is_full() -> None:
    config, delivered = configured(), Delivered()
    with serving(config, delivered) as server, acting(config, server, "actor-0.1.1") as (actor,):
        actor.tick(60)
        traffic = server.traffic()
    assert traffic.rows == 60 * COPIES == actor.rollout.decisions
    assert traffic.batches == 60
    assert traffic.received + traffic.sent == actor.link.moved
    assert traffic.sent == 8 * traffic.rows, "actions travel, and nothing else"
    # Of 2 * COPIES streams, each row but the last of every column.
    columns = sum(batch.columns for batch in delivered.batches)
    assert 60 * COPIES - 2 * COPIES * UNROLL - BATCH * UNROLL <= columns * UNROLL <= 60 * COPIES
    assert server.traffic().rows == 0


@pytest.mark.parametrize(("host", "target"), [(None, "unix-abstract:league-"), ("127.0.0.1", "127.0.0.1:")])
def test_between_machines_and_within_one(host: str | None, target: str) -> None:
    config, delivered = configured(), Delivered()
    with serving(config, delivered, host=host) as server:
        if platform.system() == "Linux":
            assert server.address.target.startswith(target)
        with acting(config, server, "actor-0.1.1") as (actor,):
            actor.tick(20)
    assert delivered.batches


def test_newest_weights_decide_in_the_middle_of_a_column() -> None:
    config, delivered = configured(), Delivered()
    with serving(config, delivered) as server, acting(config, server, "actor-0.1.1") as (actor,):
        for version in range(2, 22):
            actor.tick()
            server.load("main", weights_of(config, version), version)
    versions = np.concatenate([batch.version for batch in delivered.batches], axis=1)
    assert (np.diff(versions, axis=0) == 2).any(), "each seat decides every other tick"
    assert not (np.diff(versions, axis=0) == 0).any(), "no column is of one version"


def test_an_actor_is_not_held_up_by_one_that_dies() -> None:
    config = configured(**{"runtime.inference_rows": 10**6})
    with serving(config, Delivered()) as server, acting(config, server, "actor-0.1.1", "actor-1.1.2") as both:
        actor, dies = both
        came = actor.ticking()
        dies.link.close()
        assert came.get(timeout=SECONDS) is None


def test_an_actor_is_held_up_by_one_that_does_not_ask_for_a_moment_only() -> None:
    config = configured(**{"runtime.inference_rows": 10**6, "runtime.inference_seconds": 1e-3})
    with serving(config, Delivered()) as server, acting(config, server, "actor-0.1.1", "actor-1.1.2") as both:
        assert both[0].ticking(3).get(timeout=SECONDS) is None


def test_two_actors_are_answered_together() -> None:
    config = configured(**{"runtime.inference_rows": 10**6})
    with serving(config, Delivered()) as server, acting(config, server, "actor-0.1.1", "actor-1.1.2") as both:
        assert [came.get(timeout=SECONDS) for came in [actor.ticking(9) for actor in both]] == [None, None]
        traffic = server.traffic()
    assert (traffic.rows, traffic.batches) == (2 * 9 * COPIES, 9)


@pytest.mark.parametrize("how", ["begins anew", "is replaced", "is connected anew"])
def test_only_what_was_kept_of_a_restarted_actor_is_dropped(how: str) -> None:
    config, delivered = configured(**{"runtime.inference_rows": 1}), Delivered()
    with serving(config, delivered) as server, acting(config, server, "actor-0.1.1", "actor-1.1.2") as both:
        stays, restarts = both
        for actor in both:
            actor.tick(2)
        assert not delivered.batches
        server.load("main", weights_of(config, 2), 2)
        if how == "is replaced":
            with acting(config, server, "actor-1.1.3") as (successor,):
                successor.tick(20)
        else:
            if how == "is connected anew":
                restarts.link.close()
                restarts.connect()
            restarts.begin()
            restarts.tick(20)
        own, delivered.batches = delivered.batches, []
        stays.tick(20)
    assert own
    assert all((batch.version == 2).all() for batch in own), "rows of before were trained on"
    assert delivered.batches
    assert any((batch.version == 1).any() for batch in delivered.batches), "another's rows were dropped"


def test_games_begin_anew_with_the_successor_of_a_server_that_was_killed() -> None:
    config, delivered = configured(), Delivered()
    address: list[Address | None] = [None]
    actor = Actor(config, "actor-0.1.1", lambda: address[0])
    assert not actor.link.ready(None)  # type: ignore[arg-type]
    with serving(config, Delivered()) as server:
        address[0] = server.address
        actor.connect()
        actor.tick(2)
    with pytest.raises(NoAnswer):
        actor.tick(2)
    assert not actor.link.ready(None)  # type: ignore[arg-type]
    with serving(config, delivered) as successor:
        successor.load("main", weights_of(config, 2), 2)
        address[0] = successor.address
        actor.begin()
        actor.connect()
        actor.tick(20)
        actor.link.close()
    assert delivered.batches
    assert all((batch.version == 2).all() for batch in delivered.batches)


def test_whoever_is_asked_to_stop_while_it_waits_stops() -> None:
    config = configured(**{"runtime.inference_rows": 10**6})
    with serving(config, Delivered()) as server, acting(config, server, "actor-0.1.1", "actor-1.1.2") as both:
        came = both[0].ticking()
        both[0].stopping = True
        assert isinstance(came.get(timeout=SECONDS), NoAnswer)


def test_actors_wait_while_the_learner_has_no_room() -> None:
    config, room, full = configured(), Event(), Event()

    def take(_: object) -> None:
        full.set()
        assert room.wait(SECONDS)

    with serving(config, Delivered(), take) as server, acting(config, server, "actor-0.1.1") as (actor,):
        came = actor.ticking(100)
        assert full.wait(SECONDS)
        before = server.traffic().rows
        Event().wait(0.05)  # for answers that must not be given, and would be by now
        assert server.traffic().rows == 0 < before
        room.set()
        assert came.get(timeout=SECONDS) is None
        assert before + server.traffic().rows == 100 * COPIES


def test_a_server_stops_though_actors_wait() -> None:
    config = configured(**{"runtime.inference_rows": 10**6})
    with serving(config, Delivered()) as server, acting(config, server, "actor-0.1.1", "actor-1.1.2") as both:
        came = both[0].ticking()
        server.stop()
        assert isinstance(came.get(timeout=SECONDS), NoAnswer)


def test_what_ends_the_server_is_told() -> None:
    def take(_: object) -> None:
        raise MemoryError("no room for it")

    config, delivered = configured(), Delivered()
    with serving(config, delivered, take) as server, acting(config, server, "actor-0.1.1") as (actor,):
        assert isinstance(actor.ticking(100).get(timeout=SECONDS), NoAnswer)
        assert isinstance(delivered.failures.get(timeout=SECONDS), MemoryError)


def test_whoever_waits_for_room_is_let_go_when_training_ends(tmp_path: Path) -> None:
    """Or the thread that decides would outlive it."""
    config = configured(**{"runtime.inbox": 1})
    streams = Streams(TicTacToe(1).spec, COPIES, config.stream_config(MAIN["main"]))
    loop = LearnerLoop(config, TicTacToe(1).spec, MAIN, {}, folder=tmp_path, core=None)
    with loop._turn:  # nothing is trained
        gave_up = SimpleQueue[Any]()
        deliver = partial(loop.submit, [Delivery("main", streams.columns._new_batch())], None)
        Thread(target=lambda: gave_up.put([deliver() for _ in range(3)]), daemon=True).start()
        loop._stopping.set()
        assert gave_up.get(timeout=SECONDS) == [{}] * 3
    loop.stop()


# --- whoever is not meant --------------------------------------------------------------------------


def answers_to(server: InferenceServer, *frames: bytes) -> list[bytes]:
    """What a stream of these frames is answered, until it ends."""
    with grpc.insecure_channel(server.address.target) as channel:
        return list(channel.stream_stream(f"/{SERVICE}/{METHOD}")(iter(frames), timeout=SECONDS))


def greeting(server: InferenceServer, actor: Actor) -> bytes:
    assert actor.link._frames is not None
    return f"{server.address.key}\n{actor.link._frames.fingerprint}\nactor-7.1.1".encode()


@pytest.mark.parametrize("said", [b"", b"\n", b"\xff\x00\n\n", b"key\nfingerprint\nactor-0.1.1"])
def test_whoever_does_not_know_the_key_is_refused(said: bytes) -> None:
    config = configured()
    with serving(config, Delivered()) as server:
        with pytest.raises(grpc.RpcError) as refused:
            answers_to(server, said)
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_a_server_of_another_run_is_no_server() -> None:
    config = configured()
    with serving(config, Delivered()) as server:
        actor = Actor(config, "actor-0.1.1", lambda: server.address._replace(key="another"))
        for _ in range(3):
            assert not actor.link.ready(None)  # type: ignore[arg-type]
            Event().wait(0.1)
        actor.link.close()


def test_an_actor_with_another_configuration_fails() -> None:
    config = configured()
    with serving(config, Delivered()) as server:
        actor = Actor(configured(**{"rollout.unroll": 5}), "actor-0.1.1", lambda: server.address)
        with pytest.raises(AgentError, match=r"refuses actor-0\.1\.1: the actor plays another game"):
            actor.connect()


def test_a_wrong_frame_is_refused_and_harms_nobody() -> None:
    config, delivered = configured(**{"runtime.inference_rows": 1}), Delivered()
    with serving(config, delivered) as server, acting(config, server, "actor-0.1.1") as (actor,):
        actor.tick()
        said = greeting(server, actor)
        assert answers_to(server, said) == [WELCOME]
        with pytest.raises(grpc.RpcError) as refused:
            answers_to(server, said, b"nonsense")
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "actor-7.1.1" in refused.value.details()
        actor.tick(20)
    assert delivered.batches
    assert delivered.failures.empty()


# --- configuration ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("runtime.runtime", "inline", "inference is central, but must be actor with runtime inline"),
        ("runtime.coordination", "sync", "inference is central, but must be actor with coordination sync"),
        ("runtime.shipment", "gradients", "runtime.inference is central, but must be actor"),
        ("runtime.inference_rows", -1, "inference_rows is -1"),
        ("runtime.inference_seconds", -1.0, "inference_seconds is -1"),
    ],
)
def test_contradictions_are_refused_in_one_line(field: str, value: object, why: str) -> None:
    with pytest.raises(OptionError, match=why) as refused:
        configured(**{field: value})
    assert "\n" not in str(refused.value)


def test_a_batch_waits_for_half_of_what_all_can_ask() -> None:
    runtime = configured(**{"runtime.actors": 6}).runtime
    assert runtime.inference_row_count(COPIES) == 12
    assert configured(**{"runtime.inference_rows": 5}).runtime.inference_row_count(COPIES) == 5
