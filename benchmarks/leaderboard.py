"""How long the whole leaderboard takes, and whether it grows faster than the table that it reads.

One command: `python -m benchmarks.leaderboard`.

Leagues of 100, 300, 1000 and 3000 generations in which everybody met everybody, N * N games in all (1000
generations: a million). Prints the seconds of process time on one thread, the best of `--repeat`:

    ratings    Bradley-Terry with draws and intervals, from the tally
    meta-game  Nash and alpha-rank over the strongest generations
    cycles     cyclic triples over all of them
    whole      `league.leaderboard.leaderboard` and the line under it: everything that a face shows
    loading    the stored ledger read back, which a face does before

and how much the whole grew from the size before, beside how much the table did.
"""

from __future__ import annotations

import os

# Before numpy is imported: what is measured is one core.
os.environ["OPENBLAS_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.runs import describe_machine
from league.leaderboard import leaderboard, remark
from league.ledger import Ledger
from league.meta_game import one_population
from league.payoff import Payoff
from league.players import Player, Snapshot
from league.ratings.bradley_terry import probabilities, rate
from league.ratings.diagnostics import cyclic_triples
from league.view import LeagueView

SIZES = (100, 300, 1000, 3000)
PARTS = ("ratings", "meta-game", "cycles", "whole", "loading")
NU = 0.5
"""Davidson's draw parameter: a fifth of the games between equals is drawn."""


def main() -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), metavar="N", help="generations")
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="takes of each (default 3)")
    parser.add_argument("--json", action="store_true", help="print seconds for programs")
    args = parser.parse_args()
    if args.json:
        print(json.dumps([measured(size, args.repeat) for size in args.sizes]))
        return 0
    print(describe_machine())
    print(f"{'generations':>12}{'pairs':>11}{'games':>11}" + "".join(f"{name:>11}" for name in PARTS))
    before: dict[str, Any] | None = None
    for size in args.sizes:
        row = measured(size, args.repeat)
        growth = ""
        if before:
            whole, table = (row[key] / before[key] for key in ("whole", "pairs"))
            growth = f"   x {whole:.1f}, the table x {table:.1f}"
        head = f"{size:>12,}{row['pairs']:>11,}{row['games']:>11,}"
        print(head + "".join(f"{row[name]:>9.3f} s" for name in PARTS) + growth, flush=True)
        before = row
    return 0


def measured(size: int, repeat: int) -> dict[str, Any]:
    """Seconds of each part for a league of `size` generations."""
    view = league(size, seed=size)
    tally, names = view.ledger.tally, [*view.past.names, *(player.node for player in view.learners)]
    parents = {name: names[index - 1] if index else None for index, name in enumerate(names)}
    ratings = rate(tally, parents)
    text = view.ledger.to_json()
    takes: dict[str, Callable[[], object]] = {
        "ratings": lambda: rate(tally, parents),
        "meta-game": lambda: one_population(tally, ratings, names),
        "cycles": lambda: cyclic_triples(tally, names),
        "whole": lambda: remark(leaderboard(view), view),
        "loading": lambda: Ledger.from_json(text),
    }
    pairs = tally.pairs(names)
    games = round(float(pairs.wins.sum() + pairs.draws.sum() + pairs.losses.sum()))
    counts = {"generations": size, "pairs": len(pairs.home), "games": games}
    return counts | {name: min(seconds(take) for _ in range(repeat)) for name, take in takes.items()}


def seconds(take: Callable[[], object]) -> float:
    """Process time of one call."""
    begin = time.process_time()
    take()
    return time.process_time() - begin


def league(size: int, seed: int) -> LeagueView:
    """`size` generations of one player, the last in the making; each pair met, N * N games in all."""
    generator = np.random.default_rng(seed)
    theta = np.linspace(0.0, 6.0, size) + generator.normal(0.0, 0.2, size)
    home, away = np.triu_indices(size, 1)
    games = generator.multinomial(size * size, np.full(len(home), 1.0 / len(home)))
    chances = np.stack(probabilities(theta[home] - theta[away], NU), axis=1)
    counts = generator.multinomial(np.maximum(games, 1), chances).tolist()
    names = [f"main@{generation}" for generation in range(size)]
    plain: dict[str, dict[str, list[float]]] = {}
    for first, second, (wins, draws, losses) in zip(home.tolist(), away.tolist(), counts, strict=True):
        one, two = names[first], names[second]
        if one < two:
            plain.setdefault(one, {})[two] = [wins, draws, losses]
        else:
            plain.setdefault(two, {})[one] = [losses, draws, wins]
    frozen = [Snapshot("main", g, "", names[g - 1] if g else None, 0, "") for g in range(size - 1)]
    return LeagueView(
        players={"main": Player("main", generation=size - 1)},
        snapshots=frozen,
        ledger=Ledger(tally=Payoff.from_plain(plain)),
        teams=("first", "second"),
        symmetric=True,
    )


if __name__ == "__main__":
    raise SystemExit(main())
