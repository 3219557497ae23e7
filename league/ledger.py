"""The ledger: what the result log adds up to, one result at a time.

The log is the truth and the ledger a fold over it: folding the whole log, or loading a ledger written
half way and folding the rest, gives the same bytes. So nothing here may depend on time, on chance or on
the order in which a dict was filled.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from league import purpose
from league.codec import dumps, loads
from league.payoff import Payoff
from league.players import LeagueError, Match, Outcome, SwappedPairs, itself_or_earlier
from league.quality import Qualities, fold
from league.ratings import elo, teams

ADDED_LATER = ("quality", "swaps", "forfeits", "effort", "skills")
"""Parts that a stored ledger may lack: they are then empty."""


@dataclass
class Returns:
    """Episode returns of a node, added up."""

    episodes: int = 0
    total: float = 0.0
    total_of_squares: float = 0.0

    @property
    def mean(self) -> float:
        """Mean return of an episode; 0 where none was played."""
        return self.total / self.episodes if self.episodes else 0.0

    @property
    def standard_error(self) -> float:
        """Of the mean; infinite below two episodes."""
        if self.episodes < 2:
            return math.inf
        squares = max(self.total_of_squares - self.total * self.mean, 0.0)
        return math.sqrt(squares / (self.episodes - 1) / self.episodes)


@dataclass
class Seats:
    """Results of a node by where it sat: in the earlier of two teams or in the later."""

    first: list[int] = field(default_factory=lambda: [0, 0, 0])
    """Its wins, draws, losses in the earlier team."""
    second: list[int] = field(default_factory=lambda: [0, 0, 0])
    """Its wins, draws, losses in the later team."""


@dataclass
class Totals:
    """How much was played."""

    matches: int = 0
    episodes: int = 0
    decisions: int = 0
    forfeits: int = 0
    """Matches in which somebody forfeited."""


@dataclass
class Ledger:
    """Payoff, tally, ratings and totals after `seq` results. Mutable: `apply` adds the next."""

    decay: float = 0.99
    """What the payoff of a pair keeps when a new match of that pair comes in."""
    elo_k: float = 16.0
    """K of the online Elo."""
    seq: int = 0
    """Number of the last result folded; 0 for none."""
    payoff: Payoff = field(default_factory=Payoff)
    """Decayed, by identity: a live player is `main` in every generation. Matchmakers read it."""
    tally: Payoff = field(default_factory=Payoff)
    """Undecayed, by node: `main@4` also while it was in the making. Ratings read it; it alone has margins."""
    elo: dict[str, float] = field(default_factory=dict)
    """Online rating by node, of every node that met another."""
    seats: dict[str, Seats] = field(default_factory=dict)
    """By node; games against itself are in it."""
    returns: dict[str, Returns] = field(default_factory=dict)
    """By node."""
    totals: Totals = field(default_factory=Totals)
    quality: Qualities = field(default_factory=dict)
    """OpenAI Five's scores; empty where no match was made by them."""
    swaps: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    """Generation in the making -> snapshot of the same player -> `SwappedPairs.counts`: a gate reads them."""
    forfeits: dict[str, int] = field(default_factory=dict)
    """Matches that a node forfeited."""
    effort: purpose.Effort = field(default_factory=dict)
    """How much was played to train and to rate."""
    skills: teams.Skills = field(default_factory=dict)
    """By node, in games of more than two teams; empty in others."""

    def apply(self, seq: int, match: Match, outcome: Outcome) -> None:
        """Fold result number `seq`, which `check_outcome` has passed.

        Raises LeagueError, and folds nothing, where `seq` is not the next one or the outcome is of
        another match.
        """
        if seq != self.seq + 1:
            raise LeagueError(f"result {seq} cannot follow result {self.seq}: {self.seq + 1} is next")
        if outcome.match != match.id:
            raise LeagueError(f"result {seq} is of match {outcome.match}, but its match is {match.id}")
        by_identity: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
        by_node: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
        margins: defaultdict[tuple[str, str], float] = defaultdict(float)
        for pair in outcome.pairs:
            result = [pair.wins, pair.draws, pair.losses]
            home, away = match.nodes[pair.home], match.nodes[pair.away]
            _add_sorted(by_identity, pair.home, pair.away, result)
            _add_sorted(by_node, home, away, result)
            margin = pair.wins - pair.losses if pair.margin is None else pair.margin
            margins[min(home, away), max(home, away)] += margin if home <= away else -margin
            _add(self.seats.setdefault(home, Seats()).first, result)
            _add(self.seats.setdefault(away, Seats()).second, result[::-1])
        for (home, away), (wins, draws, losses) in by_identity.items():
            self.payoff.record(home, away, wins, draws, losses, self.decay)
        for (home, away), (wins, draws, losses) in by_node.items():
            self.tally.record(home, away, wins, draws, losses, margin=margins[home, away])
        self._rate(by_node)
        teams.fold(self.skills, match, outcome.rankings)
        fold(self.quality, match, _shares(by_identity))
        purpose.fold(self.effort, match, outcome)
        self._fold_swapped(match, outcome.swapped)
        for identity in outcome.forfeits:
            node = match.nodes[identity]
            self.forfeits[node] = self.forfeits.get(node, 0) + 1
        for entry in outcome.returns:
            sums = self.returns.setdefault(match.nodes[entry.identity], Returns())
            sums.episodes += entry.episodes
            sums.total += entry.total
            sums.total_of_squares += entry.total_of_squares
        self.totals.matches += 1
        self.totals.episodes += outcome.episodes
        self.totals.decisions += outcome.decisions
        self.totals.forfeits += bool(outcome.forfeits)
        self.seq = seq

    def rating(self, node: str) -> float:
        """Online Elo of a node; one that has not played starts where its predecessor stands now."""
        known = itself_or_earlier(node, self.elo)
        return elo.INITIAL if known is None else self.elo[known]

    def _fold_swapped(self, match: Match, swapped: SwappedPairs | None) -> None:
        """Keep pairs of a live player with a snapshot that it grew from, as the live player sees them.

        That is one of its own or, of a copy, the one that a gate tests it against.
        """
        if swapped is None:
            return
        (other,) = set(match.teams.values()) - {swapped.identity}
        for live, past, counts in (
            (swapped.identity, other, swapped.counts),
            (other, swapped.identity, swapped.counts[::-1]),
        ):
            tested = (match.reason.get("player"), match.reason.get("opponent")) == (live, past)
            if tested or past.startswith(f"{live}@"):
                kept = self.swaps.setdefault(match.nodes[live], {})
                _add(kept.setdefault(past, [0] * 5), counts)

    def _rate(self, by_node: dict[tuple[str, str], list[int]]) -> None:
        """One Elo update for each two nodes, all from the ratings before the match."""
        played = [(two, counts) for two, counts in by_node.items() if two[0] != two[1] and any(counts)]
        before = {node: self.rating(node) for two, _ in played for node in two}
        self.elo.update(before)
        for (home, away), (wins, draws, losses) in played:
            score = (wins + 0.5 * draws) / (wins + draws + losses)
            gain = elo.change(before[home], before[away], score, self.elo_k)
            self.elo[home] += gain
            self.elo[away] -= gain

    def to_json(self) -> str:
        """Canonical text: two ledgers that hold the same have the same bytes."""
        # Absent where empty, so that what was written before there were any keeps its bytes.
        later = {name: value for name in ADDED_LATER if (value := getattr(self, name))}
        return dumps(
            {
                **later,
                "decay": self.decay,
                "elo_k": self.elo_k,
                "seq": self.seq,
                "payoff": self.payoff.to_plain(),
                "tally": self.tally.to_plain(),
                "elo": self.elo,
                "seats": {node: [seats.first, seats.second] for node, seats in self.seats.items()},
                "returns": {
                    node: [sums.episodes, sums.total, sums.total_of_squares]
                    for node, sums in self.returns.items()
                },
                "totals": vars(self.totals),
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Ledger:
        """The ledger that `to_json` wrote. Raises LeagueError on anything else."""
        plain = loads(text)
        try:
            return _ledger(plain)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise LeagueError(f"not a ledger: {error!r}") from error


def _ledger(plain: Any) -> Ledger:
    ledger = Ledger(
        decay=float(plain["decay"]),
        elo_k=float(plain["elo_k"]),
        seq=int(plain["seq"]),
        payoff=Payoff.from_plain(plain["payoff"]),
        tally=Payoff.from_plain(plain["tally"]),
        elo={node: float(rating) for node, rating in plain["elo"].items()},
        seats={node: Seats(first, second) for node, (first, second) in plain["seats"].items()},
        returns={node: Returns(*sums) for node, sums in plain["returns"].items()},
        totals=Totals(**plain["totals"]),
        quality={
            player: {opponent: float(score) for opponent, score in known.items()}
            for player, known in plain.get("quality", {}).items()
        },
        swaps=plain.get("swaps", {}),
        forfeits=plain.get("forfeits", {}),
        effort=plain.get("effort", {}),
        skills={node: teams.Skill(*map(float, skill)) for node, skill in plain.get("skills", {}).items()},
    )
    if unknown := plain.keys() - vars(ledger).keys():
        raise LeagueError(f"not a ledger: unknown key {min(unknown)!r}")
    return ledger


def _shares(counts: dict[tuple[str, str], list[int]]) -> dict[tuple[str, str], float]:
    """(a, b) and (b, a) -> the share of their games that the first won."""
    shares = {}
    for (home, away), (wins, draws, losses) in counts.items():
        if games := wins + draws + losses:
            shares[home, away], shares[away, home] = wins / games, losses / games
    return shares


def _add(sums: list[int], result: Sequence[int]) -> None:
    for index, count in enumerate(result):
        sums[index] += count


def _add_sorted(
    sums: defaultdict[tuple[str, str], list[int]], home: str, away: str, result: list[int]
) -> None:
    """Add under (earlier name, later name), so that both ways of seating a pair come together."""
    if home <= away:
        _add(sums[home, away], result)
    else:
        _add(sums[away, home], result[::-1])
