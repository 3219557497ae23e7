"""AlphaStar's league by its published pseudocode, not by its text (Vinyals et al. 2019, supplement).

    main              0.50  PFSP, squared, over all snapshots
                      0.15  verification: past main exploiters, where it beats one in less than 0.3;
                            else a main's past without its monotone suffix, where it beats one in less
                            than 0.7; both by PFSP, squared; else as below
                      0.35  a main as it is now; its past by PFSP, variance, where it beats it in 0.3 or less
    main exploiter          a main as it is now; its past by PFSP, variance, where it beats it in 0.1 or less
    league exploiter        PFSP, linear capped, over all snapshots
    generic player          PFSP, linear, over all snapshots (not in the pseudocode)

The main is drawn uniformly among the mains that may play the team. A rule that finds nobody falls back on
that main.
"""

from __future__ import annotations

from dataclasses import dataclass

from numpy.random import Generator

from league.matchmaking.alphastar import everybodys_past, without_monotone_suffix
from league.matchmaking.opponents import Draw, seat
from league.matchmaking.pfsp import Weighting, draw_pfsp
from league.matchmaking.proposal import Proposal
from league.matchmaking.weighted import Dice, Table
from league.players import Player, Role
from league.view import LeagueView

PFSP = 0.50
VERIFICATION = 0.15
EXPLOITED = 0.3
"""Exploiters are verified against where the win rate against one is below this."""
FORGOTTEN = 0.7
"""The past is verified against where the win rate against one is below this."""
TOO_STRONG = 0.3
"""A main meets another's past where its win rate against it is not above this."""
TOO_STRONG_TO_EXPLOIT = 0.1
"""The same for an exploiter."""


@dataclass(frozen=True)
class AlphaStarPseudocode:
    """Roles and their opponents by the pseudocode."""

    def __call__(self, view: LeagueView, player: Player, generator: Generator) -> Proposal:
        """A match that trains `player`."""

        def draw(team: str) -> Draw:
            return _opponent(Table(view, player, team, Dice.roll(generator)))

        return seat(view, player, "alphastar_pseudocode", draw)


def _opponent(table: Table) -> Draw:
    main = table.one_of(Role.MAIN)
    match table.player.role:
        case Role.MAIN:
            return _main(table, main)
        case Role.MAIN_EXPLOITER:
            return _now_or_before(table, main, TOO_STRONG_TO_EXPLOIT)
        case role:
            return everybodys_past(table, role) or table.live(main, "self-play, for want of a past")


def _main(table: Table, main: Player) -> Draw:
    draw = None
    if table.dice.coin < PFSP:
        draw = draw_pfsp(table, table.everyone, Weighting.SQUARED, "pfsp")
    elif table.dice.coin < PFSP + VERIFICATION:
        draw = _verification(table, main)
    return draw or _now_or_before(table, main, TOO_STRONG)


def _verification(table: Table, main: Player) -> Draw | None:
    """Opponents that the player should have an answer to and has not; None where it has."""
    exploiters = table.of_roles(Role.MAIN_EXPLOITER)
    if (table.win_rates[exploiters] < EXPLOITED).any():
        return draw_pfsp(table, exploiters, Weighting.SQUARED, "verification against exploiters")
    past = table.view.frozen(main)
    rates = without_monotone_suffix(table.win_rates[past])
    if (rates < FORGOTTEN).any():
        return draw_pfsp(table, past[: len(rates)], Weighting.SQUARED, "verification against the past")
    return None


def _now_or_before(table: Table, main: Player, too_strong: float) -> Draw:
    if table.win_rate(main) <= too_strong:
        past = table.view.frozen(main)
        if draw := draw_pfsp(table, past, Weighting.VARIANCE, "curriculum over a main's past"):
            return draw
    return table.live(main, "self-play" if main.name == table.player.name else "the current main")
