"""What the rules of a league may look at: one consistent picture, read only."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property

import numpy as np
import numpy.typing as npt

from league.ledger import Ledger
from league.past import Past
from league.payoff import win_rates
from league.players import LeagueError, Player, Role, Snapshot

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


FORFEITS = 3
"""Matches that a player may forfeit before it is drawn no more."""


@dataclass(frozen=True)
class LeagueView:
    """Players, their past and their results at one moment. Nothing that reads it may change it."""

    players: Mapping[str, Player]
    """By name."""
    snapshots: Sequence[Snapshot]
    """Oldest first. A `Past` keeps what is worked out about them from one view to the next."""
    ledger: Ledger
    """Results so far."""
    teams: tuple[str, ...]
    """Names of the game's teams, in its order."""
    symmetric: bool
    """Whether any player may play any team. If not, every player is bound to one by `Player.team`."""
    scripted: tuple[str, ...] = ()
    """Scripted players that evaluation may draw: `random`. They play any team."""

    @cached_property
    def learners(self) -> tuple[Player, ...]:
        """Players that learn, in the order of `players`."""
        return tuple(player for player in self.players.values() if player.role.learns)

    @cached_property
    def past(self) -> Past:
        """The snapshots, indexed."""
        return Past.of(self.snapshots)

    @property
    def pasts(self) -> Mapping[str, list[Snapshot]]:
        """Name of a player -> its snapshots, oldest first."""
        return self.past.by_player

    @cached_property
    def fixed(self) -> tuple[Player, ...]:
        """Players that do not learn."""
        return tuple(player for player in self.players.values() if not player.role.learns)

    @cached_property
    def opponents(self) -> list[str]:
        """[N] everybody who will not change any more: all snapshots, oldest first, then `fixed`."""
        return [*self.past.names, *(player.name for player in self.fixed)]

    def permitted(self, team: str, roles: Collection[Role] | None = None) -> Ints:
        """Positions in `opponents` of those who may play `team`, and whose player has one of `roles`."""

        def allowed(player: Player | None) -> bool:
            in_role = roles is None or (player is not None and player.role in roles)
            return in_role and self.may_play(player, team)

        frozen = np.array([allowed(self.players.get(name)) for name in self.past.owners], bool)
        fixed = np.array([allowed(player) and not self.gave_up(player.name) for player in self.fixed], bool)
        return np.flatnonzero(np.append(frozen[self.past.owner], fixed))

    def may_play(self, player: Player | None, team: str) -> bool:
        """Whether a player may be seated in `team`; None is one that has left, whose team nobody knows."""
        if self.symmetric or len(self.teams) == 1:
            return True
        return player is not None and (player.team == team or player.role is Role.SCRIPTED)

    def gave_up(self, identity: str) -> bool:
        """Whether it forfeited so many matches that it is drawn no more."""
        return self.ledger.forfeits.get(identity, 0) >= FORFEITS

    def frozen(self, player: Player) -> Ints:
        """Positions in `opponents` of one player's snapshots, oldest first."""
        if player.name not in self.past.owners:
            return np.zeros(0, np.int64)
        return np.flatnonzero(self.past.owner == self.past.owners.index(player.name))

    def win_rates(self, player: Player, opponents: Sequence[str]) -> Floats:
        """[O] of a learning player, of late; 0.5 where it never played.

        Of late: decayed, as matchmakers read it. Of a player whose weights were ever replaced: undecayed, of
        its last two generations, if both came after that.
        """
        return win_rates(self.results(player, opponents))

    def results(self, player: Player, opponents: Sequence[str]) -> Floats:
        """[O, 3] wins, draws and losses behind `win_rates`."""
        if not player.reset_at:
            return self.ledger.payoff.results(player.name, opponents)
        # The payoff goes by identity and remembers the life before; the tally goes by generation.
        nodes = [self.players[name].node if name in self.players else name for name in opponents]
        found = [self.ledger.tally.results(life, nodes) for life in player.lives]
        total: Floats = np.sum(found, axis=0)
        return total

    def bound_to(self, team: str) -> tuple[Player, ...]:
        """Learning players that may play `team`."""
        return tuple(player for player in self.learners if self.may_play(player, team))

    def team_of(self, player: Player) -> str:
        """The team that `player` is seated in: the first, where it may play any."""
        if self.symmetric or len(self.teams) == 1:
            return self.teams[0]
        if player.team not in self.teams:
            raise LeagueError(
                f"player {player.name} is bound to team {player.team!r}, "
                f"but the game has {', '.join(self.teams)}"
            )
        return player.team

    def node(self, identity: str) -> str:
        """What results of `identity` are rated under. Raises LeagueError where nobody is called so."""
        if identity in self.players:
            return self.players[identity].node
        if identity in self.scripted or identity in self.past.registered:
            return identity
        close = get_close_matches(identity, [*self.players, *self.scripted, *self.past.names], n=1)
        raise LeagueError(
            f"nobody is called {identity!r}" + (f"; did you mean {close[0]!r}?" if close else "")
        )
