"""The actor process: leases matches, plays them, hands over what was played, reports outcomes.

    store ──lease──> Actor <──Exchange──> learner process: trajectories for weights, or questions for actions
      ▲                └──outcomes, heartbeat──┐
      └────────────────────────────────────────┘

Who waits for whom
    for a match     while none is ready and no copy plays; the coordinator offers more, or `stop` ends it.
    for a learner   as its exchange says (`shipping`, `inference_link`). Meanwhile the heart beats.
A process whose game hangs beats no more: the supervisor kills it, and its matches are offered again.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping

from agents.asking import NoAnswer
from agents.errors import AgentError
from agents.machine import settle
from agents.stages import WAITING, Stages
from coordinator.actor import Actor
from coordinator.config import RunConfig
from coordinator.figures import rounded
from coordinator.policies import Policies
from coordinator.shipping import Exchange
from coordinator.snapshots import SnapshotError, SnapshotStore
from coordinator.store import Store
from envs.asynchronous import AsynchronousGame
from envs.catalogue import make_game
from envs.game import Game, GameError
from league.players import Outcome, Player

BEAT_SECONDS = 0.2
"""Between two heartbeats, each with reports and renewal of leases."""
LEASED_AT_ONCE = 16
LEASE_AGAIN_SECONDS = 0.02
"""After the ready list was found empty."""
RENEWALS = 0.1
"""Of a lease's length, between two renewals: each is a write that waits for the disk."""
FAILURES = 3
"""Times in a row that the game may fail, no match having ended in between, before the actor gives up."""


class ActorLoop:
    """One actor's life, from `run` to `stop`."""

    def __init__(
        self,
        config: RunConfig,
        owner: str,
        players: Mapping[str, Player],
        store: Store,
        snapshots: SnapshotStore,
        make_exchange: Callable[[Stages, Callable[[], bool]], Exchange],
    ) -> None:
        """players: those that learn, by name.

        make_exchange: given what is told what the actor is busy with, and what is called every while in a
        wait, which it ends by False.
        """
        settle()
        self._config = config
        self._owner = owner
        self._store = store
        self._stopping = threading.Event()
        self._players = players
        self._snapshots = snapshots
        self._actor: Actor | None = None
        """Who plays now."""
        self._outcomes: list[Outcome] = []
        self._next_beat = self._next_lease = self._next_renewal = 0.0
        self._failures = 0
        self._last_error = ""
        self._beats = self._decisions = self._moved = 0
        self._stages = Stages()
        self._exchange = make_exchange(self._stages, self._go_on)

    def stop(self) -> None:
        """Ask `run` to come to its end; any thread may."""
        self._stopping.set()

    def run(self) -> None:
        """Play until `stop`. Raises GameError where the game fails again and again."""
        self._stages.begin()
        self._beat(force=True)
        while not self._stopping.is_set():
            try:
                with self._make_game() as game:
                    self._play(self._make_actor(game))
            except GameError as error:
                self._pause(error)
            except NoAnswer:
                pass  # games begin anew, with the server's successor
        self._beat(force=True)

    def _make_game(self) -> Game:
        """Stepped here, or by processes of its own."""
        game, copies, runtime = self._config.game, self._config.rollout.copies, self._config.runtime
        if not runtime.workers:
            return make_game(game.name, copies, teams=game.teams)
        return AsynchronousGame(
            game.name, copies, teams=game.teams, workers=runtime.workers, patience=runtime.hang_seconds
        )

    def _make_actor(self, game: Game) -> Actor:
        policies = Policies(
            self._config,
            game.spec,
            self._snapshots,
            self._store.snapshots,
            self._store.players(),
            patience=self._config.runtime.script_seconds,
        )
        asker = self._exchange.open(game.spec)
        actor = Actor(self._config, game, self._players, policies, self._stages, asker)
        actor.reset(int.from_bytes(os.urandom(4)))
        return actor

    def _play(self, actor: Actor) -> None:
        """Play until `stop`, and give back what was not played to its end."""
        self._actor = actor
        try:
            self._play_on(actor)
        except GameError as error:
            self._blame(actor, error)
            raise
        finally:
            self._actor = None
            for seated in actor.seated():
                self._store.give_back(seated.match.id, seated.attempt)

    def _play_on(self, actor: Actor) -> None:
        while not self._stopping.is_set():
            self._lease(actor)
            if actor.playing and self._exchange.ready(actor):
                actor.rollout.tick()
                if ended := actor.outcomes():
                    self._outcomes += [outcome for _, outcome in ended]
                    self._failures = 0
            else:
                self._wait(0.01)
            self._exchange.exchange(actor)
            self._beat()

    def _lease(self, actor: Actor) -> None:
        """Keep tables waiting. A match whose players cannot be brought to the table is given back."""
        now = time.time()
        if not actor.hungry or now < self._next_lease:
            return
        with self._stages("store"):
            leases = self._store.lease(self._owner, LEASED_AT_ONCE, now + self._config.runtime.lease_seconds)
            if not leases:
                self._next_lease = now + LEASE_AGAIN_SECONDS
            for lease in leases:
                try:
                    actor.seat(lease.match, lease.attempt)
                except (SnapshotError, AgentError) as error:
                    self._last_error = str(error)
                    self._store.fail(lease.match.id, lease.attempt, str(error))

    def _go_on(self) -> bool:
        """Show that the process lives; whether it is to."""
        self._beat()
        return not self._stopping.is_set()

    def _beat(self, *, force: bool = False) -> None:
        """Report outcomes, renew leases, show that the game moves. An outcome leaves once acknowledged."""
        now = time.time()
        if now < self._next_beat and not force:
            return
        elapsed = now - (self._next_beat - BEAT_SECONDS)
        self._next_beat = now + BEAT_SECONDS
        self._beats += 1
        decisions = self._actor.rollout.decisions if self._actor else self._decisions
        decided, self._decisions = max(0, decisions - self._decisions), decisions
        moved, self._moved = self._exchange.moved - self._moved, self._exchange.moved
        shares = self._stages.shares()
        beat = {
            "pid": os.getpid(),
            "beats": self._beats,
            "decisions_per_second": round(decided / elapsed),
            "bytes_per_decision": round(moved / max(1, decided), 1),
            "waiting": round(shares.get(WAITING, 0.0), 2),
            "stages": rounded(shares),
            "error": self._last_error,
        }
        with self._stages("store"):
            if self._outcomes:
                self._store.report(self._outcomes)
                self._outcomes = []
            if now >= self._next_renewal or force:
                lease_seconds = self._config.runtime.lease_seconds
                self._store.renew(self._owner, now + lease_seconds)
                self._next_renewal = now + RENEWALS * lease_seconds
            self._store.heartbeat(self._owner, beat)

    def _blame(self, actor: Actor, error: GameError) -> None:
        """The game failed: so did the match that the copy played for, or all where it does not say."""
        blamed = actor.seated() if error.copy is None else [actor.match_of(error.copy)]
        for seated in blamed:
            if seated is not None:
                self._store.fail(seated.match.id, seated.attempt, str(error))

    def _pause(self, error: GameError) -> None:
        """Before another try. Raises the error where it came too often."""
        self._last_error = str(error)
        self._failures += 1
        self._beat(force=True)
        if self._failures >= FAILURES:
            raise error
        self._wait(0.2 * self._failures)

    def _wait(self, seconds: float) -> None:
        with self._stages(WAITING):
            self._stopping.wait(seconds)
