"""OpenAI Five's quality scores: how much each past self still has to teach (OpenAI 2019, appendix N).

Every past opponent i of a player has a score q_i and is drawn with p_i = exp(q_i) / sum exp(q_j) among N.
A newcomer joins with the highest score. When i is beaten

    q_i  <-  q_i - eta / (N p_i)

and when it is not, nothing changes. A match counts as one game, won to the share of its episodes that
were won: it was one draw, and 512 updates by it would drive q_i where it is never drawn again.

Scores are a fold over the result log: what a draw saw, its p, N and newest candidate, stands in the reason
of its match. So they belong to the ledger, and resume is exact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from league.players import Match, split_identity

Floats = npt.NDArray[np.float64]
Qualities = dict[str, dict[str, float]]
"""Player -> past opponent -> q."""
RULE = "openai_five"
"""The rule whose matches move scores."""


def scores(known: Mapping[str, float], opponents: Sequence[str]) -> Floats:
    """[O] q of each opponent; of a newcomer, whose first result is not in yet, the highest of the others."""
    highest = max(known.values(), default=0.0)
    return np.fromiter((known.get(name, highest) for name in opponents), np.float64, len(opponents))


def softmax(quality: Floats) -> Floats:
    """[O] p; no overflow."""
    weights = np.exp(quality - quality.max())
    chances: Floats = weights / weights.sum()
    return chances


def fold(qualities: Qualities, match: Match, shares: Mapping[tuple[str, str], float]) -> None:
    """Let newcomers join, and lower who was beaten.

    shares: (identity, identity) -> share of the episodes between the two that the first won.
    """
    if match.reason.get("rule") != RULE:
        return
    player = match.reason["player"]
    for draw in match.reason["draws"].values():
        if "newest" in draw:
            known = qualities.setdefault(player, {})
            _join(known, draw["newest"])
            if draw["opponent"] in known:
                share = shares.get((player, draw["opponent"]), 0.0)
                known[draw["opponent"]] -= draw["step"] * share / (draw["candidates"] * draw["probability"])


def _join(known: dict[str, float], newest: str) -> None:
    """Generations up to `newest` that have no score yet get the highest."""
    if newest in known:
        return
    player, generation = split_identity(newest)
    highest = max(known.values(), default=0.0)
    for earlier in range((generation or 0) + 1):
        known.setdefault(f"{player}@{earlier}", highest)
