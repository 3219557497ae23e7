"""What the rules of a league may look at: one consistent picture, read only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property

from league.ledger import Ledger
from league.players import LeagueError, Player, Role, Snapshot, split_identity


@dataclass(frozen=True)
class LeagueView:
    """Players, their past and their results at one moment. Nothing that reads it may change it."""

    players: Mapping[str, Player]
    """By name."""
    snapshots: Sequence[Snapshot]
    """Oldest first."""
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
        return tuple(player for player in self.players.values() if player.role is not Role.SCRIPTED)

    @cached_property
    def pasts(self) -> dict[str, list[Snapshot]]:
        """Name of a player -> its snapshots, oldest first."""
        pasts: dict[str, list[Snapshot]] = {}
        for snapshot in self.snapshots:
            pasts.setdefault(snapshot.player, []).append(snapshot)
        return pasts

    def bound_to(self, team: str) -> tuple[Player, ...]:
        """Learning players that may play `team`."""
        if self.symmetric or len(self.teams) == 1:
            return self.learners
        return tuple(player for player in self.learners if player.team == team)

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
        name, generation = split_identity(identity)
        if generation is None and name in self.players:
            return self.players[name].node
        if identity in self.scripted or any(s.generation == generation for s in self.pasts.get(name, ())):
            return identity
        close = get_close_matches(
            identity, [*self.players, *self.scripted, *(s.name for s in self.snapshots)], n=1
        )
        raise LeagueError(
            f"nobody is called {identity!r}" + (f"; did you mean {close[0]!r}?" if close else "")
        )
