"""A game of three states whose values are known is learnt to these, whatever is drawn from the replay."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
import torch

from agents.algorithms.config import AlgorithmConfig, PolicyLoss, QConfig
from agents.algorithms.q import action_values
from agents.config import BufferConfig, BufferKind, LearnerConfig, NetworkConfig
from agents.experience import Experience
from agents.learner import Learner
from agents.policy import NetworkPolicy
from agents.q_targets import unrescale
from agents.rollout import Rollout
from agents.streams import StreamConfig
from agents.tables import Table
from envs.buffers import blank_step
from envs.game import Array, ArraySpec, Discrete, Game, GameSpec, Step

GAMMA, OVER = 0.9, 3


class Edge(NamedTuple):
    """Where an action leads, and what it brings."""

    state: int
    reward: float


STATES: list[dict[int, Edge]] = [
    {0: Edge(1, 0.0), 1: Edge(0, 0.2)},
    {0: Edge(2, -0.1), 1: Edge(OVER, 0.6), 2: Edge(0, 0.0)},
    {0: Edge(OVER, 1.0), 2: Edge(1, 0.3)},
]
"""What is legal in each state."""
LIMIT = 5
"""Steps after which an episode is cut short, when it comes to state 1."""


def solution() -> list[dict[int, float]]:
    """Q of every state's actions, by value iteration."""
    values = [0.0] * (OVER + 1)
    for _ in range(500):
        q = [{a: e.reward + GAMMA * values[e.state] for a, e in edges.items()} for edges in STATES]
        values = [*(max(row.values()) for row in q), 0.0]
    return q


class Walk(Game):
    """One seat walks from state 0 along the edges."""

    def __init__(self, copies: int) -> None:
        self.spec = GameSpec(
            name="walk",
            seats=("walker",),
            teams={"walker": (0,)},
            observation=ArraySpec((3,), "float32"),
            actions=Discrete(3),
            slots=1,
            symmetric=False,
        )
        self.copies = copies
        self._step = blank_step(self.spec, copies)

    def reset(self, seed: int) -> Step:
        self._state, self._length = [0] * self.copies, [0] * self.copies
        self._clear()
        self._show()
        return self._step

    def step(self, actions: Array) -> Step:
        step = self._step
        self._clear()
        for copy, action in enumerate(actions[:, 0].tolist()):
            to, step.reward[copy, 0] = STATES[self._state[copy]][action]
            self._length[copy] += 1
            if to == 1 and self._length[copy] >= LIMIT:
                step.final_observation = np.zeros((self.copies, 1, 3), np.float32)
                step.final_observation[:, 0, to] = 1
                step.truncated[copy] = True
            step.terminated[copy] = to == OVER
            step.over[copy] = step.truncated[copy, 0] or step.terminated[copy, 0]
            self._state[copy], self._length[copy] = (0, 0) if step.over[copy] else (to, self._length[copy])
        self._show()
        return step

    def _clear(self) -> None:
        for array in (self._step.reward, self._step.terminated, self._step.truncated, self._step.over):
            array.fill(0)
        self._step.final_observation = None

    def _show(self) -> None:
        for copy, state in enumerate(self._state):
            self._step.observation[copy, 0] = np.eye(3)[state]
            self._step.mask[copy, 0] = [a in STATES[state] for a in range(3)]


REPLAY = BufferConfig(
    BufferKind.PRIORITIZED,
    capacity=300,
    least=20,
    sample=32,
    ratio=6.0,
    transitions=True,
    priority_exponent=0.0,
)
UNIFORM = LearnerConfig(
    NetworkConfig(hidden=(32,)),
    AlgorithmConfig(
        policy_loss=PolicyLoss.Q,
        discount=GAMMA,
        batch=4,
        learning_rate=1e-2,
        final_learning_rate=1e-4,
        anneal_steps=4_000,
        target_updates=15,
    ),
    q=QConfig(steps=1, exploration=1.0),
    buffer=REPLAY,
)
CONFIGS = {
    "uniform": UNIFORM,
    "prioritized": replace(UNIFORM, buffer=replace(REPLAY, priority_exponent=0.6, importance_exponent=0.4)),
    "columns": replace(
        UNIFORM,
        algorithm=replace(UNIFORM.algorithm, target_updates=8),
        q=replace(UNIFORM.q, rescaling=1e-3),
        buffer=replace(REPLAY, transitions=False, priority_exponent=0.9, sample=8, ratio=5.0),
    ),
    "queue": replace(
        UNIFORM,
        algorithm=replace(UNIFORM.algorithm, target_updates=3),
        q=replace(UNIFORM.q, dueling=False),
        buffer=BufferConfig(),
    ),
}


def learnt(config: LearnerConfig) -> Learner:
    """Of a walk at random."""
    game = Walk(copies=8)
    learner = Learner(config, game.spec, team=None, seed=0)
    experience = Experience(config, seed=0)
    policy = NetworkPolicy(config, game.spec, team=None, copies=game.copies)
    stream = StreamConfig(
        unroll=6,
        batch=config.algorithm.batch,
        overlap=config.overlap,
        episodic=not config.buffer.transitions,
        values=True,
    )
    rollout = Rollout(game, {"main": stream})
    rollout.reset(0)
    rollout.behaviours = {"main": policy}
    rollout.open(Table(0, ("main",), 10**6, frozenset({"main"})))
    while learner.steps < config.algorithm.anneal_steps:
        policy.load(learner.weights(), learner.version)
        rollout.tick()
        for batch in rollout.take()["main"]:
            experience.add(batch)
            for sample, fresh in experience.samples(learner.version):
                update = learner.update(sample.batch, fresh=fresh, weights=sample.weights)
                experience.learnt(sample, update)
    return learner


@pytest.mark.parametrize("name", CONFIGS)
def test_values_come_out_as_they_are(name: str) -> None:
    config = CONFIGS[name]
    learner = learnt(config)
    with torch.inference_mode():
        mask = torch.tensor([[a in edges for a in range(3)] for edges in STATES])
        parameters, values, _ = learner._network.act_parameters(torch.eye(3), None, None)
        assert values is not None
        q = unrescale(action_values(config.q, parameters, values, mask), config.q.rescaling)
    for state, expected in enumerate(solution()):
        got = {action: q[state, action].item() for action in expected}
        assert got == pytest.approx(expected, abs=0.03), state
