"""When a player is frozen, and when it begins anew. Only decisions: who carries them out, copies first.

    trained enough? ──> better, or trained for too long? ──> freeze: the copy goes to disk, is registered
                                                                └──> reset? first weights, new optimizer

AlphaStar's pseudocode resets an exploiter's weights before it copies them, so that it freezes the wrong
ones. Here a reset cannot be decided before the snapshot is registered.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto

import numpy as np

from league.config import LeagueConfig
from league.payoff import win_rates
from league.players import Player, Role
from league.sprt import Verdict, sprt
from league.view import LeagueView


class Rivals(Enum):
    """Whom a player has to beat to be frozen before its time is up."""

    NOBODY = auto()
    FACED = auto()
    """Every snapshot that this generation met in `snapshot_min_games` games or more."""
    MAINS = auto()
    """Every main as it is now."""
    SNAPSHOTS = auto()
    """Every snapshot."""
    EVERYONE = auto()
    """Every snapshot, and every other player as it is now."""


@dataclass(frozen=True)
class Gate:
    """What a player must show to be frozen."""

    least: int
    """Decisions to be trained on before."""
    most: int
    """Decisions after which it is frozen whatever it shows."""
    rivals: Rivals


def gate(config: LeagueConfig, role: Role) -> Gate:
    """The gate of a role; one unit, 2e9 steps in AlphaStar, is `snapshot_steps`."""
    unit, soon = config.snapshot_steps, config.snapshot_min_steps
    match config.matchmaker, role:
        case "alphastar", Role.MAIN_EXPLOITER:
            return Gate(soon, 2 * unit, Rivals.MAINS)
        case "alphastar", Role.LEAGUE_EXPLOITER:
            return Gate(soon, unit, Rivals.EVERYONE)
        case "alphastar", _:
            return Gate(unit, unit, Rivals.NOBODY)
        case "alphastar_pseudocode", Role.MAIN_EXPLOITER:
            return Gate(unit, 2 * unit, Rivals.MAINS)
        case "alphastar_pseudocode", _:
            return Gate(unit, 2 * unit, Rivals.SNAPSHOTS)
        case _:
            return Gate(soon, unit, Rivals.FACED)


def decide_freeze(player: Player, view: LeagueView, config: LeagueConfig) -> str | None:
    """Why `player` should be frozen now, in words; None where it should not.

    AlphaStar's rule (Vinyals et al. 2019, pseudocode `ready_to_checkpoint`): enough training, and then
    either better by the configured gate, or as much training as is allowed.
    """
    asked, trained = gate(config, player.role), player.steps - player.frozen_at
    if trained >= asked.most:
        return f"trained on {trained} decisions, {asked.most} is the most"
    if trained < max(1, asked.least) or asked.rivals is Rivals.NOBODY or config.gate == "time":
        return None
    if config.gate == "sprt":
        return _stronger_than_parent(player, view, config) if player.parent else None
    if asked.rivals is Rivals.FACED:
        return _beats_faced(player, view, config)
    return _beats_all(player, view, config, asked.rivals)


def awaits_test(player: Player, view: LeagueView, config: LeagueConfig) -> bool:
    """Whether `player` is frozen as soon as games against its parent show that it is the stronger one."""
    asked, trained = gate(config, player.role), player.steps - player.frozen_at
    return (
        config.gate == "sprt"
        and asked.rivals is not Rivals.NOBODY
        and max(1, asked.least) <= trained < asked.most
        and view.symmetric
        and len(view.teams) == 2
        and player.parent in view.past.registered
    )


def counts_against(player: Player, parent: str, view: LeagueView) -> tuple[float, ...]:
    """What a generation in the making scored against its parent, for `sprt`.

    Pairs of games with seats swapped (5 counts); games (3) where no pairs were counted, as in a run from
    before they were.
    """
    if pairs := view.ledger.swaps.get(player.node, {}).get(parent):
        return tuple(pairs)
    return tuple(view.ledger.tally.counts(player.node, parent))[::-1]


def decide_reset(player: Player, view: LeagueView, config: LeagueConfig, seed: int) -> str | None:
    """Why `player` should go back to its first weights and a new optimizer now, in words, or None.

    Due once a generation, right after its snapshot was registered, and until `reset` notes that it was
    done. A main exploiter always, a league exploiter with `league_exploiter_reset`, nobody else. The answer
    is the same however often it is asked: its chance comes from `seed`, the name and the generation.
    """
    frozen = f"{player.name}@{player.generation - 1}"
    if player.reset_at == player.generation or frozen not in view.past.registered:
        return None
    if player.generation == 1:  # the first snapshot is of the first weights: there is nothing to go back from
        return None
    if player.role is Role.MAIN_EXPLOITER:
        return f"{frozen} is safe, a main exploiter begins anew"
    if player.role is Role.LEAGUE_EXPLOITER:
        seeds = [seed, zlib.crc32(player.name.encode()), player.generation]
        draw = float(np.random.default_rng(seeds).random())
        if draw < config.league_exploiter_reset:
            return f"{frozen} is safe, drew {draw:.2f} below {config.league_exploiter_reset:g}"
    return None


def reset(player: Player, reason: str) -> Player:
    """The player once its learner has gone back to the first weights. reason: what `decide_reset` said."""
    return replace(player, reset_at=player.generation, reset_reason=reason, copied_from="")


def _beats_faced(player: Player, view: LeagueView, config: LeagueConfig) -> str | None:
    """A new generation is not frozen on what the one before it won; the win rates are those of late."""
    faced = _faced(player, view, config.snapshot_min_games)
    if not faced:
        return None
    rates = view.win_rates(player, faced)
    # Of several the first by name: a resumed run does not remember whom it met first.
    worst = min(np.flatnonzero(rates == rates.min()).tolist(), key=faced.__getitem__)
    if rates[worst] < config.snapshot_win_rate:
        return None
    return (
        f"wins {rates[worst]:.2f} or more against each of {len(faced)} snapshots it faced "
        f"(least against {faced[worst]}), {config.snapshot_win_rate:g} is asked"
    )


def _faced(player: Player, view: LeagueView, min_games: int) -> list[str]:
    """Snapshots that the generation in the making met in at least `min_games` games."""
    tally = view.ledger.tally
    met = tally.opponents(player.node)
    enough = np.flatnonzero(tally.games(player.node, met) >= min_games).tolist()
    frozen = view.past.registered
    return [met[index] for index in enough if met[index] in frozen]


def _beats_all(player: Player, view: LeagueView, config: LeagueConfig, rivals: Rivals) -> str | None:
    """Whom it played in fewer than `snapshot_min_games` it does not beat yet."""
    opponents = _rivals(player, view, rivals)
    if not opponents:
        return None
    results = view.results(player, opponents)
    rates = win_rates(results)
    worst = int(rates.argmin())
    if rates[worst] < config.snapshot_win_rate or results.sum(axis=1).min() < config.snapshot_min_games:
        return None
    return (
        f"wins {rates[worst]:.2f} or more against each of {len(opponents)} {rivals.name.lower()} "
        f"(least against {opponents[worst]}), {config.snapshot_win_rate:g} is asked"
    )


def _rivals(player: Player, view: LeagueView, rivals: Rivals) -> list[str]:
    """Those it can meet: where teams differ, only of the other teams."""
    own = view.team_of(player)
    teams = view.teams if view.symmetric else [team for team in view.teams if team != own]
    others = [other for other in view.learners if other.name != player.name]
    live = [other for other in others if any(view.may_play(other, team) for team in teams)]
    if rivals is Rivals.MAINS:
        return [other.name for other in live if other.role is Role.MAIN]
    seated = np.unique(np.concatenate([view.permitted(team) for team in teams] or [np.zeros(0, np.int64)]))
    frozen = [view.opponents[index] for index in seated[seated < len(view.past)].tolist()]
    return [*frozen, *(other.name for other in live)] if rivals is Rivals.EVERYONE else frozen


def _stronger_than_parent(player: Player, view: LeagueView, config: LeagueConfig) -> str | None:
    """By all games of this generation against the snapshot that it grows from, in either seat.

    A test that says "no better" goes on, since the player learns on. Who is no better still passes with a
    chance of about 5 % at most, however long it goes on: a likelihood ratio is a martingale (Ville 1939).
    """
    parent, (low, high) = str(player.parent), config.sprt_elo
    counts = counts_against(player, parent, view)
    llr, verdict = sprt(counts, low, high)
    if verdict is not Verdict.BETTER:
        return None
    return (
        f"{_scored(counts)} against {parent}, which {high:g} points of normalised Elo explain better than "
        f"{low:g} (log-likelihood ratio {llr:.2f})"
    )


def _scored(counts: Sequence[float]) -> str:
    if len(counts) == 3:
        losses, draws, wins = counts
        return f"scored +{wins:.0f} ={draws:.0f} -{losses:.0f}"
    times = zip(counts, ("0", "½", "1", "1½", "2"), strict=True)
    words = (f"{count:.0f} times {score}" for count, score in times)
    return f"scored {', '.join(words)} in pairs of games with seats swapped"
