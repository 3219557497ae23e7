"""The nouns of a league: who plays, what was frozen, what is to be played and what came of it."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
"""What a player may be called; names become file names and Redis fields, so nothing else may."""


ADDED_LATER = {"added_later": True}
"""Metadata of a field that stored nouns may lack: they read as its default."""


class LeagueError(Exception):
    """A league, or what it was asked for, is wrong. The message is one line for the user to read."""


class Role(StrEnum):
    """What a player is in the league for."""

    MAIN = "main"
    """Learns, is frozen, is what the league is trained for."""
    MAIN_EXPLOITER = "main_exploiter"
    """Learns to beat the mains as they are now, and begins anew once it does."""
    LEAGUE_EXPLOITER = "league_exploiter"
    """Learns to beat what the whole league has in common, and now and then begins anew."""
    PLAYER = "player"
    """Learns from everybody's past, and has no special part."""
    SCRIPTED = "scripted"
    """Does not learn: `random`, `minimax`, `mcts:100`, `module:factory`."""
    PRETRAINED = "pretrained"
    """Does not learn: its weights are a snapshot of another run."""

    @property
    def learns(self) -> bool:
        """Whether it is trained and frozen; who does not is one node for ever."""
        return self not in (Role.SCRIPTED, Role.PRETRAINED)

    @property
    def begins_anew(self) -> bool:
        """Whether it may go back to its first weights once it was frozen."""
        return self in (Role.MAIN_EXPLOITER, Role.LEAGUE_EXPLOITER)


class Purpose(StrEnum):
    """Why a match is played."""

    TRAIN = "train"
    EVALUATE = "evaluate"


@dataclass(frozen=True)
class Player:
    """A learning (or scripted) identity. The live network is generation `generation`, in the making."""

    name: str
    role: Role = Role.MAIN
    team: str | None = None
    """The team that it is bound to; None where the game is symmetric and it plays any."""
    generation: int = 0
    """Number of the snapshot it will be frozen as next: `main` with 3 is on its way to `main@3`."""
    steps: int = 0
    """Decisions it was trained on."""
    frozen_at: int = 0
    """`steps` when it was last frozen."""
    reset_at: int = field(default=0, metadata=ADDED_LATER)
    """Generation in the making when its weights were last replaced, by its first ones or by a copy of another
    player's: earlier results say nothing."""
    reset_reason: str = field(default="", metadata=ADDED_LATER)
    """Why they were, in words; empty where they never were."""
    copied_from: str = field(default="", metadata=ADDED_LATER)
    """Parent of whom they were copied from, as it was then; empty where they are its own first ones."""
    hyper: dict[str, float] = field(default_factory=dict, metadata=ADDED_LATER)
    """Hyper-parameters that go before those of its configuration; empty where none do."""
    turned_at: int = field(default=0, metadata=ADDED_LATER)
    """`steps` at its last turn in population-based training."""
    weights: str = field(default="", metadata=ADDED_LATER)
    """Of a pretrained player, the hash of the snapshot that it plays by; else empty."""

    @property
    def node(self) -> str:
        """The name its results are rated under: the generation in the making."""
        return f"{self.name}@{self.generation}" if self.role.learns else self.name

    @property
    def lives(self) -> list[str]:
        """Nodes of what it was lately: the generation in the making, and its own before that."""
        oldest = max(self.reset_at, self.generation - 1, 0)
        return [f"{self.name}@{generation}" for generation in range(oldest, self.generation + 1)]

    @property
    def parent(self) -> str | None:
        """The snapshot that the generation in the making grows from: the one before it, or, once its weights
        were replaced, the one of the first weights or of whom they were copied from."""
        if not self.generation:
            return None
        if self.reset_at == self.generation:
            return self.copied_from or f"{self.name}@0"
        return f"{self.name}@{self.generation - 1}"


def first_main(players: Iterable[Player]) -> Player:
    """Whom to speak of where nobody is named, by name the first. Raises LeagueError where there is none."""
    mains = {player.name: player for player in players if player.role is Role.MAIN}
    if not mains:
        raise LeagueError("nobody plays in this run yet")
    return mains[min(mains)]


@dataclass(frozen=True)
class Snapshot:
    """An immutable past generation: `main@12`."""

    player: str
    generation: int
    sha256: str
    """Hash of its manifest, and the name of its folder."""
    parent: str | None
    """The snapshot it grew from; None for the first."""
    steps: int
    """Decisions that the player was trained on when it was frozen."""
    reason: str
    """Why it was frozen, in words."""

    @property
    def name(self) -> str:
        return f"{self.player}@{self.generation}"

    @property
    def order(self) -> tuple[int, str]:
        """By which snapshots are sorted, oldest first: draws depend on it, also after a resume."""
        return self.generation, self.player


def split_identity(identity: str) -> tuple[str, int | None]:
    """`main@12` -> (`main`, 12); `main` -> (`main`, None)."""
    name, _, generation = identity.partition("@")
    return name, int(generation) if generation else None


def itself_or_earlier(node: str, known: Container[str]) -> str | None:
    """The node where it is known; else the newest known generation before it; None where there is none."""
    if node in known:
        return node
    player, generation = split_identity(node)
    earlier = (f"{player}@{number}" for number in range((generation or 0) - 1, -1, -1))
    return next((name for name in earlier if name in known), None)


@dataclass(frozen=True)
class Match:
    """A frozen assignment team -> identity, for a number of episodes.

    In a symmetric game the identities change places from episode to episode; `teams` is then how the
    first episode is seated.
    """

    id: int
    teams: dict[str, str]
    """Team -> identity: a live player (`main`), a snapshot (`main@3`) or a scripted player (`random`).

    Which team is the earlier is for the game to say: written as JSON, a dict loses its order.
    """
    episodes: int
    seed: int
    purpose: Purpose
    nodes: dict[str, str]
    """Identity -> the node its results are rated under. A live `main` stands for `main@<generation>`."""
    reason: dict[str, Any] = field(default_factory=dict)
    """Why it was made: rule, branch, candidates, weights, win rates, draw. Plain JSON."""
    opening: int = field(default=0, metadata=ADDED_LATER)
    """Moves at random that its games begin with, both games of a pair with the same, where a game allows it:
    seats take turns, and nothing else is left to chance. So results differ by who plays better alone."""


@dataclass(frozen=True)
class PairResult:
    """Episodes between two identities of a match, `home` seated in the earlier team."""

    home: str
    away: str
    wins: int
    """Episodes that home won."""
    draws: int
    losses: int
    margin: float | None = field(default=None, metadata=ADDED_LATER)
    """By how much home won, summed over the episodes: half of what its team's return is above away's. In a
    zero-sum game that is home's own return. None where it was not counted: then every win is worth 1."""


@dataclass(frozen=True)
class ReturnSum:
    """Undiscounted episode returns of one identity's team (mean over the team's seats)."""

    identity: str
    episodes: int
    total: float
    total_of_squares: float


@dataclass(frozen=True)
class SwappedPairs:
    """Pairs of episodes between two identities that changed places in between."""

    identity: str
    """Whose score is counted."""
    counts: tuple[int, ...]
    """[5] pairs in which it scored 0, 1/2, 1, 3/2 and 2 in all (LL; LD; DD or WL; WD; WW)."""


@dataclass(frozen=True)
class Outcome:
    """What a match reports, once."""

    match: int
    attempt: int
    episodes: int
    decisions: int
    """Decisions taken by all seats in these episodes."""
    pairs: tuple[PairResult, ...]
    """One a pair of teams and way of seating them; empty in a game of one team."""
    returns: tuple[ReturnSum, ...]
    forfeits: dict[str, str] = field(default_factory=dict)
    """Identity -> what it did wrong, where a player or the game failed."""
    swapped: SwappedPairs | None = field(default=None, metadata=ADDED_LATER)
    """Episodes 0 and 1, 2 and 3, …; None where no two identities change places."""
    rankings: tuple[dict[str, int], ...] = field(default=(), metadata=ADDED_LATER)
    """Of every episode, as they ended: team (as `Match.teams` seats them) -> its place, which is how many
    teams came before it. Empty where two teams play, or one."""
