"""Games that this project never saw, trained for a few seconds each with the defaults, to a leaderboard.

Run: python -m benchmarks.any_game [--seconds N] [--runtime ray|inline] [GAME ...]
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from benchmarks.runs import describe_machine, trained
from coordinator.archive import Archive, ResultLog
from league.leaderboard import RatedRow, ReturnRow, leaderboard
from league.players import Purpose

GAMES = (
    "pettingzoo:classic/leduc_holdem_v4",
    "pettingzoo:classic/tictactoe_v3",
    "pettingzoo:classic/rps_v2",
    "mpe2:simple_tag",
    "mpe2:simple_adversary",
)


@dataclass(frozen=True)
class Finding:
    """What one run came to."""

    steps: int
    generations: int
    """Frozen, over all players."""
    matches: int
    rating_matches: int
    """Those of them that only rate."""
    rows: list[RatedRow] | list[ReturnRow]
    """The leaderboard."""


def run(game: str, *, runtime: str, seed: int, seconds: float) -> Finding:
    """Train one game with its defaults."""
    with trained(game, {"runtime.runtime": runtime}, seed=seed, seconds=seconds) as done:
        view = done.view()
        results = ResultLog(done.store, Archive(done.run.archive)).after(0)
        return Finding(
            steps=done.result.steps,
            generations=len(view.snapshots),
            matches=view.ledger.totals.matches,
            rating_matches=sum(result.match.purpose is Purpose.EVALUATE for result in results),
            rows=leaderboard(view),
        )


def best(finding: Finding) -> str:
    """First rows of a leaderboard in words."""
    return ", ".join(
        f"{row.player}{'' if row.generation is None else f'@{row.generation}'} {row.elo:.0f}"
        for row in finding.rows[:3]
        if isinstance(row, RatedRow)
    )


def main() -> None:
    """Run every game, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("games", nargs="*", default=GAMES, metavar="GAME")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--runtime", choices=("ray", "inline"), default="ray")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    print(describe_machine(), args.runtime, f"{args.seconds:g} s each")
    print("| game | decisions | generations | matches | that only rate | leaderboard, best three |")
    print("| --- | --- | --- | --- | --- | --- |")
    for game in args.games:
        found = run(game, runtime=args.runtime, seed=args.seed, seconds=args.seconds)
        print(
            f"| {game} | {found.steps} | {found.generations} | {found.matches} | {found.rating_matches} "
            f"| {best(found)} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
