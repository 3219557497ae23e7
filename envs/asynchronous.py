"""A game whose copies are stepped by other processes, so that a slow one does not hold the batch.

    step: actions ──> workers that wait      each steps its own copies, one after the other
          Step    <── those that are ready   at least `READY_SHARE` of all workers

Copies of workers that are not ready show nothing in a `Step`: nobody acts in them, nobody is rewarded,
nothing ends. They show what came of their actions in a later one. Whoever plays sees a smaller batch and
need not know. Which copies are ready is a matter of time, so play is not repeatable.

Who waits for whom
    `step` for workers     until enough are ready, and not longer than `patience` seconds for any.
    a worker for `step`    until its turn comes or the channel is closed, by `close` or because this process
                           died, whereupon it ends; in mid-step it is killed, on Linux by the kernel.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from contextlib import suppress
from itertools import pairwise
from multiprocessing.connection import Pipe, wait
from typing import Any

import numpy as np

from envs.buffers import blank_step
from envs.game import Array, Game, GameError, GameSpec, Step
from envs.legal import check_form
from envs.shared import SharedStep, new_file
from envs.stepper import Begin, Done, Failure, Play, Reset

READY_SHARE = 0.5
"""Of the workers: less makes batches smaller, more lets slow copies be felt sooner."""
_GRACE_SECONDS = 1.0
"""Which workers have to close their environments, all of them together, before they are killed."""
_START = "import sys; sys.path[:] = sys.argv[3:]; from envs.stepper import main; main()"
"""A worker finds modules where this process does."""


class AsynchronousGame(Game):
    """`make_game(name, copies, teams=teams)`, spread over processes."""

    def __init__(
        self,
        name: str,
        copies: int,
        *,
        teams: str = "auto",
        workers: int,
        patience: float,
        ready_share: float = READY_SHARE,
    ) -> None:
        """workers: processes, at most one a copy. patience: seconds that one may take for any call.

        ready_share: of the workers that `step` waits for; with 1 play is repeatable.
        Raises GameError as `make_game` does, and where a worker dies or runs out of patience.
        """
        self.copies = copies
        self._name = name
        self._patience = patience
        self._enough = math.ceil(ready_share * workers)
        self._workers: list[_Worker] = []
        memory = new_file()
        try:
            bounds = [copies * worker // workers for worker in range(workers + 1)]
            for first, end in pairwise(bounds):
                self._workers.append(_Worker(memory, slice(first, end)))
                self._workers[-1].ask(Begin(name, teams, first, end - first, copies))
            specs: list[GameSpec] = list(self._answers(workers).values())
            self.spec = specs[0]
            self._shared = SharedStep(memory, self.spec, copies)
        except BaseException:
            self.close()
            raise
        finally:
            os.close(memory)
        self._step = blank_step(self.spec, copies)
        self._final_observation = np.zeros(
            (copies, len(self.spec.seats), *self.spec.observation.shape), self.spec.observation.dtype
        )
        self._final_state = None if self._step.state is None else np.zeros_like(self._step.state)

    def reset(self, seed: int) -> Step:
        """See `Game.reset`. Waits for all copies."""
        self._answers(sum(worker.busy for worker in self._workers))
        seeds = np.random.SeedSequence(seed).generate_state(len(self._workers)).tolist()
        for worker, own in zip(self._workers, seeds, strict=True):
            worker.ask(Reset(own))
        return self._show(self._answers(len(self._workers)))

    def step(self, actions: Array) -> Step:
        """See `Game.step`. Waits for `ready_share` of the workers."""
        check_form(self.spec, self.copies, actions)
        for worker in self._workers:
            if not worker.busy:
                self._shared.actions[worker.copies] = actions[worker.copies]
                worker.ask(Play())
        return self._show(self._answers(self._enough))

    def close(self) -> None:
        """See `Game.close`. Ends every worker."""
        deadline = time.monotonic() + _GRACE_SECONDS
        for worker in self._workers:
            worker.channel.close()
        for worker in self._workers:
            worker.end(deadline)

    def _answers(self, enough: int) -> dict[_Worker, Any]:
        """What workers answered: at least so many, and all who have answered by then."""
        answers: dict[_Worker, Any] = {}
        while len(answers) < enough:
            busy = [worker for worker in self._workers if worker.busy]
            end = min(worker.asked for worker in busy) + self._patience
            ready = wait([worker.channel for worker in busy], max(0.0, end - time.monotonic()))
            for worker in busy:
                if worker.channel in ready:
                    answers[worker] = self._hear(worker)
            self._refuse_hanging()
        return answers

    def _hear(self, worker: _Worker) -> Any:
        """The answer that lies ready. Raises GameError where the game failed or the worker died."""
        try:
            answer = worker.hear()
        except (EOFError, OSError):
            status = worker.end(time.monotonic() + _GRACE_SECONDS)
            raise self._failure(
                worker, f"the process that steps it ended with exit status {status}"
            ) from None
        if isinstance(answer, Failure):
            raise GameError(answer.message, answer.copy)
        return answer

    def _refuse_hanging(self) -> None:
        now = time.monotonic()
        for worker in self._workers:
            if worker.busy and now - worker.asked > self._patience:
                raise self._failure(worker, f"has not moved for {self._patience:g} s")

    def _failure(self, worker: _Worker, what: str) -> GameError:
        first, last = worker.copies.start, worker.copies.stop - 1
        if first == last:
            return GameError(f"{self._name}, copy {first}: {what}", first)
        return GameError(f"{self._name}, one of copies {first} to {last}: {what}")

    def _show(self, answers: dict[_Worker, Done]) -> Step:
        """What the workers that answered left in shared memory; nothing of the others."""
        step = self._step
        for array in (step.acting, step.reward, step.terminated, step.truncated, step.over):
            array.fill(0)
        truncated = any(done.truncated for done in answers.values())
        step.final_observation = self._final_observation if truncated else None
        step.final_state = self._final_state if truncated else None
        for worker in answers:
            self._shared.collect(step, worker.copies)
        return step


class _Worker:
    """A process that steps some copies, and what it was asked last."""

    def __init__(self, memory: int, copies: slice) -> None:
        """memory: descriptor of the file that will hold a `SharedStep`. copies: those it steps."""
        self.channel, theirs = Pipe()
        self.copies = copies
        self.busy = False
        self.asked = 0.0
        """When, on the monotonic clock."""
        with theirs:
            given = (theirs.fileno(), memory)
            paths = [path or os.getcwd() for path in sys.path]
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _START, *map(str, given), *paths],
                pass_fds=given,
                stdin=subprocess.DEVNULL,
            )

    def ask(self, message: Begin | Reset | Play) -> None:
        """Ask for one thing; it may be asked for the next once it was heard."""
        self.busy, self.asked = True, time.monotonic()
        with suppress(ConnectionError):  # who died is found out when heard
            self.channel.send(message)

    def hear(self) -> Any:
        """The answer. Raises EOFError or OSError where the process has died."""
        self.busy = False
        return self.channel.recv()

    def end(self, deadline: float) -> int:
        """Wait until it ended, kill it at the deadline; its exit status, or minus the signal's number."""
        try:
            return self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()
