"""The inline runtime: everything in one process, in order, exact to the last bit.

    round:  propose ──> actor.tick ──> batches ──> update ──> newest weights ──> actor.tick ──> …
            … until `round_steps` decisions are trained; then every game ends, and all is committed at once

Nobody waits for anybody. A round begins with fresh games, seeded by its number, and ends with none going
on, so nothing lives outside the learners and the store when it is committed. A run that was killed goes
on from the last commit and makes the same rounds again: the same weights, payoff, ratings and matches.
Rounds end at multiples of `round_steps`, wherever a run was asked to stop: a goal is reached by the end of a
round. Only a time limit or Ctrl-C ends one early.

    round ends ──> freeze ──> commit ──> reset ──> next round

Who may begin anew after it was frozen (an exploiter) is frozen between rounds only. So its copy is
registered before its learner is reset, and it plays no match half by the old and half by the first weights.
What a reset did is written by the next commit, with the checkpoint: a kill before that undoes both, and the
same reset is decided again. Turns of population-based training come with the resets, for the same reasons;
whoever is to be overwritten is frozen first, which the same commit writes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from agents.errors import AgentError
from agents.stages import Stages
from coordinator.actor import Actor
from coordinator.config import RunConfig
from coordinator.coordinator import Coordinator
from coordinator.learners import Learners
from coordinator.policies import Policies
from coordinator.run_folder import RunFolder
from coordinator.session import Session
from coordinator.snapshots import SnapshotError, SnapshotStore
from coordinator.store import Store
from coordinator.store_types import RunState
from envs.game import Game, GameError

FAILURES = 3
"""Times in a row that the game may fail, no match having ended in between, before the run stops."""


class Inline:
    """Actor, learners and coordinator of one run, in step."""

    def __init__(
        self,
        config: RunConfig,
        run: RunFolder,
        store: Store,
        coordinator: Coordinator,
        session: Session,
        make_game: Callable[[], Game],
    ) -> None:
        self._config = config
        self._coordinator = coordinator
        self._session = session
        self._make_game = make_game
        self._checkpoints = SnapshotStore(run.checkpoints)
        self._snapshots = snapshots = SnapshotStore(run.snapshots)
        self._players = coordinator.players_that_learn()
        self._learners = Learners(
            config, coordinator.spec, self._players, checkpoints=self._checkpoints, snapshots=snapshots
        )
        self._learners.restore(store.checkpoints())
        self._policies = Policies(
            config,
            coordinator.spec,
            snapshots,
            lambda: coordinator.snapshots,
            coordinator.players,
            patience=config.runtime.script_seconds,
        )
        self._stages = Stages()
        """What the actor is busy with; the learners have their own."""
        self._unplayable: set[str] = set()
        self._idle: set[str] = set()
        """Players of which it was said that they train on nothing in a round."""
        self._failures = 0

    def run(self) -> None:
        """Rounds, until the goal is reached or somebody asks to stop."""
        self._freeze(between_rounds=True)
        self._commit(RunState.RUNNING)
        self._session.begin()
        actor = self._make_actor()
        while not (self._session.reached or self._session.interrupted):
            self._reset()
            self._take_turns()
            try:
                self._round(actor)
            except GameError as error:
                actor.rollout.game.close()
                self._failures += 1
                if self._failures >= FAILURES:
                    raise
                self._session.note(f"{error}; started anew ({self._failures} of {FAILURES})")
                actor = self._make_actor()
            self._freeze(between_rounds=True)
            self._commit(RunState.RUNNING)
        actor.rollout.game.close()
        self._commit(RunState.FINISHED if self._session.reached else RunState.STOPPED)

    def _make_actor(self) -> Actor:
        return Actor(self._config, self._make_game(), self._players, self._policies, self._stages)

    def _round(self, actor: Actor) -> None:
        """Train until the next multiple of `round_steps`, then let every match end."""
        size = self._config.runtime.round_steps
        number, goal = self._session.steps // size, (self._session.steps // size + 1) * size
        seeds = np.random.SeedSequence([self._config.seed, number, self._session.updates])
        actor.reset(int(seeds.generate_state(1)[0]))
        self._publish(actor)
        before = self._learners.steps()
        while self._session.steps < goal and not self._session.out_of_time:
            self._seat(actor)
            self._step(actor)
        while actor.playing:
            self._step(actor)
        if self._session.steps >= goal:
            self._note_idle(before)

    def _step(self, actor: Actor) -> None:
        """One tick of every game, and whatever training it makes possible."""
        actor.rollout.tick()
        batches = actor.batches()
        for name, batch in batches:
            self._learners.train(name, batch)
        if batches:
            self._publish(actor)
            self._session.trained(self._learners.figures(), self._learners.steps(), self._learners.versions())
        for match, outcome in actor.outcomes():
            self._coordinator.record(match, outcome)
            self._session.note_forfeits(match, outcome)
            self._failures = 0
            self._freeze(between_rounds=False)
        self._session.spent("actor", self._stages.shares())
        self._session.spent("learner", self._learners.stages.shares())
        self._session.show()

    def _seat(self, actor: Actor) -> None:
        """Keep tables waiting. An identity that cannot play is named, and its matches are left out."""
        tries = 0
        while actor.hungry:
            (match,) = self._coordinator.propose(1)
            try:
                actor.seat(match)
            except (SnapshotError, AgentError) as error:
                tries += 1
                if tries > 100:
                    raise
                if str(error) not in self._unplayable:
                    self._unplayable.add(str(error))
                    self._session.note(str(error))
                self._coordinator.leave_out_damaged(match, self._snapshots)

    def _note_idle(self, before: Mapping[str, int]) -> None:
        """Name, once, whoever acts so rarely that no batch was full at the end of a whole round."""
        steps = self._learners.steps()
        for name in before.keys() - self._idle:
            if steps[name] == before[name]:
                self._idle.add(name)
                size = self._config.runtime.round_steps
                self._session.note(
                    f"{name} trains on nothing in rounds of runtime.round_steps {size}: raise it"
                )

    def _publish(self, actor: Actor) -> None:
        for name in self._players:
            if actor.version(name) != self._learners.version(name) or not self._learners.version(name):
                actor.load(name, *self._learners.weights(name))

    def _freeze(self, *, between_rounds: bool) -> None:
        """Freeze whoever is due. The copy is on disk before anyone may speak of it."""
        for name, reason in self._coordinator.due().items():
            if self._players[name].role.begins_anew and not between_rounds:
                continue
            self._freeze_one(name, reason)

    def _freeze_one(self, name: str, reason: str) -> None:
        sha256, steps = self._learners.freeze(name)
        snapshot = self._coordinator.froze(name, sha256, steps, reason)
        self._session.note(f"{snapshot.name} frozen: {reason}")

    def _reset(self) -> None:
        """Let whoever is due begin anew: its copy was registered by the commit before."""
        for name, reason in self._coordinator.resets_due().items():
            self._learners.reset(name)
            self._coordinator.was_reset(name, reason)
            self._session.note(f"{name} reset: {reason}")

    def _take_turns(self) -> None:
        """Population-based training, one turn after another: what one changes, the next one sees."""
        while (turn := self._coordinator.turn()) is not None:
            frozen = self._learners.turn(turn, self._coordinator.players[turn.player].frozen_at)
            self._coordinator.took_turn(turn, frozen)
            self._session.note(f"{turn.player} {turn.reason}")

    def _commit(self, state: RunState) -> None:
        """Files first, then the store: what the store speaks of is on disk."""
        checkpoints = self._learners.checkpoint()
        self._coordinator.commit(checkpoints, self._session.status(), state)
        self._checkpoints.prune({checkpoint.sha256 for checkpoint in checkpoints.values()})
