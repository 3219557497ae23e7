"""The process that steps some copies of a game for another, which is `envs.asynchronous`.

It answers every message and waits for nothing else. It ends when the channel is closed, which the kernel
does where the other process dies; on Linux it is killed then, in mid-step too.

    Begin ──> GameSpec      how many copies of what, of how many in all
    Reset ──> Done          begin anew
    Play  ──> Done          play the actions that lie in shared memory, show what came of it there
          └─> Failure       instead of any of these: the game is only fit to be closed
"""

from __future__ import annotations

import ctypes
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection

from envs.catalogue import make_game
from envs.game import Game, GameError
from envs.shared import SharedStep

_PR_SET_PDEATHSIG = 1
"""Linux's name for what prctl sets: the signal that comes when the parent dies."""


@dataclass(frozen=True)
class Begin:
    """What to step."""

    name: str
    teams: str
    first: int
    """Its copies are first, first + 1, … of `all_copies`."""
    copies: int
    all_copies: int


@dataclass(frozen=True)
class Reset:
    """Begin a new episode in every copy."""

    seed: int


@dataclass(frozen=True)
class Play:
    """Play one action in every acting slot."""


@dataclass(frozen=True)
class Done:
    """Every copy was moved."""

    truncated: bool
    """Whether final observations were left for seats that were truncated."""


@dataclass(frozen=True)
class Failure:
    """The game failed."""

    message: str
    copy: int | None
    """Of all copies."""


def serve(channel: Connection, memory: int) -> None:
    """Answer messages until the channel is closed or the game fails."""
    begin = channel.recv()
    assert isinstance(begin, Begin)
    try:
        with make_game(begin.name, begin.copies, teams=begin.teams) as game:
            channel.send(game.spec)
            _play(game, begin, channel, memory)
    except GameError as error:
        channel.send(_failure(error, begin.first))


def _play(game: Game, begin: Begin, channel: Connection, memory: int) -> None:
    copies = slice(begin.first, begin.first + begin.copies)
    message = channel.recv()
    shared = SharedStep(memory, game.spec, begin.all_copies)
    while True:
        match message:
            case Reset(seed):
                step = game.reset(seed)
            case Play():
                step = game.step(shared.actions[copies])
        shared.publish(step, copies)
        channel.send(Done(step.final_observation is not None))
        message = channel.recv()


def _failure(error: GameError, first: int) -> Failure:
    if error.copy is None:
        return Failure(str(error), None)
    hint = f" (counted from copy {first})" if first else ""
    return Failure(f"{error}{hint}", first + error.copy)


def main() -> None:
    """Serve the process that started this one; it gave a channel and shared memory as arguments."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all of a terminal; the parent closes us
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    with suppress(EOFError, ConnectionError), Connection(int(sys.argv[1])) as channel:
        serve(channel, int(sys.argv[2]))
