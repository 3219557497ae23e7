"""The learning systems of the literature, each a point on the same axes and no code of its own.

                coordination  buffer                  loss      targets   what makes it that system
    impala      async         queue                   gradient  vtrace
    appo        async         queue                   ppo       vtrace
    impact      async         circular, N x K         impact    vtrace    around a target network
    batched_a2c sync          queue                   gradient  gae       lambda 1: returns over the column
    a3c         async         queue                   gradient  gae       gradients travel, not trajectories
    ppo         sync          circular, 1 x epochs    ppo       gae
    dppo        sync          circular, 1 x epochs    ppo       gae       no clip, but an adaptive KL penalty
    dd_ppo      sync          circular, 1 x epochs    ppo       gae       whoever is slow is not waited for
    dqn         async         uniform replay          q                   one step, single network of values
    gorila      async         uniform replays         q                   gradients travel, replays stay
    ape_x       async         prioritized decisions   q                   n steps, double, dueling
    r2d2        async         prioritized columns     q                   LSTM, burn-in, rescaled values
    seed        async         queue                   gradient  vtrace    inference at a server
    seed_r2d2   async         prioritized columns     q                   r2d2, inference at a server
    rnad        async         queue                   neurd     vtrace    for poker

Games bring step sizes, batches and entropy along (`game_defaults`); a system says what makes it what it is,
with its paper's constants. Each is a function that returns plain fields.
"""

from __future__ import annotations

from coordinator.game_defaults import Layer


def impala() -> Layer:
    """V-trace actor-critic, asynchronous, trajectories through a queue (Espeholt et al. 2018)."""
    return {"learner.algorithm.magnet_cost": 0.0}


def rnad() -> Layer:
    """For poker: NeuRD moves the policy, entropy or a magnet holds it (R-NaD, Perolat et al. 2022)."""
    return {
        "learner.algorithm.policy_loss": "neurd",
        "learner.algorithm.trace_decay": 0.9,
        "learner.algorithm.momentum": 0.0,
    }


def a3c() -> Layer:
    """Actors find the gradients, and one shared optimizer steps by each as it comes (Mnih et al. 2016)."""
    return {**_plain_returns(), **_gradients(), "learner.cooperation": "independent"}


def batched_a2c() -> Layer:
    """The same in step: every update is of what all copies played (as Espeholt et al. 2018 compare it)."""
    return {**_plain_returns(), "runtime.coordination": "sync", "learner.algorithm.batch": 0}


def ppo() -> Layer:
    """Clipped ratios, everybody in step, four epochs of four minibatches (Schulman et al. 2017)."""
    return {
        **batched_a2c(),
        "learner.algorithm.policy_loss": "ppo",
        "learner.algorithm.trace_decay": 0.95,
        "learner.algorithm.clip": 0.2,
        "learner.algorithm.normalise_advantages": True,
        "learner.buffer.kind": "circular",
        "learner.buffer.passes": 4,
        "learner.buffer.minibatches": 4,
    }


def dppo() -> Layer:
    """PPO by an adaptive KL penalty and no clip, gradients averaged over workers (Heess et al. 2017)."""
    return {
        **ppo(),
        "learner.algorithm.clip": 1e6,
        "learner.algorithm.kl_cost": 1.0,
        "learner.algorithm.kl_target": 0.01,
    }


def dd_ppo() -> Layer:
    """PPO that waits for 60 % of the workers, two epochs of two minibatches (Wijmans et al. 2020)."""
    return {**ppo(), "runtime.quorum": 0.6, "learner.buffer.passes": 2, "learner.buffer.minibatches": 2}


def appo() -> Layer:
    """PPO's clipped ratio with V-trace's targets, asynchronous, every batch once."""
    return {
        **impala(),
        "learner.algorithm.policy_loss": "ppo",
        "learner.algorithm.clip": 0.2,
        "learner.algorithm.normalise_advantages": True,
    }


def impact() -> Layer:
    """A circular buffer, four batches by two passes, ratios around a target network (Luo et al. 2020)."""
    return {
        **impala(),
        "learner.algorithm.policy_loss": "impact",
        "learner.algorithm.clip": 0.4,
        "learner.algorithm.target_clip": 2.0,
        "learner.algorithm.trace_decay": 0.995,
        "learner.algorithm.kl_cost": 1.0,
        "learner.algorithm.kl_target": 0.04,
        "learner.buffer.kind": "circular",
        "learner.buffer.batches": 4,
        "learner.buffer.passes": 2,
    }


def dqn() -> Layer:
    """Values of actions, learnt one step ahead from a uniform replay (Mnih et al. 2015)."""
    return {
        **impala(),
        "learner.algorithm.policy_loss": "q",
        "learner.algorithm.optimizer": "adam",
        "learner.algorithm.learning_rate": 1e-3,
        "learner.algorithm.final_learning_rate": 1e-4,
        "learner.algorithm.averaging": 0.99,
        "learner.algorithm.target_updates": 20,
        "learner.precision": "float32",
        "learner.cooperation": "independent",
        "learner.network.lstm": 0,
        "learner.q.steps": 1,
        "learner.q.double": False,
        "learner.q.dueling": False,
        "learner.buffer.kind": "prioritized",
        "learner.buffer.transitions": True,
        "learner.buffer.priority_exponent": 0.0,
        "learner.buffer.least": 100,
        "learner.buffer.sample": 128,
        "learner.buffer.ratio": 16.0,
    }


def gorila() -> Layer:
    """DQN whose actors keep replays of their own, and ship gradients (Nair et al. 2015)."""
    return {**dqn(), **_gradients()}


def ape_x() -> Layer:
    """Double dueling values, three steps ahead, from a prioritized replay (Horgan et al. 2018)."""
    return {
        **dqn(),
        "learner.algorithm.target_updates": 50,
        "learner.q.steps": 3,
        "learner.q.double": True,
        "learner.q.dueling": True,
        "learner.buffer.priority_exponent": 0.6,
        "learner.buffer.importance_exponent": 0.4,
    }


def r2d2() -> Layer:
    """Ape-X with a memory: whole columns, a stored state and a burn-in (Kapturowski et al. 2019)."""
    return {
        **ape_x(),
        "learner.algorithm.target_updates": 20,
        "learner.network.lstm": 64,
        "learner.q.steps": 5,
        "learner.q.burn_in": 8,
        "learner.q.rescaling": 1e-3,
        "learner.buffer.transitions": False,
        "learner.buffer.priority_exponent": 0.9,
        "learner.buffer.importance_exponent": 0.6,
        "learner.buffer.sample": 16,
        "learner.buffer.ratio": 8.0,
        "rollout.unroll": 24,
    }


def seed() -> Layer:
    """V-trace whose actors have no weights: a server beside the learner decides (Espeholt et al. 2020)."""
    return {**impala(), "runtime.inference": "central"}


def seed_r2d2() -> Layer:
    """R2D2 whose actors have no weights: a server beside the learner decides (Espeholt et al. 2020)."""
    return {**r2d2(), "runtime.inference": "central"}


def _gradients() -> Layer:
    """Actors find them, by costs that are fixed; population-based training tunes the rate alone."""
    return {"runtime.shipment": "gradients", "pbt.tuned": ("learning_rate",)}


def _plain_returns() -> Layer:
    """The policy gradient by returns over the rest of the column, not corrected."""
    return {**impala(), "learner.algorithm.targets": "gae", "learner.algorithm.trace_decay": 1.0}
