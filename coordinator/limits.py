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
    each = sum(config.stream_config(player).memory(spec, rollout.copies) for player in learners)
    largest = max(learners, key=lambda player: config.learner_of(player).algorithm.batch)
    memory = psutil.virtual_memory().total
    if actors * each > memory:
        raise OptionError(
            f"{_spelled(config, largest, 'batch')}, rollout.copies {rollout.copies}, "
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
    streams = [config.stream_config(player) for player in learners]
    groups = [one.groups(spec) for one in streams]
    seats = sum(len(group) for held in groups for group in held)
    unroll = config.rollout.unroll
    needs = [-(-one.batch * unroll * seats // len(held)) for one, held in zip(streams, groups, strict=True)]
    least = max(needs)
    columns = streams[needs.index(least)].batch
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
    copies, actors = config.rollout.copies, _actors(config.runtime)
    for player in learners:
        algorithm = config.learner_of(player).algorithm
        groups = len(config.stream_config(player).groups(spec))
        streams = actors * copies * groups
        most = int(algorithm.batch * (algorithm.max_policy_lag + 1) / LEAST_TRAINED)
        if streams > most:
            raise OptionError(
                f"{_spelled(config, player, 'max_policy_lag')}: {streams} columns "
                f"({actors} actors of {copies} copies with {groups} each) make "
                f"{streams // algorithm.batch} updates of {_spelled(config, player, 'batch')} "
                f"while they fill, so that nearly all are too old; "
                f"allowed are {-(-streams * LEAST_TRAINED // algorithm.batch) - 1:.0f} and more, "
                f"or {most // (actors * groups)} rollout.copies"
            )


def _spelled(config: RunConfig, player: Player, name: str) -> str:
    """A field of a player's algorithm with its value, as a user would set it."""
    variant = config.variant_of(player)
    section = "learner" if variant is None else f"variants.{variant}"
    return f"{section}.algorithm.{name} {getattr(config.learner_of(player).algorithm, name)}"


def _actors(runtime: RuntimeConfig) -> int:
    return 1 if runtime.runtime is Runtime.INLINE else runtime.actor_count


def remarks(config: RunConfig) -> list[str]:
    """What to tell a user about this machine as a run starts: a line each."""
    precisions = {learner.precision for learner in (config.learner, *config.variants.values())}
    if Precision.BFLOAT16 not in precisions or config.runtime.address != "local":
        return []
    from agents.machine import bfloat16_pays  # loads torch, which else the coordinating process does without

    if bfloat16_pays():
        return []
    return ["learner.precision bfloat16: this processor has no instructions for it, so float32 is used"]
