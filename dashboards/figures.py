"""Numbers as people read them."""

from __future__ import annotations


def short(number: float) -> str:
    """`950`, `12.3k`, `4.56M`: three figures, so that columns stay still."""
    magnitude, unit = abs(number), ""
    for larger in "kMGT":
        if magnitude < 999.5:
            break
        magnitude, unit = magnitude / 1000, larger
    places = 0 if not unit or magnitude >= 99.95 else 1 if magnitude >= 9.995 else 2
    return f"{'-' if number < 0 else ''}{magnitude:.{places}f}{unit}"


def clock_time(seconds: float) -> str:
    """`0:07`, `12:30`, `1:02:30`."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def interval(middle: float | None, low: float | None, high: float | None, places: int = 0) -> str:
    """`1240 ±35`, half the interval's width; a dash where there is no rating yet."""
    if middle is None:
        return "–"
    if low is None or high is None:
        return f"{middle:.{places}f}"
    return f"{middle:.{places}f} ±{(high - low) / 2:.{places}f}"


def several(number: int, noun: str) -> str:
    """`1 match`, `2 matches`, `3 games`."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun}{'es' if noun.endswith('ch') else 's'}"
