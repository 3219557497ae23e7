"""Every choice about a league: who plays whom, when a player is frozen, how results are rated."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from league.players import NAME, Role

MATCHMAKERS = (
    "self_play",
    "population",
    "fictitious",
    "pfsp",
    "openai_five",
    "alphastar",
    "alphastar_pseudocode",
    "psro",
)
"""Names of the rules that `league.matchmaking.matchmaker` knows."""
WITH_ROLES = ("alphastar", "alphastar_pseudocode")
"""Those in which players have different parts."""
ROLES = {
    "players": Role.MAIN,
    "main_exploiters": Role.MAIN_EXPLOITER,
    "league_exploiters": Role.LEAGUE_EXPLOITER,
    "generic_players": Role.PLAYER,
    "scripted": Role.SCRIPTED,
    "pretrained": Role.PRETRAINED,
}
"""Field that names players -> their role."""
WEIGHTINGS = ("squared", "linear", "linear_capped", "variance")
"""Names of `league.matchmaking.pfsp.Weighting`."""
META_STRATEGIES = ("uniform", "nash", "projected_replicator", "regret_matching", "alpha_rank", "rectified")
"""Names of `league.matchmaking.psro.MetaStrategy`."""
GATES = ("win_rate", "sprt", "time")
"""What `league.promotion` may ask before a player is frozen."""
LARGEST_META_GAME = 64
"""A mixture of so many snapshots is still solved between two matches."""


@dataclass(frozen=True)
class LeagueConfig:
    """How a league decides. A contradiction raises ValueError with the numbers in it."""

    matchmaker: str = "self_play"
    """Who plays whom: self_play (each player against itself and its past), population (all against all),
    fictitious (the past alone), pfsp (its hard part), openai_five, alphastar, alphastar_pseudocode, psro."""
    players: tuple[str, ...] = ("main",)
    """Names of the learning players; where players have roles, of the mains."""
    latest_probability: float = 0.8
    """self_play, population, pfsp, openai_five: chance that an opponent is the live player rather than one of
    its past (OpenAI Five: 0.8)."""
    window: int = 0
    """self_play, population, psro: only this many of the newest snapshots are played; 0 for the whole past
    (ML-Agents: 10)."""
    delta: float = 0.0
    """fictitious: share of the oldest snapshots that is left out; 0 for none, 1 for all but the newest."""
    weighting: str = "squared"
    """pfsp: what an opponent weighs by the win rate w against it: squared (1-w)^2, linear 1-w, linear_capped
    min(0.5, 1-w) or variance w(1-w)."""
    quality_step: float = 0.01
    """openai_five: how much the quality score of an opponent falls when it is beaten (OpenAI Five: 0.01)."""
    meta_strategy: str = "nash"
    """psro: how the past is mixed: uniform, nash, projected_replicator, regret_matching, alpha_rank or
    rectified (nash, but only of whom the player beats)."""
    main_exploiters: tuple[str, ...] = ()
    """alphastar: names of players that learn to beat the mains, and begin anew once they do."""
    league_exploiters: tuple[str, ...] = ()
    """alphastar: names of players that learn to beat the whole league."""
    generic_players: tuple[str, ...] = ()
    """alphastar: names of players without a special part, who meet everybody's past (pfsp, linear)."""
    scripted: tuple[str, ...] = ()
    """Scripted players that are met like somebody's past: minimax, mcts:100, rrps:all, module:factory. Where
    a rule goes by a player's own past (self_play, population, fictitious, openai_five) they only rate."""
    pretrained: tuple[str, ...] = ()
    """NAME=RUN:PLAYER@N, players that never change: each is a snapshot of another run, copied into this one,
    and met as scripted ones are; `champion=runs/old:main@12`."""
    snapshot_steps: int = 500_000
    """A player is frozen at the latest after being trained on this many decisions since it last was."""
    snapshot_min_steps: int = 100_000
    """It is never frozen before this many."""
    snapshot_win_rate: float = 0.7
    """In between, frozen when it beats every snapshot that it faced this often (AlphaStar: 0.7)."""
    snapshot_min_games: int = 100
    """A snapshot counts as faced after this many games of the generation in the making."""
    gate: str = "win_rate"
    """What freezes a player before its time is up: win_rate (as above), sprt (a sequential test against the
    snapshot before it) or time (nothing does)."""
    sprt_elo: tuple[float, ...] = (0.0, 20.0)
    """sprt: two bounds in normalised Elo; frozen once the upper one is likelier than the lower by 19 to 1
    (fishtest: 0,2, which takes some hundred thousand games)."""
    league_exploiter_reset: float = 0.25
    """alphastar: chance that a league exploiter begins anew after it was frozen (AlphaStar: 0.25)."""
    episodes: int = 64
    """Episodes of one match."""
    evaluate_share: float = 0.05
    """Share of the actors' decisions, in [0, 1), that are for matches which only rate, and train nobody."""
    payoff_decay: float = 0.99
    """What the payoff of a pair keeps when a new match of it comes in (AlphaStar: 0.99)."""
    elo_k: float = 16.0
    """K of the online Elo: points that one match moves at most."""
    prior_draws: float = 4.0
    """Virtual draws of each generation with its predecessor, before any game (KataGo: 4)."""

    @property
    def roles(self) -> dict[str, Role]:
        """Name of every player -> its role; the mains first, the scripted last."""
        return {name: role for field, role in ROLES.items() for name in self.names(field)}

    def names(self, field: str) -> tuple[str, ...]:
        """Of the players that a field names."""
        entries: tuple[str, ...] = getattr(self, field)
        return tuple(entry.partition("=")[0] for entry in entries) if field == "pretrained" else entries

    @property
    def sources(self) -> dict[str, str]:
        """Name of every pretrained player -> the snapshot of another run that it is, RUN:PLAYER@N."""
        return {name: source for name, _, source in (entry.partition("=") for entry in self.pretrained)}

    def __post_init__(self) -> None:
        self._check_choices()
        self._check_names()
        self._check_ranges()
        if self.snapshot_min_steps > self.snapshot_steps:
            raise ValueError(
                f"snapshot_min_steps {self.snapshot_min_steps} is above snapshot_steps {self.snapshot_steps}"
                ": a player would have to be frozen before it may be"
            )
        if self.evaluate_share == 1.0:
            raise ValueError("evaluate_share is 1.0: no match would train, so it must be below 1")
        self._check_rules()

    def _check_choices(self) -> None:
        for name, known in (
            ("matchmaker", MATCHMAKERS),
            ("weighting", WEIGHTINGS),
            ("meta_strategy", META_STRATEGIES),
            ("gate", GATES),
        ):
            value = getattr(self, name)
            if value not in known:
                close = get_close_matches(value, known, n=1)
                hint = f"; did you mean {close[0]!r}?" if close else ""
                raise ValueError(f"{name} is {value!r}, known are {', '.join(known)}{hint}")

    def _check_names(self) -> None:
        if not self.players:
            raise ValueError("players is empty: a league needs at least one")
        seen: dict[str, str] = {}
        for field in ROLES:
            for name in self.names(field):
                if field != "scripted" and not NAME.fullmatch(name):
                    raise ValueError(f"{field} has {name!r}, but a name is {NAME.pattern}")
                if name in seen:
                    where = field if seen[name] == field else f"{field} and {seen[name]}"
                    raise ValueError(f"{where} has a name twice: {name}")
                seen[name] = field
        if unfit := [name for name in self.scripted if not name or "@" in name]:
            raise ValueError(f"scripted has {unfit[0]!r}, but snapshots, which bear an @, are in no script")
        if unfit := [entry for entry in self.pretrained if not entry.partition("=")[2]]:
            raise ValueError(f"pretrained has {unfit[0]!r}, but must be NAME=RUN:PLAYER@N")

    def _check_ranges(self) -> None:
        for name in (
            "latest_probability",
            "delta",
            "snapshot_win_rate",
            "league_exploiter_reset",
            "evaluate_share",
            "payoff_decay",
        ):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} is {getattr(self, name)}, but must lie in [0, 1]")
        for name, least in (
            ("window", 0),
            ("quality_step", 0.0),
            ("snapshot_steps", 1),
            ("snapshot_min_steps", 0),
            ("snapshot_min_games", 1),
            ("episodes", 1),
            ("elo_k", 0.01),
            ("prior_draws", 0.01),
            ("payoff_decay", 0.01),
        ):
            if not getattr(self, name) >= least:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be at least {least:g}")
        if len(self.sprt_elo) != 2 or not self.sprt_elo[0] < self.sprt_elo[1]:
            raise ValueError(f"sprt_elo is {self.sprt_elo}, but must be two bounds, the lower first")

    def _check_rules(self) -> None:
        if self.matchmaker == "population" and len(self.players) < 2:
            raise ValueError(
                f"matchmaker population needs two players or more, but players is {self.players}"
            )
        for name in ("main_exploiters", "league_exploiters", "generic_players"):
            if getattr(self, name) and self.matchmaker not in WITH_ROLES:
                raise ValueError(
                    f"{name} is {getattr(self, name)}, but matchmaker {self.matchmaker} knows no roles, "
                    f"only {' and '.join(WITH_ROLES)} do"
                )
        if self.gate == "sprt" and not self.evaluate_share:
            raise ValueError(
                f"gate is sprt, but evaluate_share is {self.evaluate_share}: nobody would be tested against "
                "the snapshot before it, so evaluate_share must be above 0"
            )
        if self.matchmaker == "psro" and not 1 <= self.window <= LARGEST_META_GAME:
            raise ValueError(
                f"window is {self.window}, but matchmaker psro mixes 1 to {LARGEST_META_GAME} snapshots"
            )
