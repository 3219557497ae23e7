"""Drawing an opponent uniformly: the step that `self_play`, `population` and `fictitious` share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.random import Generator

from league.matchmaking.proposal import Proposal
from league.players import LeagueError, Player, Purpose
from league.view import LeagueView

NAMED = 20
"""A reason lists its candidates by name up to this many."""


@dataclass(frozen=True)
class Draw:
    """One opponent, and how it was drawn."""

    opponent: str
    branch: str
    """`latest`, `past`, `latest, for want of a past`; of a weighted draw what it was for."""
    reason: dict[str, Any]


def draw_opponent(
    view: LeagueView,
    sources: Sequence[Player],
    latest_probability: float,
    window: int | Callable[[int], int],
    generator: Generator,
) -> Draw:
    """One of `sources`, uniformly; of it the live network with `latest_probability`, else uniformly one of
    its newest `window` snapshots (0: of all; a function says how many of those that there are).

    Every call takes three numbers from the generator, whatever the branch: so a decision more or less
    candidates never shifts the decisions after it.
    """
    which, coin, pick = generator.random(3).tolist()
    source = sources[int(which * len(sources))]
    past = view.pasts.get(source.name, [])
    past = past[-(window if isinstance(window, int) else window(len(past))) :]
    reason: dict[str, Any] = {
        "player": source.name,
        "players": [player.name for player in sources][:NAMED],
        "latest_probability": latest_probability,
        "draw": coin,
        "candidates": len(past),
    }
    if coin < latest_probability or not past:
        branch = "latest" if coin < latest_probability else "latest, for want of a past"
        return Draw(source.name, branch, {"opponent": source.name, "branch": branch, **reason})
    if len(past) <= NAMED:
        reason["names"] = [snapshot.name for snapshot in past]
    opponent = past[int(pick * len(past))].name
    weight = {"probability": 1.0 / len(past), "pick": pick}
    return Draw(opponent, "past", {"opponent": opponent, "branch": "past", **reason, **weight})


def seat(view: LeagueView, player: Player, rule: str, draw: Callable[[str], Draw]) -> Proposal:
    """A training match of `player` in its own team, every other team filled by `draw(team)`."""
    own = view.team_of(player)
    draws = {team: draw(team) for team in view.teams if team != own}
    teams = {team: player.name if team == own else draws[team].opponent for team in view.teams}
    reason = {
        "rule": rule,
        "player": player.name,
        "branch": ", ".join(draw.branch for draw in draws.values()) or "alone",
        "draws": {team: _with_win_rates(view, player, draw) for team, draw in draws.items()},
    }
    return Proposal(teams, Purpose.TRAIN, reason)


def _with_win_rates(view: LeagueView, player: Player, draw: Draw) -> dict[str, Any]:
    """The reason of a draw, with how well the player does against whom it names, unless the rule said so."""
    names = [] if "win_rates" in draw.reason else draw.reason.get("names", [])
    if "win_rate" in draw.reason and not names:
        return draw.reason
    rates = view.win_rates(player, [draw.opponent, *names]).tolist()
    told: dict[str, Any] = {"win_rate": rates[0]}
    if names:
        told["win_rates"] = rates[1:]
    return told | draw.reason


def players_for(view: LeagueView, team: str) -> tuple[Player, ...]:
    """Learning players that may play `team`. Raises LeagueError where there is none."""
    if players := view.bound_to(team):
        return players
    raise LeagueError(f"no learning player is bound to team {team!r}, so nobody can play it")
