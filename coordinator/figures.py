"""What a learner did, added up: light enough for the process that only shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agents.update import Update


FIGURES = ("policy_lag", "policy_loss", "value_loss", "entropy", "rho", "divergence", "gradient_norm")
"""Those of an `Update` that are shown."""


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
        if not update.decisions:
            return  # all of the batch was too old
        self.updates += 1
        self.decisions += update.decisions
        for name in FIGURES:
            self.sums[name] = self.sums.get(name, 0.0) + getattr(update, name)

    def means(self) -> dict[str, float]:
        """Mean of every figure over the updates."""
        return {name: total / max(1, self.updates) for name, total in self.sums.items()}


@dataclass
class Traffic:
    """What came to an inference server and went from it since it was last asked for."""

    batches: int = 0
    """Of questions that were answered together."""
    rows: int = 0
    """Decisions."""
    received: int = 0
    """Bytes of questions."""
    sent: int = 0
    """Bytes of answers."""

    def means(self) -> dict[str, float]:
        """By name; empty where nobody asked."""
        if not self.rows:
            return {}
        return {
            "inference/rows_per_batch": self.rows / self.batches,
            "inference/bytes_per_decision": (self.received + self.sent) / self.rows,
        }


Shares = Mapping[str, float]
"""Stage -> its share of a process's time, 0 to 1; see `agents.stages`."""


def mean_shares(processes: Sequence[Shares]) -> dict[str, float]:
    """Mean over several processes; one that says nothing, since it just starts, does not count."""
    speaking = [shares for shares in processes if shares]
    names = {name: None for shares in speaking for name in shares}
    return {name: sum(shares.get(name, 0.0) for shares in speaking) / len(speaking) for name in names}


def rounded(shares: Shares) -> dict[str, float]:
    """To a thousandth, for those who read them."""
    return {name: round(share, 3) for name, share in shares.items()}
