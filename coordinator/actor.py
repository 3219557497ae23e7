"""Plays matches: what an actor does, whoever hands it matches and takes its trajectories.

    match ──> table ──> rollout ──> outcome
                           └──> trajectories of live players

It waits for nobody. Both runtimes drive it: inline in step with the learner, Ray in a process of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from agents.asking import Asker
from agents.policy import Behaviour, NetworkPolicy, Weights
from agents.rollout import Rollout
from agents.stages import Stages
from agents.tables import Table, TableResult
from agents.trajectory import Trajectory
from coordinator.config import RunConfig
from coordinator.policies import Policies
from envs.game import Game
from league.players import Match, Outcome, PairResult, Player, Purpose, ReturnSum, SwappedPairs


class Seated(NamedTuple):
    """A match at a table."""

    match: Match
    attempt: int


class Actor:
    """One game, many copies, and the matches that are played on them. `reset` comes first."""

    def __init__(
        self,
        config: RunConfig,
        game: Game,
        players: Mapping[str, Player],
        policies: Policies,
        stages: Stages,
        asker: Asker | None = None,
    ) -> None:
        """players: those that learn, by name. stages: told what a tick is busy with.

        asker: decides for those that learn; None where they act by weights that are loaded here.
        """
        self._teams = tuple(game.spec.teams)
        self._policies = policies
        self._networks: dict[str, NetworkPolicy] = {}
        self._live: dict[str, Behaviour] = {}
        if asker is None:
            self._networks = {name: policies.live(name) for name in players}
            self._live.update(self._networks)
        else:
            self._live.update((name, policies.served(name)) for name in players)
        self._seated: dict[int, Seated] = {}
        self.rollout = Rollout(
            game,
            {name: config.stream_config(player) for name, player in players.items()},
            stages,
            asker,
        )

    def reset(self, seed: int) -> None:
        """Leave every table and begin every game anew."""
        self._seated.clear()
        self.rollout.reset(seed)
        self.rollout.behaviours = dict(self._live)

    def load(self, name: str, weights: Weights, version: int) -> None:
        """Let a live player act by newer weights from the next tick on."""
        self._networks[name].load(weights, version)

    def version(self, name: str) -> int:
        """Of the weights that a live player acts by."""
        return self._networks[name].version

    @property
    def hungry(self) -> bool:
        """Whether copies may soon find no table to play at."""
        return 4 * self.rollout.seating.backlog < self.rollout.game.copies

    @property
    def playing(self) -> bool:
        """Whether a match is going on."""
        return bool(self._seated)

    def seated(self) -> list[Seated]:
        """Matches that are going on."""
        return list(self._seated.values())

    def match_of(self, copy: int) -> Seated | None:
        """The match that a copy of the game plays for."""
        key = self.rollout.seating.key_of(copy)
        return None if key is None else self._seated[key]

    def seat(self, match: Match, attempt: int = 1) -> None:
        """Let a match wait for copies.

        Raises SnapshotError or AgentError where an identity cannot be brought to the table.
        """
        holders = tuple(match.teams[team] for team in self._teams)
        for identity in set(holders) - self._live.keys():
            self.rollout.behaviours[identity] = self._policies.get(identity)
        learners = self._live.keys() & set(holders) if match.purpose is Purpose.TRAIN else ()
        self._seated[match.id] = Seated(match, attempt)
        self.rollout.open(
            Table(match.id, holders, match.episodes, frozenset(learners), match.opening, match.seed)
        )

    def outcomes(self) -> list[tuple[Match, Outcome]]:
        """Matches that ended since the last call, with what came of them."""
        ended = [(self._seated.pop(result.key), result) for result in self.rollout.results()]
        if ended:
            self._dismiss()
        return [
            (seated.match, _outcome(seated.attempt, result, seated.match, self._teams))
            for seated, result in ended
        ]

    def batches(self) -> list[tuple[str, Trajectory]]:
        """(player, batch) for every batch that was filled since the last call."""
        return [(name, batch) for name, taken in self.rollout.take().items() for batch in taken]

    def _dismiss(self) -> None:
        """Forget the behaviours of those who sit at no table."""
        present = {who for seated in self._seated.values() for who in seated.match.teams.values()}
        for identity in self.rollout.behaviours.keys() - present - self._live.keys():
            del self.rollout.behaviours[identity]


def _outcome(attempt: int, result: TableResult, match: Match, teams: Sequence[str]) -> Outcome:
    """teams: in the game's order."""
    first = match.teams[teams[0]]
    return Outcome(
        match=result.key,
        attempt=attempt,
        episodes=result.episodes,
        decisions=result.decisions,
        pairs=tuple(PairResult(*pair) for pair in result.pairs),
        returns=tuple(ReturnSum(*entry) for entry in result.returns),
        forfeits=result.forfeits,
        swapped=SwappedPairs(first, result.swapped) if result.swapped else None,
        rankings=tuple(dict(zip(teams, places, strict=True)) for places in result.places),
    )
