"""Reading a run for a face: opens its store, brings the ledger up to the log, and draws it together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coordinator.archive import Archive, ResultLog
from coordinator.coordinator import SCRIPTED
from coordinator.options import from_plain
from coordinator.redis_server import living_server
from coordinator.report import (
    Frame,
    MatchLine,
    frame,
    leaderboard_rows,
    match_line,
    match_rows,
    open_line,
    snapshot_rows,
    status_report,
)
from coordinator.run_folder import RunFolder
from coordinator.run_store import open_store
from coordinator.store_types import MatchState, RunState
from league.config import LeagueConfig
from league.leaderboard import Row, leaderboard, mixture, remark
from league.ledger import Ledger
from league.view import LeagueView

if TYPE_CHECKING:
    from coordinator.store import Store

LAST = 12
"""Finished matches in a frame."""


@dataclass(frozen=True)
class Reading:
    """A run whose store is open. Every method asks the store anew."""

    run: RunFolder
    store: Store
    living: bool
    """Whether a process runs it, as far as can be told from here."""

    @property
    def log(self) -> ResultLog:
        """Every result, archived or not."""
        return ResultLog(self.store, Archive(self.run.archive))

    @property
    def state(self) -> str:
        """`running`, `stopped`, `finished`, or `interrupted`: it was killed, and can be resumed."""
        state = str(self.store.state())
        return "interrupted" if state == RunState.RUNNING and not self.living else state

    def view(self) -> LeagueView:
        """The league now, results that no coordinator has folded yet included."""
        fold = self.store.fold()
        league = self._league
        ledger = Ledger.from_json(fold) if fold else Ledger(decay=league.payoff_decay, elo_k=league.elo_k)
        for result in self.log.after(ledger.seq):
            ledger.apply(result.seq, result.match, result.outcome)
        players = self.store.players()
        latest = self.store.last_results(1)
        return LeagueView(
            players=players,
            snapshots=self.store.snapshots(),
            ledger=ledger,
            # Of the game only what its matches tell: to make the game itself could take its packages.
            teams=tuple(latest[0].match.teams) if latest else (),
            symmetric=all(player.team is None for player in players.values()),
            scripted=SCRIPTED,
        )

    def rows(self) -> Sequence[Row]:
        """The leaderboard, best first."""
        return leaderboard(self.view(), self._league.prior_draws)

    def leaderboard(self) -> list[dict[str, Any]]:
        """Rows of `league leaderboard --json`."""
        return leaderboard_rows(self.rows())

    def board(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """The leaderboard for people: the same rows, and which of them are still in the making."""
        return [{**line, "live": row.live} for line, row in zip(leaderboard_rows(rows), rows, strict=True)]

    def ranking(self) -> tuple[Sequence[Row], str]:
        """The leaderboard, best first, and the line under it: what one number a player hides."""
        view = self.view()
        rows = leaderboard(view, self._league.prior_draws)
        return rows, remark(rows, view)

    def mixture(self) -> dict[str, float]:
        """See `league.leaderboard.mixture`."""
        return mixture(self.rows())

    @property
    def _league(self) -> LeagueConfig:
        return from_plain(LeagueConfig, self.run.config["league"])

    def status(self) -> dict[str, Any]:
        """What `league status --json` prints."""
        store = self.store
        return status_report(
            str(self.run.path), self.state, store.status(), store.players(), store.actors(), store.counts()
        )

    def matches(self, last: int | None = None) -> list[dict[str, Any]]:
        """Oldest first; `last` of the newest results beside the open matches, or all."""
        results = self.log.after(0) if last is None else self.log.last(last)
        rows = match_rows(results, self.store.open_matches())
        return rows if last is None else rows[-last:]

    def match_lines(self, last: int) -> list[MatchLine]:
        """The newest results, and every match that is parked or being played, in words; oldest first."""
        lines = [match_line(result) for result in self.log.last(last)]
        begun = [match for match in self.store.open_matches() if match.state is not MatchState.READY]
        return sorted([*lines, *map(open_line, begun)], key=lambda line: line.id)

    def snapshots(self) -> list[dict[str, Any]]:
        """Rows of `league snapshots --json`."""
        return snapshot_rows(self.store.snapshots(), lambda one: self.run.snapshots / one.sha256)

    def frame(self, rows: Sequence[Row]) -> Frame:
        """A picture of the run; rows: its leaderboard, which takes longest to make."""
        store, status = self.store, self.store.status()
        return frame(
            run=self.run.path.name,
            game=game_of(self.run),
            state=self.state,
            status=status,
            players=store.players(),
            rows=rows,
            actors=store.actors(),
            counts=store.counts(),
            results=store.last_results(LAST),
            notes=status.get("notes", ()),
        )

    def page(self) -> dict[str, Any]:
        """Everything that the web page shows, as JSON."""
        rows, line = self.ranking()
        return {**asdict(self.frame(rows)), "leaderboard": self.board(rows), "remark": line}


@contextmanager
def reading(path: Path, redis: str | None = None) -> Iterator[Reading]:
    """Open a run to look at it, whether it lives or rests.

    redis: URL of its server; None for the one that it was made with.
    Raises what RunFolder.open and open_store raise.
    """
    run = RunFolder.open(path)
    url = redis or redis_of(run)
    # A server elsewhere lives on without its run: only the folder's own one tells that somebody runs it.
    living = url is not None or living_server(run.redis) is not None
    with open_store(run, url) as store:
        yield Reading(run, store, living)


def game_of(run: RunFolder) -> str:
    """Name of the game that a run plays."""
    return str(run.config["game"]["name"])


def redis_of(run: RunFolder) -> str | None:
    """The server that a run was made with; None for the one in its folder."""
    return str(run.config["runtime"]["redis"]) or None
