"""The control loop's mind: reads the league, lets `league/` decide, writes what was decided.

    store ──> players, snapshots, ledger ──> LeagueView ──> matchmakers, promotion ──> Commit ──> store

It waits for nobody: the runtimes call it, and it calls the store. Both runtimes make every decision
here; they differ in how results come in. Under Ray actors report to the store and `absorb` reads the
log. Inline nobody reports: `record` takes results as they come, and `commit` writes them all at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from agents.scripted import make_scripted
from coordinator.archive import Archive
from coordinator.config import RunConfig
from coordinator.store import Store
from coordinator.store_types import Checkpoint, Commit, LoggedResult, RunState
from envs.game import GameSpec
from league.ledger import Ledger
from league.matchmaking import evaluator, make_match, matchmaker
from league.past import Past
from league.players import NAME, LeagueError, Match, Outcome, Player, Role, Snapshot
from league.promotion import decide_freeze
from league.view import LeagueView

SCRIPTED = ("random",)
"""Scripted players that evaluation matches may draw: the leaderboard's fixed point."""
PAGE = 1000
OF_ANY_TEAM = re.compile("(main|league)(-.*)?")
"""Names of players that say no team: where teams differ, each team gets its own of them."""


class Coordinator:
    """One epoch of one run. Raises StaleEpoch from any write once another has begun."""

    def __init__(self, store: Store, archive: Archive, config: RunConfig, spec: GameSpec) -> None:
        self.config = config
        self.spec = spec
        self._store = store
        self._archive = archive
        store.begin_epoch()
        self.players: dict[str, Player] = store.players() or first_players(config, spec)
        self.snapshots: list[Snapshot] = store.snapshots()
        fold = store.fold()
        league = config.league
        self.ledger = (
            Ledger.from_json(fold) if fold else Ledger(decay=league.payoff_decay, elo_k=league.elo_k)
        )
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
        view = replace(self.view(), snapshots=self._playable)
        matches = [self._make_match(view, self._next_match + i) for i in range(count)]
        self._next_match += count
        return matches

    def _make_match(self, view: LeagueView, number: int) -> Match:
        generator = np.random.default_rng([self.config.seed, number])
        player = view.learners[number % len(view.learners)]
        proposal = None
        if generator.random() < self.config.league.evaluate_share:
            proposal = self._evaluator(view, generator)
        proposal = proposal or self._matchmaker(view, player, generator)
        seed = int(generator.integers(2**31))
        return make_match(proposal, number, self.config.league.episodes, seed, view)

    def leave_out(self, identity: str) -> None:
        """A snapshot whose file is damaged is drawn no more, until the next start."""
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
        parent = f"{name}@{player.generation - 1}" if player.generation else None
        snapshot = Snapshot(name, player.generation, sha256, parent, steps, reason)
        self.players[name] = replace(
            player, generation=player.generation + 1, steps=max(steps, player.steps), frozen_at=steps
        )
        self.snapshots.append(snapshot)
        self._index()
        self._frozen.append(snapshot)
        return snapshot

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


def first_players(config: RunConfig, spec: GameSpec) -> dict[str, Player]:
    """The league's players at the start of a run, bound to teams where the game is not symmetric.

    Raises LeagueError where a player's name says no team, or a team has no main; AgentError where a scripted
    player is unknown or cannot play the game.
    """
    roles = config.league.roles
    for name in config.league.scripted:
        make_scripted(name, spec)
    if spec.symmetric or len(spec.teams) == 1:
        return {name: Player(name, role) for name, role in roles.items()}
    scripted = {name: Player(name, role) for name, role in roles.items() if not role.learns}
    learning = {name: role for name, role in roles.items() if role.learns}
    if all(OF_ANY_TEAM.fullmatch(name) for name in learning):
        learning = {_named_for(team, name): role for team in spec.teams for name, role in learning.items()}
    players = {name: Player(name, role, _team_of(name, spec.teams)) for name, role in learning.items()}
    for team in spec.teams:
        if team not in {player.team for player in players.values() if player.role is Role.MAIN}:
            mains = [name for name, role in learning.items() if role is Role.MAIN]
            raise LeagueError(
                f"league.players {', '.join(mains)}: nobody plays team {team} of {spec.name}; "
                f"name a player {player_name(team)}"
            )
    return players | scripted


def _named_for(team: str, name: str) -> str:
    """`main-2` -> `predator-2`, `league-exploiter` -> `predator-league-exploiter`."""
    return re.sub("^(main-|main$)?", f"{player_name(team)}-", name, count=1).rstrip("-")


def player_name(team: str) -> str:
    """A team's name as a player may bear it."""
    name = "".join(c if c.isalnum() or c in "._-" else "-" for c in team.lower()).strip("._-")
    return name if NAME.fullmatch(name) else "player"


def _team_of(name: str, teams: Iterable[str]) -> str:
    """`predator-2` plays `predator`."""
    for team in teams:
        if name == player_name(team) or name.startswith(player_name(team) + "-"):
            return team
    allowed = ", ".join(player_name(team) for team in teams)
    raise LeagueError(
        f"league.players {name}: begins with no team's name; allowed are {allowed}, with -2, -3, …"
    )
