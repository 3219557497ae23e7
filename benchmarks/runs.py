"""What the experiments share: training a run from a configuration, and looking at what came out."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import torch

from agents.config import Cooperation
from agents.networks import PolicyNetwork
from agents.policy import Weights, set_weights
from agents.trajectory import team_seats
from coordinator.config import RunConfig
from coordinator.launch import TrainResult, train
from coordinator.options import to_plain
from coordinator.presets import build
from coordinator.run_folder import RunFolder
from coordinator.run_store import open_store
from coordinator.snapshots import SnapshotStore
from coordinator.store import Store
from dashboards.usage import UsageError, take_overrides
from envs.catalogue import make_game
from league.ledger import Ledger
from league.players import Player, Snapshot
from league.view import LeagueView

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def fields(arguments: Sequence[str]) -> dict[str, str]:
    """Fields of the configuration and their values, from `--field value` and `--field=value`."""
    try:
        left, found = take_overrides([*arguments], {})
    except UsageError as error:
        raise SystemExit(str(error)) from error
    if left:
        raise SystemExit(f"{left[0]}: unexpected")
    return {flag.removeprefix("--"): value for flag, value in found.items()}


@dataclass(frozen=True)
class Trained:
    """A run at rest."""

    config: RunConfig
    run: RunFolder
    store: Store
    """Open as long as the context that gave this."""
    result: TrainResult

    def view(self) -> LeagueView:
        """The league as it stood at the end."""
        with make_game(self.config.game.name, 1, teams=self.config.game.teams) as game:
            spec = game.spec
        return LeagueView(
            players=self.store.players(),
            snapshots=self.store.snapshots(),
            ledger=Ledger.from_json(self.store.fold() or "null"),
            teams=tuple(spec.teams),
            symmetric=spec.symmetric,
            scripted=("random",),
        )


@contextmanager
def trained(
    game: str,
    flags: Mapping[str, object],
    *,
    seed: int,
    steps: int | None = None,
    seconds: float | None = None,
    league: str = "self_play",
    preset: str | None = None,
) -> Iterator[Trained]:
    """Train a new run in a temporary folder, inline unless `flags` say otherwise, and open its store.

    flags: fields of the configuration over the game's defaults, as on the command line.
    """
    fields = {"runtime.runtime": "inline", **flags, "seed": seed}
    config = build(game, preset=preset, league=league, flags=fields)
    with TemporaryDirectory(prefix="league-") as folder:
        run = RunFolder.create(Path(folder) / "run", to_plain(config))
        result = train(config, run, watch=lambda frame: None, steps=steps, seconds=seconds)
        with open_store(run) as store:
            yield Trained(config, run, store, result)


def weights_of(done: Trained, snapshot: Snapshot) -> Weights:
    """A frozen generation's weights, from its verified file."""
    tensors, _ = SnapshotStore(done.run.snapshots).read(snapshot.sha256)
    weights: Weights = tensors["weights"]
    return weights


def action_probabilities(done: Trained, player: Player, weights: Weights) -> Floats:
    """[S, A] what these weights do in the first step of a game without choices that are illegal, by seat."""
    config = done.config.learner_of(player)
    with make_game(done.config.game.name, 1) as game:
        spec, step = game.spec, game.reset(0)
        observation, seats = torch.from_numpy(step.observation[0].copy()), step.seat[0]
    count = team_seats(spec, player.team)
    network = PolicyNetwork(config.network, spec, count, config.cooperation is Cooperation.JOINT)
    set_weights(network, weights)
    place = torch.from_numpy(np.asarray(seats, np.int64)) if count > 1 else None
    with torch.no_grad():
        logits, *_ = network.act_parameters(observation, place, None)
    probabilities: Floats = logits.softmax(-1).double().numpy()
    return probabilities


def describe_machine() -> str:
    """Processor, cores and date: what figures are worth nothing without."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    name = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )
    return f"{date.today().isoformat()}, {len(os.sched_getaffinity(0))} cores of {name}"
