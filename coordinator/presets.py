"""Complete configurations: what a learning preset and a league preset stand for.

Each is a function that returns plain fields, laid over one another, over what the game brings along
(`game_defaults`), and over the dataclasses' defaults.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from agents.scripted import expand
from coordinator.config import GameConfig, RunConfig
from coordinator.game_defaults import Layer, defaults_of, preset_of
from coordinator.option_values import closest
from coordinator.options import OptionError, Plain, from_plain, overlay, to_plain


def impala() -> Layer:
    """V-trace actor-critic, asynchronous, trajectories through a queue (Espeholt et al. 2018)."""
    return {"learner.algorithm.magnet_cost": 0.0}


def rnad() -> Layer:
    """For poker: NeuRD moves the policy, entropy or a magnet holds it (R-NaD, Perolat et al. 2022)."""
    return {
        "learner.algorithm.policy_loss": "neurd",
        "learner.algorithm.trace_decay": 0.9,
        "learner.algorithm.momentum": 0.0,
    }


def self_play() -> Layer:
    """One player against itself (80 %) and against its whole past (20 %)."""
    return {"league.matchmaker": "self_play", "league.latest_probability": 0.8}


def population() -> Layer:
    """Three players, each its own network, against each other and each other's past."""
    return {
        "league.matchmaker": "population",
        "league.players": ("main", "main-2", "main-3"),
        "league.latest_probability": 0.6,
    }


def pbt() -> Layer:
    """Four players against each other, who copy whoever is fitter and vary their hyper-parameters (PBT)."""
    return {
        **population(),
        "league.players": ("main", "main-2", "main-3", "main-4"),
        "pbt.period": 0,
        "pbt.spread": 2.0,
    }


def fictitious() -> Layer:
    """One player against its whole past, uniformly, and never against itself (Heinrich et al. 2015)."""
    return {"league.matchmaker": "fictitious"}


def pfsp() -> Layer:
    """One player, half against itself, half against the past that it beats least (part of AlphaStar)."""
    return {"league.matchmaker": "pfsp", "league.latest_probability": 0.5}


def openai_five() -> Layer:
    """One player, 80 % against itself, 20 % against its past by quality scores (OpenAI Five)."""
    return {"league.matchmaker": "openai_five", "league.latest_probability": 0.8, "league.gate": "time"}


def ml_agents() -> Layer:
    """One player, half against itself, half against its last ten snapshots, taken by time (ML-Agents)."""
    return {
        "league.matchmaker": "self_play",
        "league.latest_probability": 0.5,
        "league.window": 10,
        "league.gate": "time",
    }


def alphastar() -> Layer:
    """A main, a main exploiter and two league exploiters, by AlphaStar's paper (Vinyals et al. 2019)."""
    return {
        "league.matchmaker": "alphastar",
        "league.main_exploiters": ("main-exploiter",),
        "league.league_exploiters": ("league-exploiter", "league-exploiter-2"),
    }


def alphastar_pseudocode() -> Layer:
    """The same players by AlphaStar's published pseudocode, which differs from the paper."""
    return {**alphastar(), "league.matchmaker": "alphastar_pseudocode"}


def psro() -> Layer:
    """One player that learns to beat a Nash mixture of its past; many matches fill the mixture's payoff."""
    return {"league.matchmaker": "psro", "league.window": 32, "league.evaluate_share": 0.3}


PRESETS: Mapping[str, Callable[[], Layer]] = {preset.__name__: preset for preset in (impala, rnad)}
"""How players learn."""
LEAGUES: Mapping[str, Callable[[], Layer]] = {
    rule.__name__: rule
    for rule in (
        self_play,
        population,
        pbt,
        fictitious,
        pfsp,
        openai_five,
        ml_agents,
        alphastar,
        alphastar_pseudocode,
        psro,
    )
}
"""Who plays whom."""


def build(
    game: str,
    *,
    preset: str | None = None,
    league: str = "self_play",
    file: Mapping[str, object] | None = None,
    flags: Mapping[str, object] | None = None,
) -> RunConfig:
    """The configuration of a run: game's defaults <- preset <- league <- file <- flags.

    preset: None for the game's own.
    In `league.scripted` what stands for several players is replaced by them: a run keeps their names.
    Raises OptionError for an unknown preset or field, a value of the wrong type, or a contradiction.
    """
    plain: Plain = to_plain(RunConfig(GameConfig(game)))
    for layer in (
        defaults_of(game),
        _named("preset", preset or preset_of(game), PRESETS)(),
        _named("league", league, LEAGUES)(),
    ):
        plain = overlay(RunConfig, plain, layer)
    plain = overlay(RunConfig, plain, file or {})
    config = from_plain(RunConfig, overlay(RunConfig, plain, flags or {}))
    return replace(config, league=replace(config.league, scripted=expand(config.league.scripted)))


def _named(option: str, name: str, known: Mapping[str, Callable[[], Layer]]) -> Callable[[], Layer]:
    if name not in known:
        near = closest(name, known)
        hint = f"; did you mean {near}?" if near else ""
        raise OptionError(f"--{option} {name}: allowed are {', '.join(known)}{hint}")
    return known[name]
