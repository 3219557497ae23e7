"""AlphaStar's league by its paper (Vinyals et al. 2019, Methods, "Multi-agent learning").

    main              35 %  self-play
                      50 %  PFSP, squared, over all past players
                      15 %  PFSP, squared, over forgotten mains and past main exploiters; none: self-play
    main exploiter    half of the time, and where it beats the main in less than 0.2:
                            PFSP, variance, over the mains' past
                      else  the main as it is now
    league exploiter        PFSP, linear capped, over all past players
    generic player          PFSP, linear, over all past players (not in the paper)

The published pseudocode differs: `alphastar_pseudocode`. A rule that finds nobody falls back on self-play.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from league.matchmaking.opponents import Draw, seat
from league.matchmaking.pfsp import Weighting, draw_pfsp
from league.matchmaking.proposal import Proposal
from league.matchmaking.weighted import Dice, Ints, Table
from league.players import Player, Role
from league.view import LeagueView

Floats = npt.NDArray[np.float64]

SELF_PLAY = 0.35
PFSP = 0.50
"""What is left is for forgotten and exploiting opponents."""
CURRICULUM = 0.5
"""Share of a main exploiter's matches that are against the mains' past."""
TOO_STRONG = 0.2
"""Below this win rate against the main an exploiter always meets its past instead."""
FORGOTTEN = 0.5
"""A past main that wins more often than it loses is one that "the agent can no longer beat"."""


@dataclass(frozen=True)
class AlphaStar:
    """Roles and their opponents by the paper."""

    def __call__(self, view: LeagueView, player: Player, generator: Generator) -> Proposal:
        """A match that trains `player`."""

        def draw(team: str) -> Draw:
            return _opponent(Table(view, player, team, Dice.roll(generator)))

        return seat(view, player, "alphastar", draw)


def _opponent(table: Table) -> Draw:
    match table.player.role:
        case Role.MAIN:
            draw = _main(table)
        case Role.MAIN_EXPLOITER:
            return main_exploiter(table, curriculum=table.dice.coin < CURRICULUM, too_strong=TOO_STRONG)
        case role:
            draw = everybodys_past(table, role)
    return draw or table.live(table.counterpart(), "self-play, for want of a past")


def _main(table: Table) -> Draw | None:
    coin = table.dice.coin
    if coin < SELF_PLAY:
        return table.live(table.counterpart(), "self-play")
    if coin < SELF_PLAY + PFSP:
        return draw_pfsp(table, table.everyone, Weighting.SQUARED, "pfsp")
    exploiters = table.of_roles(Role.MAIN_EXPLOITER)
    candidates = np.sort(np.append(_forgotten(table), exploiters))
    return draw_pfsp(table, candidates, Weighting.SQUARED, "forgotten and exploiters") or table.live(
        table.counterpart(), "self-play, nobody forgotten"
    )


def _forgotten(table: Table) -> Ints:
    """Past mains that the player loses to, those left out that it has never been ahead of yet."""
    found = [np.zeros(0, np.int64)]
    for main in table.view.bound_to(table.team):
        if main.role is Role.MAIN:
            past = table.view.frozen(main)
            past = past[: len(without_monotone_suffix(table.win_rates[past]))]
            found.append(past[table.win_rates[past] < FORGOTTEN])
    return np.concatenate(found)


def without_monotone_suffix(win_rates: Floats) -> Floats:
    """[O] win rates against one player's past, oldest first, up to where they last rose.

    Against ever newer snapshots a learner naturally wins ever less often: nothing of such a tail was
    forgotten. A rise says that an older snapshot is harder than a newer one (`remove_monotonic_suffix` of
    the pseudocode); without any the result is empty.
    """
    rises = np.flatnonzero(win_rates[:-1] < win_rates[1:])
    return win_rates[: rises[-1] + 2] if len(rises) else win_rates[:0]


def main_exploiter(table: Table, *, curriculum: bool, too_strong: float) -> Draw:
    """A main as it is now; its past, by variance, where the exploiter learns nothing from losing to it."""
    main = table.one_of(Role.MAIN)
    if curriculum or table.win_rate(main) < too_strong:
        past = table.of_roles(Role.MAIN)
        if draw := draw_pfsp(table, past, Weighting.VARIANCE, "curriculum over the mains' past"):
            return draw
    return table.live(main, "the current main")


def everybodys_past(table: Table, role: Role) -> Draw | None:
    """PFSP over all past players, by the weighting of a league exploiter or of a generic player."""
    weighting = Weighting.LINEAR_CAPPED if role is Role.LEAGUE_EXPLOITER else Weighting.LINEAR
    return draw_pfsp(table, table.everyone, weighting, "pfsp")
