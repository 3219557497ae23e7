"""A new run that takes over from others: players that go on from a generation, and players that stay it.

    --initialize-from RUN@12            players begin from generation 12, with its ancestors and their results
    league.pretrained NAME=RUN@12       NAME plays by a generation of another run, and never changes

    look (nothing is made yet) ──> run folder ──> begin:  files ──> results ──> players
                                                                                   └──> it has begun

The last commit of `begin` writes the players. A kill before leaves a run without any: its next start does the
same again, and goes on with the results where it stood. From then on the other runs are not needed any more.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from agents.config import LearnerConfig
from coordinator.archive import Archive
from coordinator.config import RunConfig
from coordinator.coordinator import SCRIPTED, stored_ledger
from coordinator.first_players import first_players
from coordinator.run_folder import RunFolder
from coordinator.snapshots import SnapshotStore
from coordinator.sources import OtherRun, Source, check_game, check_network, check_team, opened, told
from coordinator.store import Store
from coordinator.store_types import Checkpoint, Commit, LoggedResult
from envs.catalogue import make_game
from league.players import LeagueError, Match, Outcome, Player, Snapshot

FLAG = "--initialize-from"
FIELD = "league.pretrained"
PAGE = 5_000
"""Results that are written at once."""


def takes_over(config: RunConfig) -> bool:
    """Whether a run needs others to begin."""
    return bool(config.initialize_from or config.league.pretrained)


def look(config: RunConfig, path: Path) -> RunConfig:
    """The configuration made complete, once all that is to be taken over was found and verified.

    Folders become absolute, and pretrained players get the networks that they have in their runs as variants.
    path: where the new run is to be. Raises OptionError where something is missing, damaged, or does not fit.
    """
    if not takes_over(config):
        return config
    with make_game(config.game.name, 1, teams=config.game.teams) as game:
        players = first_players(config, game.spec)
    if config.initialize_from:
        with _source(FLAG, config.initialize_from, path) as (source, other):
            for snapshot in inherit(source, other, config, players).ancestors:
                other.read(snapshot)
            config = replace(config, initialize_from=str(source))
    sources, variants = [], {**config.variants}
    for name, text in config.league.sources.items():
        with _source(FIELD, f"{name}={text}", path) as (source, other):
            found = adopt(source, other, config, players[name])
            other.read(found.snapshot)
            sources.append(f"{name}={source}")
            variants[name] = found.learner
    return replace(config, variants=variants, league=replace(config.league, pretrained=tuple(sources)))


def begin(config: RunConfig, run: RunFolder, store: Store, players: Mapping[str, Player]) -> None:
    """Write all that a new run takes over from others; nothing where it takes nothing.

    players: of the run, as they would begin by themselves. Raises as `look` does; what was copied by then is
    deleted.
    """
    if not takes_over(config):
        return
    store.begin_epoch()
    try:
        change = Commit(players=tuple(players.values()))
        if config.initialize_from:
            with _source(FLAG, config.initialize_from, run.path) as (source, other):
                change = _branch(inherit(source, other, config, players), other, config, run, store, players)
        adopted = {}
        for name, text in config.league.sources.items():
            with _source(FIELD, f"{name}={text}", run.path) as (source, other):
                adopted[name] = _copy(adopt(source, other, config, players[name]), other, config, run)
    except Exception:
        for folder in (run.snapshots, run.checkpoints):
            shutil.rmtree(folder, ignore_errors=True)
        raise
    # Not within: a commit whose reply is lost may have registered the files.
    store.commit(replace(change, players=tuple(adopted.get(p.name, p) for p in change.players)))


# ---------------------------------------------------------------------------- what is taken over


@dataclass(frozen=True)
class Inheritance:
    """Of a branch."""

    heirs: Mapping[str, Player]
    """Players of the new run that begin from a generation of the other, as they begin."""
    ancestors: list[Snapshot]
    """Of the heirs, oldest first; the last of each is the one that it begins from."""


@dataclass(frozen=True)
class Adopted:
    """A pretrained player."""

    player: Player
    snapshot: Snapshot
    """Of the other run."""
    learner: LearnerConfig
    """How its network is made."""


def inherit(source: Source, other: OtherRun, config: RunConfig, players: Mapping[str, Player]) -> Inheritance:
    """Who begins from what. Raises LeagueError where nobody can, or weights would not fit."""
    check_game(other.config, config)
    found = other.generation(source)
    learning = {name: player for name, player in players.items() if player.role.learns}
    heirs = {}
    for name in filter(found.__contains__, learning):
        check_team(other.players[name], players[name])
        theirs = other.config.learner_of(other.players[name])
        check_network(name, theirs, config.learner_of(players[name]))
        generation, steps = found[name].generation + 1, found[name].steps
        heirs[name] = replace(
            players[name], generation=generation, steps=steps, frozen_at=steps, turned_at=steps
        )
    if not heirs:
        raise LeagueError(f"it is of {', '.join(found)}, but in this run learn {', '.join(learning)}")
    return Inheritance(heirs, other.ancestors(heirs, source.generation))


def adopt(source: Source, other: OtherRun, config: RunConfig, player: Player) -> Adopted:
    """Who a pretrained player is. Raises LeagueError where that is not clear, or another game is played."""
    check_game(other.config, config)
    found = other.generation(source)
    if len(found) > 1:
        first = next(iter(found))
        raise LeagueError(f"{', '.join(found)} have one: say whose, {replace(source, player=first)}")
    ((name, snapshot),) = found.items()
    there = other.players[name]
    return Adopted(replace(player, team=there.team), snapshot, other.config.learner_of(there))


def among(log: Iterable[LoggedResult], nodes: Set[str]) -> Iterator[tuple[Match, Outcome]]:
    """The results that these alone had a part in, as matches 1, 2, … of a log of their own."""
    own = (result for result in log if nodes >= {*result.match.nodes.values()})
    for number, result in enumerate(own, 1):
        yield replace(result.match, id=number), replace(result.outcome, match=number)


# ---------------------------------------------------------------------------- taking it over


def _branch(
    taken: Inheritance,
    other: OtherRun,
    config: RunConfig,
    run: RunFolder,
    store: Store,
    players: Mapping[str, Player],
) -> Commit:
    """Copy the files and write the results of a branch; returns what is still to be written, the players."""
    snapshots, checkpoints = SnapshotStore(run.snapshots), SnapshotStore(run.checkpoints)
    names = {ancestor.name for ancestor in taken.ancestors}
    registered, points = [], {}
    for ancestor in taken.ancestors:
        tensors, meta = other.read(ancestor)
        parent = ancestor.parent if ancestor.parent in names else None
        registered.append(replace(ancestor, sha256=snapshots.write(tensors, meta), parent=parent))
        heir = taken.heirs[ancestor.player]
        if ancestor.generation == heir.generation - 1:
            # The mean alone: the learner begins by it, with a fresh optimizer.
            sha256 = checkpoints.write({"mean": tensors["weights"]}, {**meta, "skipped": 0})
            points[heir.name] = Checkpoint(heir.name, sha256, heir.steps, meta["version"], heir.generation)
    unchanging = {*SCRIPTED, *config.league.scripted}
    _write_results(among(other.log.after(0), names | unchanging), config, run, store)
    return Commit(
        players=tuple(taken.heirs.get(name, player) for name, player in players.items()),
        snapshots=tuple(registered),
        checkpoints=points,
    )


def _write_results(
    results: Iterator[tuple[Match, Outcome]], config: RunConfig, run: RunFolder, store: Store
) -> None:
    """Write results in order, beyond those that a killed start has written."""
    ledger, archive = stored_ledger(store, config.league), Archive(run.archive)
    results = islice(results, ledger.seq, None)
    while page := tuple(islice(results, PAGE)):
        for match, outcome in page:
            ledger.apply(ledger.seq + 1, match, outcome)
        store.commit(Commit(results=page, fold=ledger.to_json()))
        archive.take_over(store, folded=ledger.seq)


@contextmanager
def _source(field: str, text: str, path: Path) -> Iterator[tuple[Source, OtherRun]]:
    """A source and its run; what is wrong with it is told by the name of the field. path: of the new run."""
    with told(field, text):
        source = Source.parse(text.partition("=")[2] if field == FIELD else text).absolute()
        if source.run == path.resolve():
            raise LeagueError("a run cannot begin from itself: choose another --run")
        with opened(source) as other:
            yield source, other


def _copy(adopted: Adopted, other: OtherRun, config: RunConfig, run: RunFolder) -> Player:
    """Copy a pretrained player's file; returns the player."""
    check_network(adopted.player.name, adopted.learner, config.learner_of(adopted.player))
    weights = SnapshotStore(run.snapshots).write(*other.read(adopted.snapshot))
    return replace(adopted.player, weights=weights)
