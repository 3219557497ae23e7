"""What players are called where teams differ: every team has its own of those that a league names."""

from __future__ import annotations

import re

from league.players import NAME


def player_name(team: str) -> str:
    """A team's name as a player may bear it."""
    name = "".join(c if c.isalnum() or c in "._-" else "-" for c in team.lower()).strip("._-")
    return name if NAME.fullmatch(name) else "player"


def named_for(team: str, name: str) -> str:
    """A team's own: `main-2` -> `predator-2`, `league-exploiter` -> `predator-league-exploiter`."""
    return re.sub("^(main-|main$)?", f"{player_name(team)}-", name, count=1).rstrip("-")
