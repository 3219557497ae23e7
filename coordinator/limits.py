"""What a machine or a round cannot hold: refused when a run starts, with the numbers.

A batch fills column by column, over as many matches as that takes, so that almost any size comes to be. These
do not: one that memory does not hold, one that the end of an inline round takes away before it is full, and
one whose columns are too old to train on by then. Nor does a buffer that memory does not hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

import psutil

from agents.config import BufferKind, Precision
from agents.replay import memory as replay_memory
from coordinator.config import RunConfig
from coordinator.options import OptionError
from coordinator.runtime_config import Payload, Runtime, RuntimeConfig, cores
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
    """Raises OptionError where what actors gather and buffers keep is more than this machine's memory."""
    runtime, rollout = config.runtime, config.rollout
    if runtime.address != "local":
        return
    actors = _actors(runtime)
    each = sum(config.stream_config(player).memory(spec, rollout.copies) for player in learners)
    largest = max(learners, key=lambda player: config.learner_of(player).algorithm.batch)
    memory = psutil.virtual_memory().total
    if actors * each > memory:
        raise OptionError(
            f"{_spelled(config, largest, 'algorithm.batch')}, rollout.copies {rollout.copies}, "
            f"rollout.unroll {rollout.unroll}: columns take {each / 1e9:.1f} GB in an actor, and there are "
            f"{actors}; allowed is what this machine has, {memory / 1e9:.1f} GB"
        )
    holders = actors if runtime.shipment is Payload.GRADIENTS else 1
    kept = [holders * _kept(config, spec, player) for player in learners]
    if actors * each + sum(kept) > memory:
        player = learners[kept.index(max(kept))]
        replay = config.learner_of(player).buffer.kind is BufferKind.PRIORITIZED
        raise OptionError(
            f"{_spelled(config, player, 'buffer.capacity' if replay else 'buffer.batches')}, "
            f"rollout.unroll {rollout.unroll}: what is kept to train on takes {sum(kept) / 1e9:.1f} GB; "
            f"allowed is what this machine has, {memory / 1e9:.1f} GB, less {actors * each / 1e9:.1f} GB of "
            "columns in the making"
        )


def _kept(config: RunConfig, spec: GameSpec, player: Player) -> int:
    """Bytes that a player's buffer takes once it is full."""
    learner = config.learner_of(player)
    column = config.stream_config(player).column_bytes(spec)
    match learner.buffer.kind:
        case BufferKind.QUEUE:
            return 0
        case BufferKind.CIRCULAR:
            columns = learner.algorithm.batch * max(1, config.runtime.quorum_count)
            return learner.buffer.batches * columns * column
        case BufferKind.PRIORITIZED:
            return replay_memory(
                capacity=learner.buffer.capacity,
                column_bytes=column,
                unroll=config.rollout.unroll,
                window=learner.q.steps if learner.buffer.transitions else None,
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
    """While a column fills, so do all others: one for every stream, `batch` of them an update, or several
    where a buffer goes over them more than once.

    Those that saw more than `max_policy_lag` updates are dropped, unless they are for a replay. Raises
    OptionError where nearly all are.
    """
    copies, actors = config.rollout.copies, _actors(config.runtime)
    for player in learners:
        learner = config.learner_of(player)
        algorithm, buffer = learner.algorithm, learner.buffer
        if buffer.kind is BufferKind.PRIORITIZED:
            continue
        groups = len(config.stream_config(player).groups(spec))
        streams = actors * copies * groups
        columns = algorithm.batch * max(1, config.runtime.quorum_count)
        times = buffer.passes * buffer.minibatches if buffer.kind is BufferKind.CIRCULAR else 1
        most = int(columns * (algorithm.max_policy_lag + 1) / LEAST_TRAINED / times)
        if streams > most:
            several = f", {times} for each" if times > 1 else ""
            raise OptionError(
                f"{_spelled(config, player, 'algorithm.max_policy_lag')}: {streams} columns "
                f"({actors} actors of {copies} copies with {groups} each) make "
                f"{times * streams // columns} updates of {_spelled(config, player, 'algorithm.batch')}"
                f"{several} while they fill, so that nearly all are too old; "
                f"allowed are {-(-streams * LEAST_TRAINED * times // columns) - 1:.0f} and more, "
                f"or {most // (actors * groups)} rollout.copies"
            )


def _spelled(config: RunConfig, player: Player, name: str) -> str:
    """A field of how a player learns with its value, as a user would set it: `algorithm.batch`."""
    variant = config.variant_of(player)
    section = "learner" if variant is None else f"variants.{variant}"
    return f"{section}.{name} {attrgetter(name)(config.learner_of(player))}"


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
