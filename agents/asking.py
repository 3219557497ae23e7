"""Central inference at the end where games are played: what is asked, and what must be told before.

    rollout ──rows of players that are served──> Asker ──Question──> who answers ──actions──> rollout
       └──rewards, ends of episodes──> news, told with the next question

A *served* player acts by weights that are not here. Whoever answers keeps what a rollout keeps of a player
that acts here, its recurrent states and its unfinished columns (`agents.answering`), and so must hear of all
that becomes of its decisions, in the order in which it happened. Everybody else, snapshots and scripted
players, is decided for here while the answer is on its way. So are tables, results and what draws by chance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from agents.columns import Index
from agents.config import Cooperation
from agents.policy import Behaviour, Chance, Choice
from agents.scripted.base import Rows
from agents.stages import Stages
from agents.streams import StreamConfig
from agents.together import Request, decide, rows_of
from agents.trajectory import Trajectory
from envs.game import Array, ArraySpec, Bools, Floats, GameSpec, Step


class Rewarded(NamedTuple):
    """A player was given something in the seats that it learns in; see `Streams.reward`."""

    player: str
    copies: Index
    """[n] of the game, each once."""
    held: Bools
    """[n, S] the player's seats."""
    reward: Floats
    """[n, S] of every seat."""


class Ended(NamedTuple):
    """Seats that a player learns in came to an end; see `Streams.end`."""

    player: str
    copies: Index
    """[n] of the game, each once."""
    held: Bools
    """[n, S] the player's seats."""
    gone: Bools
    """[n, S] seats whose part of the episode is over, now or before."""
    terminated: Bools
    """[n, S]"""
    truncated: Bools
    """[n, S]"""
    final_observation: Array
    """[k, *observation] of the player's seats that were truncated, in the order of `held & truncated`."""
    final_state: Array
    """[m, *state] of the copies in which there are any; none where nobody learns from states."""


class Over(NamedTuple):
    """Episodes are over, everybody's: recurrent states are zero again."""

    copies: Index
    """[n] of the game, each once."""


News = Rewarded | Ended | Over


class Asked(NamedTuple):
    """Rows of a question that are one player's."""

    player: str
    learns: bool
    """Whether it learns from what it decides here; else it is only rated."""
    rows: int


class Question(NamedTuple):
    """What is asked in one tick."""

    news: Sequence[News]
    """What happened since the question before, in order."""
    asked: Sequence[Asked]
    """Whose the rows are, in order."""
    rows: Rows
    """N of them; no seat of a copy more than once, and no history."""
    states_of: Index
    """[m] copies of which the global state is told; those of teams that learn jointly."""
    states: Array
    """[m, *state]"""


class NoAnswer(Exception):  # noqa: N818 - it is nobody's error
    """There will be none: whoever answers is gone, or whoever asks is to stop. Games cannot go on."""


class Line(Protocol):
    """How questions get to whoever answers."""

    def begin(self) -> None:
        """The games begin anew: what was told and asked before is void."""
        ...

    def send(self, question: Question) -> None:
        """Begin to ask, one question at a time. Its arrays are the game's, and good until this returns.

        Raises NoAnswer.
        """
        ...

    def receive(self) -> Array:
        """The answer: [N] or [N, D] actions as the game understands them. Raises NoAnswer."""
        ...


class Served:
    """Behaviour of a player that is asked about elsewhere; it is no more than its name here."""

    version = 0
    core = 0
    needs_history = False

    def __init__(self, player: str, *, varies: bool) -> None:
        """varies: whether it draws its moves."""
        self.player = player
        self.varies = varies

    def act(self, rows: Rows, core: npt.NDArray[np.float32] | None, chance: Chance) -> Choice:
        raise TypeError(f"{self.player} is served: an Asker decides, for all players of a tick at once")


class Asker:
    """Decides for a rollout some of whose players are served."""

    def __init__(self, spec: GameSpec, learners: Mapping[str, StreamConfig], line: Line) -> None:
        """learners: how the decisions of those that are served are cut."""
        self.notes = {name: Notes(spec, name, config, self) for name, config in learners.items()}
        """Player -> what stands for its streams in a rollout."""
        self.news: list[News] = []
        """That were not told yet."""
        self._line = line
        self._state = spec.state
        self._shows_state = {name for name, notes in self.notes.items() if notes.shows_state}
        self._remembers = any(config.core for config in learners.values())

    def begin(self) -> None:
        """Games begin anew."""
        self.news = []
        self._line.begin()

    def decide(
        self, step: Step, seen: Rows, requests: Sequence[Request], chance: Chance, stages: Stages
    ) -> list[Choice]:
        """As `together.decide`; those that are served are asked about in one question. Called once a tick."""
        if self._remembers and step.over.any():
            self.news.append(Over(np.flatnonzero(step.over)))
        players = [_served(request.behaviour) for request in requests]
        asked = [(name, one) for name, one in zip(players, requests, strict=True) if name is not None]
        if not asked:
            return decide(seen, requests, chance, stages)
        self._line.send(self._question(step, seen, asked))
        self.news = []
        here = [one for name, one in zip(players, requests, strict=True) if name is None]
        choices = iter(decide(seen, here, chance, stages))
        answer = self._line.receive()
        ends = np.cumsum([_rows(request.span) for _, request in asked])[:-1]
        answers = iter(np.split(answer, ends))
        return [next(choices) if name is None else _played(next(answers)) for name in players]

    def _question(self, step: Step, seen: Rows, asked: Sequence[tuple[str, Request]]) -> Question:
        at = rows_of([request.span for _, request in asked])
        rows = Rows(seen.observation[at], seen.mask[at], seen.seat[at], seen.copy[at])
        states_of, states = self._states(step, seen, asked)
        return Question(
            self.news,
            [Asked(name, request.learns, _rows(request.span)) for name, request in asked],
            rows,
            states_of,
            states,
        )

    def _states(self, step: Step, seen: Rows, asked: Sequence[tuple[str, Request]]) -> tuple[Index, Array]:
        """Global states that teams are to learn from, one a copy."""
        spans = [one.span for name, one in asked if one.learns and name in self._shows_state]
        if not spans:
            return np.zeros(0, np.intp), no_states(self._state)
        assert step.state is not None
        copies = np.unique(seen.copy[rows_of(spans)])
        return copies, step.state[copies]


class Notes:
    """Stands for `Streams` of a player that is served: notes what becomes of its decisions, cuts nothing."""

    def __init__(self, spec: GameSpec, player: str, config: StreamConfig, asker: Asker) -> None:
        self.shows_state = config.cooperation is Cooperation.JOINT and spec.state is not None
        """Whether it learns from global states."""
        self._player = player
        self._asker = asker
        self._state = spec.state
        self._observation = spec.observation

    def decide(self, *_: object) -> None:
        """What was decided is written down where it was."""

    def reward(self, step: Step, copies: Index, held: Bools) -> None:
        """See `Streams.reward`."""
        own = held.any(axis=1)
        copies, held = copies[own], held[own]
        self._asker.news.append(Rewarded(self._player, copies, held, step.reward[copies]))

    def end(self, step: Step, copies: Index, held: Bools, gone: Bools, core: Array | None) -> None:
        """See `Streams.end`."""
        own = held.any(axis=1)
        copies, held, gone = copies[own], held[own], gone[own]
        terminated, truncated = step.terminated[copies], step.truncated[copies]
        row, seat = np.nonzero(held & truncated)
        final_observation = np.zeros((0, *self._observation.shape), self._observation.dtype)
        final_state = no_states(self._state)
        if row.size:
            assert step.final_observation is not None, "a truncated step keeps its final observation"
            final_observation = step.final_observation[copies[row], seat]
            if self.shows_state:
                assert step.final_state is not None
                final_state = step.final_state[copies[np.unique(row)]]
        self._asker.news.append(
            Ended(self._player, copies, held, gone, terminated, truncated, final_observation, final_state)
        )

    def take(self) -> list[Trajectory]:
        """None: columns are full elsewhere."""
        return []

    def forget(self) -> None:
        """`Asker.begin` says it for all."""


def no_states(spec: ArraySpec | None) -> Array:
    """[0, *state]"""
    return np.zeros((0, *spec.shape), spec.dtype) if spec else np.zeros(0, np.float32)


def _served(behaviour: Behaviour) -> str | None:
    return behaviour.player if isinstance(behaviour, Served) else None


def _rows(span: slice) -> int:
    return int(span.stop - span.start)


def _played(actions: Array) -> Choice:
    return Choice(actions, actions, np.zeros(len(actions), np.float32))
