"""The only code that speaks Redis: what a run knows, one script an intent.

Redis holds the truth of a run and it alone: players, the registry of snapshots, learner checkpoints,
ready, leased and parked matches, and the result log that payoff and ratings are folded from, but for its
older part, which is files (see `archive`). What is acknowledged is on disk (append-only file, fsync always),
so a reply may be trusted after `kill -9`.

Who writes what: the coordinator of the newest epoch writes everything but reports; an actor's writes are
guarded by the attempt that its lease names. Clocks only end leases: they never decide what counts.

Keys, all below `<namespace>:` (a script's header lists those that it touches)
    meta         hash    schema, config, epoch, next_match, last_seq, archived, state
    players      hash    name -> Player
    snapshots    hash    name -> Snapshot
    checkpoints  hash    player -> Checkpoint
    fold         string  the ledger as of a sequence number
    ready        list    ids of matches that wait for an actor, the next one first
    open         hash    id -> {attempt, failures, owner, state, why}
    matches      hash    id -> Match, of the open ones
    leases       zset    id by deadline
    log          stream  <seq>-0 -> {id, match, outcome}, beyond the archived ones (see `archive`)
    done         hash    id -> attempt:digest of the outcome, of every result in `log`
    refused      list    reports that contradict an accepted one, the newest REFUSED_KEPT
    actors       hash    owner -> heartbeat
    status       string  the coordinator's latest figures

Errors
    StoreError
    ├── StoreUnavailable    does not answer, wrong password, too old, takes no writes
    ├── SchemaMismatch      the run was written by another version
    └── StaleEpoch          another coordinator has taken over: stop
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Self

from coordinator.store_connection import Connection
from coordinator.store_reader import SCHEMA, StoreReader
from coordinator.store_types import (
    Checkpoint,
    Commit,
    Expired,
    Lease,
    LoggedResult,
    MatchCounts,
    MatchState,
    OpenMatch,
    RunState,
    SchemaMismatch,
    StaleEpoch,
    StoreError,
    StoreUnavailable,
    Verdict,
)
from league.codec import dumps, from_json, to_json
from league.players import Match, Outcome

__all__ = [
    "Checkpoint",
    "Commit",
    "Expired",
    "Lease",
    "LoggedResult",
    "MatchCounts",
    "MatchState",
    "OpenMatch",
    "RunState",
    "SchemaMismatch",
    "StaleEpoch",
    "Store",
    "StoreError",
    "StoreUnavailable",
    "Verdict",
]

REFUSED_KEPT = 1_000
REPORTS_AT_ONCE = 1_000
"""Reports in one round trip; the server makes them durable together."""
NAMESPACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")


class Store(StoreReader):
    """What one run knows. Every write is on disk when its method returns."""

    def __init__(self, connection: Connection, namespace: str) -> None:
        super().__init__(connection, namespace)
        self._epoch: int | None = None

    @classmethod
    def connect(cls, url: str, namespace: str) -> Self:
        """url: `unix:///path`, `redis://:password@host:port/0` or `rediss://…`.

        Raises StoreUnavailable when the server does not answer, wants another password or is too old.
        """
        if not NAMESPACE.fullmatch(namespace):
            raise StoreError(f"namespace {namespace!r} must match {NAMESPACE.pattern}")
        return cls(Connection(url, namespace), namespace)

    # The run itself

    def create(self, config: dict[str, Any]) -> None:
        """Begin a run. Raises StoreError when the namespace holds one."""
        try:
            self._connection.run("create", SCHEMA, dumps(config), retry=False)
        except StoreUnavailable:
            raise
        except StoreError as error:
            raise StoreError(f"{self._namespace!r} at {self._connection.place}: {error}") from error

    def begin_epoch(self) -> int:
        """Take over as the coordinator: from now on what earlier ones send is refused with StaleEpoch."""
        self.config()
        self._epoch = int(self._connection.run("begin_epoch", SCHEMA))
        return self._epoch

    # The coordinator's writes; each raises StaleEpoch when another coordinator has taken over

    def commit(self, change: Commit) -> int:
        """Write all of a change or nothing of it. Returns the log's last sequence number.

        Raises StoreError when it would overwrite a registered snapshot or record a match a second time.
        """
        players = [(player.name, to_json(player)) for player in change.players]
        snapshots = [(snapshot.name, to_json(snapshot)) for snapshot in change.snapshots]
        checkpoints = [(name, to_json(point)) for name, point in change.checkpoints.items()]
        results = [_result_row(match, outcome) for match, outcome in change.results]
        status = "" if change.status is None else dumps(change.status)
        groups: tuple[Sequence[tuple[str | int, ...]], ...] = (players, snapshots, checkpoints, results)
        return int(
            self._coordinate(
                "commit",
                *(change.state or "", status, change.fold or ""),
                *map(len, groups),
                *(field for rows in groups for row in rows for field in row),
            )
        )

    def offer(self, matches: Sequence[Match]) -> None:
        """Put new matches at the end of the ready list. Ids ascend from `next_match`. Safe to repeat."""
        self._coordinate("offer", *(field for match in matches for field in (match.id, to_json(match))))

    def expire(self, now: float) -> Expired:
        """End the leases whose deadline is past: offered again first, or parked at the third failure."""
        return _expired(self._coordinate("expire", _seconds(now)))

    def release(self, owner: str, *, failed: bool = False) -> list[int]:
        """End all leases of an owner that is gone; returns the matches offered again.

        failed: whether it counts as a failure of the matches (it crashed over them) or not (it left).
        """
        why = f"{owner} died" if failed else ""
        return _expired(self._coordinate("release", owner, why)).reoffered

    def withdraw(self, matches: Sequence[int]) -> int:
        """These are not to count: whoever reports one is told that it is stale. Returns how many were open.

        Safe to repeat; a match that is done stays in the log.
        """
        return int(self._coordinate("withdraw", *matches))

    def trim(self, upto: int) -> int:
        """Results up to this number are safe elsewhere: forget them. Returns up to which all are forgotten.

        A report of one of them that is sent again is called stale from now on. Safe to repeat. Raises
        StoreError where it would be the newest, by which a run is known.
        """
        return int(self._coordinate("trim", upto))

    def set_state(self, state: str) -> None:
        """state: `running`, `stopped` or `finished`."""
        if state not in set(RunState):
            raise StoreError(f"state is {state!r}, but must be {' or '.join(RunState)}")
        self.commit(Commit(state=RunState(state)))

    def put_status(self, status: dict[str, Any]) -> None:
        """The latest figures, for whoever looks at the run."""
        self.commit(Commit(status=status))

    # An actor's writes

    def lease(self, owner: str, limit: int, deadline: float) -> list[Lease]:
        """Claim up to `limit` ready matches, oldest first, until a Unix time in seconds.

        When the reply is lost, the matches come back at the deadline: the command is never sent twice.
        """
        if limit < 1:
            return []
        reply = self._connection.run("lease", owner, limit, _seconds(deadline), retry=False)
        return [
            Lease(match=from_json(Match, match), attempt=int(attempt), deadline=deadline)
            for _, attempt, match in zip(*[iter(reply)] * 3, strict=True)
        ]

    def renew(self, owner: str, deadline: float) -> None:
        """Move the deadline of everything that an owner leases; never to an earlier time."""
        self._connection.run("renew", owner, _seconds(deadline))

    def report(self, outcomes: Sequence[Outcome]) -> list[Verdict]:
        """Report what came of matches, in one round trip; each is counted exactly once. Safe to repeat."""
        rows = [(outcome.match, outcome.attempt, *_digested(outcome), REFUSED_KEPT) for outcome in outcomes]
        return [
            Verdict(reply)
            for start in range(0, len(rows), REPORTS_AT_ONCE)
            for reply in self._connection.run_many("report", rows[start : start + REPORTS_AT_ONCE])
        ]

    def fail(self, match: int, attempt: int, why: str) -> None:
        """Give a failed match back: offered again, or parked at the third failure. Safe to repeat."""
        self._connection.run("fail", match, attempt, why or "failed")

    def give_back(self, match: int, attempt: int) -> None:
        """Give back a match that did nothing wrong: offered again, no failure counted. Safe to repeat."""
        self._connection.run("fail", match, attempt, "")

    def heartbeat(self, owner: str, beat: dict[str, Any]) -> None:
        """Say that an actor lives, with its figures."""
        self._command("hset", "actors", owner, dumps(beat))

    def _coordinate(self, script: str, *args: str | int) -> Any:
        if self._epoch is None:
            raise StaleEpoch(f"{script} before begin_epoch: only the coordinator of the run may do this")
        return self._connection.run(script, self._epoch, *args)


def _digested(outcome: Outcome) -> tuple[str, str]:
    text = to_json(outcome)
    return sha256(text.encode()).hexdigest(), text


def _result_row(match: Match, outcome: Outcome) -> tuple[int, int, str, str, str]:
    if outcome.match != match.id:
        raise StoreError(f"the outcome of match {outcome.match} came with match {match.id}")
    digest, text = _digested(outcome)
    return match.id, outcome.attempt, digest, to_json(match), text


def _seconds(time: float) -> str:
    if not math.isfinite(time):
        raise StoreError(f"time is {time}, but must be finite seconds")
    return repr(float(time))


def _expired(reply: Sequence[str]) -> Expired:
    ended = sorted((int(id), state) for id, state in zip(reply[::2], reply[1::2], strict=True))
    return Expired(
        reoffered=[id for id, state in ended if state == MatchState.READY],
        parked=[id for id, state in ended if state == MatchState.PARKED],
    )
