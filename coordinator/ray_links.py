"""How an actor process reaches those that learn, by the names that Ray knows them by."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import ray

if TYPE_CHECKING:
    from agents.trajectory import Trajectory
    from coordinator.inference_link import Address
    from coordinator.learner_loop import Published, Shipment
    from coordinator.window import Window

LOOK_SECONDS = 0.02
"""Between two looks at the board: to act by other weights they must be laid out anew."""
LEARNER = "learner"
"""Name of the learner process within the run's Ray namespace."""


def learner_name(rank: int) -> str:
    """Ray's name of a process that learns; actors are spread over all of them."""
    return LEARNER if rank == 0 else f"{LEARNER}-{rank}"


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
