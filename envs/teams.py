"""Who wins and loses together, read from the names of the seats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from envs.game import GameError

TeamRule = Literal["auto", "seats", "prefix", "one"]
"""How seats are put into teams.

seats   every seat is a team of its own
prefix  seats whose names agree up to the number are a team: `adversary_0`, `adversary_1` | `agent_0`
one     all seats are one team
auto    prefix where prefixes differ; else seats where they are all `player`; else one
"""
Teams = dict[str, tuple[int, ...]]


def split_teams(seats: Sequence[str], rule: str = "auto") -> Teams:
    """Team name -> its seats. Raises GameError for a rule that is none of `TeamRule`."""
    by_prefix: dict[str, list[int]] = {}
    for index, seat in enumerate(seats):
        by_prefix.setdefault(prefix(seat), []).append(index)
    match rule:
        case "seats":
            return {seat: (index,) for index, seat in enumerate(seats)}
        case "prefix":
            return {team: tuple(members) for team, members in by_prefix.items()}
        case "one":
            return {"team": tuple(range(len(seats)))}
        case "auto":
            alike = len(by_prefix) == 1
            return split_teams(
                seats, "prefix" if not alike else "seats" if set(by_prefix) == {"player"} else "one"
            )
        case _:
            raise GameError(f"teams is {rule!r}, allowed are {', '.join(get_args(TeamRule))}")


def prefix(seat: str) -> str:
    """`player_0` -> `player`; a name without a number is its own prefix."""
    return seat.rstrip("0123456789").rstrip("_") or seat
