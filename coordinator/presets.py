"""Complete configurations: what a game, a learning preset and a league preset stand for.

Each is a function that returns plain fields, laid over one another and over the dataclasses' defaults. A
game's fields were found by measuring strength, not speed; docs/benchmarks.md has the figures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches

from coordinator.config import GameConfig, RunConfig
from coordinator.options import OptionError, Plain, from_plain, overlay, to_plain

Layer = dict[str, object]


def impala() -> Layer:
    """V-trace actor-critic, asynchronous, trajectories through a queue (Espeholt et al. 2018)."""
    return {}


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


PRESETS: Mapping[str, Callable[[], Layer]] = {"impala": impala}
"""How players learn."""
LEAGUES: Mapping[str, Callable[[], Layer]] = {
    rule.__name__: rule
    for rule in (
        self_play,
        population,
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


def board_game() -> Layer:
    """Vectorised two-player board games: thousands of copies, much entropy, no discount."""
    return {
        "learner.algorithm.discount": 1.0,
        "learner.algorithm.entropy_cost": 0.07,
        "learner.algorithm.final_entropy_cost": 0.07,
        "learner.algorithm.optimizer": "muon",
        "learner.algorithm.matrix_learning_rate": 1.2e-2,
        "learner.algorithm.learning_rate": 3e-3,
        "learner.algorithm.final_learning_rate": 3e-3,
        "learner.algorithm.averaging": 0.997,
        "learner.algorithm.batch": 256,
        "rollout.copies": 4096,
        "rollout.unroll": 16,
        "league.episodes": 512,
        "league.snapshot_steps": 4_000_000,
        "league.snapshot_min_steps": 1_000_000,
        "runtime.round_steps": 1_000_000,
    }


def tictactoe() -> Layer:
    """Short games: fewer copies do."""
    return {
        **board_game(),
        "rollout.copies": 2048,
        "rollout.unroll": 8,
        "league.snapshot_steps": 2_000_000,
        "league.snapshot_min_steps": 500_000,
    }


def poker() -> Layer:
    """Card games in which to bluff: the critic sees all cards, and entropy falls slowly.

    With less entropy than this, players run after one another in circles instead of meeting.
    """
    return {
        "learner.cooperation": "joint",
        "learner.algorithm.discount": 1.0,
        "learner.algorithm.trace_decay": 0.9,
        "learner.algorithm.entropy_cost": 1.0,
        "learner.algorithm.final_entropy_cost": 0.25,
        "learner.algorithm.learning_rate": 1e-3,
        "learner.algorithm.final_learning_rate": 3e-4,
        "learner.algorithm.anneal_steps": 12_000_000,
        "learner.algorithm.averaging": 0.999,
        "learner.algorithm.batch": 256,
        "rollout.copies": 2048,
        "rollout.unroll": 16,
        "league.episodes": 2048,
        "league.snapshot_steps": 1_000_000,
        "league.snapshot_min_steps": 500_000,
        "runtime.round_steps": 500_000,
    }


def kuhn() -> Layer:
    """Twelve information states: a small network, small batches, a fifth of the stakes' entropy."""
    return {
        **poker(),
        "learner.network.hidden": (64, 64),
        "learner.algorithm.entropy_cost": 0.2,
        "learner.algorithm.final_entropy_cost": 0.05,
        "learner.algorithm.anneal_steps": 3_000_000,
        "learner.algorithm.batch": 64,
        "league.snapshot_steps": 200_000,
        "league.snapshot_min_steps": 100_000,
        "runtime.round_steps": 200_000,
    }


def matrix_game() -> Layer:
    """One-shot games: a column is one decision after another, each an episode.

    Many matches that only rate, so that the leaderboard's mixture can be trusted: docs/experiments/cycles.md.
    """
    return {
        "learner.network.hidden": (32,),
        "learner.algorithm.entropy_cost": 0.02,
        "learner.algorithm.final_entropy_cost": 0.02,
        "learner.algorithm.learning_rate": 1e-3,
        "learner.algorithm.final_learning_rate": 1e-3,
        "learner.algorithm.batch": 64,
        "rollout.copies": 256,
        "rollout.unroll": 8,
        "league.episodes": 512,
        "league.evaluate_share": 0.3,
        "league.snapshot_steps": 30_000,
        "league.snapshot_min_steps": 20_000,
        "runtime.round_steps": 100_000,
    }


def adapted() -> Layer:
    """Games that step one copy at a time in Python: few copies, small batches, short generations."""
    return {
        "learner.algorithm.batch": 16,
        "rollout.copies": 32,
        "rollout.unroll": 16,
        "league.episodes": 16,
        "league.evaluate_share": 0.1,
        "league.snapshot_steps": 20_000,
        "league.snapshot_min_steps": 5_000,
        "runtime.round_steps": 10_000,
    }


def cartpole() -> Layer:
    """Rewards of 1 a step, five hundred times: a tenth of that keeps value errors of the policy's size.

    With whole rewards the value's gradient drowns the policy's: docs/experiments/cartpole.md.
    """
    return {
        **adapted(),
        "learner.network.hidden": (64, 64),
        "learner.algorithm.reward_clip": 0.1,
        "learner.algorithm.learning_rate": 3e-3,
        "learner.algorithm.final_learning_rate": 1e-4,
        "learner.algorithm.anneal_steps": 300_000,
        "learner.algorithm.batch": 8,
        "rollout.unroll": 32,
        "league.snapshot_steps": 50_000,
        "league.snapshot_min_steps": 50_000,
        "runtime.round_steps": 50_000,
    }


def defaults_of(game: str) -> Layer:
    """The layer that a game brings along."""
    match game.partition(":")[0]:
        case "connect_four":
            return board_game()
        case "tictactoe":
            return tictactoe()
        case "kuhn":
            return kuhn()
        case "leduc":
            return poker()
        case "matrix" | "two_step":
            return matrix_game()
        case "gymnasium" if game.startswith("gymnasium:CartPole-"):
            return cartpole()
        case _:
            return adapted()


def build(
    game: str,
    *,
    preset: str = "impala",
    league: str = "self_play",
    file: Mapping[str, object] | None = None,
    flags: Mapping[str, object] | None = None,
) -> RunConfig:
    """The configuration of a run: game's defaults <- preset <- league <- file <- flags.

    Raises OptionError for an unknown preset or field, a value of the wrong type, or a contradiction.
    """
    plain: Plain = to_plain(RunConfig(GameConfig(game)))
    for layer in (
        defaults_of(game),
        _named("preset", preset, PRESETS)(),
        _named("league", league, LEAGUES)(),
    ):
        plain = overlay(RunConfig, plain, layer)
    plain = overlay(RunConfig, plain, file or {})
    return from_plain(RunConfig, overlay(RunConfig, plain, flags or {}))


def _named(option: str, name: str, known: Mapping[str, Callable[[], Layer]]) -> Callable[[], Layer]:
    if name not in known:
        close = get_close_matches(name, known, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise OptionError(f"--{option} {name}: allowed are {', '.join(known)}{hint}")
    return known[name]
