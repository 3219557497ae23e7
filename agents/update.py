"""What a batch says about a player's weights, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


class Means(NamedTuple):
    """`Losses` as numbers: means over the decisions of a batch."""

    total: float = 0.0
    policy: float = 0.0
    value: float = 0.0
    entropy: float = 0.0
    rho: float = 0.0
    divergence: float = 0.0


@dataclass(frozen=True)
class Proposal:
    """A gradient, found by the weights of some version; it may travel to the learner that steps."""

    gradient: Floats | None
    """[n] for all parameters that learn; None where it lies in the learner that is to step."""
    version: int
    """Of the weights that it is for."""
    decisions: int
    """That it is the mean over; 0 where all columns were too old, and there is no gradient."""
    fresh: int
    """Of those that arrived, how many count as trained by it."""
    dropped: int
    """Columns that were too old."""
    policy_lag: float
    """Updates between the weights that acted and those that it is for."""
    means: Means = Means()  # noqa: RUF009 - a tuple
    errors: Floats | None = None
    """q: [T - burn_in, B, S] how wrong the values of its trained decisions were; 0 where nobody decided."""


@dataclass(frozen=True)
class Update:
    """What one update did; all figures are means over the decisions of the batch."""

    decisions: int = 0
    """Trained on; 0 where the update was skipped."""
    fresh: int = 0
    """Of those that arrived, how many count as trained since the update before: each once in all."""
    dropped: int = 0
    """Columns that were too old."""
    policy_lag: float = 0.0
    """Updates between the weights that acted and those that learn."""
    policy_loss: float = 0.0
    value_loss: float = 0.0
    entropy: float = 0.0
    rho: float = 0.0
    divergence: float = 0.0
    gradient_norm: float = 0.0
    skipped: bool = False
    """Loss or gradient were not finite: nothing was changed."""
    errors: Floats | None = None
    """See `Proposal`."""
