"""Whether an environment must be seeded for every episode.

Gymnasium and PettingZoo mean an environment to be seeded once: `reset()` without a seed goes on with the same
generator. Many do otherwise: `default_rng(seed)` at every reset, which without a seed is one that nobody can
repeat. To seed every episode suits both, but some build half the environment anew for it: rlcard's card
games spend more time on that than on playing. So an environment is tried once, when it is new.
"""

from __future__ import annotations

import pickle
import random
from typing import Any

import numpy as np

_MOST = 10_000
"""Objects within an environment that are looked at; in a larger one nothing is known."""


def carries_chance(env: Any) -> bool:
    """Whether an unseeded `reset` goes on, repeatably, from where the last seed led. Resets `env` six times.

    True only where generators are found within the environment and all of them, and what is seen, are
    alike after the same seed and a second, unseeded reset, and the generators differ after another seed.
    In doubt it is False: nothing is lost by it but time.
    """
    try:
        (states, seen), again, (others, _) = (_after_two_episodes(env, seed) for seed in (1, 1, 2))
    except Exception:  # whatever is wrong with it, it is told when a copy is reset
        return False
    return (
        bool(states)
        and (states, seen) == again
        and len(others) == len(states)
        and all(one != other for one, other in zip(states, others, strict=True))
    )


def _after_two_episodes(env: Any, seed: int) -> tuple[list[str], bytes]:
    """States of all generators, and what is seen, when an unseeded episode follows a seeded one."""
    env.reset(seed=seed)
    shown = env.reset()
    return _generator_states(env), pickle.dumps(env.last() if shown is None else shown)


def _generator_states(env: Any) -> list[str]:
    """Of all generators that can be reached through attributes, lists and dicts; none where too much can."""
    states: list[str] = []
    waiting, met = [env], {id(env)}
    while waiting:
        thing = waiting.pop()
        match thing:
            case np.random.Generator():
                states.append(repr(thing.bit_generator.state))
            case np.random.RandomState():
                states.append(repr(thing.get_state()))
            case random.Random():
                states.append(repr(thing.getstate()))
            case _:
                parts = [part for part in _parts(thing) if id(part) not in met]
                met.update(map(id, parts))
                waiting += parts
        if len(met) > _MOST:
            return []
    return states


def _parts(thing: Any) -> list[Any]:
    match thing:
        case dict():
            return list(thing.values())
        case list() | tuple():
            return list(thing)
        case type():
            return []
    return list(vars(thing).values()) if hasattr(thing, "__dict__") else []
