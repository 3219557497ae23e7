"""What every face of a run shows, as plain rows: pure over what the store returns.

`--json` prints the rows of `leaderboard_rows`, `status_report`, `match_rows` and `snapshot_rows` as
they are: their keys, order and meaning are a stable interface. A `Frame` is one picture of a running
(or stopped) run; the terminal view and the web page draw the same frame.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from coordinator.store_types import LoggedResult, MatchCounts, MatchState, OpenMatch
from coordinator.words import opponents_in_words, reason_in_words, result_in_words
from league.leaderboard import RankedRow, RatedRow, ReturnRow, Row
from league.players import Match, Player, Snapshot

Json = dict[str, Any]


@dataclass(frozen=True)
class PlayerLine:
    """A live player, as a face shows it."""

    name: str
    role: str
    generation: int
    """The generation in the making."""
    steps: int
    """Decisions it was trained on."""
    version: int | None = None
    """Updates that its newest weights have seen; None where the run did not say."""
    rating: float | None = None
    """Of the generation in the making, in the frame's measure; None before its first game."""
    low: float | None = None
    """Lower end of the rating's 95 % interval."""
    high: float | None = None


@dataclass(frozen=True)
class MatchLine:
    """A match, in words."""

    id: int
    opponents: str
    """`main vs main@3`."""
    result: str
    """`+20 =1 −11`: won, drawn and lost by the first named."""
    reason: str
    """`past: main@3, one of 5`."""
    state: str = "done"
    """`done`, `ready`, `leased` or `parked`."""


@dataclass(frozen=True)
class Frame:
    """One picture of a run."""

    run: str
    """Name of its folder."""
    game: str
    state: str = "running"
    seconds: float = 0.0
    """Trained so far, over all starts of the run."""
    steps: int = 0
    """Decisions trained on, over the whole league."""
    updates: int = 0
    steps_per_second: float = 0.0
    policy_lag: float = 0.0
    """Mean over the last batches: learner version - version that acted."""
    measure: str = "Elo"
    """What the ratings are: `Elo`, or `return` in a game of one team."""
    players: tuple[PlayerLine, ...] = ()
    actors: Mapping[str, Json] = field(default_factory=dict)
    """Owner -> its last heartbeat."""
    matches: Mapping[str, int] = field(default_factory=dict)
    """`ready`, `leased`, `done`, `parked` -> how many."""
    last: tuple[MatchLine, ...] = ()
    """The last finished matches, newest first."""
    notes: tuple[str, ...] = ()
    """What a person should know now: warnings first seen, actors restarted, snapshots taken."""
    progress: float | None = None
    """0 to 1 of what was asked for; None where the run goes on until it is stopped."""


def frame(
    *,
    run: str,
    game: str,
    state: str,
    status: Mapping[str, Any],
    players: Mapping[str, Player],
    rows: Sequence[Row],
    actors: Mapping[str, Json],
    counts: MatchCounts,
    results: Sequence[LoggedResult],
    notes: Sequence[str] = (),
    progress: float | None = None,
) -> Frame:
    """Draw a run together from what the store returns; `results` oldest first."""
    ratings = {(row.player, row.generation): row for row in rows}
    versions = status.get("versions", {})
    lines = [
        _player_line(player, ratings.get((player.name, player.generation)), versions.get(player.name))
        for player in players.values()
        if player.role.learns
    ]
    return Frame(
        run=run,
        game=game,
        state=state,
        **_figures(status, players),
        measure="return" if any(isinstance(row, ReturnRow) for row in rows) else "Elo",
        players=tuple(lines),
        actors=actors,
        matches=_counts(counts),
        last=tuple(match_line(result) for result in reversed(results)),
        notes=tuple(notes),
        progress=progress,
    )


def match_line(result: LoggedResult) -> MatchLine:
    """A logged result in words."""
    match = result.match
    return MatchLine(
        id=match.id,
        opponents=opponents_in_words(match),
        result=result_in_words(match, result.outcome),
        reason=reason_in_words(match.reason),
    )


def open_line(match: OpenMatch) -> MatchLine:
    """A match that has no outcome yet, in words; of a parked one, what went wrong."""
    return MatchLine(
        id=match.id,
        opponents=opponents_in_words(match.match),
        result=match.why if match.state is MatchState.PARKED else "",
        reason=reason_in_words(match.match.reason),
        state=match.state.value,
    )


def leaderboard_rows(rows: Iterable[Row]) -> list[Json]:
    """`league leaderboard --json`: best first. A game of one team has returns, and null for Elo;
    one of more than two has skills beside it."""
    return [_leaderboard_row(row) for row in rows]


def status_report(
    run: str,
    state: str,
    status: Mapping[str, Any],
    players: Mapping[str, Player],
    actors: Mapping[str, Json],
    counts: MatchCounts,
) -> Json:
    """`league status --json`."""
    versions = status.get("versions", {})
    return {
        "run": run,
        "state": state,
        **_figures(status, players),
        "players": {
            player.name: {
                "role": player.role.value,
                "team": player.team,
                "generation": player.generation,
                "steps": player.steps,
                "version": versions.get(player.name),
            }
            for player in players.values()
        },
        "actors": dict(actors),
        "matches": _counts(counts),
        "stages": status.get("stages", {}),
        "forfeits": status.get("forfeits", {}),
        "forgetting": status.get("forgetting", []),
    }


def match_rows(results: Iterable[LoggedResult], open_matches: Iterable[OpenMatch]) -> list[Json]:
    """`league matches --json`: oldest first; the outcome of a match that is not done is null.

    A parked match has `{"failures", "why"}` for its outcome: what a person needs to judge it.
    """
    done = [_match_row(r.match, "done", _outcome(asdict(r.outcome))) for r in results]
    waiting = [
        _match_row(
            m.match,
            m.state.value,
            {"failures": m.failures, "why": m.why} if m.state is MatchState.PARKED else None,
        )
        for m in open_matches
    ]
    return sorted(done + waiting, key=lambda row: int(row["id"]))


def snapshot_rows(snapshots: Iterable[Snapshot], path: Callable[[Snapshot], object]) -> list[Json]:
    """`league snapshots --json`: in the order given. path: where a snapshot's files are."""
    return [
        {
            "player": snapshot.player,
            "generation": snapshot.generation,
            "sha256": snapshot.sha256,
            "parent": snapshot.parent,
            "steps": snapshot.steps,
            "reason": snapshot.reason,
            "path": str(path(snapshot)),
        }
        for snapshot in snapshots
    ]


def _player_line(player: Player, row: Row | None, version: int | None) -> PlayerLine:
    rating, low, high = _strength(row) if row and row.games else (None, None, None)
    return PlayerLine(
        name=player.name,
        role=player.role.value,
        generation=player.generation,
        steps=player.steps,
        version=version,
        rating=rating,
        low=low,
        high=high,
    )


def _strength(row: Row) -> tuple[float | None, float | None, float | None]:
    match row:
        case RatedRow():
            return _finite(row.elo), _finite(row.elo_low), _finite(row.elo_high)
        case ReturnRow():
            return row.return_mean, row.return_low, row.return_high
        case _:
            return None, None, None


def _figures(status: Mapping[str, Any], players: Mapping[str, Player]) -> Json:
    """The coordinator's latest figures; a run that was just made has none yet."""
    return {
        "steps": status.get("steps", sum(player.steps for player in players.values())),
        "updates": status.get("updates", 0),
        "seconds": status.get("seconds", 0.0),
        "steps_per_second": status.get("steps_per_second", 0.0),
        "policy_lag": status.get("policy_lag", 0.0),
    }


def _counts(counts: MatchCounts) -> dict[str, int]:
    return {"ready": counts.ready, "leased": counts.leased, "done": counts.done, "parked": counts.parked}


def _match_row(match: Match, state: str, outcome: Json | None) -> Json:
    return {
        "id": match.id,
        "purpose": match.purpose.value,
        "state": state,
        "teams": dict(match.teams),
        "reason": dict(match.reason),
        "outcome": outcome,
    }


def _outcome(outcome: Json) -> Json:
    return {key: value for key, value in outcome.items() if key != "match"}


def _leaderboard_row(row: Row) -> Json:
    elo = _strength(row) if isinstance(row, RatedRow) else (None, None, None)
    head = {"player": row.player, "generation": row.generation, "role": row.role}
    rated = dict(zip(("elo", "elo_low", "elo_high"), elo, strict=True))
    counts = {"games": row.games, "wins": row.wins, "draws": row.draws, "losses": row.losses}
    masses = {"nash": _finite(row.nash), "alpha_rank": _finite(row.alpha_rank)}
    more = {}
    if isinstance(row, ReturnRow):
        more = dict(zip(("return_mean", "return_low", "return_high"), _strength(row), strict=True))
    if isinstance(row, RankedRow):
        more = {"skill": row.skill, "skill_low": row.skill_low, "skill_high": row.skill_high}
    return {**head, **rated, **counts, **masses, **more}


def _finite(number: float | None) -> float | None:
    """JSON knows no infinity and no NaN."""
    return number if number is not None and math.isfinite(number) else None
