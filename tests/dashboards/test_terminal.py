"""The live view: fits any width, costs little, and falls back to lines."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from coordinator.report import Frame, MatchLine, PlayerLine
from dashboards.figures import clock_time, interval, several, short
from dashboards.terminal import LINE_EVERY, REDRAWS, line, live_view, picture

FRAME = Frame(
    run="connect_four-1",
    game="connect_four",
    seconds=75.0,
    steps=3_412_345,
    updates=812,
    steps_per_second=101_234,
    policy_lag=3.21,
    players=(
        PlayerLine("main", "main", 4, 3_412_345, 812, 1240.0, 1205.0, 1275.0),
        PlayerLine("rival", "main", 0, 0),
    ),
    actors={"actor-0": {}},
    matches={"ready": 1, "leased": 2, "done": 412, "parked": 1},
    last=(MatchLine(412, "main vs main@3", "+20 =1 −11", "past: main@3, one of 5"),),
    notes=("actor 1 was restarted: [red]boom[/red]",),
    progress=0.5,
)


def drawn(frame: Frame, width: int) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(picture(frame))
    return out.getvalue()


@pytest.mark.parametrize("width", [30, 60, 100, 200])
def test_the_picture_fits_its_width(width: int) -> None:
    lines = drawn(FRAME, width).splitlines()
    assert max(map(len, lines)) <= width
    assert any("main@4" in row for row in lines)


def test_the_picture_holds_what_a_person_needs() -> None:
    text = drawn(FRAME, 120)
    for words in (
        "connect_four",
        "running",
        "1:15",
        "3.41M",
        "101k",
        "lag\N{NO-BREAK SPACE}3.2",
        "main@4",
        "1240 ±35",
        "rival@0",
        "main vs main@3",
        "+20 =1 −11",
        "past: main@3, one of 5",
        "! actor 1 was restarted: [red]boom[/red]",
    ):
        assert words in text


def test_an_empty_frame_can_be_drawn() -> None:
    assert "connect_four" in drawn(Frame("r", "connect_four"), 80)


def test_the_terminal_is_redrawn_a_few_times_a_second() -> None:
    now = 0.0
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100)
    with live_view(console, clock=lambda: now) as view:
        drawings = 0
        for _ in range(1000):
            before = out.tell()
            view(FRAME)
            drawings += out.tell() > before
            now += 0.01
    assert drawings == pytest.approx(10 * REDRAWS, abs=1)


def test_a_pipe_gets_a_line_every_few_seconds() -> None:
    now = 0.0
    out = io.StringIO()
    with live_view(Console(file=out, width=40), clock=lambda: now) as view:
        for _ in range(40):
            view(FRAME)
            now += LINE_EVERY / 10
        view(replace(FRAME, state="finished"))
    lines = out.getvalue().splitlines()
    assert len(lines) == 5
    assert lines[0] == line(FRAME)
    assert "\x1b" not in out.getvalue()


def test_quiet_prints_nothing() -> None:
    out = io.StringIO()
    with live_view(Console(file=out, force_terminal=True), quiet=True) as view:
        view(FRAME)
    assert out.getvalue() == ""


def test_a_line_says_it_all() -> None:
    assert line(FRAME) == (
        "1:15  3.41M steps  101k steps/s  812 updates  policy lag 3.2  412 matches  "
        "main@4 Elo 1240 ±35  rival@0 Elo –"
    )


def test_returns_take_the_place_of_elo() -> None:
    player = PlayerLine("main", "main", 1, 10, 1, 195.5, 190.25, 200.75)
    frame = replace(FRAME, measure="return", players=(player,))
    assert "main@1 return 195.50 ±5.25" in line(frame)
    assert "return" in drawn(frame, 100)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (950, "950"),
        (999.6, "1.00k"),
        (12_345, "12.3k"),
        (123_456, "123k"),
        (4.56e6, "4.56M"),
        (-1500, "-1.50k"),
    ],
)
def test_short_numbers(number: float, text: str) -> None:
    assert short(number) == text


def test_figures_in_words() -> None:
    assert [clock_time(s) for s in (7.9, 750, 3750)] == ["0:07", "12:30", "1:02:30"]
    assert interval(None, None, None) == "–"
    assert interval(1240.4, None, None) == "1240"
    assert [several(n, "game") for n in (1, 2)] == ["1 game", "2 games"]
    assert several(2, "match") == "2 matches"
