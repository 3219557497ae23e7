"""The control loop's mind: reads the league, lets `league/` decide, writes what was decided.

    store ──> players, snapshots, ledger ──> LeagueView ──> matchmakers, promotion ──> Commit ──> store

It waits for nobody: the runtimes call it, and it calls the store. Both runtimes make every decision
here; they differ in how results come in. Under Ray actors report to the store and `absorb` reads the
log. Inline nobody reports: `record` takes results as they come, and `commit` writes them all at once.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from coordinator.archive import Archive
from coordinator.config import RunConfig
from coordinator.first_players import first_players
from coordinator.snapshots import SnapshotError, SnapshotStore
from coordinator.store import Store
from coordinator.store_types import Checkpoint, Commit, LoggedResult, RunState
from envs.game import GameSpec
from league.config import LeagueConfig
from league.ledger import Ledger
from league.matchmaking import evaluator, make_match, matchmaker
from league.past import Past
from league.pbt import Turn, next_turn, turned
from league.players import Match, Outcome, Player, Snapshot
from league.promotion import decide_freeze, decide_reset, reset
from league.purpose import toss
from league.view import LeagueView

SCRIPTED = ("random",)
"""Scripted players that evaluation matches may draw: the leaderboard's fixed point."""
PAGE = 1000


class Coordinator:
    """One epoch of one run. Raises StaleEpoch from any write once another has begun."""

    def __init__(self, store: Store, archive: Archive, config: RunConfig, spec: GameSpec) -> None:
        self.config = config
        self.spec = spec
        self._store = store
        self._archive = archive
        store.begin_epoch()
        # In the order of the configuration, not of the store: draws and seeds go by it, also after a resume.
        self.players: dict[str, Player] = {**first_players(config, spec), **store.players()}
        self.snapshots: list[Snapshot] = store.snapshots()
        league = config.league
        self.ledger = stored_ledger(store, league)
        self._next_match = store.next_match()
        self._recorded: list[tuple[Match, Outcome]] = []
        self._frozen: list[Snapshot] = []
        self._left_out: set[str] = set()
        self._index()
        self._matchmaker = matchmaker(league)
        self._evaluator = evaluator(league)
        self.absorb()

    @cached_property
    def learners(self) -> tuple[str, ...]:
        """Names of the players that learn, in order."""
        return tuple(player.name for player in self.view().learners)

    def players_that_learn(self) -> dict[str, Player]:
        """Those of `learners`, as they are now."""
        return {name: self.players[name] for name in self.learners}

    def view(self) -> LeagueView:
        """The league as it is now."""
        return LeagueView(
            players=self.players,
            snapshots=self._past,
            ledger=self.ledger,
            teams=tuple(self.spec.teams),
            symmetric=self.spec.symmetric,
            scripted=SCRIPTED,
        )

    # --- matches -----------------------------------------------------------------------------------

    def propose(self, count: int) -> list[Match]:
        """The next matches. What match N is follows from the seed, N and the league at that moment."""
        present = {name: player for name, player in self.players.items() if name not in self._left_out}
        view = replace(self.view(), players=present, snapshots=self._playable)
        matches = [self._make_match(view, self._next_match + i) for i in range(count)]
        self._next_match += count
        return matches

    def _make_match(self, view: LeagueView, number: int) -> Match:
        generator = np.random.default_rng([self.config.seed, number])
        player = view.learners[number % len(view.learners)]
        coin = toss(self.config.league.evaluate_share, view.ledger.effort, generator)
        proposal = self._evaluator(view, generator) if coin.evaluates else None
        proposal = proposal or self._matchmaker(view, player, generator)
        proposal = replace(proposal, reason=proposal.reason | coin.reason())
        seed = int(generator.integers(2**31))
        return make_match(proposal, number, self.config.league.episodes, seed, view)

    def leave_out_damaged(self, match: Match, files: SnapshotStore) -> None:
        """Whoever plays this match by a damaged file is drawn no more, until the next start."""
        weights = {player.name: player.weights for player in self.players.values() if player.weights}
        weights |= {snapshot.name: snapshot.sha256 for snapshot in self.snapshots}
        for identity in weights.keys() & {*match.teams.values()}:
            try:
                files.read(weights[identity])
            except SnapshotError:
                self._left_out.add(identity)
        self._index()

    def _index(self) -> None:
        """Index the snapshots: once whenever they change, not for every match."""
        self._past = Past(self.snapshots)
        self._playable = Past([snapshot for snapshot in self._past if snapshot.name not in self._left_out])

    def offer(self, count: int) -> None:
        """Put new matches on the ready list."""
        if count > 0:
            self._store.offer(self.propose(count))

    # --- results -----------------------------------------------------------------------------------

    def absorb(self) -> list[LoggedResult]:
        """Fold what actors reported since the last call."""
        news: list[LoggedResult] = []
        while page := self._store.results(self.ledger.seq, PAGE):
            for result in page:
                self.ledger.apply(result.seq, result.match, result.outcome)
            news += page
        return news

    def record(self, match: Match, outcome: Outcome) -> None:
        """Fold a result of a match that was never offered; it is written by the next commit."""
        self.ledger.apply(self.ledger.seq + 1, match, outcome)
        self._recorded.append((match, outcome))

    # --- players -----------------------------------------------------------------------------------

    def trained(self, name: str, steps: int) -> None:
        """A learner says on how many decisions a player was trained by now."""
        self.players[name] = replace(self.players[name], steps=steps)

    def due(self) -> dict[str, str]:
        """Players to freeze now -> why. Everybody's first weights are frozen at the beginning."""
        view = self.view()
        reasons = {}
        for player in view.learners:
            reason = decide_freeze(player, view, self.config.league) if player.generation else "the beginning"
            if reason:
                reasons[player.name] = reason
        return reasons

    def froze(self, name: str, sha256: str, steps: int, reason: str) -> Snapshot:
        """A player's copy is safe on disk: its next generation begins. Written by the next commit."""
        player = self.players[name]
        snapshot = Snapshot(name, player.generation, sha256, player.parent, steps, reason)
        self.players[name] = replace(
            player, generation=player.generation + 1, steps=max(steps, player.steps), frozen_at=steps
        )
        insort(self.snapshots, snapshot, key=lambda one: one.order)
        self._index()
        self._frozen.append(snapshot)
        return snapshot

    def resets_due(self) -> dict[str, str]:
        """Players to begin anew now -> why: never before a commit has registered the copy."""
        waiting = {snapshot.player for snapshot in self._frozen}
        view = self.view()
        reasons = {}
        for player in view.learners:
            reason = decide_reset(player, view, self.config.league, self.config.seed)
            if reason and player.name not in waiting:
                reasons[player.name] = reason
        return reasons

    def was_reset(self, name: str, reason: str) -> None:
        """A learner began anew. The next commit writes that, together with its checkpoint."""
        self.players[name] = reset(self.players[name], reason)

    def turn(self) -> Turn | None:
        """The turn of population-based training that is due now, if any."""
        return next_turn(self.view(), self.config.pbt, self.config.league.snapshot_steps, self.config.seed)

    def took_turn(self, turn: Turn, frozen: tuple[str, int] | None) -> None:
        """A learner carried it out. The next commit writes it, with the checkpoint of what came of it.

        frozen: (hash, decisions) of the snapshot that it took before, if it took one.
        """
        if frozen is not None:
            self.froze(turn.player, *frozen, turn.farewell)
        rival = None if turn.rival is None else self.players[turn.rival]
        self.players[turn.player] = turned(self.players[turn.player], turn, rival)

    def withdraw(self, names: Collection[str]) -> None:
        """Let no match count any more in which one of these players is seated as it is now."""
        matches = [one.id for one in self._store.open_matches() if set(one.match.teams.values()) & {*names}]
        self._store.withdraw(matches)

    # --- writing -----------------------------------------------------------------------------------

    def commit(
        self,
        checkpoints: Mapping[str, Checkpoint] | None = None,
        status: dict[str, Any] | None = None,
        state: RunState | None = None,
    ) -> None:
        """Write all that was decided since the last commit, or nothing. Then archive old results."""
        self._store.commit(
            Commit(
                players=tuple(self.players.values()),
                snapshots=tuple(self._frozen),
                checkpoints=dict(checkpoints or {}),
                fold=self.ledger.to_json(),
                results=tuple(self._recorded),
                status=status,
                state=state,
            )
        )
        self._frozen, self._recorded = [], []
        self._archive.take_over(self._store, folded=self.ledger.seq)


def stored_ledger(store: Store, league: LeagueConfig) -> Ledger:
    """The ledger as it was last committed; empty where none was."""
    fold = store.fold()
    return Ledger.from_json(fold) if fold else Ledger(decay=league.payoff_decay, elo_k=league.elo_k)
