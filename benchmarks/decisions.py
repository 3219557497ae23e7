"""How long one matchmaking decision takes in a large league: `python -m benchmarks.decisions`.

Four live players (a main, a main exploiter, two league exploiters) and 100, 1 000 and 10 000 snapshots. Every
live player met every snapshot, and so did every pair of the newest 64, the largest meta-game that psro may be
asked for; a table of all 10 000 against each other has 10^8 entries, and no rule reads one. Each line is a
decision for the player that is named, from a view made anew, as in a run: CPU milliseconds of the process,
the median at every size, at the largest also the 95th percentile, and how many times as long the largest
takes as the one before, whose rows are a tenth as long. psro appears twice for every meta-strategy: as it is
between two results that change its table, and, marked "solved", after one that did. Indexing the past is
paid for once a snapshot, not a decision. Decisions that grow should grow as reading a row of the payoff does:
ten times as many entries of a dict take more than ten times as long where they do not fit a cache.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial

import numpy as np

from league.config import LARGEST_META_GAME, META_STRATEGIES, WITH_ROLES, LeagueConfig
from league.ledger import Ledger
from league.matchmaking import evaluator, matchmaker
from league.matchmaking.psro import mixture
from league.past import Past
from league.players import Player, Role, Snapshot
from league.promotion import decide_freeze, gate
from league.view import LeagueView

ROLES = {
    "main": Role.MAIN,
    "main-exploiter": Role.MAIN_EXPLOITER,
    "league-exploiter": Role.LEAGUE_EXPLOITER,
    "league-exploiter-2": Role.LEAGUE_EXPLOITER,
}
Decision = Callable[[], object]
RULES = ("self_play", "population", "fictitious", "pfsp", "openai_five", *WITH_ROLES)
SIZES = (100, 1_000, 10_000)


@dataclass(frozen=True)
class Timing:
    """CPU milliseconds of one kind of decision."""

    decision: str
    snapshots: int
    median: float
    percentile_95: float


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--snapshots", type=int, nargs="+", default=SIZES, help="in the whole league")
    parser.add_argument("--repeats", type=int, default=200, help="decisions of each kind")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    measured = [measure(snapshots, args.repeats) for snapshots in args.snapshots]
    if args.json:
        print(json.dumps([asdict(timing) for timings in measured for timing in timings]))
    else:
        show(measured)
    return 0


def measure(snapshots: int, repeats: int) -> list[Timing]:
    """Every rule's decisions in one league."""
    league = League(snapshots)

    def timed(name: str, decide: Decision, repeats: int) -> Timing:
        return Timing(name, snapshots, *_timed(decide, repeats))

    indexing = timed("indexing the past, once a snapshot", league.index, min(repeats, 20))
    return [indexing, *(timed(name, decide, repeats) for name, decide in _decisions(league))]


def show(measured: Sequence[Sequence[Timing]]) -> None:
    """A line a decision. measured: by size, the same decisions at each."""
    sizes = [timings[0].snapshots for timings in measured]
    print(f"{'CPU milliseconds at … snapshots':56}", *(f"{size:>9,}" for size in sizes), "     95 %   growth")
    for timings in zip(*measured, strict=True):
        medians = [timing.median for timing in timings]
        growth = f"{medians[-1] / medians[-2]:8.1f}" if len(medians) > 1 else ""
        figures = [*(f"{median:9.3f}" for median in medians), f"{timings[-1].percentile_95:9.3f}", growth]
        print(f"{timings[0].decision:56}", *figures)


class League:
    """A large league with what its decisions read."""

    def __init__(self, size: int) -> None:
        each = max(size // len(ROLES), 1)
        self.players = {name: Player(name, role, generation=each) for name, role in ROLES.items()}
        # As a run would make them: all players in turn.
        self._snapshots = [
            Snapshot(name, generation, "0" * 64, None, generation, "")
            for generation in range(each)
            for name in ROLES
        ]
        self._past = Past(self._snapshots)
        self._generator = np.random.default_rng(0)
        self.ledger = self._ledger(self._generator)

    def index(self) -> None:
        """What a new snapshot costs."""
        past = Past(self._snapshots)
        _ = past.registered, past.owner, past.names_of

    def read(self) -> object:
        """What most rules read: how well one player does against everybody."""
        return self.ledger.payoff.win_rates("main", self._past.names)

    def view(self) -> LeagueView:
        """As a coordinator makes it for a decision."""
        return LeagueView(self.players, self._past, self.ledger, ("first", "second"), True, ("random",))

    def proposal(self, config: LeagueConfig, name: str) -> Decision:
        """What a player should play next."""
        maker, player = matchmaker(config), self.players[name]
        return lambda: maker(self.view(), player, self._generator)

    def evaluation(self, config: LeagueConfig) -> Decision:
        """A match that only rates."""
        maker = evaluator(config)
        return lambda: maker(self.view(), self._generator)

    def freeze(self, config: LeagueConfig, name: str) -> Decision:
        """Whether a player is frozen that may be, and is not at its time limit."""
        soon = replace(config, snapshot_steps=1000, snapshot_min_steps=999)
        player = self._nearly_frozen(soon, name)
        return lambda: decide_freeze(player, self.view(), soon)

    def test(self, config: LeagueConfig) -> Decision:
        """A match that only rates, while players are tested against their parents."""
        soon = replace(config, snapshot_steps=1000, snapshot_min_steps=999)
        maker = evaluator(soon)
        players = {name: self._nearly_frozen(soon, name) for name in self.players}
        return lambda: maker(replace(self.view(), players=players), self._generator)

    def _nearly_frozen(self, config: LeagueConfig, name: str) -> Player:
        return replace(self.players[name], steps=max(gate(config, ROLES[name]).least, 999))

    def _ledger(self, generator: np.random.Generator) -> Ledger:
        ledger, names = Ledger(), self._past.names
        for player in self.players.values():
            for name, rate in zip(names, generator.beta(8, 3, len(names)).tolist(), strict=True):
                ledger.payoff.record(player.name, name, 100 * rate, 0, 100 * (1 - rate))
                ledger.tally.record(player.node, name, 100 * rate, 0, 100 * (1 - rate))
        newest = names[-LARGEST_META_GAME:]
        for index, home in enumerate(newest):
            for away in newest[:index]:
                wins = int(generator.integers(513))
                ledger.tally.record(home, away, wins, 0, 512 - wins)
        strengths = generator.normal(1500, 200, len(names) + len(ROLES)).tolist()
        nodes = [*names, *(player.node for player in self.players.values())]
        ledger.elo = dict(zip(nodes, strengths, strict=True))
        quality = generator.normal(size=len(self._past.names_of["main"])).tolist()
        ledger.swaps = {p.node: {str(p.parent): [90, 210, 400, 220, 100]} for p in self.players.values()}
        ledger.quality = {"main": dict(zip(self._past.names_of["main"], quality, strict=True))}
        return ledger


def _decisions(league: League) -> Iterator[tuple[str, Decision]]:
    yield "reading a row of the payoff", league.read
    for rule in RULES:
        players = ("main", "main-2") if rule == "population" else ("main",)
        config = LeagueConfig(rule, players, latest_probability=0.2)
        for name in list(ROLES)[:3] if rule in WITH_ROLES else ["main"]:
            yield f"{rule}, {name}", league.proposal(config, name)
            if rule in WITH_ROLES:
                yield f"{rule}, {name}, whether to freeze", league.freeze(config, name)
    for window in (32, LARGEST_META_GAME):
        for strategy in META_STRATEGIES:
            config = LeagueConfig("psro", window=window, meta_strategy=strategy)
            decide = league.proposal(config, "main")
            yield f"psro, {strategy} of {window}", decide
            yield f"psro, {strategy} of {window}, solved", partial(_solve_and, decide)
        yield f"psro, evaluation of {window}", league.evaluation(config)
    for strategy in META_STRATEGIES:
        decide = two_teams(LeagueConfig("psro", window=LARGEST_META_GAME, meta_strategy=strategy))
        yield f"psro, two teams, {strategy} of 64, solved", partial(_solve_and, decide)
    yield "evaluation", league.evaluation(LeagueConfig())
    yield "evaluation, gate sprt", league.test(LeagueConfig(gate="sprt"))
    yield "self_play, gate sprt, whether to freeze", league.freeze(LeagueConfig(gate="sprt"), "main")
    yield "self_play, main, whether to freeze", league.freeze(LeagueConfig(), "main")


def two_teams(config: LeagueConfig) -> Decision:
    """What a wolf should play next, where wolves and sheep differ; as many of either as may be mixed."""
    players = [
        Player(name, team=team, generation=config.window) for name, team in (("wolf", "a"), ("sheep", "b"))
    ]
    past = Past([Snapshot(p.name, g, "0" * 64, None, g, "") for g in range(config.window) for p in players])
    ledger, generator = Ledger(), np.random.default_rng(0)
    for wolf, sheep in np.ndindex(config.window, config.window):
        wins = int(generator.integers(513))
        ledger.tally.record(f"wolf@{wolf}", f"sheep@{sheep}", wins, 0, 512 - wins)
    known, maker = {player.name: player for player in players}, matchmaker(config)
    return lambda: maker(LeagueView(known, past, ledger, ("a", "b"), False), players[0], generator)


def _solve_and(decide: Decision) -> object:
    mixture.cache_clear()
    return decide()


def _timed(decide: Decision, repeats: int) -> tuple[float, float]:
    """Median and 95th percentile."""
    decide()
    taken = []
    for _ in range(repeats):
        begin = time.process_time()
        decide()
        taken.append(1000.0 * (time.process_time() - begin))
    return float(np.median(taken)), float(np.percentile(taken, 95))


if __name__ == "__main__":
    raise SystemExit(main())
