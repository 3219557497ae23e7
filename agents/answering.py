"""Central inference at the end where decisions are made: many actors are answered at once.

    questions of several actors ──> news first ──> rows, by player ──> one forward pass a player ──> actions
                                                                             └──> columns ──> trajectories

What a rollout keeps of a player that acts beside it lies here, one `ActorState` an actor, and is told the
same in the same order: the columns are those that the actor would have cut, to the last bit. Every row keeps
the version, the log-probability and the recurrent state of the moment in which it was decided, whatever
weights came in the middle of a column (Espeholt et al. 2020, section 3).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from agents.asking import Asked, Ended, News, Over, Question, Rewarded
from agents.policy import Chance, Choice, NetworkPolicy
from agents.scripted.base import Rows
from agents.stages import Stages
from agents.streams import StreamConfig, Streams
from agents.together import Core, Request, decide
from agents.trajectory import Trajectory
from envs.buffers import blank_step
from envs.game import Array, GameSpec


class ActorState:
    """What is kept of one actor, from one beginning of its games to the next."""

    def __init__(self, spec: GameSpec, copies: int, learners: Mapping[str, StreamConfig]) -> None:
        """learners: how the decisions of those that are served are cut."""
        self._streams = {name: Streams(spec, copies, config) for name, config in learners.items()}
        self._width = {name: config.core for name, config in learners.items()}
        # Apart by width alone, as in a rollout: nobody shares a seat within an episode.
        self._cores = {
            width: np.zeros((copies, len(spec.seats), 2, width), np.float32)
            for width in self._width.values()
            if width
        }
        self._step = blank_step(spec, copies)
        """What the game showed, as far as it was told."""
        self._final_observation = np.zeros(
            (copies, len(spec.seats), *spec.observation.shape), spec.observation.dtype
        )
        self._final_state = None if self._step.state is None else np.zeros_like(self._step.state)

    def hear(self, question: Question) -> None:
        """What happened since the question before, and the states that it is asked in."""
        for news in question.news:
            self._hear(news)
        if self._step.state is not None:
            self._step.state[question.states_of] = question.states

    def core_before(self, player: str, rows: Rows) -> Core:
        """[n, 2, H] recurrent state before these rows; None where the player has none."""
        core = self._core_of(player)
        return None if core is None else core[rows.copy, rows.seat]

    def record(self, asked: Asked, rows: Rows, choice: Choice, version: int) -> None:
        """Keep what came of a player's rows: recurrent states, and rows of its streams where it learns.

        version: of the weights that decided.
        """
        core = self._core_of(asked.player)
        if asked.learns:
            self._streams[asked.player].decide(
                rows.copy, rows.seat, self._step, rows.observation, rows.mask, choice.action,
                choice.log_prob, version, core, choice.q,
            )  # fmt: skip
        if core is not None:
            core[rows.copy, rows.seat] = choice.core

    def take(self) -> list[tuple[str, Trajectory]]:
        """(player, batch) for every batch that was filled since the last call."""
        return [(name, batch) for name, streams in self._streams.items() for batch in streams.take()]

    def _hear(self, news: News) -> None:
        step = self._step
        match news:
            case Rewarded(player, copies, held, reward):
                step.reward[copies] = reward
                self._streams[player].reward(step, copies, held)
            case Ended(player, copies, held, gone, terminated, truncated, final_observation, final_state):
                step.terminated[copies], step.truncated[copies] = terminated, truncated
                row, seat = np.nonzero(held & truncated)
                self._final_observation[copies[row], seat] = final_observation
                if self._final_state is not None and len(final_state):
                    self._final_state[copies[np.unique(row)]] = final_state
                step.final_observation, step.final_state = self._final_observation, self._final_state
                self._streams[player].end(step, copies, held, gone, self._core_of(player))
            case Over(copies):
                for core in self._cores.values():
                    core[copies] = 0.0

    def _core_of(self, player: str) -> npt.NDArray[np.float32] | None:
        return self._cores.get(self._width[player])


class _Part(NamedTuple):
    """Rows of one player in one question."""

    question: int
    span: slice
    """Where they are in the question."""
    asked: Asked
    rows: Rows


def answer(
    policies: Mapping[str, NetworkPolicy],
    questions: Sequence[tuple[ActorState, Question]],
    chance: Chance,
    stages: Stages,
) -> list[Array]:
    """Actions [N] or [N, D] for the rows of every question, which all are of different actors.

    One forward pass a player, whichever actors ask for it; one draw for all. stages: told of the sampling.
    """
    for state, question in questions:
        state.hear(question)
    groups = _by_player([question for _, question in questions])
    parts = [part for group in groups for part in group]
    requests, begin = [], 0
    for group in groups:
        policy, learns = policies[group[0].asked.player], group[0].asked.learns
        cores = [questions[part.question][0].core_before(part.asked.player, part.rows) for part in group]
        end = begin + sum(part.asked.rows for part in group)
        requests.append(Request(policy, slice(begin, end), _joined(cores), learns))
        begin = end
    choices = decide(_side_by_side([part.rows for part in parts]), requests, chance, stages)
    answers = [np.empty_like(choices[0].played, shape=_shape(q, choices[0].played)) for _, q in questions]
    for group, choice in zip(groups, choices, strict=True):
        ends = np.cumsum([0, *(part.asked.rows for part in group)]).tolist()
        for part, begin, end in zip(group, ends, ends[1:], strict=False):
            own = _rows_of(choice, slice(begin, end))
            questions[part.question][0].record(
                part.asked, part.rows, own, policies[part.asked.player].version
            )
            answers[part.question][part.span] = own.played
    return answers


def _by_player(questions: Sequence[Question]) -> list[list[_Part]]:
    """Rows of all questions, those together that one player decides, learning or only rated."""
    groups: defaultdict[tuple[str, bool], list[_Part]] = defaultdict(list)
    for index, question in enumerate(questions):
        begin = 0
        for asked in question.asked:
            span = slice(begin, begin + asked.rows)
            groups[asked.player, asked.learns].append(_Part(index, span, asked, question.rows.part(span)))
            begin = span.stop
    return list(groups.values())


def _side_by_side(parts: Sequence[Rows]) -> Rows:
    """Always a copy: torch wants arrays that may be written to."""
    return Rows(
        np.concatenate([part.observation for part in parts]),
        np.concatenate([part.mask for part in parts]),
        np.concatenate([part.seat for part in parts]),
        np.concatenate([part.copy for part in parts]),
    )


def _joined(cores: Sequence[Core]) -> Core:
    there = [core for core in cores if core is not None]
    return np.concatenate(there) if there else None


def _shape(question: Question, played: Array) -> tuple[int, ...]:
    return len(question.rows.seat), *played.shape[1:]


def _rows_of(choice: Choice, rows: slice) -> Choice:
    return Choice(
        choice.played[rows],
        choice.action[rows],
        choice.log_prob[rows],
        None if choice.core is None else choice.core[rows],
        None if choice.q is None else choice.q[rows],
    )
