"""Taking off the wrappers that only check: adapters check for themselves, many copies at once.

What those guard against never happens here: a step before a reset, an action out of bounds or against the
mask. On a cheap environment they take up to half of the time.
"""

from __future__ import annotations

from typing import Any

import gymnasium
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker
from pettingzoo.utils import wrappers
from pettingzoo.utils.conversions import aec_to_parallel_wrapper

_CHECKS_ONLY = (
    OrderEnforcing,
    PassiveEnvChecker,
    wrappers.OrderEnforcingWrapper,
    wrappers.AssertOutOfBoundsWrapper,
    wrappers.TerminateIllegalWrapper,
)
_WRAPPERS = (gymnasium.Wrapper, wrappers.BaseWrapper, wrappers.BaseParallelWrapper)


def without_checks(env: Any) -> Any:
    """The environment without wrappers that only check, wherever they stand; it is changed in place."""
    while type(env) in _CHECKS_ONLY:
        env = env.env
    if isinstance(env, _WRAPPERS):
        env.env = without_checks(env.env)
    elif isinstance(env, aec_to_parallel_wrapper):
        env.aec_env = without_checks(env.aec_env)
    return env
