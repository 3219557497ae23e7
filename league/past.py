"""The snapshots of a league, with what every decision asks of them worked out once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import overload

import numpy as np
import numpy.typing as npt

from league.players import Snapshot

Ints = npt.NDArray[np.int64]


class Past(Sequence[Snapshot]):
    """Snapshots, oldest first. Immutable: where one is added, a new one is made.

    Indexing ten thousand of them takes longer than a decision may, so whoever makes many decisions keeps it.
    """

    def __init__(self, snapshots: Sequence[Snapshot]) -> None:
        self._snapshots = tuple(snapshots)

    @classmethod
    def of(cls, snapshots: Sequence[Snapshot]) -> Past:
        """The same where it is one already."""
        return snapshots if isinstance(snapshots, Past) else cls(snapshots)

    @overload
    def __getitem__(self, index: int) -> Snapshot: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Snapshot, ...]: ...
    def __getitem__(self, index: int | slice) -> Snapshot | tuple[Snapshot, ...]:
        return self._snapshots[index]

    def __len__(self) -> int:
        return len(self._snapshots)

    def __iter__(self) -> Iterator[Snapshot]:
        return iter(self._snapshots)

    @cached_property
    def names(self) -> list[str]:
        """[S] `main@12`."""
        return [snapshot.name for snapshot in self._snapshots]

    @cached_property
    def registered(self) -> frozenset[str]:
        """The names, to ask for membership."""
        return frozenset(self.names)

    @cached_property
    def by_player(self) -> dict[str, list[Snapshot]]:
        """Name of a player -> its snapshots, oldest first."""
        pasts: dict[str, list[Snapshot]] = {}
        for snapshot in self._snapshots:
            pasts.setdefault(snapshot.player, []).append(snapshot)
        return pasts

    @cached_property
    def names_of(self) -> dict[str, list[str]]:
        """Name of a player -> the names of its snapshots, oldest first."""
        return {player: [snapshot.name for snapshot in past] for player, past in self.by_player.items()}

    @cached_property
    def owners(self) -> tuple[str, ...]:
        """Players that have a past, in the order of their first snapshots."""
        return tuple(self.by_player)

    @cached_property
    def owner(self) -> Ints:
        """[S] whose each snapshot is: index into `owners`."""
        position = {name: index for index, name in enumerate(self.owners)}
        return np.array([position[snapshot.player] for snapshot in self._snapshots], np.int64)
