"""Identity -> how it acts: live weights, verified snapshots, scripts."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping

from agents.config import LearnerConfig
from agents.errors import AgentError
from agents.policy import Behaviour, NetworkPolicy, ScriptedPolicy, Weights
from agents.scripted import make_scripted
from coordinator.snapshots import SnapshotError, SnapshotStore
from envs.game import GameSpec
from league.players import Player, Snapshot, split_identity

KEPT = 64
"""Snapshots that stay in memory after their last table closed."""


def pack(weights: Weights, version: int, steps: int) -> tuple[dict[str, Weights], dict[str, int]]:
    """A snapshot's tensors and meta, for `SnapshotStore.write`."""
    return {"weights": weights}, {"version": version, "steps": steps}


class Policies:
    """Builds behaviours for the identities of matches, and keeps the newest used."""

    def __init__(
        self,
        config: LearnerConfig,
        spec: GameSpec,
        snapshots: SnapshotStore,
        registered: Callable[[], Collection[Snapshot]],
        players: Mapping[str, Player],
        *,
        greedy: bool = False,
    ) -> None:
        """registered: reads the snapshots anew, where one is not known yet. players: those that learn."""
        self._config = config
        self._spec = spec
        self._snapshots = snapshots
        self._registered = registered
        self._players = players
        self._hashes: dict[str, str] = {}
        self._kept: OrderedDict[str, Behaviour] = OrderedDict()
        self._greedy = greedy

    def live(self, name: str) -> NetworkPolicy:
        """A new policy for a live player; the caller loads weights into it."""
        return NetworkPolicy(self._config, self._spec, team=self._players[name].team, greedy=self._greedy)

    def get(self, identity: str) -> Behaviour:
        """How a snapshot or a scripted player acts.

        Raises SnapshotError where its file is damaged, AgentError where nobody is called so.
        """
        if identity not in self._kept:
            self._kept[identity] = self._load(identity)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(identity)
        return self._kept[identity]

    def _load(self, identity: str) -> Behaviour:
        if "@" not in identity:
            return ScriptedPolicy(make_scripted(identity, self._spec))
        name, _ = split_identity(identity)
        if identity not in self._hashes:
            self._hashes = {snapshot.name: snapshot.sha256 for snapshot in self._registered()}
        if identity not in self._hashes:
            raise AgentError(f"no snapshot is called {identity}")
        policy = self.live(name)
        try:
            tensors, meta = self._snapshots.read(self._hashes[identity])
        except SnapshotError as error:
            raise SnapshotError(error.path, f"{error.what} (it is {identity})") from error
        policy.load(tensors["weights"], meta["version"])
        return policy
