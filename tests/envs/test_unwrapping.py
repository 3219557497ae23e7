"""Wrappers that only check go, all others stay."""

from __future__ import annotations

from typing import Any

import gymnasium
import mpe2.simple_tag_v3
import pettingzoo
from gymnasium.wrappers import TimeLimit
from pettingzoo.utils.conversions import aec_to_parallel_wrapper

from envs.unwrapping import without_checks


def kinds(env: Any) -> list[str]:
    """Names of the wrappers and of what they hold, from the outside in."""
    names = []
    while env is not None:
        names.append(type(env).__name__)
        env = vars(env).get("env", vars(env).get("aec_env"))
    return names


def test_a_time_limit_stays() -> None:
    env = gymnasium.make("CartPole-v1")
    assert kinds(env) == ["TimeLimit", "OrderEnforcing", "PassiveEnvChecker", "CartPoleEnv"]
    bare = without_checks(env)
    assert isinstance(bare, TimeLimit)
    assert kinds(bare) == ["TimeLimit", "CartPoleEnv"]


def test_checks_on_turns_go() -> None:
    assert kinds(without_checks(pettingzoo.make("aec", "classic/tictactoe-v3"))) == ["raw_env"]


def test_checks_within_a_conversion_go() -> None:
    bare = without_checks(mpe2.simple_tag_v3.parallel_env())
    assert isinstance(bare, aec_to_parallel_wrapper)
    assert kinds(bare) == ["aec_to_parallel_wrapper", "raw_env"]


def test_an_environment_without_wrappers_is_itself() -> None:
    env = gymnasium.make("CartPole-v1").unwrapped
    assert without_checks(env) is env
