"""On a machine where C was not compiled, everything is as here, but for the last digits."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from agents.algorithms.config import AlgorithmConfig
from agents.config import LearnerConfig, NetworkConfig, Precision
from agents.kernels.compiled import LIBRARY
from agents.kernels.dense import WORKS
from agents.learner import Learner
from agents.policy import Chance, NetworkPolicy
from agents.scripted.base import Rows
from tests.agents.batches import a_batch, a_spec

WITHOUT = """
import json, sys
sys.modules["agents.kernels._compiled"] = None
from tests.agents.test_kernels_absent import figures
print(json.dumps(figures()))
"""
PLAIN = LearnerConfig(NetworkConfig(hidden=(16,)), AlgorithmConfig(), precision=Precision.FLOAT32)


def figures() -> dict[str, Any]:
    """What some rows decide, and what an update in float32 and one in whatever pays tell."""
    spec = a_spec()
    rows = a_batch(spec, 1, 100)
    learner = Learner(PLAIN, spec, team=None, seed=0)
    policy = NetworkPolicy(PLAIN, spec, team=None)
    policy.load(10 * learner.weights(), version=0)
    seats = np.zeros(100, np.int64)
    chance = Chance(np.random.default_rng(0), torch.Generator().manual_seed(0))
    choice = policy.act(Rows(rows.observation[0, :, 0], rows.mask[0, :, 0], seats, seats), None, chance)
    batch = a_batch(spec, 8, 70)
    return {
        "compiled": [LIBRARY is not None, WORKS],
        "action": choice.action.tolist(),
        "log_prob": choice.log_prob.tolist(),
        "float32": [asdict(learner.update(batch)) for _ in range(2)],
        "auto": asdict(
            Learner(replace(PLAIN, precision=Precision.AUTO), spec, team=None, seed=0).update(batch)
        ),
    }


def numbers(update: dict[str, float]) -> list[float]:
    return [value for value in update.values() if value is not None]


def test_acting_and_learning_work_without_the_library_and_agree() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    without, here = json.loads(done.stdout), figures()
    assert without["compiled"] == [False, False]
    assert without["action"] == here["action"]
    np.testing.assert_allclose(without["log_prob"], here["log_prob"], rtol=1e-4, atol=1e-5)
    for mine, twin in zip(here["float32"], without["float32"], strict=True):
        np.testing.assert_allclose(numbers(twin), numbers(mine), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(numbers(without["auto"]), numbers(here["auto"]), rtol=0.03, atol=0.01)
