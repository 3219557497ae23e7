"""What the doctor looks at: a run's store and files, each read once."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from itertools import takewhile

from coordinator.archive import Archive, ResultLog
from coordinator.run_folder import RunFolder
from coordinator.store import LoggedResult, OpenMatch, Store
from league.ledger import Ledger
from league.players import LeagueError


@dataclass
class Logged:
    """What one reading of the whole log comes to. It may be long: nothing else of it is kept."""

    folded: int
    """Number of the last result in the stored ledger."""
    again: Ledger
    """The log folded once more, up to there."""
    last: int = 0
    """Number of the last result."""
    games: int = 0
    """In the results that are folded."""
    done: set[int] = field(default_factory=set)
    """Matches that have a result."""
    twice: list[int] = field(default_factory=list)
    """Matches that have another."""

    def add(self, result: LoggedResult) -> None:
        """The next result."""
        if result.match.id in self.done:
            self.twice.append(result.match.id)
        self.done.add(result.match.id)
        self.last = result.seq
        if result.seq <= self.folded:
            self.again.apply(result.seq, result.match, result.outcome)
            self.games += sum(pair.wins + pair.draws + pair.losses for pair in result.outcome.pairs)


class Subject:
    """What the checks look at, read once; the log last, so that in a living run it covers the rest."""

    def __init__(self, run: RunFolder, store: Store) -> None:
        self.run = run
        self.store = store

    @cached_property
    def fold(self) -> str | None:
        return self.store.fold()

    @cached_property
    def open_matches(self) -> list[OpenMatch]:
        return self.store.open_matches()

    @cached_property
    def acknowledged(self) -> int:
        """Results in the log, by the store's own count."""
        return self.store.counts().done

    @cached_property
    def ledger(self) -> Ledger | None:
        """As it is stored; None before the first commit."""
        return None if self.fold is None else Ledger.from_json(self.fold)

    @cached_property
    def archive(self) -> Archive:
        return Archive(self.run.archive)

    @cached_property
    def log(self) -> Logged:
        """Up to what is acknowledged; more may come in the meantime."""
        stored, _ = Ledger(), self.open_matches
        with suppress(LeagueError):  # the check of the ledger tells
            stored = self.ledger or stored
        logged = Logged(stored.seq, Ledger(decay=stored.decay, elo_k=stored.elo_k))
        upto = self.acknowledged
        log = ResultLog(self.store, self.archive).after(0)
        for result in takewhile(lambda result: result.seq <= upto, log):
            logged.add(result)
        return logged
