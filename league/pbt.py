"""Population-based training: whose weights replace whose, and how hyper-parameters move. Only decisions.

    turn due ──> a random other player ──> clearly fitter? ──> exploit: take over its weights, optimizer and
                                     │                         hyper-parameters
                                     └──> explore: each hyper-parameter may move by a factor

As IMPALA did it (Espeholt et al. 2018, appendix F, after Jaderberg et al. 2017): one random rival a turn, a
gap of 5 %, and every hyper-parameter times or by 1.2 with a chance of a third, copied or not. A population is
the players of one role, where teams differ of one team. Whoever is overwritten is frozen first, so nothing is
lost, and the snapshot after that one has for a parent what its rival grew from: the rival's last snapshot, or
that of whom the rival itself was copied from, if it was not frozen since.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from dataclasses import astuple, dataclass, replace
from difflib import get_close_matches

import numpy as np
from numpy.random import Generator

from league.ledger import Returns
from league.payoff import win_rates
from league.players import Player
from league.view import LeagueView

TUNABLE = ("entropy_cost", "learning_rate")
"""Hyper-parameters that may be tuned; fields of a player's algorithm."""
FITNESS = ("auto", "win_rate", "return")
CLEARLY = 2.0
"""Standard errors that a rival must lead by: less may be chance, and a copy by chance costs diversity."""


@dataclass(frozen=True)
class PbtConfig:
    """Population-based training. A contradiction raises ValueError with the numbers in it."""

    period: int | None = None
    """Decisions that a player is trained on between two turns; 0 for as many as `league.snapshot_steps`, none
    for no population-based training."""
    start: int = 0
    """Decisions before the first period begins, so that all learn something first (IMPALA: 20 million)."""
    fitness: str = "auto"
    """What makes a player fit: win_rate (against the opponents that both met, of late), return (mean of an
    episode), or auto: return in games of one team, else win_rate."""
    gap: float = 0.05
    """How much fitter a rival must be to be copied: in win rate, or as a share of the larger return (IMPALA:
    0.05)."""
    tuned: tuple[str, ...] = TUNABLE
    """Which hyper-parameters are tuned, unless they are 0: entropy_cost, learning_rate (with it Muon's).
    Schedules are stretched, not cut: what they are in the end moves as what they are at the start."""
    mutation: float = 0.33
    """Chance of each hyper-parameter to move in a turn (IMPALA: 0.33; Sample Factory: 0.15)."""
    factor: float = 1.2
    """It moves by this, up or down (IMPALA: 1.2)."""
    spread: float = 1.0
    """At the start, hyper-parameters are drawn between the configured value divided and multiplied by this,
    evenly in their logarithm; 1 for the configured value itself."""

    def __post_init__(self) -> None:
        for name, least in (("start", 0), ("gap", 0.0), ("mutation", 0.0), ("spread", 1.0)):
            if not getattr(self, name) >= least:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be at least {least:g}")
        for name in ("gap", "mutation"):
            if not getattr(self, name) <= 1.0:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be at most 1")
        if self.period is not None and self.period < 0:
            raise ValueError(f"period is {self.period}, but must be at least 0, or none")
        if not self.factor > 1.0:
            raise ValueError(f"factor is {self.factor}, but must be above 1")
        for name, values, known in (("fitness", [self.fitness], FITNESS), ("tuned", self.tuned, TUNABLE)):
            for value in values:
                if value not in known:
                    close = get_close_matches(value, known, n=1)
                    hint = f"; did you mean {close[0]}?" if close else ""
                    raise ValueError(f"{name} has {value!r}, known are {', '.join(known)}{hint}")


@dataclass(frozen=True)
class Turn:
    """What one turn makes of a player."""

    player: str
    rival: str | None
    """Whose weights, optimizer and hyper-parameters it takes over; None where it keeps its own."""
    hyper: dict[str, float]
    """Its hyper-parameters from now on."""
    reason: str
    """In words: how the two compare, and which hyper-parameters moved."""
    farewell: str = ""
    """Why it is frozen before it is copied over, unless its last snapshot is of the same weights."""


@dataclass(frozen=True)
class Comparison:
    """How a player and its rival stand."""

    lead: float
    """By which the rival is fitter, in the unit of `PbtConfig.gap`."""
    error: float
    """Standard error of it."""
    words: str
    """Fitness of the rival, then of the player."""


def populations(players: Mapping[str, Player]) -> dict[str, list[str]]:
    """Player -> those with whom it is compared, itself among them: of its role and team. Of who learns."""
    learning = [player for player in players.values() if player.role.learns]
    return {
        one.name: [two.name for two in learning if (two.role, two.team) == (one.role, one.team)]
        for one in learning
    }


def first_hyper(config: PbtConfig, name: str, values: Mapping[str, float], seed: int) -> dict[str, float]:
    """Hyper-parameters that a player begins with. values: those that are configured, by name.

    None that is 0: no factor moves it. Empty where nothing is drawn nor will move: then its learner goes by
    its configuration alone.
    """
    if config.period is None and config.spread == 1.0:
        return {}
    generator = np.random.default_rng([seed, zlib.crc32(name.encode())])
    reach = math.log(config.spread)
    drawn = {name: math.exp(generator.uniform(-reach, reach)) for name in config.tuned}
    return {name: values[name] * factor for name, factor in drawn.items() if values[name] > 0}


def next_turn(view: LeagueView, config: PbtConfig, generation: int, seed: int) -> Turn | None:
    """The turn that is due now, or None. One at a time: what it changes is seen by the next.

    It is the same however often it is asked for: its chances come from `seed`, the player and its training.
    generation: decisions that make a `period` of 0.
    """
    if config.period is None:
        return None
    others = populations(view.players)
    for player in view.learners:
        trained = player.steps - max(player.turned_at, config.start)
        rivals = [name for name in others[player.name] if name != player.name]
        if rivals and trained >= (config.period or generation):
            generator = np.random.default_rng([seed, zlib.crc32(player.name.encode()), player.steps])
            rival = view.players[rivals[generator.integers(len(rivals))]]
            return _turn(player, rival, view, config, generator)
    return None


def turned(player: Player, turn: Turn, rival: Player | None) -> Player:
    """The player once its learner has carried out a turn. rival: whom it was copied from, if it was."""
    player = replace(player, hyper=dict(turn.hyper), turned_at=player.steps)
    if rival is None:
        return player
    return replace(
        player, reset_at=player.generation, reset_reason=turn.reason, copied_from=rival.parent or ""
    )


def _turn(player: Player, rival: Player, view: LeagueView, config: PbtConfig, generator: Generator) -> Turn:
    compared = compare(player, rival, view, config.fitness)
    fitter = compared is not None and compared.lead >= max(config.gap, CLEARLY * compared.error)
    source = rival if fitter else player
    hyper = {name: _moved(value, config, generator) for name, value in source.hyper.items()}
    stand = (
        "not compared with" if compared is None else "weaker than" if fitter else "not clearly weaker than"
    )
    figures = "" if compared is None else f" ({compared.words})"
    moves = [
        f"{name} {player.hyper[name]:.3g} -> {value:.3g}"
        for name, value in hyper.items()
        if value != player.hyper[name]
    ]
    reason = f"{stand} {rival.name}{figures}; {', '.join(moves) or 'hyper-parameters stay'}"
    if not fitter:
        return Turn(player.name, None, hyper, reason)
    return Turn(player.name, rival.name, hyper, reason, f"replaced by a copy of {rival.name}: {reason}")


def _moved(value: float, config: PbtConfig, generator: Generator) -> float:
    """Two draws in any case, so that what one hyper-parameter does leaves the others' chances alone."""
    moves, up = generator.random(2)
    if moves >= config.mutation:
        return value
    return value * config.factor if up < 0.5 else value / config.factor


def compare(player: Player, rival: Player, view: LeagueView, fitness: str) -> Comparison | None:
    """How the two stand; None where too little was played to say."""
    if fitness == "auto":
        fitness = "return" if len(view.teams) == 1 else "win_rate"
    match fitness:
        case "return":
            return _by_return(player, rival, view)
        case _:
            return _by_win_rate(player, rival, view)


def _by_win_rate(player: Player, rival: Player, view: LeagueView) -> Comparison | None:
    """Against the opponents that both met, each weighed by the games of whoever met it less."""
    live = [other.node for other in view.learners if other not in (player, rival)]
    pool, tally = [*view.opponents, *live], view.ledger.tally
    mine, theirs = (
        np.sum([tally.results(life, pool) for life in one.lives], axis=0) for one in (player, rival)
    )
    games = np.stack([mine.sum(axis=1), theirs.sum(axis=1)])
    weights = games.min(axis=0)
    if not weights.any():
        return None
    shares = weights / weights.sum()
    own, other = (float(shares @ win_rates(results)) for results in (mine, theirs))
    met = shares > 0
    # A game's score varies by a quarter at most.
    error = math.sqrt(float((shares[met] ** 2 * (0.25 / games[:, met]).sum(axis=0)).sum()))
    words = f"wins {other:.3f} against {own:.3f}, of {np.count_nonzero(met)} opponents that both met"
    return Comparison(other - own, error, words)


def _by_return(player: Player, rival: Player, view: LeagueView) -> Comparison | None:
    mine, theirs = (_returns(one, view) for one in (player, rival))
    scale = max(abs(mine.mean), abs(theirs.mean))
    error = math.hypot(mine.standard_error, theirs.standard_error)
    if not scale or not math.isfinite(error):
        return None
    words = f"mean return {theirs.mean:.4g} against {mine.mean:.4g}"
    return Comparison((theirs.mean - mine.mean) / scale, error / scale, words)


def _returns(player: Player, view: LeagueView) -> Returns:
    """Of its last lives together."""
    lives = [view.ledger.returns.get(life, Returns()) for life in player.lives]
    return Returns(*(sum(column) for column in zip(*map(astuple, lives), strict=True)))
