"""Leagues as tables, and what the tests of many rules ask of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import chisquare

from league.ledger import Ledger
from league.players import Player, Role, Snapshot
from league.view import LeagueView


def snapshot(player: str, generation: int) -> Snapshot:
    """`player@generation`, at a thousand steps a generation."""
    parent = f"{player}@{generation - 1}" if generation else None
    return Snapshot(player, generation, "0" * 64, parent, 1000 * generation, "test")


def make_view(
    players: Sequence[Player],
    teams: tuple[str, ...] = ("first", "second"),
    symmetric: bool = True,
    scripted: tuple[str, ...] = (),
    ledger: Ledger | None = None,
    win_rates: Mapping[str, Mapping[str, float]] | None = None,
) -> LeagueView:
    """Everybody with all generations before the one in the making. win_rates: of 1000 games, by identity."""
    frozen = [
        snapshot(player.name, g) for player in players if player.role.learns for g in range(player.generation)
    ]
    ledger = ledger or Ledger()
    for player, row in (win_rates or {}).items():
        for opponent, rate in row.items():
            ledger.payoff.record(player, opponent, 1000 * rate, 0, 1000 * (1 - rate))
    return LeagueView({p.name: p for p in players}, frozen, ledger, teams, symmetric, scripted)


class Fixed(np.random.Generator):
    """A generator whose `random` gives what a table says, again and again."""

    def __init__(self, *numbers: float) -> None:
        super().__init__(np.random.PCG64(0))
        self.numbers = numbers

    def random(self, size: Any = None, *_: Any, **__: Any) -> Any:
        """The numbers, the last one repeated."""
        filled = [*self.numbers, *[self.numbers[-1]] * 3]
        return np.array(filled[:size]) if isinstance(size, int) else filled[0]


def frequencies(rule: Any, view: LeagueView, player: Player, team: str, seed: int, n: int) -> Counter[str]:
    """How often each identity is drawn into a team."""
    generator = np.random.default_rng(seed)
    return Counter(rule(view, player, generator).teams[team] for _ in range(n))


def agrees(counts: Counter[str], chances: dict[str, float]) -> bool:
    """Whether the counts could come from the chances (chi squared, one in a million)."""
    total = sum(counts.values())
    if len(chances) == 1:
        return set(counts) == set(chances)
    expected = [chance * total for chance in chances.values()]
    return set(counts) <= set(chances) and bool(
        chisquare([counts[name] for name in chances], expected).pvalue > 1e-6
    )


def alphastar_players(generation: int = 3, **teams: str) -> list[Player]:
    """A main, a main exploiter, a league exploiter and a generic player; or those of every team named."""
    roles = [Role.MAIN, Role.MAIN_EXPLOITER, Role.LEAGUE_EXPLOITER, Role.PLAYER]
    names = ["main", "exploiter", "leaguer", "generic"]
    if not teams:
        return [Player(n, role, generation=generation) for n, role in zip(names, roles, strict=True)]
    return [
        Player(f"{prefix}-{name}", role, team, generation)
        for prefix, team in teams.items()
        for name, role in zip(names, roles, strict=True)
    ]
