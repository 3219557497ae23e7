"""How long one matchmaking decision takes in a large league: `python -m benchmarks.decisions`.

Four live players (a main, a main exploiter, two league exploiters) and 10 000 snapshots. Every live player
met every snapshot, and so did every pair of the newest 64, the largest meta-game that psro may be asked
for; a table of all 10 000 against each other has 10^8 entries, and no rule reads one. Each line is a decision
for the player that is named, from a view made anew, as in a run: CPU time of the process, median and 95th
percentile. psro appears twice for every meta-strategy: as it is between two results that change its table,
and, marked "solved", after one that did. Indexing the past is paid for once a snapshot, not a decision.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
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
RULES = ("self_play", "fictitious", "pfsp", "openai_five", "alphastar", "alphastar_pseudocode")


@dataclass(frozen=True)
class Timing:
    """CPU milliseconds of one kind of decision."""

    decision: str
    median: float
    percentile_95: float


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--snapshots", type=int, default=10_000, help="in the whole league")
    parser.add_argument("--repeats", type=int, default=200, help="decisions of each kind")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    timings = measure(args.snapshots, args.repeats)
    if args.json:
        print(json.dumps([asdict(timing) for timing in timings]))
    else:
        print(f"{'CPU milliseconds':48} {'median':>8} {'95 %':>8}")
        for timing in timings:
            print(f"{timing.decision:48} {timing.median:8.2f} {timing.percentile_95:8.2f}")
    return 0


def measure(snapshots: int, repeats: int) -> list[Timing]:
    """Every rule's decisions in one league."""
    league = League(snapshots)
    indexing = _timed("indexing the past, once a snapshot", league.index, min(repeats, 20))
    return [indexing, *(_timed(name, decide, repeats) for name, decide in _decisions(league))]


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
        steps = max(gate(soon, ROLES[name]).least, 999)
        player = replace(self.players[name], steps=steps)
        return lambda: decide_freeze(player, self.view(), soon)

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
        ledger.quality = {"main": dict(zip(self._past.names_of["main"], quality, strict=True))}
        return ledger


def _decisions(league: League) -> Iterator[tuple[str, Decision]]:
    for rule in RULES:
        config = LeagueConfig(rule, latest_probability=0.2)
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
    yield "evaluation", league.evaluation(LeagueConfig())


def _solve_and(decide: Decision) -> object:
    mixture.cache_clear()
    return decide()


def _timed(name: str, decide: Decision, repeats: int) -> Timing:
    decide()
    taken = []
    for _ in range(repeats):
        begin = time.process_time()
        decide()
        taken.append(1000.0 * (time.process_time() - begin))
    return Timing(name, float(np.median(taken)), float(np.percentile(taken, 95)))


if __name__ == "__main__":
    raise SystemExit(main())
