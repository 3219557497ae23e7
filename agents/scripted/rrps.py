"""OpenSpiel's 43 bots of repeated rock, paper, scissors: `rrps:greenberg`, `rrps:randbot`, ….

They are the entries of the first international competition (Billings 1999) and the winner of the second,
Greenberg; Lanctot et al. (2023) made a benchmark of them. A bot is a sequential program with a memory of its
own, so one plays every seat, and it is made anew when an episode begins.
"""

from __future__ import annotations

import ctypes
import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agents.errors import AgentError
from agents.scripted.base import Rows
from envs.game import GameSpec, Ints
from envs.repeated_rps import THROWS, throws_of

PREFIX = "rrps:"
EVERY = f"{PREFIX}all"
"""Stands for all of them, where several players may be named."""
BOTS = (
    "actr_lag2_decay",
    "adddriftbot2",
    "addshiftbot3",
    "antiflatbot",
    "antirotnbot",
    "biopic",
    "boom",
    "copybot",
    "debruijn81",
    "driftbot",
    "flatbot3",
    "foxtrotbot",
    "freqbot2",
    "granite",
    "greenberg",
    "halbot",
    "inocencio",
    "iocainebot",
    "marble",
    "markov5",
    "markovbails",
    "mixed_strategy",
    "mod1bot",
    "multibot",
    "peterbot",
    "phasenbott",
    "pibot",
    "piedra",
    "predbot",
    "r226bot",
    "randbot",
    "robertot",
    "rockbot",
    "rotatebot",
    "russrocker4",
    "shofar",
    "sunCrazybot",
    "sunNervebot",
    "sweetrock",
    "switchalot",
    "switchbot",
    "textbot",
    "zq_move",
)
"""As `pyspiel.roshambo_bot_names` gives them."""


def expand(identities: Iterable[str]) -> tuple[str, ...]:
    """The identities, every bot once in place of `rrps:all`."""
    several = {EVERY: [f"{PREFIX}{bot}" for bot in BOTS]}
    return tuple(dict.fromkeys(name for each in identities for name in several.get(each, [each])))


@dataclass
class _Match:
    """One bot in one episode."""

    bot: Any
    """`pyspiel.Bot`, which comes without types."""
    state: Any
    """`pyspiel.State` of all throws that the bot knows of."""
    asked: int = 0
    """Throws that it was asked for."""

    def throw(self, history: Sequence[int]) -> int:
        """Its next throw, once it has seen those it does not know yet. history: of both seats, in turn."""
        choice = 0
        for thrown in range(self.asked, len(history) // 2 + 1):
            if thrown:
                self.state.apply_actions(list(history[2 * thrown - 2 : 2 * thrown]))
            choice = self.bot.step(self.state)
        self.asked = len(history) // 2 + 1
        return int(choice)


class RrpsBot:
    """One of `BOTS`.

    Bots draw from `random()` of the C library, which the whole process shares. It is seeded by every call of
    `act`, so that what they draw comes from the generator alone. Whatever the length of an episode, a bot
    believes that it has 1000 throws or more.
    """

    needs_history = True
    quick = True

    def __init__(self, spec: GameSpec, bot: str) -> None:
        """Raises AgentError where nobody is called `bot`, the game is another, or OpenSpiel is not there."""
        throws = throws_of(spec.name)
        if throws is None:
            raise AgentError(f"player '{PREFIX}{bot}' plays repeated_rps only, not {spec.name!r}")
        if bot not in BOTS:
            raise AgentError(f"player '{PREFIX}{bot}': no bot is called {bot!r}; {_known(bot)}")
        self._spiel = _openspiel(bot)
        self._name = bot
        # In a shorter match greenberg would write past the end of its memory: it clears a thousand places.
        self._longest = max(throws, THROWS)
        self._game: Any = self._spiel.load_game(
            f"repeated_game(stage_game=matrix_rps(),num_repetitions={throws})"
        )
        self._seed = ctypes.CDLL(None).srandom
        self._seed.argtypes, self._seed.restype = [ctypes.c_uint], None
        self._matches: dict[tuple[int, int], _Match] = {}
        """(copy, seat) -> what goes on there; what does not fit the history is begun again from nothing."""

    def act(self, rows: Rows, generator: np.random.Generator) -> Ints:
        if rows.history is None:
            raise ValueError(f"player '{PREFIX}{self._name}' reads Rows.history, which is None")
        self._seed(int(generator.integers(2**32)))
        places = zip(rows.copy.tolist(), rows.seat.tolist(), strict=True)
        throws = [
            self._match(place, len(history)).throw(history)
            for place, history in zip(places, rows.history, strict=True)
        ]
        return np.array(throws, np.int64)

    def _match(self, place: tuple[int, int], thrown: int) -> _Match:
        """What goes on at a place where both seats together have thrown so often."""
        match = self._matches.get(place)
        if match is None or thrown != 2 * match.asked:
            _, seat = place
            bot = self._spiel.make_roshambo_bot(seat, self._name, self._longest)
            match = self._matches[place] = _Match(bot, self._game.new_initial_state())
        return match


def _known(bot: str) -> str:
    """What to say to whoever asks for a bot that there is not."""
    if bot == EVERY.removeprefix(PREFIX):
        return f"{EVERY} is for league.scripted alone, where it stands for all {len(BOTS)}"
    close = difflib.get_close_matches(bot, BOTS, n=1)
    return f"did you mean '{PREFIX}{close[0]}'?" if close else f"known are {', '.join(BOTS)}"


def _openspiel(bot: str) -> Any:
    try:
        import pyspiel
    except ImportError as error:
        raise AgentError(
            f"player '{PREFIX}{bot}' needs OpenSpiel, which is not installed;"
            " pip install 'selfplay-league[openspiel]' brings it"
        ) from error
    if not hasattr(pyspiel, "make_roshambo_bot"):
        raise AgentError(
            f"player '{PREFIX}{bot}' needs an OpenSpiel that was built with its bots; the one from PyPI was"
        )
    return pyspiel
