"""PPO in the manner of PureJaxRL on Pgx's Connect Four: games and learner in one compiled function.

Pgx (Koyamada et al. 2023) brings games, not learners; this is the usual way to train on them. The game is
played by one network for both sides; the value of the next position is the other's, hence its minus sign.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pgx
from pgx.experimental import auto_reset

from benchmarks.peers.protocol import Layers, Progress, Task, from_picture

GAMES, UNROLL, MINIBATCHES = 1024, 64, 8
LEARNING_RATE, DISCOUNT, LAMBDA, CLIP, ENTROPY, VALUE = 3e-4, 0.99, 0.95, 0.2, 0.01, 0.5

Tree = Any
"""Nested dicts of arrays."""


class Batch(NamedTuple):
    """Decisions, in any order."""

    observation: jax.Array
    """[N, 84]"""
    legal: jax.Array
    """[N, 7]"""
    action: jax.Array
    log_prob: jax.Array
    advantage: jax.Array
    target: jax.Array
    """[N] value to learn."""


class Learner(NamedTuple):
    """Weights with Adam's moments."""

    weights: Tree
    first_moment: Tree
    second_moment: Tree
    count: jax.Array
    """Steps taken."""


_env = pgx.make("connect_four")
_step = jax.vmap(auto_reset(_env.step, _env.init))
_init = jax.vmap(_env.init)


def layer(key: jax.Array, inputs: int, outputs: int) -> Tree:
    """A dense layer with the usual random weights."""
    return {"w": jax.random.normal(key, (inputs, outputs)) * inputs**-0.5, "b": jnp.zeros(outputs)}


def forward(weights: Tree, observation: jax.Array, legal: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Logits [N, 7] of legal columns, and values [N]."""
    hidden = observation
    for name in ("a", "b"):
        hidden = jax.nn.relu(hidden @ weights[name]["w"] + weights[name]["b"])
    logits = hidden @ weights["p"]["w"] + weights["p"]["b"]
    value = hidden @ weights["v"]["w"] + weights["v"]["b"]
    return jnp.where(legal, logits, -1e9), value[..., 0]


def loss(weights: Tree, batch: Batch) -> jax.Array:
    """PPO's clipped objective (Schulman et al. 2017, equation 9)."""
    logits, value = forward(weights, batch.observation, batch.legal)
    log_probs = jax.nn.log_softmax(logits)
    log_prob = jnp.take_along_axis(log_probs, batch.action[:, None], 1)[:, 0]
    ratio = jnp.exp(log_prob - batch.log_prob)
    advantage = (batch.advantage - batch.advantage.mean()) / (batch.advantage.std() + 1e-8)
    gain = jnp.minimum(ratio * advantage, jnp.clip(ratio, 1 - CLIP, 1 + CLIP) * advantage).mean()
    entropy = -(jnp.exp(log_probs) * jnp.where(batch.legal, log_probs, 0)).sum(-1).mean()
    return -gain + VALUE * ((value - batch.target) ** 2).mean() - ENTROPY * entropy


def look(games: Tree) -> tuple[jax.Array, jax.Array]:
    """Observation [N, 84] and legal columns [N, 7] of whoever is to move."""
    return games.observation.reshape(GAMES, -1).astype(jnp.float32), games.legal_action_mask


def play(weights: Tree, games: Tree, key: jax.Array) -> tuple[Tree, Batch]:
    """`UNROLL` steps of every game, with advantages; the batch is flat."""

    def one(carry: tuple[Tree, jax.Array], _: None) -> Any:
        games, key = carry
        key, draw, begin = jax.random.split(key, 3)
        observation, legal = look(games)
        logits, value = forward(weights, observation, legal)
        action = jax.random.categorical(draw, logits)
        log_prob = jnp.take_along_axis(jax.nn.log_softmax(logits), action[:, None], 1)[:, 0]
        after = _step(games, action, jax.random.split(begin, GAMES))
        reward = after.rewards[jnp.arange(GAMES), games.current_player]
        return (after, key), (observation, legal, action, log_prob, value, reward, after.terminated)

    (games, _), rows = jax.lax.scan(one, (games, key), None, length=UNROLL)
    observation, legal, action, log_prob, value, reward, over = rows

    def back(carry: tuple[jax.Array, jax.Array], row: Any) -> Any:
        advantage, following = carry
        value, reward, over = row
        discount = DISCOUNT * (1.0 - over)
        advantage = reward - discount * following - value - discount * LAMBDA * advantage
        return (advantage, value), advantage

    last = forward(weights, *look(games))[1]
    _, advantage = jax.lax.scan(back, (jnp.zeros(GAMES), last), (value, reward, over), reverse=True)
    rows = Batch(observation, legal, action, log_prob, advantage, advantage + value)
    return games, jax.tree.map(lambda array: array.reshape(-1, *array.shape[2:]), rows)


def adam(learner: Learner, gradient: Tree) -> Learner:
    """One step of Adam (Kingma and Ba 2015, algorithm 1)."""
    count = learner.count + 1
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, learner.first_moment, gradient)
    second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, learner.second_moment, gradient)
    weights = jax.tree.map(
        lambda w, m, v: (
            w - LEARNING_RATE * (m / (1 - 0.9**count)) / (jnp.sqrt(v / (1 - 0.999**count)) + 1e-8)
        ),
        learner.weights,
        first,
        second,
    )
    return Learner(weights, first, second, count)


@partial(jax.jit, donate_argnums=(0, 1))
def update(learner: Learner, games: Tree, key: jax.Array) -> tuple[Learner, Tree, jax.Array]:
    """Play, and learn every decision once."""
    key, play_key, order_key = jax.random.split(key, 3)
    games, batch = play(learner.weights, games, play_key)
    order = jax.random.permutation(order_key, GAMES * UNROLL)
    minibatches = jax.tree.map(lambda array: array[order].reshape(MINIBATCHES, -1, *array.shape[1:]), batch)

    def learn(learner: Learner, minibatch: Batch) -> tuple[Learner, None]:
        return adam(learner, jax.grad(loss)(learner.weights, minibatch)), None

    learner, _ = jax.lax.scan(learn, learner, minibatches)
    return learner, games, key


def layers(weights: Tree) -> Layers:
    """The policy's layers over our planes."""
    plain = {f"{name}.{part}": np.asarray(weights[name][part]) for name in "abp" for part in "wb"}
    return {**plain, "a.w": from_picture(plain["a.w"])}


def main() -> None:
    """Train until time is up."""
    task = Task.parse()
    progress = Progress(task)
    a, b, p, v, begin, key = jax.random.split(jax.random.PRNGKey(task.seed), 6)
    weights = {"a": layer(a, 84, 128), "b": layer(b, 128, 128), "p": layer(p, 128, 7), "v": layer(v, 128, 1)}
    first, second = (jax.tree.map(jnp.zeros_like, weights) for _ in range(2))
    learner = Learner(weights, first, second, jnp.float32(0))
    games = _init(jax.random.split(begin, GAMES))
    steps, going = 0, True
    while going:
        learner, games, key = update(learner, games, key)
        jax.block_until_ready(learner.weights)
        steps += GAMES * UNROLL
        going = progress.trained(steps, partial(layers, learner.weights))


if __name__ == "__main__":
    main()
