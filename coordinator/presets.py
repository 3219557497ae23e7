"""Complete configurations: what a learning preset and a league preset stand for.

Each is a function that returns plain fields, laid over one another, over what the game brings along
(`game_defaults`), and over the dataclasses' defaults.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from agents.config import LearnerConfig
from agents.scripted import expand
from coordinator import systems
from coordinator.config import GameConfig, RunConfig
from coordinator.game_defaults import Layer, defaults_of, preset_of
from coordinator.option_values import closest
from coordinator.options import OptionError, Plain, from_plain, overlay, to_plain


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


PRESETS: Mapping[str, Callable[[], Layer]] = {
    system.__name__: system
    for system in (
        systems.impala,
        systems.appo,
        systems.impact,
        systems.a3c,
        systems.batched_a2c,
        systems.ppo,
        systems.dppo,
        systems.dd_ppo,
        systems.dqn,
        systems.gorila,
        systems.ape_x,
        systems.r2d2,
        systems.seed,
        systems.seed_r2d2,
        systems.rnad,
    )
}
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
    return replace(
        config,
        league=replace(config.league, scripted=expand(config.league.scripted)),
        learner=_of_all_copies(config.learner, config.rollout.copies),
        variants={
            name: _of_all_copies(variant, config.rollout.copies) for name, variant in config.variants.items()
        },
    )


def _of_all_copies(learner: LearnerConfig, copies: int) -> LearnerConfig:
    """With a batch of 0 replaced by what it stands for."""
    if learner.algorithm.batch:
        return learner
    return replace(learner, algorithm=replace(learner.algorithm, batch=copies))


def _named(option: str, name: str, known: Mapping[str, Callable[[], Layer]]) -> Callable[[], Layer]:
    if name not in known:
        near = closest(name, known)
        hint = f"; did you mean {near}?" if near else ""
        raise OptionError(f"--{option} {name}: allowed are {', '.join(known)}{hint}")
    return known[name]
