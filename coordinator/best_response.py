"""How much the best answer to a player would win, at least: what one that was trained for it does win.

    player, who stands still ◄── games ──► exploiter, from first weights, or from some of the league
                                              │ after `budget` decisions
                                              ▼
                        candidates, each as it learned and greedy ──> some games choose, others are reported

No best response wins less than a trained one, so what that wins is a bound from below (Timbers et al. 2022,
*Approximate exploitability*). The games that chose a candidate flatter it, and are left out of the report.
Nothing is written to the run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from agents.machine import settle
from agents.policy import NetworkPolicy
from coordinator.arena import Arena, Mixture, Played, summary
from coordinator.config import RunConfig
from coordinator.evaluation import COPIES, Behaviours
from coordinator.exploitability import NASH, check_teams, drawn
from coordinator.exploiter import (
    RESPONSE,
    Attention,
    Candidate,
    MakeGame,
    Start,
    Target,
    candidates,
    train,
)
from coordinator.launch import load_config
from coordinator.run_folder import RunFolder
from coordinator.store import Store
from envs.catalogue import make_game
from envs.game import GameSpec
from league.players import Player, split_identity

FIRST_WEIGHTS = "first weights"
"""Name of the start that knows nothing."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Effort:
    """What a bound may cost."""

    budget: int | None = None
    """Decisions that each start is trained on; None for `league.snapshot_steps`, as many as a generation."""
    games: int = 1000
    """To choose by, for each candidate, and again to report; two a team at least."""
    seed: int = 0
    """Everything random follows from it."""


def lower_bounds(
    run: RunFolder,
    store: Store,
    identities: Sequence[str],
    masses: Mapping[str, float],
    effort: Effort,
    attention: Attention,
) -> list[Json]:
    """`league exploitability` where there is no exact answer: one row for each of `identities`.

    identities, masses: as for the exact answer, and any scripted player. Asked to stop, it leaves out those
    whose turn has not come.
    Raises OptionError where not two teams play; GameError where the game fails; LeagueError or AgentError
    where nobody is called so or it cannot play; SnapshotError for a damaged file.
    """
    settle()
    config = load_config(run)
    make = partial(make_game, config.game.name, teams=config.game.teams)
    with make(1) as game:
        spec = game.spec
    check_teams(spec)
    behaviours = Behaviours(config, run, store, spec, greedy=False)
    players, checkpoints = store.players(), store.checkpoints()
    live = [player for name, player in players.items() if name in checkpoints]
    rows: list[Json] = []
    for name in [behaviours.name(identity) for identity in identities]:
        if not rows or not attention.stop():
            target = _target(name, drawn(masses) if name == NASH else {name: 1.0}, behaviours, spec)
            starts = _starts(target, players, live, behaviours, spec)
            rows.append(lower_bound(make, config, target, starts, effort, attention))
    return rows


def lower_bound(
    make: MakeGame,
    config: RunConfig,
    target: Target,
    starts: Sequence[Start],
    effort: Effort,
    attention: Attention,
) -> Json:
    """Train from every start, choose an answer for every team that meets the target, and measure it: one row.

    config: how to learn. starts: at least one for each such team.
    """
    generator = np.random.default_rng(effort.seed)
    budget = config.league.snapshot_steps if effort.budget is None else effort.budget
    with make(min(effort.games, COPIES)) as game:
        able: list[Candidate] = []
        decisions = 0
        for start in starts:
            learner = train(make, config, target, start, budget, generator, attention)
            decisions += learner.steps
            able += candidates(config, game, start, learner)
        arena = Arena(game, target.teams, target.behaviours, generator)
        games = max(effort.games // len(arena.answering), 2)
        chosen = {team: _best(arena, team, able, games) for team in arena.answering}
        played = {team: arena.meet(team, [one.behaviour], games)[0] for team, one in chosen.items()}
        itself = arena.meet_itself(games) if len(played) == len(game.spec.teams) else None
    found = summary(list(played.values()), itself)
    gain = None if found.gain is None else found.gain.mean
    return {
        "game": config.game.name,
        "policy": target.name,
        "nash_conv": None if gain is None else gain * len(played),
        "exploitability": gain,
        "exact": False,
        "best_response": {
            "budget": budget,
            "decisions": decisions,
            "games": games * len(played),
            "score": found.score.mean,
            "score_low": found.score.low,
            "score_high": found.score.high,
            "return_mean": found.returns.mean,
            "return_low": found.returns.low,
            "return_high": found.returns.high,
            "low": None if found.gain is None else found.gain.low,
            "high": None if found.gain is None else found.gain.high,
            "teams": {team: _team_row(chosen[team], played[team]) for team in played},
        },
    }


def _team_row(chosen: Candidate, played: Played) -> Json:
    found = summary([played], None)
    return {
        "start": chosen.start.name,
        "greedy": chosen.greedy,
        "score": found.score.mean,
        "return_mean": found.returns.mean,
    }


def _best(arena: Arena, team: str, able: Sequence[Candidate], games: int) -> Candidate:
    """The one that wins most of those that may play a team, by games that are played for this alone."""
    fit = [one for one in able if one.start.player.team in (None, team)]
    played = arena.meet(team, [one.behaviour for one in fit], games)
    return fit[int(np.argmax([each.own.mean() for each in played]))]


def _target(name: str, mixture: Mixture, behaviours: Behaviours, spec: GameSpec) -> Target:
    """name: of the mixture. In each team those play that may, in the proportion of their masses."""
    teams: dict[str, Mixture] = {}
    for team in spec.teams:
        able = {who: mass for who, mass in mixture.items() if behaviours.team(who) in (None, team)}
        if able:
            total = sum(able.values())
            teams[team] = {who: mass / total for who, mass in able.items()}
    return Target(name, teams, {who: behaviours.get(who) for who in mixture})


def _starts(
    target: Target,
    players: Mapping[str, Player],
    live: Sequence[Player],
    behaviours: Behaviours,
    spec: GameSpec,
) -> list[Start]:
    """From first weights; and from the target's own, or where those do not fit, from a live player's."""
    teams = list(spec.teams)
    answering: list[str | None] = [None]
    if not spec.symmetric:
        answering = [team for team, other in zip(teams, teams[::-1], strict=True) if other in target.teams]
    starts = []
    for team in answering:
        starts.append(Start(FIRST_WEIGHTS, Player(RESPONSE, team=team)))
        own = target.teams.get(team or teams[0], {})
        others = [player.name for player in live if player.team == team]
        for who in [*sorted(own, key=lambda who: -own[who]), *others]:
            if isinstance(behaviour := behaviours.get(who), NetworkPolicy):
                starts.append(Start(who, players[split_identity(who)[0]], behaviour.weights()))
                break
    return starts
