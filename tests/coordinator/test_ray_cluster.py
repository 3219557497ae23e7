"""Ray gives a start 30 s: one that is late is tried once more, and then told in a line."""

from __future__ import annotations

from pathlib import Path

import pytest
import ray

from coordinator.ray_cluster import ClusterError, cluster


class Start:
    """Stands in for `ray.init`: raises these errors one after the other, then comes up."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self, **_: object) -> None:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)


def started(start: Start, folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """How often Ray was asked to start."""
    monkeypatch.setattr(ray, "init", start)
    monkeypatch.setenv("SELFPLAY_LEAGUE_RUN", "")
    with cluster("local", "namespace", folder):
        pass
    return start.calls


def test_a_late_start_is_tried_once_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert started(Start(Exception("The node timed out")), tmp_path, monkeypatch) == 2


def test_a_second_late_start_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start = Start(*[Exception("The node\ntimed out during startup.")] * 2)
    with pytest.raises(ClusterError) as caught:
        started(start, tmp_path, monkeypatch)
    assert str(caught.value) == "runtime.address local: The node timed out during startup."
    assert start.calls == 2


@pytest.mark.parametrize("kind", [ConnectionError, RuntimeError, ValueError])
def test_a_wrong_address_is_not_tried_again(
    kind: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = Start(kind("nobody answers"))
    with pytest.raises(ClusterError, match="nobody answers"):
        started(start, tmp_path, monkeypatch)
    assert start.calls == 1
