"""The classes that Ray places, thin: each builds its loop, and passes calls on to it.

What computes is imported inside, so that the process that only coordinates never loads it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray

from coordinator.config import Inference, RunConfig
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
    from coordinator.learner_loop import Progress, Published, Shipment
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
    ) -> None:
        from coordinator.learner_loop import LearnerLoop
        from coordinator.window import clear_leftovers

        clear_leftovers()
        self._loop = LearnerLoop(config, spec, players, checkpoints, folder=folder, core=core)
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
            self._make_exchange(config, owner, players),
        )

    @staticmethod
    def _make_exchange(config: RunConfig, owner: str, players: Mapping[str, Player]) -> MakeExchange:
        if config.runtime.inference is Inference.CENTRAL:
            from coordinator.inference_link import InferenceLink

            return partial(InferenceLink, config, owner, players, Finder(LEARNER).look)
        from coordinator.shipping import Shipping

        return partial(Shipping, config, players, RayLink(LEARNER, owner))

    def run(self) -> None:
        from agents.machine import keep_to

        keep_to(self._core)
        self._loop.run()

    def stop(self) -> None:
        self._loop.stop()

    def pid(self) -> int:
        return os.getpid()


LOOK_SECONDS = 0.02
"""Between two looks at the board: to act by other weights they must be laid out anew."""
LEARNER = "learner"
"""Name of the learner process within the run's Ray namespace."""


class Finder:
    """Asks the learner process, whichever it is now, where the inference server listens."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._asked: Any = None

    def look(self) -> Address | None:
        """Where it is, once that is known; None while it is not. Waits for nobody."""
        try:
            if self._asked is None:
                self._asked = ray.get_actor(self._name).inference.remote()
            if not ray.wait([self._asked], timeout=0)[0]:
                return None
            asked, self._asked = self._asked, None
            address: Address | None = ray.get(asked)
            return address
        except (ValueError, ray.exceptions.RayActorError):  # it died, and is not up again
            self._asked = None
            return None


class RayLink:
    """How an actor reaches the learner process; see `shipping.LearnerLink`.

    Calls go by Ray. On one machine they only say where batches lie in the actor's window, and weights come
    over its board; between machines both travel with the calls.
    """

    def __init__(self, name: str, owner: str) -> None:
        self._name = name
        self._owner = owner
        self._handle: Any = None
        self._flight: list[Any] = []
        self._sizes: dict[str, int] = {}
        """Numbers in everybody's weights."""
        self._window: Window | None = None
        self._asked = False
        """Whether a window was offered to this learner process."""
        self._seen: dict[str, int] = {}
        self._next_look = 0.0

    def send(self, shipment: Shipment, known: Mapping[str, int]) -> None:
        """Begin to hand a shipment over. Where there is no learner process now, the shipment is lost."""
        from agents.trajectory import Trajectory

        try:
            if self._handle is None:
                self._handle = ray.get_actor(self._name)
            if shipment and not self._asked and isinstance(first := shipment[0][1], Trajectory):
                self._offer_window(first)
            window, self._seen = self._window, dict(known)
            parcels = [
                (name, (window.put(batch) if window and isinstance(batch, Trajectory) else None) or batch)
                for name, batch in shipment
            ]
            wanted = dict(known) if window is None else None
            self._flight.append(self._handle.submit.remote(self._owner, parcels, wanted))
        except ValueError:  # nobody bears the name: it died, and is not up again
            time.sleep(0.1)
        except ray.exceptions.RayActorError:
            self._forget()

    def receive(self, wait: float) -> tuple[int, dict[str, Published]]:
        """(shipments still in flight, newer weights)."""
        news: dict[str, Published] = {}
        # Asking Ray takes longer than a step of many games: only where the answer matters.
        if self._flight and (wait or self._window is None or len(self._flight) > 1):
            done, self._flight = ray.wait(self._flight, num_returns=1, timeout=wait)
            self._next_look = 0.0 if done else self._next_look
            for ref in done:
                try:
                    news.update(ray.get(ref, timeout=10))
                except ray.exceptions.RayActorError:
                    self._forget()
        self._sizes.update({name: len(weights) for name, (weights, _) in news.items()})
        if self._window is not None and (now := time.monotonic()) >= self._next_look:
            self._next_look = now + LOOK_SECONDS
            for name in self._sizes:
                if (new := self._window.read(name, self._seen.get(name))) is not None:
                    news[name] = new
                    self._seen[name] = new[1]
        return len(self._flight), news

    def _offer_window(self, batch: Trajectory) -> None:
        """Share memory with the learner process, if it is on this machine and there is room."""
        from coordinator.window import OFFER_SECONDS, Window, layout_for, new_path

        self._asked = True
        layout, path = layout_for(batch, self._sizes), new_path()
        if layout is None:
            return
        try:
            window = Window(path, layout, create=True)
        except OSError:
            return
        try:
            if ray.get(self._handle.attach.remote(self._owner, path, layout), timeout=OFFER_SECONDS / 2):
                self._window = window
        except ray.exceptions.GetTimeoutError:
            pass  # too busy to answer: batches travel with the calls
        finally:
            path.unlink(missing_ok=True)

    def _forget(self) -> None:
        """The learner process died, and with it what it shared."""
        self._handle, self._flight, self._window, self._asked, self._seen = None, [], None, False, {}
