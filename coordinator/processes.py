"""The classes that Ray places, thin: each builds its loop, and passes calls on to it.

What computes is imported inside, so that the process that only coordinates never loads it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import ray

from coordinator.config import RunConfig
from coordinator.ray_links import LEARNER, Finder, RayLink
from coordinator.runtime_config import Inference
from coordinator.store_types import Checkpoint
from envs.game import GameSpec
from league.pbt import Turn
from league.players import Player

if TYPE_CHECKING:
    from agents.stages import Stages
    from agents.trajectory import Trajectory
    from agents.update import Proposal
    from coordinator.actor_loop import ActorLoop
    from coordinator.inference_link import Address
    from coordinator.inference_server import InferenceServer
    from coordinator.learner_loop import Progress, Published
    from coordinator.learners import Frozen
    from coordinator.shipping import Exchange
    from coordinator.window import Parcel, Window, WindowLayout

    Parcels = list[tuple[str, Parcel | Trajectory | Proposal]]
    MakeExchange = Callable[[Stages, Callable[[], bool]], Exchange]


class LearnerProcess:
    """A process with the learners of some players. Methods run in threads of their own."""

    def __init__(
        self,
        config: RunConfig,
        spec: GameSpec,
        players: Mapping[str, Player],
        checkpoints: Mapping[str, Checkpoint],
        folder: Path,
        core: int | None,
        rank: int = 0,
        meeting: Path | None = None,
    ) -> None:
        from coordinator.learner_loop import LearnerLoop
        from coordinator.window import clear_leftovers

        clear_leftovers()
        peers = None
        if meeting is not None:
            from agents.peers import Peers

            peers = Peers(rank, config.runtime.learners, meeting)
        self._loop = LearnerLoop(config, spec, players, checkpoints, folder=folder, core=core, peers=peers)
        self._server: InferenceServer | None = None
        if config.runtime.inference is Inference.CENTRAL:
            self._server = self._serve(config, spec, players)
        self._windows: dict[str, tuple[str, Window]] = {}
        """Actor's place -> who fills it, and its window: a successor's takes the place of a dead one's."""

    def attach(self, owner: str, path: Path, layout: WindowLayout) -> bool:
        """Open an actor's window. False where it is on another machine."""
        from coordinator.window import Window

        try:
            window = Window(path, layout, create=False)
        except OSError:
            return False
        place = owner.partition(".")[0]
        self._windows[place] = owner, window
        self._loop.listen(place, window.write)
        return True

    def submit(self, owner: str, parcels: Parcels, known: Mapping[str, int] | None) -> dict[str, Published]:
        from coordinator.learner_loop import Delivery
        from coordinator.window import Parcel

        deliveries = []
        holder, window = self._windows.get(owner.partition(".")[0], (None, None))
        for name, batch in parcels:
            if isinstance(batch, Parcel):
                if window is None or holder != owner:
                    continue  # of an actor that was replaced: what it sent so late is lost
                deliveries.append(Delivery(name, window.look(batch), partial(window.free, batch)))
            else:
                deliveries.append(Delivery(name, batch))
        return self._loop.submit(deliveries, known)

    def inference(self) -> Address | None:
        """Where players that learn decide; None where that is at the actors."""
        return None if self._server is None else self._server.address

    def progress(self) -> Progress:
        progress = self._loop.progress()
        return progress if self._server is None else progress._replace(traffic=self._server.traffic())

    def freeze(self, name: str) -> Frozen:
        return self._loop.freeze(name)

    def reset(self, name: str) -> None:
        self._loop.reset(name)

    def turn(self, turn: Turn, frozen_at: int) -> Frozen | None:
        return self._loop.turn(turn, frozen_at)

    def checkpoint(self) -> dict[str, Checkpoint]:
        return self._loop.checkpoint()

    def prune(self, keep: set[str]) -> None:
        self._loop.prune(keep)

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()
        self._loop.stop()

    def _serve(self, config: RunConfig, spec: GameSpec, players: Mapping[str, Player]) -> InferenceServer:
        """Decide for all actors from now on, by the newest weights."""
        from coordinator.inference_server import InferenceServer
        from coordinator.learner_loop import Delivery

        loop = self._loop
        host = None if config.runtime.address == "local" else ray.util.get_node_ip_address()
        server = InferenceServer(
            config,
            spec,
            players,
            lambda full: loop.submit([Delivery(*one) for one in full], None),
            loop.fail,
            host,
        )
        loop.listen("inference", server.load)
        return server


class ActorProcess:
    """A process that plays matches. `run` occupies one thread, `stop` comes in by another."""

    def __init__(
        self,
        config: RunConfig,
        owner: str,
        players: Mapping[str, Player],
        url: str,
        namespace: str,
        folder: Path,
        core: int | None,
        learner: str,
    ) -> None:
        from coordinator.actor_loop import ActorLoop
        from coordinator.snapshots import SnapshotStore
        from coordinator.store import Store

        self._core = core
        self._loop: ActorLoop = ActorLoop(
            config,
            owner,
            players,
            Store.connect(url, namespace),
            SnapshotStore(folder / "snapshots"),
            self._make_exchange(config, owner, players, learner),
        )

    @staticmethod
    def _make_exchange(
        config: RunConfig, owner: str, players: Mapping[str, Player], learner: str
    ) -> MakeExchange:
        if config.runtime.inference is Inference.CENTRAL:
            from coordinator.inference_link import InferenceLink

            return partial(InferenceLink, config, owner, players, Finder(LEARNER).look)
        from coordinator.shipping import Shipping

        return partial(Shipping, config, players, RayLink(learner, owner))

    def run(self) -> None:
        from agents.machine import keep_to

        keep_to(self._core)
        self._loop.run()

    def stop(self) -> None:
        self._loop.stop()

    def pid(self) -> int:
        return os.getpid()
