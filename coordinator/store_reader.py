"""Reading what a run knows: everything that a face of the run, or its doctor, may ask the store."""

from __future__ import annotations

from typing import Any, Self

from coordinator.store_connection import Connection
from coordinator.store_types import (
    Checkpoint,
    LoggedResult,
    MatchCounts,
    MatchState,
    OpenMatch,
    SchemaMismatch,
    StoreError,
)
from league.codec import from_json, loads
from league.players import Match, Outcome, Player, Snapshot

SCHEMA = 1


class StoreReader:
    """The half of the store that changes nothing."""

    def __init__(self, connection: Connection, namespace: str) -> None:
        self._connection = connection
        self._namespace = namespace

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def exists(self) -> bool:
        return bool(self._command("exists", "meta"))

    def config(self) -> dict[str, Any]:
        """What `create` was given. Raises StoreError without a run, SchemaMismatch for a foreign one."""
        schema, config = self._command("hmget", "meta", ["schema", "config"])
        if schema is None:
            raise StoreError(f"there is no run {self._namespace!r} at {self._connection.place}")
        if schema != str(SCHEMA):
            raise SchemaMismatch(
                f"the run {self._namespace!r} has schema {schema}, this program reads schema {SCHEMA}: "
                "use the version of selfplay-league that wrote it"
            )
        plain: dict[str, Any] = loads(config)
        return plain

    def players(self) -> dict[str, Player]:
        """Player of each name, by name."""
        rows = self._command("hgetall", "players")
        return {name: from_json(Player, rows[name]) for name in sorted(rows)}

    def snapshots(self) -> list[Snapshot]:
        """Oldest first: by generation, then by player."""
        rows = [from_json(Snapshot, text) for text in self._command("hvals", "snapshots")]
        return sorted(rows, key=lambda snapshot: snapshot.order)

    def checkpoints(self) -> dict[str, Checkpoint]:
        """The newest checkpoint of each player."""
        rows = self._command("hgetall", "checkpoints")
        return {player: from_json(Checkpoint, rows[player]) for player in sorted(rows)}

    def fold(self) -> str | None:
        """The ledger as last committed."""
        text: str | None = self._command("get", "fold")
        return text

    def archived(self) -> int:
        """Results that have left for the archive: all up to this sequence number; 0 when none has."""
        return int(self._command("hget", "meta", "archived") or 0)

    def results(self, after: int, limit: int = 1000) -> list[LoggedResult]:
        """The log beyond sequence number `after`, in order, without what is archived (see `ResultLog`)."""
        return [_logged(row) for row in self._command("xrange", "log", f"{after + 1}-0", "+", limit)]

    def last_results(self, limit: int) -> list[LoggedResult]:
        """The newest of the log, in order, without what is archived (see `ResultLog`)."""
        return [_logged(row) for row in reversed(self._command("xrevrange", "log", "+", "-", limit))]

    def open_matches(self) -> list[OpenMatch]:
        """Every match without an accepted outcome, by id; all as of one moment."""
        with self._connection.named_errors(), self._connection.client.pipeline(transaction=True) as moment:
            moment.hgetall(self._key("open"))
            moment.hgetall(self._key("matches"))
            moment.zrange(self._key("leases"), 0, -1, withscores=True)
            entries, matches, leases = moment.execute()
        deadlines = dict(leases)
        return [
            _open_match(loads(entries[id]), from_json(Match, matches[id]), deadlines.get(id))
            for id in sorted(entries, key=int)
        ]

    def refused(self) -> list[Outcome]:
        """Reports that contradict an accepted one, oldest first."""
        return [from_json(Outcome, text) for text in self._command("lrange", "refused", 0, -1)]

    def counts(self) -> MatchCounts:
        with self._connection.named_errors(), self._connection.client.pipeline(transaction=True) as moment:
            moment.llen(self._key("ready"))
            moment.zcard(self._key("leases"))
            moment.hlen(self._key("open"))
            moment.llen(self._key("refused"))
            moment.hget(self._key("meta"), "last_seq")
            ready, leased, unfinished, refused, last_seq = moment.execute()
        return MatchCounts(
            ready=ready,
            leased=leased,
            parked=unfinished - ready - leased,
            done=int(last_seq or 0),
            refused=refused,
        )

    def epoch(self) -> int:
        """Coordinators that this run has had."""
        return self._number("epoch")

    def next_match(self) -> int:
        """Id of the next match to be made; the first is 1."""
        return self._number("next_match")

    def state(self) -> str:
        """`running`, `stopped` or `finished`. After a crash it still says running."""
        return str(self._command("hget", "meta", "state"))

    def status(self) -> dict[str, Any]:
        """The figures of the last `put_status`; empty before the first."""
        text = self._command("get", "status")
        plain: dict[str, Any] = {} if text is None else loads(text)
        return plain

    def actors(self) -> dict[str, dict[str, Any]]:
        """The latest heartbeat of each owner."""
        rows = self._command("hgetall", "actors")
        return {owner: loads(rows[owner]) for owner in sorted(rows)}

    def weaknesses(self) -> list[str]:
        """Why the server may lose what it has acknowledged, in words; empty when it does not."""
        return self._connection.weaknesses()

    # Plumbing

    def _key(self, name: str) -> str:
        return self._connection.key(name)

    def _command(self, command: str, key: str, *args: Any) -> Any:
        with self._connection.named_errors():
            return getattr(self._connection.client, command)(self._key(key), *args)

    def _number(self, field: str) -> int:
        return int(self._command("hget", "meta", field))


def _logged(row: tuple[str, dict[str, str]]) -> LoggedResult:
    stamp, fields = row
    return LoggedResult(
        seq=int(stamp.partition("-")[0]),
        match=from_json(Match, fields["match"]),
        outcome=from_json(Outcome, fields["outcome"]),
    )


def _open_match(entry: dict[str, Any], match: Match, deadline: float | None) -> OpenMatch:
    return OpenMatch(
        id=match.id,
        match=match,
        attempt=entry["attempt"],
        failures=entry["failures"],
        owner=entry["owner"] or None,
        state=MatchState(entry["state"]),
        why=entry["why"],
        deadline=deadline,
    )
