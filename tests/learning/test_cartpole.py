"""CartPole-v1 with its defaults. docs/experiments/cartpole.md has more seeds."""

from __future__ import annotations

import pytest

from benchmarks.cartpole import run


@pytest.mark.slow
def test_a_pole_is_balanced_nearly_to_the_end() -> None:
    assert run(seed=0).mean >= 475
