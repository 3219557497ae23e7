"""Everybody keeps to a core of its own only where a run alone fills the machine."""

from __future__ import annotations

import os

import pytest

from coordinator.runtime_config import Layout, Runtime, RuntimeConfig

NOBODY = Layout((), None)


@pytest.fixture(autouse=True)
def _four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {7, 2, 3, 5}, raising=False)


@pytest.mark.parametrize("actors", [0, 3])
def test_where_actors_and_learner_are_as_many_as_cores_each_has_one(actors: int) -> None:
    layout = RuntimeConfig(actors=actors).layout
    assert layout == Layout((2, 3, 5), 7)
    assert [layout.actor(index) for index in range(3)] == [2, 3, 5]


@pytest.mark.parametrize(
    "config",
    [
        RuntimeConfig(actors=1),
        RuntimeConfig(actors=2),
        RuntimeConfig(actors=4),
        RuntimeConfig(address="auto"),
        RuntimeConfig(address="10.0.0.1:6379", actors=3),
        RuntimeConfig(runtime=Runtime.INLINE),
        RuntimeConfig(runtime=Runtime.INLINE, actors=3),
    ],
    ids=repr,
)
def test_else_nobody_is_bound(config: RuntimeConfig) -> None:
    assert config.layout == NOBODY
    assert config.layout.actor(0) is None


@pytest.mark.parametrize("allowed", [{4}, {0, 9}])
def test_few_cores(allowed: set[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """On one core an actor and the learner share it; on two each has its own."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: allowed)
    assert RuntimeConfig().layout == (Layout((0,), 9) if len(allowed) == 2 else NOBODY)


def test_a_system_that_cannot_bind_binds_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    assert RuntimeConfig(actors=3).layout == NOBODY
