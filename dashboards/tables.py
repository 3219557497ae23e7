"""Rows as tables for people. Every text from a run enters as text, never as markup."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from agents.stages import busy
from dashboards.figures import clock_time, interval, several, short
from league.forgetting import Alarm

Json = dict[str, Any]


def print_json(value: object) -> None:
    """The only thing that a command prints to standard output under `--json`."""
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False, allow_nan=False)
    print()


def say(*lines: str) -> None:
    """Plain lines, never wrapped: a path in them can be copied."""
    print(*lines, sep="\n")


def show(columns: Mapping[str, Sequence[str | Text]], numbers: Sequence[str] = (), grow: str = "") -> None:
    """Print a table. numbers: columns to align right. grow: the column that is cut where there is no room."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in columns:
        right = name in numbers
        table.add_column(
            name,
            justify="right" if right else "left",
            no_wrap=True,
            overflow="ellipsis" if name == grow else "fold",
        )
    for cells in zip(*columns.values(), strict=True):
        table.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in cells))
    console = Console()
    if not console.is_terminal:
        # Nobody sees the width of a file: leave nothing out.
        console = Console(width=10_000)
    console.print(table)


def show_leaderboard(rows: Sequence[Json], remark: str = "") -> None:
    """Players and generations, best first. remark: the line under them."""
    if not rows:
        say("Nobody has played yet.")
        return
    returns = any(row.get("return_mean") is not None for row in rows)
    columns: dict[str, list[str | Text]] = {
        "": [str(place) for place in range(1, len(rows) + 1)],
        "player": [_who(row) for row in rows],
    }
    if returns:
        columns["return"] = [
            interval(row.get("return_mean"), row.get("return_low"), row.get("return_high"), 2) for row in rows
        ]
    else:
        columns["Elo"] = [interval(row["elo"], row["elo_low"], row["elo_high"]) for row in rows]
    if any("skill" in row for row in rows):
        columns["skill"] = [interval(row["skill"], row["skill_low"], row["skill_high"], 1) for row in rows]
    columns["games"] = [short(row["games"]) for row in rows]
    if not returns:
        for name, key in (("won", "wins"), ("drawn", "draws"), ("lost", "losses")):
            columns[name] = [short(row[key]) for row in rows]
    for name, key in (("Nash", "nash"), ("α-rank", "alpha_rank")):
        if any(row.get(key) is not None for row in rows):
            columns[name] = [_percent(row.get(key)) for row in rows]
    columns["role"] = [row["role"] for row in rows]
    show(columns, numbers=[name for name in columns if name not in ("player", "role")])
    if remark:
        say("", remark)


def show_status(status: Json) -> None:
    """One picture of a run, a line a group."""
    matches = status["matches"]
    say(
        f"{status['run']}  {status['state']}",
        f"{short(status['steps'])} steps in {clock_time(status['seconds'])}, "
        f"{short(status['steps_per_second'])} steps/s, {short(status['updates'])} updates, "
        f"policy lag {status['policy_lag']:.1f}",
        f"matches: {matches['done']} done, {matches['leased']} being played, {matches['ready']} ready, "
        f"{matches['parked']} parked",
        *([f"forfeits: {_counted(status['forfeits'])}"] if status["forfeits"] else []),
        f"actors: {', '.join(status['actors']) or 'none'}",
        "",
    )
    players = status["players"]
    show(
        {
            "player": [Text(name, "bold") for name in players],
            "role": [player["role"] for player in players.values()],
            "team": [player["team"] or "any" for player in players.values()],
            "generation": [str(player["generation"]) for player in players.values()],
            "steps": [short(player["steps"]) for player in players.values()],
        },
        numbers=("generation", "steps"),
    )
    if status["forgetting"]:
        say("", *(str(Alarm(**alarm)) for alarm in status["forgetting"]))
    show_processes(status)


def _counted(counts: Mapping[str, int]) -> str:
    """`module:bot 3, module:other 1`"""
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def show_processes(status: Json) -> None:
    """What the learner and every actor were busy with lately, where the run knows."""
    stages = status["stages"]
    actors = {name: beat.get("stages") for name, beat in status["actors"].items()}
    everybody = {"learner": stages.get("learner"), **(actors or {"actor": stages.get("actor")})}
    if shares := {name: one for name, one in everybody.items() if one}:
        say("")
        show(
            {
                "process": list(shares),
                "busy": [_percent(busy(one)) for one in shares.values()],
                "its time": [_stages(one) for one in shares.values()],
            },
            numbers=("busy",),
            grow="its time",
        )


def _stages(shares: Mapping[str, float]) -> str:
    """`game 41 %, inference 30 %`, the longest first; what is below half a percent is left out."""
    longest = sorted(shares.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {share:.0%}" for name, share in longest if share >= 0.005)


def show_eval(report: Json) -> None:
    """What came of one player against another, in all and by seat; in a game of one team its return."""
    if "return_mean" in report:
        say(
            f"{report['player']}: {several(report['games'], 'episode')}",
            f"mean return {_range(report, 'return_mean', 'return', 2)}",
        )
        return
    say(
        f"{report['player']} against {report['against']}: {several(report['games'], 'game')}",
        f"score {_range(report, 'score', 'score', 3)}; a win is 1, a draw ½",
        "",
    )
    parts = {"in all": report, "as first": report["as_first"], "as second": report["as_second"]}
    played = {name: part for name, part in parts.items() if part["games"]}
    counts = {"games": "games", "won": "wins", "drawn": "draws", "lost": "losses"}
    columns = {title: [str(part[key]) for part in played.values()] for title, key in counts.items()}
    scores = [f"{part['score']:.3f}" for part in played.values()]
    show({"": list(played), **columns, "score": scores}, numbers=[*columns, "score"])


def show_exploitability(reports: Sequence[Json]) -> None:
    """How much best answers to players would win, a player a line."""
    teams = dict.fromkeys(team for report in reports for team in report["best_response"])
    gains = {
        f"{team} gains": [_figure(report["best_response"].get(team), 4) for report in reports]
        for team in teams
    }
    show(
        {
            "player": [report["policy"] for report in reports],
            "NashConv": [_figure(report["nash_conv"], 4) for report in reports],
            "exploitability": [_figure(report["exploitability"], 4) for report in reports],
            **gains,
        },
        numbers=("NashConv", "exploitability", *gains),
    )


def show_bounds(reports: Sequence[Json]) -> None:
    """How much trained answers to players did win, a player a line."""
    found = [report["best_response"] for report in reports]
    columns = {
        "exploitable by": [
            interval(report["exploitability"], answer["low"], answer["high"], 3)
            for report, answer in zip(reports, found, strict=True)
        ],
        "answer's return": [interval(*_estimate(answer, "return_mean", "return"), 3) for answer in found],
        "its score": [interval(*_estimate(answer, "score", "score"), 3) for answer in found],
        "games": [short(answer["games"]) for answer in found],
        "trained on": [short(answer["decisions"]) for answer in found],
    }
    begun = [", ".join(dict.fromkeys(team["start"] for team in answer["teams"].values())) for answer in found]
    show(
        {"player": [report["policy"] for report in reports], **columns, "begun from": begun},
        numbers=tuple(columns),
    )
    say("", "Bounds from below, with 95 % intervals: an answer that is trained for longer may win more.")


def _figure(number: float | None, places: int) -> str:
    return "–" if number is None else f"{number:.{places}f}"


def _estimate(report: Json, middle: str, prefix: str) -> tuple[float, float, float]:
    return report[middle], report[f"{prefix}_low"], report[f"{prefix}_high"]


def _range(report: Json, middle: str, prefix: str, places: int) -> str:
    """`0.985, 95 % interval 0.967 to 0.994`: such an interval need not be symmetric."""
    if report[middle] is None:
        return "unknown"
    low, high = report[f"{prefix}_low"], report[f"{prefix}_high"]
    return f"{report[middle]:.{places}f}, 95 % interval {low:.{places}f} to {high:.{places}f}"


def _identity(row: Json) -> str:
    return row["player"] if row["generation"] is None else f"{row['player']}@{row['generation']}"


def _who(row: Json) -> Text:
    """A generation in the making has no snapshot yet: its player's name alone stands for it."""
    return Text.assemble((_identity(row), "bold"), (" learning" if row.get("live") else "", "dim"))


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"
