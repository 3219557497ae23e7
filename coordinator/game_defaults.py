"""What games bring along: the numbers with which each is learnt best, as far as is known.

Each is a function that returns plain fields. They were found by measuring strength, not speed;
docs/benchmarks.md and docs/experiments/ have the figures.
"""

from __future__ import annotations

Layer = dict[str, object]


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
    """Card games in which to bluff, for the preset `rnad`: the critic sees all cards, and small steps end it.

    Found by NashConv: docs/experiments/poker.md.
    """
    return {
        "learner.cooperation": "joint",
        "learner.algorithm.discount": 1.0,
        "learner.algorithm.learning_rate": 1e-3,
        "learner.algorithm.final_learning_rate": 5e-5,
        "learner.algorithm.batch": 256,
        "rollout.copies": 2048,
        "rollout.unroll": 16,
        "league.episodes": 2048,
    }


def leduc() -> Layer:
    """Entropy alone holds players together, and falls slowly: with less than this they run in circles."""
    return {
        **poker(),
        "learner.algorithm.entropy_cost": 0.5,
        "learner.algorithm.final_entropy_cost": 0.2,
        "learner.algorithm.anneal_steps": 50_000_000,
        "learner.algorithm.averaging": 0.998,
        "league.snapshot_steps": 2_000_000,
        "league.snapshot_min_steps": 1_000_000,
        "runtime.round_steps": 500_000,
    }


def kuhn() -> Layer:
    """Twelve information states: small, and soon so near that only a magnet, without entropy, leads on."""
    return {
        **poker(),
        "learner.network.hidden": (64, 64),
        "learner.algorithm.entropy_cost": 0.0,
        "learner.algorithm.final_entropy_cost": 0.0,
        "learner.algorithm.magnet_cost": 0.3,
        "learner.algorithm.magnet_updates": 200,
        "learner.algorithm.anneal_steps": 12_000_000,
        "learner.algorithm.averaging": 0.99,
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


def wide_matrix() -> Layer:
    """One choice of dozens: with less entropy a player is sure of one before it has tried the others."""
    return {
        **matrix_game(),
        "learner.algorithm.entropy_cost": 0.1,
        "learner.algorithm.final_entropy_cost": 0.1,
        "learner.algorithm.learning_rate": 3e-3,
        "learner.algorithm.final_learning_rate": 3e-3,
    }


def repeated_rps() -> Layer:
    """A thousand throws against one opponent: a memory to find out who it is, and answers of the moment.

    What a throw brings later is little beside what it brings now, and hard to tell: docs/experiments/rrps.md.
    """
    return {
        "learner.network.hidden": (64,),
        "learner.network.lstm": 64,
        "learner.algorithm.discount": 0.7,
        "learner.algorithm.entropy_cost": 0.01,
        "learner.algorithm.final_entropy_cost": 0.003,
        "learner.algorithm.optimizer": "muon",
        "learner.algorithm.learning_rate": 2e-3,
        "learner.algorithm.final_learning_rate": 5e-4,
        "learner.algorithm.anneal_steps": 5_000_000,
        "learner.algorithm.batch": 16,
        "rollout.copies": 256,
        "rollout.unroll": 50,
        "league.episodes": 2,
        "league.snapshot_steps": 1_000_000,
        "league.snapshot_min_steps": 500_000,
        "runtime.round_steps": 250_000,
    }


def recall() -> Layer:
    """Short episodes of a game that costs nothing: columns as long as one."""
    return {
        "learner.network.hidden": (32,),
        "learner.network.lstm": 32,
        "learner.algorithm.learning_rate": 3e-3,
        "learner.algorithm.final_learning_rate": 1e-3,
        "learner.algorithm.anneal_steps": 300_000,
        "learner.algorithm.batch": 32,
        "rollout.copies": 64,
        "rollout.unroll": 20,
        "league.snapshot_steps": 50_000,
        "league.snapshot_min_steps": 50_000,
        "runtime.round_steps": 50_000,
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
        "learner.algorithm.batch": 32,
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
            return leduc()
        case "repeated_rps":
            return repeated_rps()
        case "recall":
            return recall()
        case "matrix" if game in ("matrix:blotto", "matrix:skill"):
            return wide_matrix()
        case "matrix" | "two_step":
            return matrix_game()
        case "gymnasium" if game.startswith("gymnasium:CartPole-"):
            return cartpole()
        case _:
            return adapted()


def preset_of(game: str) -> str:
    """How players learn a game where nobody says it: a name in `presets.PRESETS`."""
    return "rnad" if game in ("kuhn", "leduc") else "impala"
