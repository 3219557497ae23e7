"""What a player has to learn from: its buffer, and who is told what.

batch ──add──> buffer ──samples──> update ──learnt──> priorities
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from agents.algorithms.q import first_errors
from agents.buffers import Buffer, Circular, Queue, Sample
from agents.config import BufferKind, LearnerConfig
from agents.q_targets import sequence_priority
from agents.replay import Replay
from agents.trajectory import Trajectory
from agents.update import Update


class Experience:
    """The buffer of one player. It holds no random generator: the same state gives the same samples."""

    def __init__(self, config: LearnerConfig, seed: int) -> None:
        self._config = config
        self._seed = seed
        self._buffer = self._make()
        self._arrived = 0
        """Decisions that no update was told of."""

    def add(self, batch: Trajectory) -> None:
        """Take in a batch that arrived, without what `Learner.fresh_columns` leaves out."""
        self._arrived += int(np.count_nonzero(batch.acting[self._config.overlap : -1]))
        self._buffer.put(batch)

    def samples(self, version: int) -> Iterator[tuple[Sample, int]]:
        """(what to make an update of now, decisions that count as trained by it); `learnt` follows each.

        version: of the weights that learn.
        """
        for sample in self._buffer.take(np.random.default_rng([self._seed, version])):
            yield sample, self._arrived

    def learnt(self, sample: Sample, update: Update) -> None:
        """What became of a sample."""
        if update.decisions or update.dropped:
            self._arrived = 0
        if sample.index is not None and update.errors is not None:
            acting = sample.batch.acting[self._config.trained]
            self._buffer.reprioritize(sample.index, self._priorities(update.errors, acting))

    def clear(self) -> None:
        """Forget everything: the player begins anew."""
        self._buffer.clear()
        self._arrived = 0

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Everything that the next samples depend on."""
        return {**self._buffer.state(), "arrived": np.array(self._arrived)}

    def load_state(self, state: dict[str, npt.NDArray[Any]]) -> None:
        """The inverse of `state`."""
        self._arrived = int(state["arrived"])
        self._buffer.load_state({name: array for name, array in state.items() if name != "arrived"})

    def _make(self) -> Buffer:
        buffer = self._config.buffer
        match buffer.kind:
            case BufferKind.QUEUE:
                return Queue()
            case BufferKind.CIRCULAR:
                return Circular(buffer.batches, buffer.passes, buffer.minibatches)
            case BufferKind.PRIORITIZED:
                return Replay(
                    capacity=buffer.capacity,
                    least=buffer.least,
                    batch=buffer.sample,
                    ratio=buffer.ratio,
                    window=self._config.q.steps if buffer.transitions else None,
                    burn_in=self._config.burn_in,
                    priority_exponent=buffer.priority_exponent,
                    importance_exponent=buffer.importance_exponent,
                    initial=self._first_priorities,
                )

    def _first_priorities(self, batch: Trajectory) -> npt.NDArray[np.float32]:
        """[B] of columns, or [B, windows], by the values that the actor saw."""
        errors = first_errors(self._config.algorithm, self._config.q, batch)
        if self._config.buffer.transitions:
            return np.abs(errors[: len(errors) - self._config.q.steps + 1, :, 0]).T
        rows = slice(self._config.burn_in, None)
        return self._priorities(errors[rows], batch.acting[:-1][rows])

    def _priorities(
        self, errors: npt.NDArray[np.float32], acting: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.float32]:
        """[T, B, 1] -> [B] (Kapturowski et al. 2019, section 2.3)."""
        mixture = self._config.buffer.mixture
        given = torch.from_numpy(errors[..., 0]), torch.from_numpy(np.ascontiguousarray(acting[..., 0]))
        priorities: npt.NDArray[np.float32] = sequence_priority(given[0], mixture, given[1]).numpy()
        return priorities
