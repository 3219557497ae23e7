"""Trains players: the learners of one process, with their checkpoints and snapshots.

    trajectory ──> update ──> weights, one version a time
                     │
                     └──> checkpoint (everything), snapshot (weights): verified files

It waits for nobody and starts no thread: a runtime calls it from one thread at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agents.errors import AgentError
from agents.experience import Experience
from agents.learner import Learner, Tensors
from agents.machine import Crew
from agents.peers import Peers
from agents.policy import Weights
from agents.stages import Stages
from agents.trajectory import Trajectory
from agents.update import Proposal
from coordinator.config import RunConfig
from coordinator.figures import Figures
from coordinator.policies import pack
from coordinator.runtime_config import Runtime
from coordinator.snapshots import SnapshotStore
from coordinator.store_types import Checkpoint
from envs.game import GameSpec
from league.pbt import Turn
from league.players import Player

Frozen = tuple[str, int]
"""Hash of a snapshot's file, and decisions that it was trained on."""
BUFFER = "buffer."
"""Tensors of a checkpoint whose names begin so are of what waits to be trained on."""
BAD_UPDATES = 20
"""Updates in a row that were not finite before a learner goes back to its last good state."""


class Learners:
    """The learners of the players that live in this process."""

    def __init__(
        self,
        config: RunConfig,
        spec: GameSpec,
        players: Mapping[str, Player],
        *,
        checkpoints: SnapshotStore,
        snapshots: SnapshotStore,
        peers: Peers | None = None,
    ) -> None:
        """players: those that learn here, by name. peers: other processes that learn the same in step."""
        self.stages = Stages()
        """What the thread that trains is busy with."""
        self._in_step = peers is not None
        self._checkpoints = checkpoints
        self._snapshots = snapshots
        self._generations = {name: player.generation for name, player in players.items()}
        crew = Crew(config.runtime.learner_thread_count)
        self._learners = {
            name: Learner(
                config.learner_of(player),
                spec,
                team=player.team,
                seed=config.seed + 7919 * index,
                crew=crew,
                stages=self.stages,
                peers=peers,
            )
            for index, (name, player) in enumerate(players.items())
        }
        for name, player in players.items():
            self._learners[name].tune(player.hyper)
        self._experience = {
            name: Experience(learner.config, config.seed + index)
            for index, (name, learner) in enumerate(self._learners.items())
        }
        self._exact = config.runtime.runtime is Runtime.INLINE
        """Whether checkpoints hold what waits in buffers; else that is lost, as all trajectories may be."""
        self._good: dict[str, tuple[Tensors, dict[str, Any]]] = {}
        self._figures = {name: Figures() for name in players}
        self._remember()

    def restore(self, checkpoints: Mapping[str, Checkpoint]) -> None:
        """Go on from checkpoints. Raises SnapshotError where one is damaged."""
        for name, checkpoint in checkpoints.items():
            if name in self._learners:
                tensors, meta = self._checkpoints.read(checkpoint.sha256)
                kept = [key for key in tensors if key.startswith(BUFFER)]
                waiting = {key.removeprefix(BUFFER): tensors.pop(key) for key in kept}
                self._learners[name].load_state(tensors, meta)
                if waiting:
                    self._experience[name].load_state(waiting)
        self._remember()

    def train(self, name: str, batch: Trajectory | Proposal) -> None:
        """The updates that a batch makes possible, or one by a gradient that was found elsewhere.

        Weights that are not finite never come to be.
        """
        if isinstance(batch, Proposal):
            self._figures[name].add(self._learners[name].accept(batch))
            self._look_after(name)
            return
        learner, experience = self._learners[name], self._experience[name]
        if not self._in_step:  # peers make as many updates, however many of their columns are too old
            batch, dropped = learner.fresh_columns(batch)
            self._figures[name].dropped += dropped
        if batch.columns:
            experience.add(batch)
        for sample, fresh in experience.samples(learner.version):
            with self.stages("learning"):
                update = learner.update(sample.batch, fresh=fresh, weights=sample.weights)
            experience.learnt(sample, update)
            self._figures[name].add(update)
            self._look_after(name)

    def _look_after(self, name: str) -> None:
        """Go back to the last good state where updates stay not finite."""
        learner = self._learners[name]
        if learner.skipped >= BAD_UPDATES:
            learner.load_state(*self._good[name])
            self._experience[name].clear()  # what made it so may be in there
            self._figures[name].rewound += 1
            if self._figures[name].rewound > BAD_UPDATES:
                raise AgentError(
                    f"player {name}: loss or gradient stays not finite after going back {BAD_UPDATES} times; "
                    "lower learner.algorithm.learning_rate or look for NaN in the game's observations"
                )

    def weights(self, name: str) -> tuple[Weights, int]:
        """(a copy of the newest weights, their version)."""
        learner = self._learners[name]
        with self.stages("publishing"):
            return learner.weights(), learner.version

    def version(self, name: str) -> int:
        """Of the newest weights."""
        return self._learners[name].version

    def versions(self) -> dict[str, int]:
        """Version of everybody's newest weights."""
        return {name: learner.version for name, learner in self._learners.items()}

    def steps(self) -> dict[str, int]:
        """Decisions that everybody was trained on."""
        return {name: learner.steps for name, learner in self._learners.items()}

    def figures(self) -> dict[str, Figures]:
        """What was done since the last call, by player."""
        figures, self._figures = self._figures, {name: Figures() for name in self._figures}
        for name, figure in figures.items():
            self._figures[name].rewound = figure.rewound
        return figures

    def freeze(self, name: str) -> Frozen:
        """Copy a player's weights to disk: (hash, decisions trained on). Its next generation begins."""
        learner = self._learners[name]
        with self.stages("checkpoint"):
            sha256 = self._snapshots.write(*pack(learner.mean_weights(), learner.version, learner.steps))
        self._generations[name] += 1
        return sha256, learner.steps

    def reset(self, name: str) -> None:
        """A player begins anew by its first weights: see `Learner.reset`. Its copy must be safe by now."""
        learner = self._learners[name]
        learner.reset()
        self._experience[name].clear()
        self._good[name] = learner.state()  # or numbers that are not finite would lead back to what it was

    def turn(self, turn: Turn, frozen_at: int) -> Frozen | None:
        """Carry out a turn of population-based training.

        Whom a copy replaces is frozen first, if it was trained on since `frozen_at` decisions, when it last
        was: then (hash, decisions) of that.
        """
        learner, frozen = self._learners[turn.player], None
        if turn.rival is not None:
            if learner.steps != frozen_at:
                frozen = self.freeze(turn.player)
            learner.copy(self._learners[turn.rival])
            self._experience[turn.player].clear()
            self._good[turn.player] = learner.state()
        learner.tune(turn.hyper)
        return frozen

    def checkpoint(self) -> dict[str, Checkpoint]:
        """Write everything that the learners know to disk; returns where it is, by player."""
        with self.stages("checkpoint"):
            self._remember()
            return {
                name: Checkpoint(
                    player=name,
                    sha256=self._checkpoints.write({**tensors, **self._waiting(name)}, meta),
                    steps=learner.steps,
                    version=learner.version,
                    generation=self._generations[name],
                )
                for name, learner in self._learners.items()
                for tensors, meta in [self._good[name]]
            }

    def _waiting(self, name: str) -> Tensors:
        """What a checkpoint holds of a buffer."""
        if not self._exact:
            return {}
        return {BUFFER + key: array for key, array in self._experience[name].state().items()}

    def _remember(self) -> None:
        self._good = {name: learner.state() for name, learner in self._learners.items()}
