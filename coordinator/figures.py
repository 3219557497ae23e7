"""What a learner did, added up: light enough for the process that only shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agents.learner import Update


@dataclass
class Figures:
    """Sums over the updates of one player since they were last asked for."""

    updates: int = 0
    decisions: int = 0
    dropped: int = 0
    """Columns too old to train on."""
    skipped: int = 0
    """Updates whose loss or gradient was not finite."""
    rewound: int = 0
    """Times that the learner went back to its last good state."""
    sums: dict[str, float] = field(default_factory=dict)
    """Name of a figure of `Update` -> sum over the updates."""

    def add(self, update: Update) -> None:
        """Count one update in."""
        self.dropped += update.dropped
        if update.skipped:
            self.skipped += 1
            return
        self.updates += 1
        self.decisions += update.decisions
        for name in ("policy_lag", "policy_loss", "value_loss", "entropy", "rho", "gradient_norm"):
            self.sums[name] = self.sums.get(name, 0.0) + getattr(update, name)

    def means(self) -> dict[str, float]:
        """Mean of every figure over the updates."""
        return {name: total / max(1, self.updates) for name, total in self.sums.items()}
