"""Games with served players, and the same games with players who act where they are played."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from agents.algorithms.config import AlgorithmConfig, PolicyLoss, QConfig
from agents.answering import ActorState, answer
from agents.asking import Asker, Question, Served
from agents.config import BufferConfig, BufferKind, Cooperation, LearnerConfig, NetworkConfig
from agents.policy import Behaviour, Chance, NetworkPolicy
from agents.rollout import Rollout
from agents.scripted.base import Rows
from agents.stages import Stages
from agents.streams import StreamConfig
from agents.tables import Table, TableResult
from agents.trajectory import TIMED, Trajectory
from envs.game import ActionSpace, Array, Box, Discrete, Game, GameSpec, MultiDiscrete
from tests.agents.fakes import Moment, ScriptedGame, Teller

COPIES, TICKS = 5, 120
PLAYERS = ("main", "main-2")
FROZEN = "main@1"
"""Plays here, without chance, by weights that never change."""


def script(generator: np.random.Generator, seats: int, *, turns: bool) -> list[Moment]:
    """Three episodes in which anybody may act, be rewarded, end or be cut short at any time."""
    moments: list[Moment] = []
    for _ in range(3):
        left = list(range(seats))
        while left:
            count = 1 if turns else generator.integers(1, len(left) + 1)
            acting = tuple(sorted(generator.choice(left, count, replace=False).tolist()))
            rewards = (generator.integers(-8, 9, seats) / 8 * (generator.random(seats) < 0.5)).tolist()
            ends = [seat for seat in left if generator.random() < 0.15]
            if turns and ends:
                ends = left  # where seats take turns, all end together
            cut = generator.random() < 0.5
            moments.append(Moment(acting, tuple(rewards), *([(), tuple(ends)] if cut else [tuple(ends)])))
            left = [seat for seat in left if seat not in ends]
    return moments


@dataclass(frozen=True)
class Case:
    """A game, and how its players learn."""

    teams: tuple[tuple[int, ...], ...] = ((0,), (1,))
    turns: bool = False
    actions: ActionSpace = Discrete(3)  # noqa: RUF009 - frozen
    state: bool = False
    joint: bool = False
    lstm: int = 0
    q: bool = False
    burn_in: int = 0
    unroll: int = 5

    def game(self) -> ScriptedGame:
        generator = np.random.default_rng(7)
        seats = sum(map(len, self.teams))
        scripts = [script(generator, seats, turns=self.turns) for _ in range(COPIES)]
        return ScriptedGame(scripts, self.teams, turns=self.turns, actions=self.actions, state=self.state)

    @property
    def learner(self) -> LearnerConfig:
        return LearnerConfig(
            network=NetworkConfig(hidden=(8,), lstm=self.lstm),
            algorithm=AlgorithmConfig(policy_loss=PolicyLoss.Q if self.q else PolicyLoss.GRADIENT),
            q=QConfig(burn_in=self.burn_in),
            buffer=BufferConfig(kind=BufferKind.PRIORITIZED if self.q else BufferKind.QUEUE),
            cooperation=Cooperation.JOINT if self.joint else Cooperation.INDEPENDENT,
        )

    @property
    def stream(self) -> StreamConfig:
        learner = self.learner
        return StreamConfig(
            unroll=self.unroll,
            batch=3,
            cooperation=learner.cooperation,
            core=self.lstm,
            overlap=learner.overlap,
            episodic=self.q,
            values=self.q,
        )

    def policy(self, spec: GameSpec, seed: int, *, greedy: bool = False) -> NetworkPolicy:
        policy = NetworkPolicy(self.learner, spec, team=None, greedy=greedy, copies=0 if greedy else COPIES)
        reload(policy, seed, version=seed)
        return policy


CASES = {
    "turns": Case(turns=True),
    "simultaneous": Case(),
    "memory": Case(turns=True, lstm=4),
    "memory, simultaneous": Case(lstm=4),
    "joint": Case(teams=((0, 1), (2, 3)), joint=True),
    "joint with a state": Case(teams=((0, 1), (2, 3)), joint=True, state=True),
    "joint with a state, in turns": Case(teams=((0, 1), (2, 3)), joint=True, state=True, turns=True),
    "joint with a memory": Case(teams=((0, 1), (2, 3)), joint=True, state=True, lstm=4),
    "alone though there is a state": Case(state=True),
    "values": Case(q=True),
    "values with a memory": Case(q=True, lstm=4, burn_in=2, turns=True),
    "parts": Case(actions=MultiDiscrete((3, 2))),
    "numbers": Case(actions=Box((-1.0, -2.0), (1.0, 2.0))),
}


def reload(policy: NetworkPolicy, seed: int, version: int) -> None:
    size = len(policy.weights())
    policy.load(np.random.default_rng(seed).normal(0, 0.3, size).astype(np.float32), version)


def chance_of(seed: int) -> Chance:
    """The one that a rollout makes of its seed."""
    return Chance.of(np.random.SeedSequence(seed).spawn(2)[1])


class Direct:
    """A `Line` to somebody in the same thread, who remembers what was asked."""

    def __init__(
        self,
        game: Game,
        learners: Mapping[str, StreamConfig],
        policies: Mapping[str, NetworkPolicy],
        chance: Chance,
    ) -> None:
        self.made = game.spec, game.copies, learners
        self._policies, self.chance = policies, chance
        self.questions: list[Question] = []

    def begin(self) -> None:
        self.state = ActorState(*self.made)

    def send(self, question: Question) -> None:
        question = self.carried(question)
        self.questions.append(question)
        (self._answer,) = answer(self._policies, [(self.state, question)], self.chance, Stages())

    def receive(self) -> Array:
        return self._answer

    def carried(self, question: Question) -> Question:
        """As it arrives: it shares no memory with the game."""
        rows = question.rows
        parts = [part.copy() for part in (rows.observation, rows.mask, rows.seat, rows.copy)]
        return question._replace(rows=Rows(*parts), states=question.states.copy())


Tables = Sequence[tuple[tuple[str, str], frozenset[str]]]
BOTH = frozenset(PLAYERS)
NOBODY: frozenset[str] = frozenset()
TABLES: Tables = [
    (("main", "main"), BOTH),
    (("main", "main-2"), BOTH),
    (("main", FROZEN), BOTH),
    (("script", "main-2"), BOTH),
    (("main", "main-2"), NOBODY),
    (("main", FROZEN), NOBODY),
    (("main-2", "main"), frozenset({"main"})),
    (("script", FROZEN), NOBODY),
]
"""Everybody learns, or one does, or all are rated; players leave seats and come back to them."""


@dataclass
class Played:
    """What came of a run."""

    batches: dict[str, list[Trajectory]]
    actions: list[Array]
    results: list[TableResult]
    decisions: int


def run(case: Case, *, made: type[Direct] | None, begin_again: bool = False) -> Played:
    """Play on; weights change all the while.

    made: the line by which players are asked about; None where they act here. begin_again: whether games
    begin anew in between.
    """
    game = case.game()
    learners = {name: replace(case.stream, batch=3 - i) for i, name in enumerate(PLAYERS)}
    policies = {name: case.policy(game.spec, 10 + i) for i, name in enumerate(PLAYERS)}
    live: dict[str, Behaviour] = dict(policies)
    line, asker = None, None
    if made is not None:
        line = made(game, learners, policies, chance_of(3))
        asker = Asker(game.spec, learners, line)
        live = {name: Served(name, varies=policy.varies) for name, policy in policies.items()}
    others: dict[str, Behaviour] = {FROZEN: case.policy(game.spec, 1, greedy=True), "script": Teller()}
    if case.actions != Discrete(3):
        others["script"] = case.policy(game.spec, 2, greedy=True)
    rollout = Rollout(game, learners, asker=asker)
    rollout.reset(3)
    played = Played({name: [] for name in PLAYERS}, [], [], 0)

    def take() -> None:
        """All that is full, also by what was not told yet."""
        if line is None or asker is None:
            taken = [(name, batch) for name, batches in rollout.take().items() for batch in batches]
        else:
            line.state.hear(line.questions[-1]._replace(news=asker.news))
            taken = line.state.take()
        for name, batch in taken:
            played.batches[name].append(batch)

    for tick in range(TICKS):
        if begin_again and tick == TICKS // 2:
            take()
            rollout.reset(3)
            if line is not None and asker is not None:
                assert not asker.news, "what was not told yet is of games that nobody knows any more"
                line.chance = chance_of(3)
        if not rollout.seating.backlog:
            rollout.behaviours = {**live, **others}
            for key, (holders, learn) in enumerate(TABLES):
                rollout.seating.open(Table(key, holders, 4, learn))
        if tick % 7 == 6:
            for i, policy in enumerate(policies.values()):
                reload(policy, 100 * tick + i, version=tick)
        rollout.tick()
        played.results += rollout.results()
    take()
    played.actions, played.decisions = game.played, rollout.decisions
    return played


def assert_same(one: Sequence[Trajectory], other: Sequence[Trajectory], atol: float = 0.0) -> None:
    assert len(one) == len(other)
    for left, right in zip(one, other, strict=True):
        for name in (*TIMED, "place", "core"):
            ours, theirs = getattr(left, name), getattr(right, name)
            if atol and ours is not None and ours.dtype == np.float32:
                np.testing.assert_allclose(ours, theirs, atol=atol, err_msg=name)
            else:
                np.testing.assert_array_equal(ours, theirs, err_msg=name)


def assert_alike(case: Case, made: type[Direct] = Direct, *, begin_again: bool = False) -> Played:
    """Whether players act here or are asked about, they play the same and learn from the same."""
    here = run(case, made=None, begin_again=begin_again)
    there = run(case, made=made, begin_again=begin_again)
    assert here.results == there.results
    assert here.decisions == there.decisions
    assert len(here.actions) == len(there.actions) == TICKS
    for i, (one, other) in enumerate(zip(here.actions, there.actions, strict=True)):
        np.testing.assert_array_equal(one, other, err_msg=f"tick {i}")
    for name in PLAYERS:
        assert_same(here.batches[name], there.batches[name])
    return there
