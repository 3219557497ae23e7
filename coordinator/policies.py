"""Identity -> how it acts: live weights, verified snapshots, scripts."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping

from agents.algorithms.config import PolicyLoss
from agents.asking import Served
from agents.errors import AgentError
from agents.policy import Behaviour, NetworkPolicy, Weights
from agents.scripted import make_scripted
from agents.scripted_policy import ScriptedPolicy
from coordinator.config import RunConfig
from coordinator.snapshots import SnapshotError, SnapshotStore
from envs.game import GameSpec
from league.players import Player, Role, Snapshot, split_identity

KEPT = 64
"""Snapshots that stay in memory after their last table closed."""


def pack(weights: Weights, version: int, steps: int) -> tuple[dict[str, Weights], dict[str, int]]:
    """A snapshot's tensors and meta, for `SnapshotStore.write`."""
    return {"weights": weights}, {"version": version, "steps": steps}


class Policies:
    """Builds behaviours for the identities of matches, and keeps the newest used."""

    def __init__(
        self,
        config: RunConfig,
        spec: GameSpec,
        snapshots: SnapshotStore,
        registered: Callable[[], Collection[Snapshot]],
        players: Mapping[str, Player],
        *,
        greedy: bool = False,
        patience: float | None = None,
    ) -> None:
        """registered: reads the snapshots anew, where one is not known yet. players: those with a network.

        patience: seconds that a scripted player may think over its moves of one tick; None for any time.
        """
        self._config = config
        self._spec = spec
        self._snapshots = snapshots
        self._registered = registered
        self._players = players
        self._hashes: dict[str, str] = {}
        self._kept: OrderedDict[str, Behaviour] = OrderedDict()
        self._greedy = greedy
        self._patience = patience

    def live(self, name: str) -> NetworkPolicy:
        """A new policy for a live player, which may explore; the caller loads weights into it."""
        return self._policy(name, copies=self._config.rollout.copies)

    def served(self, name: str) -> Served:
        """A live player whose weights are elsewhere."""
        loss = self._config.learner_of(self._players[name]).algorithm.policy_loss
        return Served(name, varies=loss is not PolicyLoss.Q)

    def get(self, identity: str) -> Behaviour:
        """How a snapshot, a pretrained or a scripted player acts.

        Raises SnapshotError where its file is damaged, AgentError where nobody is called so.
        """
        if identity not in self._kept:
            self._kept[identity] = self._load(identity)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(identity)
        return self._kept[identity]

    def _load(self, identity: str) -> Behaviour:
        player = self._players.get(identity)
        if player is not None and player.role is Role.PRETRAINED:
            return self._frozen(identity, identity, player.weights)
        if "@" not in identity:
            return ScriptedPolicy(make_scripted(identity, self._spec), self._spec, self._patience)
        name, _ = split_identity(identity)
        if identity not in self._hashes:
            self._hashes = {snapshot.name: snapshot.sha256 for snapshot in self._registered()}
        if identity not in self._hashes:
            raise AgentError(f"no snapshot is called {identity}")
        return self._frozen(identity, name, self._hashes[identity])

    def _frozen(self, identity: str, player: str, sha256: str) -> NetworkPolicy:
        """An identity whose weights are a file."""
        policy = self._policy(player, copies=0)
        try:
            tensors, meta = self._snapshots.read(sha256)
        except SnapshotError as error:
            raise SnapshotError(error.path, f"{error.what} (it is {identity})") from error
        policy.load(tensors["weights"], meta["version"])
        return policy

    def _policy(self, name: str, copies: int) -> NetworkPolicy:
        player = self._players[name]
        config = self._config.learner_of(player)
        return NetworkPolicy(config, self._spec, team=player.team, greedy=self._greedy, copies=copies)
