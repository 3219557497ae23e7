"""What a machine or a round cannot hold: refused when a run starts, with the numbers.

A batch fills column by column, over as many matches as that takes, so that almost any size comes to be. These
do not: one that memory does not hold, one that the end of an inline round takes away before it is full, and
one whose columns are too old to train on by then.
"""

from __future__ import annotations

from collections.abc import Sequence

import psutil

from agents.config import Precision
from coordinator.config import RunConfig, Runtime, RuntimeConfig, cores
from coordinator.options import OptionError
from envs.game import GameSpec
from league.players import Player

ACTORS_A_CORE = 8
"""More than so many would only wait for one another."""
LEAST_TRAINED = 0.1
"""Share of all columns: where still fewer are young enough to train on, a run stands almost still."""


def check_machine(runtime: RuntimeConfig) -> None:
    """A run may have been made on a larger machine. Raises OptionError where this one is too small for it."""
    if runtime.address != "local":
        return
    here = cores()
    for name, most in (("actors", ACTORS_A_CORE * here), ("learner_threads", here)):
        if (value := getattr(runtime, name)) > most:
            raise OptionError(
                f"runtime.{name} {value}: this machine has {here} cores; "
                f"allowed are 0 (chosen from the cores) to {most}"
            )


def check_memory(config: RunConfig, spec: GameSpec, learners: Sequence[Player]) -> None:
    """Raises OptionError where the columns that actors gather are more than this machine's memory."""
    runtime, rollout = config.runtime, config.rollout
    if runtime.address != "local":
        return
    actors = _actors(runtime)
    each = sum(config.stream_config(player.team).memory(spec, rollout.copies) for player in learners)
    memory = psutil.virtual_memory().total
    if actors * each > memory:
        raise OptionError(
            f"learner.algorithm.batch {config.learner.algorithm.batch}, rollout.copies {rollout.copies}, "
            f"rollout.unroll {rollout.unroll}: columns take {each / 1e9:.1f} GB in an actor, and there are "
            f"{actors}; allowed is what this machine has, {memory / 1e9:.1f} GB"
        )


def check_round(config: RunConfig, spec: GameSpec, learners: Sequence[Player]) -> None:
    """Inline, what is not full when a round ends is lost: in the shortest allowed all players fill a batch.

    Reckoned as if all seats decided equally often; who does so more rarely is named when a round ends.
    Raises OptionError.
    """
    if config.runtime.runtime is not Runtime.INLINE or len(learners) < 2:
        return
    streams = [config.stream_config(player.team) for player in learners]
    groups = [one.groups(spec) for one in streams]
    seats = sum(len(group) for held in groups for group in held)
    columns, unroll = config.learner.algorithm.batch, config.rollout.unroll
    least = -(-columns * unroll * seats // min(map(len, groups)))
    if config.runtime.round_steps < least:
        raise OptionError(
            f"runtime.round_steps {config.runtime.round_steps}: inline, a round would end before each of "
            f"{len(learners)} players has a batch of {columns} columns of {unroll} decisions "
            f"(learner.algorithm.batch, rollout.unroll), and lose what is unfinished; "
            f"allowed are {least} and more"
        )


def check_age(config: RunConfig, spec: GameSpec, learners: Sequence[Player]) -> None:
    """While a column fills, so do all others: one for every stream, `batch` of them an update.

    Those that saw more than `max_policy_lag` updates are dropped. Raises OptionError where nearly all are.
    """
    algorithm, copies, actors = config.learner.algorithm, config.rollout.copies, _actors(config.runtime)
    groups = max(len(config.stream_config(player.team).groups(spec)) for player in learners)
    streams = actors * copies * groups
    most = int(algorithm.batch * (algorithm.max_policy_lag + 1) / LEAST_TRAINED)
    if streams > most:
        raise OptionError(
            f"learner.algorithm.max_policy_lag {algorithm.max_policy_lag}: {streams} columns "
            f"({actors} actors of {copies} copies with {groups} each) make "
            f"{streams // algorithm.batch} updates of learner.algorithm.batch {algorithm.batch} "
            f"while they fill, so that nearly all are too old; "
            f"allowed are {-(-streams * LEAST_TRAINED // algorithm.batch) - 1:.0f} and more, "
            f"or {most // (actors * groups)} rollout.copies"
        )


def _actors(runtime: RuntimeConfig) -> int:
    return 1 if runtime.runtime is Runtime.INLINE else runtime.actor_count


def remarks(config: RunConfig) -> list[str]:
    """What to tell a user about this machine as a run starts: a line each."""
    if config.learner.precision is not Precision.BFLOAT16 or config.runtime.address != "local":
        return []
    from agents.machine import bfloat16_pays  # loads torch, which else the coordinating process does without

    if bfloat16_pays():
        return []
    return ["learner.precision bfloat16: this processor has no instructions for it, so float32 is used"]
