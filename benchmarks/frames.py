"""How near a deep network comes to a bare PyTorch loop: `python -m benchmarks.frames`.

The network is IMPALA's deep one on 84 x 84 x 4 frames of uint8: three residual sections of 16, 32 and 32
channels, 256 dense, an LSTM of 256 (Espeholt et al. 2018, figure 3). The bare loop is that network written
down plainly, with the settings that serve it best: bfloat16 where the processor has it, channels last, one
thread, no resets, no masks, no V-trace, no clipping. Both take turns, so that they see the same machine.

    learning  forward, loss, backward and step on [T+1, B] frames: the bare loop, and `Learner.update`
    acting    the bare forward pass, and `NetworkPolicy.act`
    product   `league train` on all cores, beside what those cores give when all of them at once do nothing
              but the bare loop and, once a decision, the bare forward pass

Times are given by the wall and, in brackets, of the processor. Rates are compared by the latter, core for
core: other work on the machine disturbs it less. Not so the product's: cores that share caches, or are one
core's two threads, give less together than one of them alone promises.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from agents.config import LearnerConfig, NetworkConfig, Torso
from agents.learner import Learner
from agents.machine import bfloat16_pays, settle
from agents.policy import Chance, NetworkPolicy
from agents.scripted.base import Rows
from agents.trajectory import Trajectory, allocate
from benchmarks.processes import watch
from benchmarks.runs import describe_machine
from benchmarks.spotlight import FRAMES, PLACES, SIDE, Spotlight
from coordinator.metrics import read_metrics
from coordinator.runtime_config import cores

UNROLL, COLUMNS = 20, 32
ACTING = (32, 64, 128, 256)
SPEC = Spotlight(1).spec
NETWORK = NetworkConfig(torso=Torso.RESNET, channels=(16, 32, 32), hidden=(256,), lstm=256)
OPTIONS = (
    "--learner.network.torso=resnet",
    "--learner.network.channels=16,32,32",
    "--learner.network.hidden=256",
    "--learner.network.lstm=256",
    f"--learner.algorithm.batch={COLUMNS}",
    f"--rollout.unroll={UNROLL}",
    "--rollout.copies=32",
)


@dataclass(frozen=True)
class Pair:
    """Milliseconds a decision, of the bare loop and of ours; medians."""

    what: str
    bare: float
    ours: float
    bare_cpu: float
    ours_cpu: float

    @property
    def ratio(self) -> float:
        """Our rate over the bare one, by the processor's time."""
        return self.bare_cpu / self.ours_cpu


@dataclass(frozen=True)
class Product:
    """One run of `league train`, after its first quarter."""

    steps_per_second: float
    """Trained."""
    bare: float
    """The same of the bare work, on all cores at once."""


class BareBlock(nn.Module):
    """x + conv(relu(conv(relu(x))))."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        residual: Tensor = self.second(nn.functional.relu_(self.first(nn.functional.relu(x))))
        return residual.add_(x)


class Bare(nn.Module):
    """The network, and nothing else."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        planes, side = FRAMES, SIDE
        for wide in NETWORK.channels:
            layers += [nn.Conv2d(planes, wide, 3, padding=1), nn.MaxPool2d(3, stride=2, padding=1)]
            layers += [BareBlock(wide), BareBlock(wide)]
            planes, side = wide, -(-side // 2)
        flat, (dense,) = planes * side * side, NETWORK.hidden
        self.torso = nn.Sequential(*layers, nn.ReLU(), nn.Flatten(), nn.Linear(flat, dense), nn.ReLU())
        self.lstm = nn.LSTM(dense, NETWORK.lstm)
        self.heads = nn.Linear(NETWORK.lstm, PLACES + 1)
        for parameter in self.parameters():
            if parameter.ndim == 4:
                parameter.data = parameter.to(memory_format=torch.channels_last)

    def forward(self, frames: Tensor, state: tuple[Tensor, Tensor]) -> Tensor:
        """[T, B, 84, 84, 4] uint8, hidden and cell state [1, B, H] -> [T, B, PLACES + 1] float32."""
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16_pays()):
            features = self.torso(frames.flatten(0, 1).movedim(-1, 1).float() / 255)
            hidden, _ = self.lstm(features.view(*frames.shape[:2], -1), state)
            heads: Tensor = self.heads(hidden)
        return heads.float()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="of every pair; the median counts")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the product's run; 0: none")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    settle()
    learning = compare_learning(args.rounds)
    acting = [compare_acting(rows, args.rounds) for rows in ACTING]
    product = None
    if args.seconds:
        product = Product(train(args.seconds), bare_rate(args.seconds / 2))
    if args.json:
        pairs = [{**asdict(pair), "ratio": pair.ratio} for pair in (learning, *acting)]
        print(json.dumps({"pairs": pairs, "product": asdict(product) if product else None}))
        return 0
    print(describe_machine())
    print("| | bare, ms a decision | ours | ours / bare rate |\n| --- | --- | --- | --- |")
    for pair in (learning, *acting):
        bare, ours = f"{pair.bare:.3f} ({pair.bare_cpu:.3f})", f"{pair.ours:.3f} ({pair.ours_cpu:.3f})"
        print(f"| {pair.what} | {bare} | {ours} | {pair.ratio:.3f} |")
    if product:
        rate, bound = product.steps_per_second, product.bare
        print(f"product: {rate:.0f} trained steps/s; bare work on {cores()} cores at once: {bound:.0f}/s")
        print(f"product / bare work: {rate / bound:.3f}")
    return 0


def compare_learning(rounds: int) -> Pair:
    """Forward, loss, backward, step on T+1 rows of B columns; a decision is one of T x B."""
    batch = a_batch()
    learner = Learner(LearnerConfig(NETWORK), SPEC, team=None, seed=0)

    def update() -> None:
        batch.version[:] = learner.version
        learner.update(batch)

    return compare(f"learning, {UNROLL + 1} x {COLUMNS}", UNROLL * COLUMNS, bare_loop(batch), update, rounds)


def bare_loop(batch: Trajectory) -> Callable[[], None]:
    """Forward, loss, backward and step of the bare network."""
    frames = torch.from_numpy(batch.observation[:, :, 0])
    actions = torch.from_numpy(batch.action[:, :, 0])
    bare = Bare()
    optimizer = torch.optim.Adam(bare.parameters(), fused=True)
    state = torch.zeros(1, COLUMNS, NETWORK.lstm), torch.zeros(1, COLUMNS, NETWORK.lstm)

    def loop() -> None:
        optimizer.zero_grad()
        logits, values = bare(frames, state).split([PLACES, 1], -1)
        chosen = logits.log_softmax(-1).gather(-1, actions[..., None])
        (values.square().mean() - chosen.mean()).backward()
        optimizer.step()

    return loop


def bare_acting(frames: np.ndarray[Any, np.dtype[np.uint8]]) -> Callable[[], None]:
    """A forward pass of the bare network over [N, 84, 84, 4]."""
    bare, shown = Bare(), torch.from_numpy(frames)[None]
    state = torch.zeros(1, len(frames), NETWORK.lstm), torch.zeros(1, len(frames), NETWORK.lstm)

    @torch.inference_mode()
    def forward() -> None:
        bare(shown, state)

    return forward


def compare_acting(rows: int, rounds: int) -> Pair:
    """One decision for every row."""
    generator = np.random.default_rng(0)
    frames = generator.integers(256, size=(rows, SIDE, SIDE, FRAMES), dtype=np.uint8)
    mask, seat = np.ones((rows, PLACES), np.bool_), np.zeros(rows, np.int64)
    core = np.zeros((rows, 2, NETWORK.lstm), np.float32)
    seen, chance = Rows(frames, mask, seat, np.arange(rows)), Chance(generator, torch.Generator())
    policy = NetworkPolicy(LearnerConfig(NETWORK), SPEC, team=None)
    return compare(
        f"acting, {rows}", rows, bare_acting(frames), lambda: policy.act(seen, core, chance), rounds
    )


def compare(
    what: str, decisions: int, bare: Callable[[], object], ours: Callable[[], object], rounds: int
) -> Pair:
    """Both by turns; the first turn of each, which compiles and takes memory, does not count."""
    bare(), ours()
    turns = [(*clock(bare), *clock(ours)) for _ in range(rounds)]
    wall, cpu, our_wall, our_cpu = (
        1000 * statistics.median(times) / decisions for times in zip(*turns, strict=True)
    )
    return Pair(what, wall, our_wall, cpu, our_cpu)


def clock(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the wall and of this process's processor time."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def a_batch() -> Trajectory:
    """Columns such as the game gives them: an episode ends somewhere in every column."""
    generator = np.random.default_rng(0)
    batch = allocate(SPEC, rows=UNROLL + 1, columns=COLUMNS, seats=1, state=False, core=NETWORK.lstm)
    batch.observation[:] = generator.integers(256, size=batch.observation.shape, dtype=np.uint8)
    batch.action[:] = generator.integers(PLACES, size=batch.action.shape)
    batch.mask[:], batch.acting[:], batch.log_prob[:] = True, True, -np.log(PLACES)
    batch.reward[:] = generator.random(batch.reward.shape) < 1 / PLACES
    ends = generator.integers(UNROLL, size=COLUMNS)
    batch.terminated[ends, np.arange(COLUMNS)] = batch.first[ends + 1, np.arange(COLUMNS)] = True
    return batch


def bare_rate(seconds: float) -> float:
    """Decisions a second of as many processes as there are cores, each of them at the bare work."""
    with ProcessPoolExecutor(cores(), mp_context=get_context("spawn")) as processes:
        return sum(processes.map(_bare_rate, [seconds] * cores()))


def _bare_rate(seconds: float) -> float:
    """Of one process: what a batch needs to be acted, and to be learned from, again and again."""
    settle()
    batch = a_batch()
    learn, act = bare_loop(batch), bare_acting(np.ascontiguousarray(batch.observation[0, :, 0]))
    learn(), act()
    decisions, begin = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - begin) < seconds:
        for _ in range(UNROLL):
            act()
        learn()
        decisions += UNROLL * COLUMNS
    return decisions / elapsed


def train(seconds: float) -> float:
    """Trained steps a second of the product, after the first quarter of the time."""
    with tempfile.TemporaryDirectory(prefix="league-") as folder:
        run = Path(folder) / "run"
        league = Path(sys.executable).parent / "league"
        command: list[str | Path] = [league, "train", "benchmarks.spotlight:Spotlight", "--run", run]
        watch([*command, "--quiet", f"--seconds={seconds}", *OPTIONS], seconds)
        rows = [(row["time"], row["steps"]) for row in read_metrics(run / "metrics") if row["steps"]]
    if len(rows) < 4:
        raise SystemExit(f"--seconds {seconds:g} is too short: only {len(rows)} figures came of the run")
    (begin, first), (end, last) = rows[len(rows) // 4], rows[-1]
    return float((last - first) / (end - begin))


if __name__ == "__main__":
    raise SystemExit(main())
