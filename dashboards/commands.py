"""The commands that look at a run, or at what can be named. Each returns its exit status."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from collections.abc import Iterable

from dashboards.figures import several
from dashboards.reading import reading
from dashboards.tables import (
    print_json,
    say,
    show,
    show_eval,
    show_leaderboard,
    show_status,
)
from dashboards.usage import unknown
from league.players import Snapshot

SCRIPTED = ("random", "minimax")
"""Scripted players that have a plain name."""
LAST_MATCHES = 30
"""Matches that a person is shown unless they ask for more."""


def leaderboard(args: argparse.Namespace) -> int:
    """Who is how strong."""
    with reading(args.run, args.redis) as run:
        if args.json:
            print_json(run.leaderboard())
            return 0
        rows, remark = run.ranking()
        board = run.board(rows)
    show_leaderboard(board, remark)
    return 0


def status(args: argparse.Namespace) -> int:
    """How a run stands."""
    with reading(args.run, args.redis) as run:
        report = run.status()
    print_json(report) if args.json else show_status(report)
    return 0


def matches(args: argparse.Namespace) -> int:
    """Which matches were made, why, and what came of them."""
    with reading(args.run, args.redis) as run:
        if args.json:
            print_json(run.matches(args.last))
            return 0
        lines = run.match_lines(args.last or LAST_MATCHES)
        ready = run.store.counts().ready
    if not lines:
        say("No match has been played yet.")
        return 0
    show(
        {
            "match": [str(line.id) for line in lines],
            "state": [line.state for line in lines],
            "players": [line.opponents for line in lines],
            "+won =drawn −lost": [line.result for line in lines],
            "why": [line.reason for line in lines],
        },
        numbers=("match",),
        grow="why",
    )
    if ready:
        say("", f"{several(ready, 'more match')} made and not begun.")
    return 0


def snapshots(args: argparse.Namespace) -> int:
    """The frozen generations."""
    with reading(args.run, args.redis) as run:
        rows = run.snapshots()
    if args.json:
        print_json(rows)
    elif not rows:
        say("No generation has been frozen yet.")
    else:
        show(
            {
                "snapshot": [f"{row['player']}@{row['generation']}" for row in rows],
                "steps": [f"{row['steps']:,}" for row in rows],
                "from": [row["parent"] or "–" for row in rows],
                "why": [row["reason"] for row in rows],
                "sha256": [row["sha256"][:12] for row in rows],
            },
            numbers=("steps",),
        )
    return 0


def evaluate(args: argparse.Namespace) -> int:
    """Let one player meet another."""
    from coordinator.evaluation import evaluate as play

    find_scripts_here()
    seed = drawn_seed(args)
    with reading(args.run, args.redis) as run:
        for name in (args.player, args.against):
            check_identity(name, run.store.players(), run.store.snapshots())
        report = play(
            run.run, run.store, args.player, args.against, args.games, seed=seed, greedy=args.greedy
        )
    print_json(report) if args.json else show_eval(report)
    return 0


def find_scripts_here() -> None:
    """Let `module:factory` name what is in this folder; last, so that it hides no installed package."""
    if (here := os.getcwd()) not in sys.path:
        sys.path.append(here)


def drawn_seed(args: argparse.Namespace) -> int:
    """The seed that was given, or a new one, which the user is told."""
    if args.seed is not None:
        return int(args.seed)
    seed = secrets.randbelow(2**31)
    print(f"seed {seed}", file=sys.stderr)
    return seed


def check_identity(name: str, players: Iterable[str], snapshots: Iterable[Snapshot]) -> None:
    """Raises UsageError for a name that nobody in the run can bear; what it stands for is found out later."""
    live = list(players)
    known = [*live, *(f"{player}@latest" for player in live), *(one.name for one in snapshots), *SCRIPTED]
    if name not in known and ":" not in name:
        listed = ", ".join([*live, *SCRIPTED])
        first = live[0] if live else "main"  # a run that was killed at its start has no players yet
        raise unknown(
            "player",
            name,
            known,
            f"known are {listed}, mcts:N, module:factory and {first}@0, {first}@1, …",
        )


def doctor(args: argparse.Namespace) -> int:
    """Check every invariant of a run."""
    from coordinator.doctor import diagnose

    with reading(args.run, args.redis) as run:
        checks = diagnose(run.run, run.store)
    ok = all(check.ok for check in checks)
    if args.json:
        rows = [{"name": check.name, "ok": check.ok, "detail": check.detail} for check in checks]
        print_json({"ok": ok, "checks": rows})
    else:
        show(
            {
                "": ["ok" if check.ok else "BROKEN" for check in checks],
                "check": [check.name for check in checks],
                "detail": [check.detail for check in checks],
            }
        )
    return 0 if ok else 1


def envs(args: argparse.Namespace) -> int:
    """The games that can be named."""
    from envs.catalogue import catalogue

    entries = catalogue()
    if args.json:
        keys = ("name", "description", "teams", "kind")
        print_json([{key: getattr(entry, key) for key in keys} for entry in entries])
    else:
        show(
            {
                "game": [entry.name for entry in entries],
                "what it is": [entry.description for entry in entries],
                "teams": [entry.teams for entry in entries],
                "kind": [entry.kind for entry in entries],
            },
            grow="what it is",
        )
    return 0


def presets(args: argparse.Namespace) -> int:
    """The configurations that can be named."""
    from coordinator.presets import LEAGUES, PRESETS

    rows = [
        {"name": name, "option": option, "description": (layer.__doc__ or "").strip()}
        for option, named in (("--preset", PRESETS), ("--league", LEAGUES))
        for name, layer in named.items()
    ]
    if args.json:
        print_json(rows)
    else:
        columns = {"option": "option", "name": "name", "what it is": "description"}
        show({title: [row[key] for row in rows] for title, key in columns.items()}, grow="what it is")
    return 0


def dashboard(args: argparse.Namespace) -> int:
    """Serve the web page until it is stopped."""
    from dashboards.web.server import serve

    return serve(args.run, args.redis, args.port)
