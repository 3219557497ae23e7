"""Every invariant of a run, as functions: what must hold whether the run lives, rests or was killed.

Each check reads the store and the files and changes nothing. `diagnose` gathers them in one table.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from os import getpid

from coordinator.doctor_subject import Subject
from coordinator.run_folder import RunFolder, RunFolderError
from coordinator.snapshots import SnapshotError, SnapshotStore
from coordinator.store import MatchState, OpenMatch, Store, StoreError
from league.players import LeagueError, Player, Snapshot

OVERDUE_SECONDS = 60.0
"""A living coordinator ends leases long before they are overdue by this much."""


@dataclass(frozen=True)
class Check:
    """One invariant, and whether it holds."""

    name: str
    ok: bool
    detail: str
    """What was looked at, or what is wrong."""


def diagnose(run: RunFolder, store: Store) -> list[Check]:
    """Check everything that can be checked. A check that cannot be carried out fails; the others go on."""
    subject = Subject(run, store)
    return [_carried_out(name, check, subject) for name, check in CHECKS.items()]


def _carried_out(name: str, check: Callable[[Subject], Check], subject: Subject) -> Check:
    try:
        return check(subject)
    except (StoreError, LeagueError, SnapshotError, RunFolderError, OSError) as error:
        return Check(name, False, str(error))


def configuration(subject: Subject) -> Check:
    """The folder and the store tell of the same run."""
    on_disk = RunFolder.open(subject.run.path).config
    same = on_disk == subject.store.config()
    return Check(
        "configuration", same, "readable" if same else "config.json is not what the run was created with"
    )


def durability(subject: Subject) -> Check:
    """The server keeps what it has acknowledged; a weaker one is pointed out, for it may be meant so."""
    weak = subject.store.weaknesses()
    return Check(
        "durability", True, f"but {'; '.join(weak)}" if weak else "every write is on disk, nothing evicted"
    )


def snapshots(subject: Subject) -> Check:
    """Every registered snapshot is on disk as it was written."""
    registered = {snapshot.name: snapshot.sha256 for snapshot in subject.store.snapshots()}
    registered |= {name: one.weights for name, one in subject.store.players().items() if one.weights}
    return _verified("snapshots", SnapshotStore(subject.run.snapshots), registered)


def checkpoints(subject: Subject) -> Check:
    """Every player's learner can go on from its registered checkpoint."""
    registered = {name: point.sha256 for name, point in subject.store.checkpoints().items()}
    return _verified("checkpoints", SnapshotStore(subject.run.checkpoints), registered)


def archive(subject: Subject) -> Check:
    """The segments follow each other without gap or overlap, and each is as it was written."""
    archived, end = subject.store.archived(), 0  # in this order: what has left the store is in a segment
    segments = subject.archive.segments()
    for segment in segments:
        if segment.first > end + 1:
            break
        if segment.first <= end:
            return Check("archive", False, f"{segment.name}: results up to {end} are in another segment too")
        subject.archive.read(segment)
        end = segment.last
    else:
        if end >= archived:
            return Check(
                "archive", True, f"{end} results in {len(segments)} segments, each as it was written"
            )
    return Check(
        "archive", False, f"result {end + 1} is missing, which has left the store: no segment holds it"
    )


def log(subject: Subject) -> Check:
    """The log's sequence numbers have no gap, its end is there, and no match stands in it twice."""
    logged = subject.log
    if logged.last != subject.acknowledged:
        return Check("log", False, f"it ends at {logged.last}, acknowledged were {subject.acknowledged}")
    if logged.twice:
        return Check("log", False, f"recorded more than once: {_matches(logged.twice)}")
    return Check("log", True, f"{logged.last} results without a gap")


def fold(subject: Subject) -> Check:
    """The ledger in the store is what folding the log again gives, byte for byte."""
    ledger = subject.ledger
    if ledger is None:
        return Check("fold", True, "no ledger yet")
    same = subject.log.again.to_json() == subject.fold
    return Check(
        "fold", same, f"the ledger at result {ledger.seq} is {'' if same else 'not '}what the log folds to"
    )


def payoff(subject: Subject) -> Check:
    """The ledger counts every game of the log once, by a sum that does without the ledger's arithmetic."""
    ledger, logged = subject.ledger, subject.log.games
    if ledger is None:
        return Check("payoff", True, "no ledger yet")
    first = sum(sum(seats.first) for seats in ledger.seats.values())
    second = sum(sum(seats.second) for seats in ledger.seats.values())
    return Check(
        "payoff",
        logged == first == second,
        f"{logged} games in the log, {first} and {second} by the ledger's seats",
    )


def matches(subject: Subject) -> Check:
    """Every open match is in one state, and none is done as well."""
    done = subject.log.done
    open_still = {match.id for match in subject.store.open_matches()}
    if both := [match.id for match in subject.open_matches if match.id in done & open_still]:
        return Check("matches", False, f"both open and done: {_matches(both)}")
    if odd := [match.id for match in subject.open_matches if _is_odd(match)]:
        return Check("matches", False, f"leased without owner or deadline, or the reverse: {_matches(odd)}")
    parked = sum(match.state is MatchState.PARKED for match in subject.open_matches)
    return Check(
        "matches", True, f"{len(subject.open_matches)} open, of which {parked} parked; none is done as well"
    )


def leases(subject: Subject) -> Check:
    """A living coordinator leaves no lease overdue; in a run that rests, leases wait for its resume."""
    leased = [match for match in subject.open_matches if match.state is MatchState.LEASED]
    if subject.run.holder() in (None, getpid()):
        return Check("leases", True, f"{len(leased)} leases, nobody runs the run")
    late = [match.id for match in leased if (match.deadline or 0.0) < time.time() - OVERDUE_SECONDS]
    return Check("leases", not late, f"overdue: {_matches(late)}" if late else f"{len(leased)}, none overdue")


def generations(subject: Subject) -> Check:
    """Every player's generations follow each other, and every parent is there."""
    registered = subject.store.snapshots()
    wrong = [*_gaps(subject.store.players().values(), registered), *_orphans(registered)]
    return Check(
        "generations", not wrong, "; ".join(wrong) or f"{len(registered)} snapshots, each with its parent"
    )


def refused(subject: Subject) -> Check:
    """No report contradicts one that was accepted."""
    reports = subject.store.refused()
    if reports:
        return Check(
            "refused", False, f"contradicting reports of {_matches([outcome.match for outcome in reports])}"
        )
    return Check("refused", True, "none")


def leftovers(subject: Subject) -> Check:
    """No crashed writer has left a temporary file behind (opening a snapshot folder clears its own)."""
    found = sorted(subject.run.path.rglob(".tmp-*"))
    if found and subject.run.holder() not in (None, getpid()):
        return Check("leftovers", True, f"{len(found)} files being written")
    return Check("leftovers", not found, f"left over: {found[0]}" if found else "none")


CHECKS: dict[str, Callable[[Subject], Check]] = {
    check.__name__: check
    for check in (
        configuration,
        durability,
        snapshots,
        checkpoints,
        generations,
        archive,
        log,
        fold,
        payoff,
        matches,
        leases,
        refused,
        leftovers,
    )
}


def _verified(name: str, folder: SnapshotStore, registered: dict[str, str]) -> Check:
    wrong = []
    for owner, sha256 in registered.items():
        try:
            folder.read(sha256)
        except SnapshotError as error:
            wrong.append(f"{owner}: {error}")
    return Check(name, not wrong, "; ".join(wrong) or f"{len(registered)} registered, each as it was written")


def _is_odd(match: OpenMatch) -> bool:
    leased = match.state is MatchState.LEASED
    return leased != (match.owner is not None) or leased != (match.deadline is not None)


def _gaps(players: Iterable[Player], registered: Sequence[Snapshot]) -> Iterator[str]:
    for player in players:
        there = [snapshot.generation for snapshot in registered if snapshot.player == player.name]
        if player.role.learns and there != list(range(player.generation)):
            yield f"{player.name} is in generation {player.generation}, its snapshots are {there}"


def _orphans(registered: Sequence[Snapshot]) -> Iterator[str]:
    names = {snapshot.name for snapshot in registered}
    for snapshot in registered:
        if snapshot.parent is not None and snapshot.parent not in names:
            yield f"{snapshot.name} grew from {snapshot.parent}, which is not there"


def _matches(ids: Sequence[int], shown: int = 5) -> str:
    more = f" and {len(ids) - shown} more" if len(ids) > shown else ""
    return f"match {', '.join(map(str, ids[:shown]))}{more}"
