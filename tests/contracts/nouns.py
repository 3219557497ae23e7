"""Small matches and outcomes for tests of the store."""

from __future__ import annotations

from coordinator.store import Lease
from league.players import Match, Outcome, PairResult, Player, Purpose, Snapshot


def a_match(id: int) -> Match:
    return Match(
        id=id,
        teams={"first": "main", "second": "main@3"},
        episodes=4,
        seed=2**62 + id,
        purpose=Purpose.TRAIN,
        nodes={"main": "main@4", "main@3": "main@3"},
        reason={"rule": "self_play", "draw": 0.1 + 0.2, "text": 'ä "quoted" \n'},
    )


def an_outcome(match: int, attempt: int = 1, wins: int = 2) -> Outcome:
    """Four episodes, of which main won `wins`."""
    return Outcome(
        match=match,
        attempt=attempt,
        episodes=4,
        decisions=40,
        pairs=(PairResult(home="main", away="main@3", wins=wins, draws=1, losses=3 - wins),),
        returns=(),
    )


def outcome_of(lease: Lease, wins: int = 2) -> Outcome:
    return an_outcome(lease.match.id, lease.attempt, wins)


def a_player(generation: int = 0) -> Player:
    return Player(name="main", generation=generation, steps=1000 * generation)


def a_snapshot(generation: int = 0, sha256: str = "a" * 64) -> Snapshot:
    parent = None if generation == 0 else f"main@{generation - 1}"
    return Snapshot(
        "main", generation, sha256, parent, steps=1000 * generation, reason="win rate 0.7 over 40 games"
    )
