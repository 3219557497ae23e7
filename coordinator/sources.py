"""Generations of other runs: how they are named, and whether a new run can begin from them.

    RUN@12          generation 12 of every player of RUN that learns and has one
    RUN:main@12     generation 12 of main alone

RUN is a folder. What follows its last colon is a player wherever it could be one's name: a folder that is
called so itself is written with a slash at its end. The other run may live or rest, and is only read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from agents.config import LearnerConfig
from coordinator.archive import Archive, ResultLog
from coordinator.config import RunConfig
from coordinator.option_values import closest
from coordinator.options import OptionError, from_plain
from coordinator.run_folder import RunFolder, RunFolderError
from coordinator.run_store import open_store
from coordinator.snapshots import SnapshotError, SnapshotStore, Tensors
from league.players import NAME, LeagueError, Player, Snapshot

FORM = re.compile(rf"(?P<run>.+?)(?::(?P<player>{NAME.pattern}))?@(?P<generation>[0-9]{{1,9}})", re.DOTALL)

SEEMS_PLAYER = re.compile(f":{NAME.pattern}$")
"""A folder whose name ends so is written with a slash."""


@dataclass(frozen=True)
class Source:
    """A generation of another run."""

    run: Path
    generation: int
    player: str | None = None
    """None for all who have such a generation."""

    @classmethod
    def parse(cls, text: str) -> Source:
        """Raises LeagueError where it is none."""
        if (parts := FORM.fullmatch(text)) is None:
            raise LeagueError("must be a run's folder and a generation, RUN@12 or RUN:main@12")
        return cls(Path(parts["run"]), int(parts["generation"]), parts["player"])

    def __str__(self) -> str:
        slash = "/" if self.player is None and SEEMS_PLAYER.search(str(self.run)) else ""
        player = "" if self.player is None else f":{self.player}"
        return f"{self.run}{slash}{player}@{self.generation}"

    def absolute(self) -> Source:
        """The same from whatever folder it is asked for."""
        return replace(self, run=self.run.expanduser().resolve())


@dataclass(frozen=True)
class OtherRun:
    """What a new run may take over."""

    config: RunConfig
    players: Mapping[str, Player]
    snapshots: Sequence[Snapshot]
    """Oldest first."""
    files: SnapshotStore
    log: ResultLog

    def generation(self, source: Source) -> dict[str, Snapshot]:
        """Player -> the snapshot that is asked for. Raises LeagueError where there is none."""
        learners = [player.name for player in self.players.values() if player.role.learns]
        if source.player is not None and source.player not in learners:
            near = closest(source.player, learners)
            hint = f"; did you mean {near}?" if near else f"; there are {', '.join(learners) or 'none'}"
            raise LeagueError(f"no player that learns is called {source.player} there{hint}")
        asked = learners if source.player is None else [source.player]
        own = [snapshot for snapshot in self.snapshots if snapshot.player in asked]
        found = {one.player: one for one in own if one.generation == source.generation}
        if not found:
            newest = {one.player: one.generation for one in own}
            there = ", ".join(f"{name} has 0 to {last}" for name, last in newest.items())
            raise LeagueError(f"no generation {source.generation} there: {there or 'none was frozen yet'}")
        return found

    def ancestors(self, players: Iterable[str], upto: int) -> list[Snapshot]:
        """Their snapshots up to a generation, oldest first."""
        own = {*players}
        return [one for one in self.snapshots if one.player in own and one.generation <= upto]

    def read(self, snapshot: Snapshot) -> tuple[Tensors, dict[str, Any]]:
        """See `SnapshotStore.read`. Raises SnapshotError, which names the snapshot, where it is damaged."""
        try:
            return self.files.read(snapshot.sha256)
        except SnapshotError as error:
            raise SnapshotError(error.path, f"{error.what} (it is {snapshot.name})") from error


@contextmanager
def opened(source: Source) -> Iterator[OtherRun]:
    """The run that a source names, for as long as the context lasts.

    Raises RunFolderError where there is none, OptionError where its configuration cannot be read.
    """
    run = RunFolder.open(source.run)
    config = from_plain(RunConfig, run.config)
    with open_store(run, config.runtime.redis or None) as store:
        log = ResultLog(store, Archive(run.archive))
        yield OtherRun(config, store.players(), store.snapshots(), SnapshotStore(run.snapshots), log)


@contextmanager
def told(field: str, source: object) -> Iterator[None]:
    """Whatever is wrong with a source is told as a wrong option: its name, its value, what is the matter."""
    try:
        yield
    except (LeagueError, RunFolderError, SnapshotError, OptionError) as error:
        raise OptionError(f"{field} {source}: {error}") from error


def check_game(there: RunConfig, here: RunConfig) -> None:
    """Raises LeagueError where another game is played."""
    for what in ("name", "teams"):
        one, other = getattr(there.game, what), getattr(here.game, what)
        if one != other:
            raise LeagueError(f"game.{what} is {one} there and {other} here")


def check_network(name: str, there: LearnerConfig, here: LearnerConfig) -> None:
    """Raises LeagueError where the weights of a player there would not fit one here."""
    pairs = [("cooperation", there.cooperation, here.cooperation)]
    pairs += [
        (f"network.{field.name}", getattr(there.network, field.name), getattr(here.network, field.name))
        for field in fields(there.network)
    ]
    for what, one, other in pairs:
        if one != other:
            raise LeagueError(f"{what} of {name} is {_shown(one)} there and {_shown(other)} here")


def check_team(there: Player, here: Player) -> None:
    """Raises LeagueError where a player is bound to another team."""
    if there.team != here.team:
        raise LeagueError(f"{here.name} plays {there.team or 'any team'} there, {here.team or 'any'} here")


def _shown(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
