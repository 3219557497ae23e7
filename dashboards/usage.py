"""What was typed and could not be meant: one line, a hint where something is near, exit status 2."""

from __future__ import annotations

import argparse
import difflib
import math
from collections.abc import Iterable
from typing import NoReturn


class UsageError(Exception):
    """The command line itself is wrong. The message is one line for the user."""


class Parser(argparse.ArgumentParser):
    """argparse that raises instead of exiting, and takes no abbreviations."""

    def __init__(self, **options: object) -> None:
        super().__init__(
            **{"allow_abbrev": False, "formatter_class": argparse.RawDescriptionHelpFormatter, **options}  # type: ignore[arg-type]
        )

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message.removeprefix('argument ')} (see {self.prog} --help)")

    @property
    def flags(self) -> dict[str, bool]:
        """Every option string that the parser knows -> whether a value follows it."""
        return {flag: a.nargs != 0 for a in self._actions for flag in a.option_strings}


def unknown(kind: str, name: str, known: Iterable[str], list_with: str = "") -> UsageError:
    """`unknown command trian: did you mean train?`; without a near name, where to find the known ones."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    if near:
        return UsageError(f"unknown {kind} {name}: did you mean {near[0]}?")
    return UsageError(f"unknown {kind} {name}: {list_with or 'known are ' + ', '.join(known)}")


def count(text: str) -> int:
    """A whole number from 1, also written `1e6` or `1_000_000`."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (number >= 1 and math.isfinite(number) and number.is_integer()):
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number from 1, like 1000 or 1e6")
    return int(number)


def actors(text: str) -> int:
    """`count`, or `auto`: 0, which stands for what the cores allow."""
    if text == "auto":
        return 0
    try:
        return count(text)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{error}, or auto") from None


def duration(text: str) -> float:
    """Seconds above 0."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not (seconds > 0 and math.isfinite(seconds)):
        raise argparse.ArgumentTypeError(f"{text!r} must be a number of seconds above 0")
    return seconds


def seed(text: str) -> int:
    """A whole number that every generator takes."""
    if not (text.isascii() and text.isdigit() and int(text) < 2**63):
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number from 0 to 2^63 - 1")
    return int(text)


def port(text: str) -> int:
    """A TCP port; 0 lets the system choose a free one."""
    if not (text.isascii() and text.isdigit() and int(text) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r} must be a port from 0 to 65535")
    return int(text)


def take_overrides(arguments: list[str], flags: dict[str, bool]) -> tuple[list[str], dict[str, str]]:
    """Split `--field value` and `--field=value` of unknown fields from what the parser knows.

    Done before parsing, because argparse would take the value of an option that it does not know for
    the game's name.
    """
    kept: list[str] = []
    overrides: dict[str, str] = {}
    rest = iter(arguments)
    for argument in rest:
        flag, equals, value = argument.partition("=")
        if not argument.startswith("--") or argument == "--":
            kept.append(argument)
        elif flag in flags:
            kept.append(argument)
            if flags[flag] and not equals and (following := next(rest, None)) is not None:
                kept.append(following)
        else:
            overrides[flag] = value if equals else _value_of(flag, next(rest, None))
    return kept, overrides


def _value_of(flag: str, following: str | None) -> str:
    if following is None or following.startswith("--"):
        raise UsageError(f"{flag}: needs a value, like {flag} VALUE")
    return following
