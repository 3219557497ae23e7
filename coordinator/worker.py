"""Finds gradients where the games are played, so that they travel and what was played does not.

batch ──> experience ──> gradient, by the weights that came last ──> the learner process steps
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from agents.experience import Experience
from agents.learner import Learner
from agents.policy import Weights
from agents.stages import Stages
from agents.trajectory import Trajectory
from agents.update import Proposal, Update
from coordinator.config import RunConfig
from envs.game import GameSpec
from league.players import Player


class Worker:
    """The gradients of one actor, for all players that learn."""

    def __init__(
        self, config: RunConfig, spec: GameSpec, players: Mapping[str, Player], stages: Stages, seed: int
    ) -> None:
        """seed: of what is drawn from a replay of its own."""
        self._unroll = config.rollout.unroll
        self._learners = {
            name: Learner(config.learner_of(player), spec, team=player.team, seed=0, stages=stages)
            for name, player in players.items()
        }
        self._experience = {
            name: Experience(learner.config, seed + index)
            for index, (name, learner) in enumerate(self._learners.items())
        }

    def gradients(self, name: str, batch: Trajectory) -> Iterator[Proposal]:
        """All that a batch of a player makes possible."""
        learner, experience = self._learners[name], self._experience[name]
        experience.add(batch)
        for sample, fresh in experience.samples(learner.version):
            proposal = learner.propose(sample.batch, fresh=fresh, weights=sample.weights)
            experience.learnt(
                sample,
                Update(decisions=proposal.decisions, dropped=proposal.dropped, errors=proposal.errors),
            )
            yield proposal

    def follow(self, name: str, weights: Weights, version: int) -> None:
        """Find gradients for these weights from now on.

        How far schedules are follows from the version, as if every update was of one batch.
        """
        learner = self._learners[name]
        learner.follow(weights, version, version * learner.config.algorithm.batch * self._unroll)
