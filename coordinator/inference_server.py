"""Central inference beside the learner: observations come here, actions go back (Espeholt et al. 2020).

    actors ──question──> stream ──> Gathering ──> decide ──actions──> stream ──> actors
            (gRPC)       a thread                  one thread
                         a guest                      │ full batches
                                      newest weights ─┘──> deliver: the learner's inbox

Weights stay where they are made: every batch is decided by the newest, in the middle of a column too, and
each row keeps the version and the log-probability of its own moment. What belongs to an actor, its recurrent
states and unfinished columns, lies here for one run of its games: one that begins them anew says so by
another run number, one that was replaced by another stream, and both find nothing of what was before.

Who waits for whom
    an actor    for its answer, and so for other actors (see `inference_batch`) and for the one batch before.
    decide      for questions; for the learner where its inbox is full, which holds all actors back.
                Then comes room with every shipment trained, or the process ends.
    load        for nobody: weights are taken up before the next batch.
A guest whose stream breaks is forgotten with all that was kept of it; nothing is trained on a part of it
but the columns that were full.
"""

from __future__ import annotations

import hmac
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock, Thread
from typing import NoReturn

import grpc
import numpy as np

from agents.answering import ActorState, answer
from agents.policy import Chance, NetworkPolicy, Weights
from agents.stages import Stages
from agents.trajectory import Trajectory
from coordinator.config import RunConfig
from coordinator.figures import Traffic
from coordinator.inference_batch import Gathering, Guest, Waiting
from coordinator.inference_frames import FrameError, Frames
from coordinator.inference_link import METHOD, SERVER_OPTIONS, SERVICE, WELCOME, Address
from envs.game import GameSpec
from league.players import Player

Deliver = Callable[[Sequence[tuple[str, Trajectory]]], object]
"""Takes full batches, by player; returns once there was room for them."""


class InferenceServer:
    """Decides for the actors of a run, from when it is made to `stop`."""

    def __init__(
        self,
        config: RunConfig,
        spec: GameSpec,
        players: Mapping[str, Player],
        deliver: Deliver,
        failed: Callable[[Exception], None],
        host: str | None = None,
    ) -> None:
        """players: those that learn, by name. failed: told what ended it, if anything does but `stop`.

        host: address of this machine that others reach it by; None where all are on it.
        """
        copies, runtime = config.rollout.copies, config.runtime
        self._learners = {name: config.stream_config(player) for name, player in players.items()}
        self._frames = Frames(spec, copies, self._learners)
        self._made = spec, copies, self._learners
        self._policies = {
            name: NetworkPolicy(config.learner_of(player), spec, team=player.team, copies=copies)
            for name, player in players.items()
        }
        self._newer: dict[str, tuple[Weights, int]] = {}
        """Weights that were not taken up yet."""
        # Actors come in any order: no seed would make that repeatable.
        self._chance = Chance.of(np.random.SeedSequence())
        self._gathering = Gathering(
            runtime.inference_row_count(copies * spec.slots), runtime.inference_seconds
        )
        self._deliver, self._failed = deliver, failed
        self._counting, self._traffic = Lock(), Traffic()
        self._server = grpc.server(
            # A stream takes a thread for as long as it lives; a replaced actor's may live on for a moment.
            ThreadPoolExecutor(2 * runtime.actor_count + 4, thread_name_prefix="guest"),
            options=SERVER_OPTIONS,
        )
        methods = {METHOD: grpc.stream_stream_rpc_method_handler(self._serve)}
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))
        self.address = _listen(self._server, host)
        """Where actors ask."""
        self._server.start()
        self._thread = Thread(target=self._decide, name="inference", daemon=True)
        self._thread.start()

    def load(self, name: str, weights: Weights, version: int) -> None:
        """Decide by newer weights from the next batch on. Any thread may call."""
        self._newer[name] = weights, version

    def traffic(self) -> Traffic:
        """What came and went since the last call."""
        with self._counting:
            traffic, self._traffic = self._traffic, Traffic()
        return traffic

    def stop(self) -> None:
        """Answer nothing any more; unfinished columns are lost."""
        self._gathering.close()
        self._server.stop(grace=None)
        self._thread.join(timeout=10)

    # --- deciding ----------------------------------------------------------------------------------

    def _decide(self) -> None:
        stages = Stages()
        try:
            while batch := self._gathering.gather():
                self._take_up_weights()
                states = [self._state_of(one) for one in batch]
                asked = [(state, one.question) for state, one in zip(states, batch, strict=True)]
                played = answer(self._policies, asked, self._chance, stages)
                answers = [actions.tobytes() for actions in played]
                self._count(batch, answers)
                for one, actions in zip(batch, answers, strict=True):
                    one.guest.answers.put(actions)
                if full := [taken for state in states for taken in state.take()]:
                    self._deliver(full)
        except Exception as error:  # handed to whoever asks for progress
            self._failed(error)
        finally:
            self._gathering.close()

    def _take_up_weights(self) -> None:
        for name in list(self._newer):
            self._policies[name].load(*self._newer.pop(name))

    def _state_of(self, waiting: Waiting) -> ActorState:
        """What is kept of a guest's run of games; nothing yet where it has begun them anew."""
        guest = waiting.guest
        if guest.state is None or guest.run != waiting.run:
            guest.run, guest.state = waiting.run, ActorState(*self._made)
        return guest.state

    def _count(self, batch: Sequence[Waiting], answers: Sequence[bytes]) -> None:
        with self._counting:
            self._traffic.batches += 1
            self._traffic.rows += sum(one.rows for one in batch)
            self._traffic.received += sum(one.size for one in batch)
            self._traffic.sent += sum(map(len, answers))

    # --- guests ------------------------------------------------------------------------------------

    def _serve(self, frames: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        """One guest's stream: a greeting, then questions, each answered before the next is read."""
        guest = Guest(self._owner(next(frames, b""), context))
        self._gathering.enter(guest)
        if not context.add_callback(lambda: self._gathering.leave(guest)):
            self._gathering.leave(guest)
        yield WELCOME
        for frame in frames:
            try:
                question, run = self._frames.unpack(frame)
            except FrameError as error:
                _refuse(context, grpc.StatusCode.INVALID_ARGUMENT, f"a frame of {guest.owner}: {error}")
            self._gathering.ask(Waiting(guest, question, run, len(frame)))
            if (actions := guest.answers.get()) is None:
                _refuse(context, grpc.StatusCode.ABORTED, f"{guest.owner} is answered no more")
            yield actions

    def _owner(self, greeting: bytes, context: grpc.ServicerContext) -> str:
        """Whose stream it is. Refuses whoever means another run, or another game."""
        key, _, said = greeting.partition(b"\n")
        fingerprint, _, owner = said.decode(errors="replace").partition("\n")
        if not hmac.compare_digest(key, self.address.key.encode()):
            _refuse(context, grpc.StatusCode.UNAUTHENTICATED, "this server is another run's")
        if fingerprint != self._frames.fingerprint:
            why = "the actor plays another game, or other players learn in it"
            _refuse(context, grpc.StatusCode.INVALID_ARGUMENT, why)
        return owner


def _listen(server: grpc.Server, host: str | None) -> Address:
    """Where it can be reached, by whoever has the key."""
    key = Address.new_key()
    if host is not None:
        return Address(f"{host}:{server.add_insecure_port(f'{host}:0')}", key)
    if platform.system() == "Linux":  # a name without a file: nothing is left when a process is killed
        target = f"unix-abstract:league-{Address.new_key()}"
        server.add_insecure_port(target)
        return Address(target, key)
    return Address(f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}", key)


def _refuse(context: grpc.ServicerContext, code: grpc.StatusCode, why: str) -> NoReturn:
    """End the stream: `abort` raises what gRPC knows how to take."""
    context.abort(code, why)
    raise AssertionError
