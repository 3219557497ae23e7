"""What many opponents cost: `python -m benchmarks.opponents`.

One player learns at tables of connect_four against 1, 4, 16 and 64 frozen networks of its own shape, the
rows of each of them a network's own. Prints the processor's milliseconds for a step of all copies, the least
of several rounds, everyone once in each: so that a busy machine slows all of them alike.
"""

from __future__ import annotations

import argparse
import time

from agents.learner import Learner
from agents.machine import settle
from agents.policy import NetworkPolicy
from agents.rollout import Rollout
from agents.tables import Table
from coordinator.presets import build
from envs.catalogue import make_game
from league.players import Player

OPPONENTS = (1, 4, 16, 64)
TICKS = 25


class Room:
    """Tables against so many opponents, played without an end."""

    def __init__(self, opponents: int) -> None:
        config = build("connect_four")
        game = make_game(config.game.name, config.rollout.copies)
        weights = Learner(config.learner, game.spec, team=None, seed=0).weights()
        self._names = [f"other@{index}" for index in range(opponents)]
        self._rollout = Rollout(game, {"main": config.stream_config(Player("main"))})
        self._rollout.reset(0)
        self._episodes = game.copies // opponents
        self._tables = 0
        for index, name in enumerate(["main", *self._names]):
            policy = NetworkPolicy(config.learner, game.spec, team=None)
            policy.load(weights * (1 + 0.01 * index), version=0)
            self._rollout.behaviours[name] = policy

    def play(self, ticks: int) -> None:
        """Steps of all copies."""
        for _ in range(ticks):
            while self._rollout.seating.backlog < self._rollout.game.copies // 4:
                for name in self._names:
                    seats = ("main", name)
                    self._rollout.seating.open(
                        Table(self._tables, seats, self._episodes, frozenset(["main"]))
                    )
                    self._tables += 1
            self._rollout.tick()
            self._rollout.results()
            self._rollout.take()


def main() -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=8, help="default 8")
    args = parser.parse_args()
    settle()
    rooms = {count: Room(count) for count in OPPONENTS}
    for room in rooms.values():
        room.play(2 * TICKS)  # until copies are no longer in step
    best: dict[int, float] = {}
    for _ in range(args.rounds):
        for count, room in rooms.items():
            begin = time.process_time()
            room.play(TICKS)
            took = 1000 * (time.process_time() - begin) / TICKS
            best[count] = min(took, best.get(count, took))
    print("| opponents | ms a step of 4 096 copies | beside one |\n| --- | --- | --- |")
    for count, took in best.items():
        print(f"| {count} | {took:.2f} | {took / best[1]:.2f} |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
