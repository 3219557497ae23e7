"""Players of several runs against each other: what they score, how they rate, which population is better."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from agents.policy import Behaviour
from agents.rollout import Rollout
from agents.scripted import make_scripted
from agents.scripted_policy import ScriptedPolicy
from agents.tables import Table
from coordinator.evaluation import Behaviours
from coordinator.launch import load_config
from coordinator.run_folder import RunFolder
from coordinator.run_store import open_store
from envs.catalogue import make_game
from league.payoff import Payoff
from league.ratings.bradley_terry import Rating, rate
from league.solvers import nash

COPIES = 2048
"""Games played side by side."""
PRIOR_DRAWS = 0.1
"""Virtual draws of everybody with the anchor: next to nothing, since everybody meets it."""

ANCHOR, CHANCE = "mcts:100", "random"
"""Scripted players that stand in every pool; the first sits at 1200."""
POOL_GAMES = 100
"""Of every pair in a pool."""

Pair = tuple[str, str]


@dataclass(frozen=True)
class Standing:
    """How one player of a pool did."""

    rating: Rating
    score: float
    """Against the anchor; a draw counts half."""


def behaviours(run: Path, identities: Iterable[str]) -> list[Behaviour]:
    """How players of a run at rest act: live ones by their last checkpoint, all sampling their moves."""
    folder = RunFolder.open(run)
    config = load_config(folder)
    with make_game(config.game.name, 1) as game:
        spec = game.spec
    with open_store(folder) as store:
        known = Behaviours(config, folder, store, spec, greedy=False)
        return [known.get(identity) for identity in identities]


def play(
    game: str,
    acting: Mapping[str, Behaviour],
    pairs: Sequence[Pair],
    games: int,
    payoff: Payoff,
    *,
    seed: int,
) -> None:
    """Add `games` games of every pair to `payoff`, half of them in either seat."""
    with make_game(game, min(COPIES, max(1, games * len(pairs)))) as copies:
        rollout = Rollout(copies, {})
        rollout.reset(seed)
        rollout.behaviours = {name: acting[name] for pair in pairs for name in pair}
        for key, pair in enumerate(pairs):
            rollout.open(Table(key, pair, games))
        missing = len(pairs)
        while missing:
            rollout.tick()
            for result in rollout.results():
                missing -= 1
                for home, away, wins, draws, losses, *_ in result.pairs:
                    payoff.record(home, away, wins, draws, losses)


def pool(game: str, players: Mapping[str, Behaviour]) -> dict[str, Standing]:
    """Let everybody meet everybody and the two scripted players, and rate them (Bradley-Terry)."""
    with make_game(game, 1) as one:
        scripts = {name: ScriptedPolicy(make_scripted(name, one.spec), one.spec) for name in (ANCHOR, CHANCE)}
    payoff = Payoff()
    play(game, players, list(combinations(players, 2)), POOL_GAMES, payoff, seed=0)
    for script in scripts:
        play(game, {**players, **scripts}, [(name, script) for name in players], POOL_GAMES, payoff, seed=1)
    rated = rate(payoff, dict.fromkeys([ANCHOR, CHANCE, *players]), PRIOR_DRAWS).by_node
    return {name: Standing(rated[name], payoff.win_rate(name, ANCHOR)) for name in players}


def relative_performance(payoff: Payoff, home: Sequence[str], away: Sequence[str]) -> float:
    """Score, 0 to 1, that population `home` makes against `away` where each is mixed as well as it can be.

    The value of the game whose rows are the members of the one and whose columns are those of the other:
    relative population performance (Balduzzi et al. 2019, definition 3), as a score rather than in [-1, 1].
    """
    return nash(np.array([payoff.win_rates(name, away) for name in home])).value
