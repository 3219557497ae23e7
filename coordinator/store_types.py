"""What goes in and out of the store: plain data, and the ways in which it fails."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from league.players import Match, Outcome, Player, Snapshot


class StoreError(Exception):
    """The store refused, or failed. The message is one line for the user to read."""


class StoreUnavailable(StoreError):  # noqa: N818 - a state of affairs, not a mistake
    """It does not answer, wants another password, or is too old."""


class SchemaMismatch(StoreError):  # noqa: N818 - a state of affairs, not a mistake
    """The run was written by another version of this program."""


class StaleEpoch(StoreError):  # noqa: N818 - a state of affairs, not a mistake
    """Another coordinator has taken over: stop, without writing anything more."""


class RunState(StrEnum):
    """stopped -> running -> stopped | finished; finished -> running (a resume with a further goal)."""

    STOPPED = "stopped"
    RUNNING = "running"
    FINISHED = "finished"


class MatchState(StrEnum):
    """ready -> leased -> done | ready (attempt + 1) | parked (after three failures).

    A match that is done is no longer open: it stands in the log.
    """

    READY = "ready"
    LEASED = "leased"
    PARKED = "parked"


class Verdict(StrEnum):
    """What became of a report."""

    ACCEPTED = "accepted"
    """Counted, once, and on disk."""
    REPEATED = "repeated"
    """The same report was accepted before: nothing more to do."""
    STALE = "stale"
    """Not of the current attempt: another actor plays or played the match."""
    CONFLICT = "conflict"
    """The same attempt reported something else before: not counted, kept for a person to see."""
    UNKNOWN = "unknown"
    """There never was such a match."""


@dataclass(frozen=True)
class Checkpoint:
    """Where a player's learner can go on from."""

    player: str
    sha256: str
    """Name of its folder below the run's checkpoints."""
    steps: int
    """Decisions that the player was trained on."""
    version: int
    """Weight version of the learner."""
    generation: int
    """Generation in the making."""


@dataclass(frozen=True)
class Commit:
    """What one decision of the coordinator changes: all of it is written, or nothing."""

    players: tuple[Player, ...] = ()
    """New or changed players."""
    snapshots: tuple[Snapshot, ...] = ()
    """Newly frozen generations; their files are on disk already. A registered one never changes."""
    checkpoints: dict[str, Checkpoint] = field(default_factory=dict)
    """Player -> where its learner can go on from."""
    fold: str | None = None
    """The ledger, with the sequence number up to which it has read the log."""
    results: tuple[tuple[Match, Outcome], ...] = ()
    """Matches that were made and played in one place, never offered; logged in this order."""
    status: dict[str, Any] | None = None
    """The coordinator's latest figures."""
    state: RunState | None = None
    """Whether the run goes on."""


@dataclass(frozen=True)
class Lease:
    """An actor's claim on a match until a time."""

    match: Match
    attempt: int
    """Counts from 1; goes into the outcome."""
    deadline: float
    """Unix time in seconds after which the match may be offered again."""


@dataclass(frozen=True)
class Expired:
    """Matches whose lease was ended, by id, ascending."""

    reoffered: list[int]
    parked: list[int]


@dataclass(frozen=True)
class OpenMatch:
    """A match that has no accepted outcome yet."""

    id: int
    match: Match
    attempt: int
    failures: int
    owner: str | None
    """Who leases it."""
    state: MatchState
    why: str
    """Why the latest attempt failed; empty when none did."""
    deadline: float | None
    """Unix time in seconds at which its lease ends; None where it has none."""


@dataclass(frozen=True)
class LoggedResult:
    """One line of the result log."""

    seq: int
    """Counts from 1 without a gap."""
    match: Match
    outcome: Outcome


@dataclass(frozen=True)
class MatchCounts:
    """Matches by state."""

    ready: int
    leased: int
    parked: int
    done: int
    """Results in the log."""
    refused: int
    """Reports that contradict an accepted one; the newest are kept."""
