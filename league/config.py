"""Every choice about a league: who plays whom, when a player is frozen, how results are rated."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from league.players import NAME

MATCHMAKERS = ("self_play", "population")
"""Names of the rules that `league.matchmaking.matchmaker` knows."""


@dataclass(frozen=True)
class LeagueConfig:
    """How a league decides. A contradiction raises ValueError with the numbers in it."""

    matchmaker: str = "self_play"
    """Who plays whom: self_play (each player against itself and its past) or population (all against all)."""
    players: tuple[str, ...] = ("main",)
    """Names of the learning players."""
    latest_probability: float = 0.8
    """Chance that an opponent is the live player rather than one of its past (OpenAI Five: 0.8)."""
    window: int = 0
    """Only this many of the newest snapshots are played; 0 for the whole past (ML-Agents: 10)."""
    snapshot_steps: int = 500_000
    """A player is frozen at the latest after being trained on this many decisions since it last was."""
    snapshot_min_steps: int = 100_000
    """It is never frozen before this many."""
    snapshot_win_rate: float = 0.7
    """In between, frozen when it beats every snapshot that it faced this often (AlphaStar: 0.7)."""
    snapshot_min_games: int = 100
    """A snapshot counts as faced after this many games of the generation in the making."""
    episodes: int = 64
    """Episodes of one match."""
    evaluate_share: float = 0.05
    """Share of matches that only rate, and train nobody."""
    payoff_decay: float = 0.99
    """What the payoff of a pair keeps when a new match of it comes in (AlphaStar: 0.99)."""
    elo_k: float = 16.0
    """K of the online Elo: points that one match moves at most."""
    prior_draws: float = 4.0
    """Virtual draws of each generation with its predecessor, before any game (KataGo: 4)."""

    def __post_init__(self) -> None:
        self._check_names()
        for name, low, high in (
            ("latest_probability", 0.0, 1.0),
            ("snapshot_win_rate", 0.0, 1.0),
            ("evaluate_share", 0.0, 1.0),
            ("payoff_decay", 0.0, 1.0),
        ):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} is {getattr(self, name)}, but must lie in [{low:g}, {high:g}]")
        for name, least in (
            ("window", 0),
            ("snapshot_steps", 1),
            ("snapshot_min_steps", 0),
            ("snapshot_min_games", 1),
            ("episodes", 1),
            ("elo_k", 0.01),
            ("prior_draws", 0.01),
            ("payoff_decay", 0.01),
        ):
            if not getattr(self, name) >= least:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be at least {least}")
        if self.snapshot_min_steps > self.snapshot_steps:
            raise ValueError(
                f"snapshot_min_steps {self.snapshot_min_steps} is above snapshot_steps {self.snapshot_steps}"
                ": a player would have to be frozen before it may be"
            )
        if self.evaluate_share == 1.0:
            raise ValueError("evaluate_share is 1.0: no match would train, so it must be below 1")

    def _check_names(self) -> None:
        if self.matchmaker not in MATCHMAKERS:
            close = get_close_matches(self.matchmaker, MATCHMAKERS, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise ValueError(f"matchmaker is {self.matchmaker!r}, known are {', '.join(MATCHMAKERS)}{hint}")
        if not self.players:
            raise ValueError("players is empty: a league needs at least one")
        for name in self.players:
            if not NAME.fullmatch(name):
                raise ValueError(f"players has {name!r}, but a name is {NAME.pattern}")
        if len(set(self.players)) < len(self.players):
            raise ValueError(f"players has a name twice: {', '.join(self.players)}")
        if self.matchmaker == "population" and len(self.players) < 2:
            raise ValueError(
                f"matchmaker population needs two players or more, but players is {self.players}"
            )
