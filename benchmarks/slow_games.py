"""What adapters cost: stepping Gymnasium and PettingZoo environments through them and without.

Run: python -m benchmarks.slow_games [--decisions N] [--repeats N] [--json] [GAME ...]

Four rates, in decisions a second of this process's own CPU time, so that other work on the machine disturbs
them little. Actions are random and legal; the first three do not count the time to choose them:

    raw       the environment as its package makes it, in the plainest loop that shows every seat what it sees
    bare      the same loop, without the wrappers that only check (adapters take them off)
    adapter   `rollout.copies` environments through `make_game` and `Game.step`
    actor     a whole actor: a network of 2 x 128 plays itself through `Rollout`, and trajectories are cut

Episodes begin by `reset()` without a seed, but for the first. Every repeat measures all four one after the
other; printed are the median rates and the medians of the ratios within a repeat.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import gymnasium
import mpe2.simple_tag_v3
import numpy as np
import pettingzoo

from agents.config import LearnerConfig, NetworkConfig
from agents.machine import settle
from agents.policy import NetworkPolicy
from agents.rollout import Rollout
from agents.streams import StreamConfig
from agents.tables import Table
from benchmarks.runs import describe_machine
from envs.catalogue import make_game
from envs.game import Game
from envs.legal import random_legal
from envs.spaces import split_mask
from envs.unwrapping import without_checks

GAMES: dict[str, Callable[[], Any]] = {
    "pettingzoo:classic/connect_four_v3": lambda: pettingzoo.make("aec", "classic/connect_four-v3"),
    "pettingzoo:classic/leduc_holdem_v4": lambda: pettingzoo.make("aec", "classic/leduc_holdem-v4"),
    "mpe2:simple_tag": mpe2.simple_tag_v3.parallel_env,
    "gymnasium:CartPole-v1": lambda: gymnasium.make("CartPole-v1"),
}
"""What a user types -> the same environment without this project."""
COPIES = (32, 64, 128)


class Play(NamedTuple):
    """Recorded play of one environment."""

    episodes: list[list[Any]]
    """What was handed to `step`, call by call."""
    decisions: int
    """Actions in it, of all seats."""


@dataclass(frozen=True)
class Finding:
    """One game with one number of copies: decisions a second of CPU time, and medians of ratios."""

    game: str
    copies: int
    raw: float
    bare: float
    adapter: float
    actor: float
    adapter_of_raw: float
    adapter_of_bare: float
    actor_of_raw: float


def main() -> None:
    """Measure, print a table or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "games", nargs="*", metavar="GAME", help=f"some of {', '.join(GAMES)}; all by default"
    )
    parser.add_argument("--decisions", type=int, default=3_000, help="in every measurement, about")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    settle()
    found = [
        finding
        for game in args.games or GAMES
        for finding in measure(game, args.decisions, args.repeats, COPIES)
    ]
    if args.json:
        print(json.dumps([asdict(finding) for finding in found]))
        return
    print(describe_machine())
    print("| game | copies | raw | bare | adapter | actor | adapter / raw | adapter / bare | actor / raw |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for f in found:
        print(
            f"| {f.game} | {f.copies} | {f.raw:,.0f} | {f.bare:,.0f} | {f.adapter:,.0f} | {f.actor:,.0f} "
            f"| {f.adapter_of_raw:.2f} | {f.adapter_of_bare:.2f} | {f.actor_of_raw:.2f} |"
        )


def measure(game: str, decisions: int, repeats: int, all_copies: tuple[int, ...]) -> list[Finding]:
    """The four rates of one game, for every number of copies."""
    make_env = GAMES[game]
    raw, bare = make_env(), without_checks(make_env())
    play = record(make_env(), decisions)
    runners: dict[tuple[str, int], Callable[[], float]] = {
        ("raw", 0): lambda: replay(raw, play),
        ("bare", 0): lambda: replay(bare, play),
    }
    for copies in all_copies:
        runners["adapter", copies] = adapter_runner(make_game(game, copies), decisions)
        runners["actor", copies] = actor_runner(make_game(game, copies), decisions)
    rows = [{name: run() for name, run in runners.items()} for _ in range(repeats)]

    def rate(name: str, copies: int) -> float:
        return statistics.median(row[name, copies] for row in rows)

    def ratio(name: str, copies: int, base: str) -> float:
        return statistics.median(row[name, copies] / row[base, 0] for row in rows)

    return [
        Finding(
            game=game,
            copies=copies,
            raw=rate("raw", 0),
            bare=rate("bare", 0),
            adapter=rate("adapter", copies),
            actor=rate("actor", copies),
            adapter_of_raw=ratio("adapter", copies, "raw"),
            adapter_of_bare=ratio("adapter", copies, "bare"),
            actor_of_raw=ratio("actor", copies, "raw"),
        )
        for copies in all_copies
    ]


def record(env: Any, decisions: int) -> Play:
    """Random legal play of at least so many decisions, in whole episodes."""
    generator, made = np.random.default_rng(0), 0
    episodes: list[list[Any]] = []
    while made < decisions:
        calls: list[Any] = []
        observation, info = _reset(env, 0 if not episodes else None)
        if isinstance(env, pettingzoo.AECEnv):
            for seat in env.agent_iter():
                seen, _, terminated, truncated, info = env.last()
                calls.append(
                    None
                    if terminated or truncated
                    else _choose(env.action_space(seat), seen, info, generator)
                )
                env.step(calls[-1])
            made += sum(call is not None for call in calls)
        elif isinstance(env, pettingzoo.ParallelEnv):
            while env.agents:
                calls.append(
                    {
                        seat: _choose(env.action_space(seat), observation[seat], info.get(seat), generator)
                        for seat in env.agents
                    }
                )
                observation, _, _, _, info = env.step(calls[-1])
            made += sum(map(len, calls))
        else:
            over = False
            while not over:
                calls.append(_choose(env.action_space, observation, info, generator))
                observation, _, terminated, truncated, info = env.step(calls[-1])
                over = terminated or truncated
            made += len(calls)
        episodes.append(calls)
    return Play(episodes, made)


def replay(env: Any, play: Play) -> float:
    """Decisions a second of CPU time, in the plainest loop."""
    seed: int | None = 0
    in_turn = isinstance(env, pettingzoo.AECEnv)
    begin = time.process_time()
    for calls in play.episodes:
        env.reset(seed=seed)
        seed = None
        if in_turn:
            for call in calls:
                env.last()
                env.step(call)
        else:
            for call in calls:
                env.step(call)
    return play.decisions / (time.process_time() - begin)


def adapter_runner(game: Game, decisions: int) -> Callable[[], float]:
    """The result plays on at random and gives decisions a second of CPU time, choosing not counted."""
    generator, step = np.random.default_rng(0), game.reset(0)

    def run() -> float:
        nonlocal step
        made, spent = 0, 0.0
        while made < decisions:
            actions = random_legal(game.spec, step, generator)
            made += int(step.acting.sum())
            begin = time.process_time()
            step = game.step(actions)
            spent += time.process_time() - begin
        return made / spent

    return run


def actor_runner(game: Game, decisions: int) -> Callable[[], float]:
    """The result lets a network play itself and gives decisions a second of CPU time."""
    config, spec = LearnerConfig(network=NetworkConfig(hidden=(128, 128))), game.spec
    bound: dict[str, str | None] = {"main": None} if spec.symmetric else {team: team for team in spec.teams}
    rollout = Rollout(
        game, {who: StreamConfig(unroll=16, batch=256, team=team) for who, team in bound.items()}
    )
    rollout.behaviours.update({who: NetworkPolicy(config, spec, team=team) for who, team in bound.items()})
    holders = tuple("main" if spec.symmetric else team for team in spec.teams)
    rollout.reset(0)
    rollout.seating.open(Table(0, holders, 2**31, frozenset(holders)))

    def run() -> float:
        target, before = rollout.decisions + decisions, rollout.decisions
        begin = time.process_time()
        while rollout.decisions < target:
            rollout.tick()
            rollout.take()
        return (rollout.decisions - before) / (time.process_time() - begin)

    return run


def _reset(env: Any, seed: int | None) -> tuple[Any, Any]:
    return env.reset(seed=seed) or (None, None)


def _choose(space: Any, seen: Any, info: Any, generator: np.random.Generator) -> Any:
    """A random legal action of a `Discrete` space."""
    _, mask = split_mask(seen, info)
    legal = np.arange(space.n) if mask is None else np.flatnonzero(mask)
    return int(generator.choice(legal))


if __name__ == "__main__":
    main()
