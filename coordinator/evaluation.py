"""Plays two players of a run against each other, apart from any training."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from agents.machine import settle
from agents.policy import Behaviour
from agents.rollout import Rollout
from agents.tables import Table, TableResult
from coordinator.config import RunConfig
from coordinator.launch import load_config
from coordinator.option_values import closest
from coordinator.policies import Policies
from coordinator.run_folder import RunFolder
from coordinator.snapshots import SnapshotStore
from coordinator.store import Store
from envs.catalogue import make_game
from envs.game import Game, GameSpec
from league.players import LeagueError, Player, split_identity

COPIES = 256
"""Games played side by side, at most."""
Z95 = 1.959964
"""Half width of a 95 % interval, in standard errors."""

Json = dict[str, Any]


def evaluate(
    run: RunFolder, store: Store, player: str, against: str, games: int, *, seed: int, greedy: bool
) -> Json:
    """`league eval`: games between two identities, half of them in either seat where the game is symmetric.

    Identities are `main`, `main@12`, `main@latest`, `random`, `minimax`, `mcts:100`, `module:factory`.
    greedy: networks play their most likely move. In a game of one team nobody is `against`.
    Raises LeagueError where nobody is called so, the two cannot meet or one cannot play on, SnapshotError for
    a damaged file.
    """
    settle()
    config = load_config(run)
    with make_game(config.game.name, min(games, COPIES), teams=config.game.teams) as game:
        behaviours = Behaviours(config, run, store, game.spec, greedy=greedy)
        player, against = behaviours.name(player), behaviours.name(against)
        holders = seats_of(game.spec, store.players(), player, against)
        acting = {identity: behaviours.get(identity) for identity in holders}
        return meet(game, acting, holders, player, against, games, seed=seed)


def meet(
    game: Game,
    acting: Mapping[str, Behaviour],
    holders: tuple[str, ...],
    player: str,
    against: str,
    games: int,
    *,
    seed: int,
) -> Json:
    """Play `games`, and count them for `player`. holders: identity of every team in the first episode.

    Where neither varies its play, games begin with moves at random (`Rollout.open`), so that they differ.
    Raises LeagueError where one of the two could not play on.
    """
    rollout = Rollout(game, {})
    rollout.reset(seed)
    rollout.behaviours = dict(acting)
    rollout.open(Table(0, holders, games, seed=seed))
    while not (results := rollout.results()):
        rollout.tick()
    (result,) = undisputed(results)
    if len(game.spec.teams) == 1:
        return _returns(player, result)
    return _scores(player, against, holders[0] == player, result)


class Behaviours:
    """Identities of a resting run -> how they act."""

    def __init__(
        self, config: RunConfig, run: RunFolder, store: Store, spec: GameSpec, *, greedy: bool
    ) -> None:
        self._players = store.players()
        self._snapshots = store.snapshots()
        self._checkpoints = store.checkpoints()
        self._learned = SnapshotStore(run.checkpoints)
        self._policies = Policies(
            config,
            spec,
            SnapshotStore(run.snapshots),
            lambda: self._snapshots,
            self._players,
            greedy=greedy,
        )
        self._config = config

    def name(self, identity: str) -> str:
        """The identity that is meant: `main@latest` -> `main@12`. Raises LeagueError where there is none."""
        player, at, generation = identity.partition("@")
        if player not in self._players or not at:
            return identity
        own = [s.name for s in self._snapshots if s.player == player]
        if generation == "latest" and own:
            return own[-1]
        if identity in own:
            return identity
        if not own:
            raise LeagueError(f"{identity}: {player} has no snapshots")
        near = closest(identity, own) or own[-1]
        raise LeagueError(
            f"{identity}: {player} has {len(own)} snapshots, 0 to {len(own) - 1}; did you mean {near}?"
        )

    def team(self, identity: str) -> str | None:
        """The team that it is bound to; None where it plays any."""
        return _team(self._players, identity)

    def get(self, identity: str) -> Behaviour:
        """How it acts: a live player by its last checkpoint, as it would be frozen."""
        player = self._players.get(identity)
        if player is None or not player.role.learns:
            return self._policies.get(identity)
        if identity not in self._checkpoints:
            raise LeagueError(f"{identity} has no checkpoint yet: let the run train for a while")
        policy = self._policies.live(identity)
        tensors, meta = self._learned.read(self._checkpoints[identity].sha256)
        policy.load(tensors["mean"], meta["version"])
        return policy


def undisputed(results: list[TableResult]) -> list[TableResult]:
    """The same. Raises LeagueError where somebody could not play on: what such games return means nothing."""
    for result in results:
        for identity, what in result.forfeits.items():
            raise LeagueError(f"{identity} forfeited: {what}")
    return results


def seats_of(spec: GameSpec, players: Mapping[str, Player], player: str, against: str) -> tuple[str, ...]:
    """Identity of every team in the first episode: `player` in its own, `against` in all others."""
    teams = list(spec.teams)
    if len(teams) == 1:
        return (player,)
    home = _team(players, player)
    away = _team(players, against)
    if home is None:
        home = next(team for team in teams if team != away)
    if away == home and not spec.symmetric:
        raise LeagueError(f"{player} and {against} both play {home}: name one of another team")
    return tuple(player if team == home else against for team in teams)


def _team(players: Mapping[str, Player], identity: str) -> str | None:
    name = split_identity(identity)[0] if "@" in identity else identity
    return players[name].team if name in players else None


def _scores(player: str, against: str, first: bool, result: TableResult) -> Json:
    """Wins, draws and losses of `player`, in total and by seat."""
    seats = {True: [0, 0, 0], False: [0, 0, 0]}
    for index, (home, _, wins, draws, losses, _) in enumerate(result.pairs):
        at_home = (home == player) if player != against else (index == 0) == first
        counts = (wins, draws, losses) if at_home else (losses, draws, wins)
        seats[at_home] = [a + b for a, b in zip(seats[at_home], counts, strict=True)]
    total = [a + b for a, b in zip(seats[True], seats[False], strict=True)]
    score, low, high = score_interval(*total)
    return {
        "player": player,
        "against": against,
        **_counts(total),
        "score": score,
        "score_low": low,
        "score_high": high,
        "as_first": {**_counts(seats[True]), "score": score_interval(*seats[True])[0]},
        "as_second": {**_counts(seats[False]), "score": score_interval(*seats[False])[0]},
    }


def _counts(counts: list[int]) -> Json:
    return {"games": sum(counts), "wins": counts[0], "draws": counts[1], "losses": counts[2]}


def score_interval(wins: int, draws: int, losses: int) -> tuple[float | None, float | None, float | None]:
    """Mean score of a game and its 95 % interval (Wilson's, with the variance that draws leave)."""
    games = wins + draws + losses
    if not games:
        return None, None, None
    score = (wins + draws / 2) / games
    # Draws narrow a game's variance: as many games of win or loss as would have the same variance.
    spread = (wins + draws / 4) / games - score * score
    effective = games * score * (1 - score) / spread if spread > 0 else games
    z2 = Z95 * Z95 / effective
    centre = (score + z2 / 2) / (1 + z2)
    half = Z95 * math.sqrt(score * (1 - score) / effective + z2 / (4 * effective)) / (1 + z2)
    return score, max(0.0, centre - half), min(1.0, centre + half)


def _returns(player: str, result: TableResult) -> Json:
    """Mean return of an episode with its 95 % interval, in a game of one team."""
    _, episodes, total, squares = result.returns[0]
    mean = total / episodes
    error = math.sqrt(max(0.0, squares / episodes - mean * mean) / max(1, episodes - 1))
    return {
        "player": player,
        "games": episodes,
        "return_mean": mean,
        "return_low": mean - Z95 * error,
        "return_high": mean + Z95 * error,
    }
