"""Games of somebody who stands still: against others, to tell what they win, and against itself.

Every game is a table of its own, so that its returns are known, and not only their sum.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.random import Generator
from scipy.special import stdtrit

from agents.policy import Behaviour
from agents.rollout import Rollout
from agents.tables import Table
from coordinator.evaluation import score_interval, undisputed
from envs.game import Game

Doubles = npt.NDArray[np.float64]
Mixture = Mapping[str, float]
"""Identity -> its chance; they add up to 1."""


@dataclass(frozen=True)
class Played:
    """Games of one side, in one team."""

    own: Doubles
    """[N] its return of each game: the mean over the team's seats."""
    other: Doubles
    """[N] that of the other team."""

    def __len__(self) -> int:
        return len(self.own)


class Interval(NamedTuple):
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float


class Summary(NamedTuple):
    """What came of games, each team's alike in weight."""

    score: Interval
    """Of a game: 1 for a win, 1/2 for a draw. Wilson's interval."""
    returns: Interval
    gain: Interval | None
    """Returns above those of the one who stands still against itself; None where it cannot meet itself."""


class Arena:
    """Games of two teams in which one side stands still."""

    def __init__(
        self,
        game: Game,
        still: Mapping[str, Mixture],
        behaviours: Mapping[str, Behaviour],
        generator: Generator,
    ) -> None:
        """still: team that it plays -> whom it draws for each game. behaviours: how they act."""
        self._game = game
        self._still = still
        self._behaviours = behaviours
        self._generator = generator
        self._teams = tuple(game.spec.teams)
        self.answering = tuple(
            team for team, other in zip(self._teams, self._teams[::-1], strict=True) if other in still
        )
        """Teams that meet it."""

    def meet(self, team: str, sides: Sequence[Behaviour], games: int) -> list[Played]:
        """Let each of `sides` play so many games, in `team`."""
        home = self._teams.index(team)
        names = [f"side {index}" for index in range(len(sides))]  # with a space: nobody else is called so
        others = self._draw(self._teams[1 - home], games * len(sides))
        own = np.repeat(names, games).tolist()
        pairs = zip(own, others, strict=True) if home == 0 else zip(others, own, strict=True)
        returns = self._play(list(pairs), dict(zip(names, sides, strict=True)))
        return [Played(part[:, home], part[:, 1 - home]) for part in np.split(returns, len(sides))]

    def meet_itself(self, games: int) -> Doubles:
        """[games] what a team returns, the mean over both: 0 in a zero-sum game, to the last bit."""
        pairs = zip(*(self._draw(team, games) for team in self._teams), strict=True)
        means: Doubles = self._play(list(pairs), {}).mean(axis=1)
        return means

    def _draw(self, team: str, games: int) -> list[str]:
        mixture = self._still[team]
        drawn: list[str] = self._generator.choice([*mixture], games, p=[*mixture.values()]).tolist()
        return drawn

    def _play(self, pairs: Sequence[tuple[str, str]], sides: Mapping[str, Behaviour]) -> Doubles:
        """[N, 2] returns of both teams. pairs: identity of each team, a game."""
        rollout = Rollout(self._game, {})
        rollout.reset(int(self._generator.integers(2**31)))
        rollout.behaviours = {**self._behaviours, **sides}
        returns, waiting, left = np.zeros((len(pairs), 2)), deque(enumerate(pairs)), len(pairs)
        while left:
            while waiting and rollout.seating.backlog < self._game.copies:
                game, holders = waiting.popleft()
                rollout.seating.open(Table(game, holders, 1))
            rollout.tick()
            for result in undisputed(rollout.results()):
                returns[result.key] = [total for _, _, total, _ in result.returns]
                left -= 1
        return returns


def summary(played: Sequence[Played], itself: Doubles | None) -> Summary:
    """What came of equally many games in one team, or in each of both; two a team or more.

    itself: [M] returns of the one who stands still, as `Arena.meet_itself` gives them.
    """
    own = np.concatenate([games.own for games in played])
    won = np.sign(own - np.concatenate([games.other for games in played]))
    score = _wilson(won)
    stake = float(np.abs(own).max()) or 1.0  # all drawn: nobody saw what a win is worth
    if np.array_equal(own, stake * won) and (itself is None or not itself.any()):
        # Always for the same stake: so Wilson's interval holds for returns too. Student's would have no width
        # where all games end alike, and those were only so many.
        returns = Interval(*(stake * (2 * at - 1) for at in score))
        return Summary(score, returns, None if itself is None else returns)
    parts = [(1 / len(played), games.own) for games in played]
    gain = None if itself is None else _student([*parts, (-1.0, itself)])
    return Summary(score, _student(parts), gain)


def _wilson(won: Doubles) -> Interval:
    """won: [N] 1, 0 or -1."""
    known = score_interval(*(int(np.count_nonzero(won == sign)) for sign in (1, 0, -1)))
    return Interval(*(at for at in known if at is not None))  # all are, where somebody played


def _student(parts: Sequence[tuple[float, Doubles]]) -> Interval:
    """A weighted sum of the means of independent samples (Student 1908, with as few degrees of freedom as the
    smallest sample has). parts: (weight, sample)."""
    mean = float(sum(weight * sample.mean() for weight, sample in parts))
    variance = sum(weight**2 * sample.var(ddof=1) / len(sample) for weight, sample in parts)
    freedom = min(len(sample) for _, sample in parts) - 1
    reach = float(stdtrit(freedom, 0.975) * np.sqrt(variance))
    return Interval(mean, mean - reach, mean + reach)
