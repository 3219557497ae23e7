"""An actor's way to the inference server: see `agents.asking` and `inference_server`.

    Asker ──question──> frame ──> gRPC stream ──> server
          <──actions─── frame <──    a thread that reads <──┘

Who waits for whom
    `receive` waits for an answer, and calls `go_on` every while: the heart beats meanwhile. `stop`, or the
    server's end, ends it by `NoAnswer`: the games begin anew, with the server's successor once it is found.
    `ready` waits for nobody: it looks whether there is a server, and whether it said welcome.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Mapping
from queue import Empty, SimpleQueue
from threading import Thread
from typing import NamedTuple

import grpc

from agents.asking import Asker, NoAnswer, Question
from agents.errors import AgentError
from agents.stages import WAITING, Stages
from coordinator.actor import Actor
from coordinator.config import RunConfig
from coordinator.inference_frames import FrameError, Frames
from envs.game import Array, GameSpec
from league.players import Player

SERVICE, METHOD = "league.Inference", "Answer"
WELCOME = b"welcome"
"""What the server says to whoever it takes for an actor of its run."""
BEAT_SECONDS = 0.2
"""Between two calls of `go_on` in a wait."""
WELCOME_SECONDS = 20.0
"""That a server has to say welcome before it is looked for anew."""
LOOK_SECONDS = 0.2
"""Between two looks for a server."""
_ALIVE_MS = 20_000
_COMMON = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # Between machines, an end that vanished without a word is noticed.
    ("grpc.keepalive_time_ms", _ALIVE_MS),
    ("grpc.keepalive_timeout_ms", _ALIVE_MS),
    ("grpc.http2.max_pings_without_data", 0),
)
SERVER_OPTIONS = (
    *_COMMON,
    ("grpc.http2.min_recv_ping_interval_without_data_ms", _ALIVE_MS // 2),
    ("grpc.so_reuseport", 0),
)
_CLIENT_OPTIONS = (*_COMMON, ("grpc.enable_http_proxy", 0))
_WRONG = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNIMPLEMENTED)
"""What would be refused again, however often it is tried."""


class Address(NamedTuple):
    """Where an inference server listens."""

    target: str
    """As gRPC names it."""
    key: str
    """Known to this run alone: whoever else listens there, or asks there, does not know it."""

    @staticmethod
    def new_key() -> str:
        """One that nobody guesses."""
        return secrets.token_hex(16)


class InferenceLink:
    """A `Line` and an `Exchange`: an actor that ships nothing and asks for everything."""

    def __init__(
        self,
        config: RunConfig,
        owner: str,
        players: Mapping[str, Player],
        find: Callable[[], Address | None],
        stages: Stages,
        go_on: Callable[[], bool],
    ) -> None:
        """players: those that learn, by name. find: one look for the server; None where there is none now.

        go_on: called every while in a wait; False ends it.
        """
        self._copies = config.rollout.copies
        self._learners = {name: config.stream_config(player) for name, player in players.items()}
        self._owner, self._find, self._stages, self._go_on = owner, find, stages, go_on
        self._frames: Frames | None = None
        self._stream: _Stream | None = None
        self._welcome = False
        self._next_look = self._patient_until = 0.0
        self._asked = 0
        """Rows of the question that is asked."""
        self.moved = 0
        """See `Exchange.moved`."""
        self.begin()

    def open(self, spec: GameSpec) -> Asker:
        """See `Exchange.open`."""
        self._frames = Frames(spec, self._copies, self._learners)
        return Asker(spec, self._learners, self)

    def ready(self, _: Actor) -> bool:
        """Whether questions can be asked now. Raises AgentError where the server refuses this actor."""
        now = time.monotonic()
        if self._stream is None:
            if now >= self._next_look and (address := self._find()) is not None:
                self._greet(address)
        elif not self._welcome:
            try:
                self._welcome = self._stream.receive(0.0) is not None
            except grpc.RpcError as error:
                self._lost(error)
            if not self._welcome and now >= self._patient_until:
                self.close()
        return self._welcome

    def exchange(self, _: Actor) -> None:
        """Nothing is left to do after a tick: what was played lies with the server."""

    def begin(self) -> None:
        """See `Line.begin`."""
        self._run = int.from_bytes(os.urandom(7))

    def send(self, question: Question) -> None:
        """See `Line.send`. Raises NoAnswer."""
        if self._stream is None or self._frames is None:
            raise NoAnswer
        frame = self._frames.pack(question, self._run)
        self._asked = len(question.rows.seat)
        self.moved += len(frame)
        self._stream.send(frame)

    def receive(self) -> Array:
        """See `Line.receive`. Raises NoAnswer, or AgentError where the server refuses the question."""
        assert self._frames is not None
        with self._stages(WAITING):
            frame = self._wait()
        self.moved += len(frame)
        try:
            return self._frames.unpack_answer(frame, self._asked)
        except FrameError as error:
            raise AgentError(f"an answer of the inference server: {error}") from error

    def close(self) -> None:
        """Leave the server, which forgets this actor; `ready` looks for one again."""
        if self._stream is not None:
            self._stream.close()
        self._stream, self._welcome = None, False
        self._next_look = time.monotonic() + LOOK_SECONDS

    def _greet(self, address: Address) -> None:
        assert self._frames is not None
        self._stream = _Stream(address.target)
        self._stream.send("\n".join((address.key, self._frames.fingerprint, self._owner)).encode())
        self._patient_until = time.monotonic() + WELCOME_SECONDS

    def _wait(self) -> bytes:
        while self._stream is not None:
            try:
                if (frame := self._stream.receive(BEAT_SECONDS)) is not None:
                    return frame
            except grpc.RpcError as error:
                self._lost(error)
            if not self._go_on():
                self.close()
        raise NoAnswer

    def _lost(self, error: grpc.RpcError) -> None:
        self.close()
        if error.code() in _WRONG:
            raise AgentError(f"the inference server refuses {self._owner}: {error.details()}")


class _Stream:
    """One gRPC call: frames go out, and come in by a thread that reads."""

    def __init__(self, target: str) -> None:
        self._channel = grpc.insecure_channel(target, options=_CLIENT_OPTIONS)
        self._outbox: SimpleQueue[bytes | None] = SimpleQueue()
        self._inbox: SimpleQueue[bytes | grpc.RpcError] = SimpleQueue()
        self._call = self._channel.stream_stream(f"/{SERVICE}/{METHOD}")(iter(self._outbox.get, None))
        Thread(target=self._read, name="answers", daemon=True).start()

    def send(self, frame: bytes) -> None:
        self._outbox.put(frame)

    def receive(self, seconds: float) -> bytes | None:
        """The next frame; None where none comes within so many seconds. Raises RpcError where it broke."""
        try:
            frame = self._inbox.get(timeout=seconds) if seconds else self._inbox.get_nowait()
        except Empty:
            return None
        if isinstance(frame, grpc.RpcError):
            raise frame
        return frame

    def close(self) -> None:
        self._outbox.put(None)
        self._call.cancel()
        self._channel.close()

    def _read(self) -> None:
        try:
            for frame in self._call:
                self._inbox.put(frame)
            self._inbox.put(self._call)  # the server ended it in good order: no more will come
        except grpc.RpcError as error:
            self._inbox.put(error)
