"""The nouns of a league: who plays, what was frozen, what is to be played and what came of it."""

from __future__ import annotations

import re
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
    """Generation in the making when it was last reset to its first weights: earlier results say nothing."""

    @property
    def node(self) -> str:
        """The name its results are rated under: the generation in the making."""
        return f"{self.name}@{self.generation}" if self.role.learns else self.name


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


def split_identity(identity: str) -> tuple[str, int | None]:
    """`main@12` -> (`main`, 12); `main` -> (`main`, None)."""
    name, _, generation = identity.partition("@")
    return name, int(generation) if generation else None


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


@dataclass(frozen=True)
class PairResult:
    """Episodes between two identities of a match, `home` seated in the earlier team."""

    home: str
    away: str
    wins: int
    """Episodes that home won."""
    draws: int
    losses: int


@dataclass(frozen=True)
class ReturnSum:
    """Undiscounted episode returns of one identity's team (mean over the team's seats)."""

    identity: str
    episodes: int
    total: float
    total_of_squares: float


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
