"""The live view of a training run in a terminal: calm, redrawn a few times a second, at low cost.

The run calls the view with a `Frame` as often as it likes; the view draws at most `REDRAWS` a second
and otherwise returns at once. Where the output is no terminal, it prints one line every `LINE_EVERY`
seconds instead.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from coordinator.report import Frame, MatchLine, PlayerLine
from dashboards.figures import clock_time, interval, short

REDRAWS = 3.0
"""Most redraws a second."""
LINE_EVERY = 5.0
"""Seconds between two progress lines where the output is no terminal."""
LAST = 6
"""Finished matches shown."""
CLEARED = "\r\x1b[K"
"""Back to the start of the line, with nothing on it."""

View = Callable[[Frame], None]


@contextmanager
def live_view(
    console: Console, quiet: bool = False, clock: Callable[[], float] = time.monotonic
) -> Iterator[View]:
    """A view that fits the output: a live picture, progress lines, or (quiet) nothing.

    clock: seconds, monotonic; only how often things are drawn depends on it.
    """
    if quiet:
        yield lambda frame: None
    elif console.is_terminal and not console.is_dumb_terminal:
        with Live(console=console, auto_refresh=False, transient=False) as live:
            yield _at_most(REDRAWS, clock, lambda frame: live.update(picture(frame), refresh=True))
    else:
        yield _at_most(
            1 / LINE_EVERY,
            clock,
            lambda frame: console.print(line(frame), soft_wrap=True, highlight=False, markup=False),
        )


def _at_most(per_second: float, clock: Callable[[], float], draw: View) -> View:
    """Draw the first frame, then at most so often; and always a frame that is no longer running."""
    next_draw = clock()

    def view(frame: Frame) -> None:
        nonlocal next_draw
        if (now := clock()) >= next_draw or frame.state != "running":
            next_draw = now + 1 / per_second
            draw(frame)

    return view


@contextmanager
def status_line(
    stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
) -> Iterator[Callable[[str], None]]:
    """A line that is written over, for what is done before there is anything to show; gone at the end.

    stream: standard error, by default. Nothing is written where it is no terminal. clock: as of `live_view`.
    """
    to = stream or sys.stderr
    next_draw = clock()

    def say(text: str) -> None:
        nonlocal next_draw
        if to.isatty() and (now := clock()) >= next_draw:
            next_draw = now + 1 / REDRAWS
            to.write(f"{CLEARED}{text}")
            to.flush()

    try:
        yield say
    finally:
        if to.isatty():
            to.write(CLEARED)
            to.flush()


def line(frame: Frame) -> str:
    """One line of progress, for logs."""
    figures = (
        clock_time(frame.seconds),
        f"{short(frame.steps)} steps",
        f"{short(frame.steps_per_second)} steps/s",
        f"{short(frame.updates)} updates",
        f"policy lag {frame.policy_lag:.1f}",
        f"{short(frame.matches.get('done', 0))} matches",
        *(f"{p.name}@{p.generation} {frame.measure} {rating(p, frame.measure)}" for p in frame.players),
    )
    return "  ".join(figures)


def picture(frame: Frame) -> RenderableType:
    """The whole view: a headline, the figures, the players, the last matches, notes."""
    parts: list[RenderableType] = [_headline(frame), _figures(frame)]
    if frame.progress is not None:
        parts.append(
            ProgressBar(total=1.0, completed=frame.progress, complete_style="cyan", finished_style="green")
        )
    parts += [Text(), _players(frame)]
    if frame.last:
        parts += [Text(), _matches(frame.last[:LAST])]
    if frame.notes:
        parts += [Text(), *(Text(f"! {note}", style="yellow") for note in frame.notes[-3:])]
    return Group(*parts)


def _headline(frame: Frame) -> RenderableType:
    return Text.assemble(
        (frame.game, "bold"),
        ("  ", ""),
        (frame.run, "dim"),
        ("  ", ""),
        (frame.state, "green" if frame.state == "running" else "bold"),
        no_wrap=True,
        overflow="ellipsis",
    )


def _figures(frame: Frame) -> RenderableType:
    """Figures side by side; each a unit that a narrow terminal wraps between, never within."""
    actors = len(frame.actors)
    matches = frame.matches
    units = [
        ("time", clock_time(frame.seconds)),
        ("steps", short(frame.steps)),
        ("steps/s", short(frame.steps_per_second)),
        ("updates", short(frame.updates)),
        ("policy lag", f"{frame.policy_lag:.1f}"),
        ("actors", str(actors)) if actors else None,
        ("matches", short(matches.get("done", 0))),
        ("parked", str(parked)) if (parked := matches.get("parked", 0)) else None,
    ]
    text = Text()
    for unit in filter(None, units):
        name, value = unit
        text.append(f"{name} ".replace(" ", "\N{NO-BREAK SPACE}"), "dim")
        text.append(value, "red" if name == "parked" else "cyan")
        text.append("   ")
    text.rstrip()
    return text


def _players(frame: Frame) -> RenderableType:
    table = _table()
    table.add_column("player", no_wrap=True, overflow="ellipsis", min_width=6)
    for name in (frame.measure, "steps", "version"):
        table.add_column(name, justify="right", no_wrap=True)
    for player in frame.players:
        label = Text.assemble((player.name, "bold"), (f"@{player.generation}", "dim"))
        strength = rating(player, frame.measure)
        version = "–" if player.version is None else short(player.version)
        table.add_row(label, strength, short(player.steps), version)
    return table


def _matches(matches: tuple[MatchLine, ...]) -> RenderableType:
    table = _table()
    table.add_column("last matches", no_wrap=True, overflow="ellipsis", min_width=14)
    table.add_column("+won =drawn −lost", no_wrap=True, overflow="ellipsis", min_width=11)
    table.add_column("why", no_wrap=True, overflow="ellipsis", style="dim")
    for match in matches:
        table.add_row(Text(match.opponents), Text(match.result), Text(match.reason))
    return table


def rating(player: PlayerLine, measure: str) -> str:
    """`1240 ±35`: Elo in whole points, returns to two places."""
    return interval(player.rating, player.low, player.high, 0 if measure == "Elo" else 2)


def _table() -> Table:
    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
