"""How near a deep network comes to a bare PyTorch loop: `python -m benchmarks.frames`.

The network is IMPALA's deep one on 84 x 84 x 4 frames of uint8: three residual sections of 16, 32 and 32
channels, 256 dense, an LSTM of 256 (Espeholt et al. 2018, figure 3). The bare loop is that network written
down plainly, with the settings that serve it best: bfloat16 where the processor has it, channels last, one
thread, no resets, no masks, no V-trace, no clipping. Both take turns, so that they see the same machine.

    learning  forward, loss, backward and step on [T+1, B] frames: the bare loop, and `Learner.update`
    acting    the bare forward pass, and `NetworkPolicy.act`
    product   `league train` on all cores, beside what those cores would give if they did nothing but the
              bare loop and, once a decision, the bare forward pass

Times are given by the wall and, in brackets, of the processor. Rates are compared by the latter, core for
core: other work on the machine disturbs it less.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import psutil
import torch
from torch import Tensor, nn

from agents.config import LearnerConfig, NetworkConfig, Torso
from agents.learner import Learner
from agents.machine import bfloat16_pays, settle
from agents.policy import Chance, NetworkPolicy
from agents.scripted.base import Rows
from agents.trajectory import Trajectory, allocate
from benchmarks.runs import describe_machine
from benchmarks.spotlight import FRAMES, PLACES, SIDE, Spotlight
from coordinator.config import cores
from coordinator.metrics import read_metrics

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
    cpu: float
    """Milliseconds of the processor that all its processes take for one trained step."""
    bare_cpu: float
    """The same of the bare loop and one bare forward pass."""

    @property
    def bound(self) -> float:
        """Steps a second of as many cores that do nothing else than the bare work."""
        return 1000 * cores() / self.bare_cpu


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
        product = train(args.seconds, bare_cpu=learning.bare_cpu + acting[0].bare_cpu)
    if args.json:
        pairs = [{**asdict(pair), "ratio": pair.ratio} for pair in (learning, *acting)]
        print(
            json.dumps(
                {"pairs": pairs, "product": {**asdict(product), "bound": product.bound} if product else None}
            )
        )
        return 0
    print(describe_machine())
    print("| | bare, ms a decision | ours | ours / bare rate |\n| --- | --- | --- | --- |")
    for pair in (learning, *acting):
        bare, ours = f"{pair.bare:.3f} ({pair.bare_cpu:.3f})", f"{pair.ours:.3f} ({pair.ours_cpu:.3f})"
        print(f"| {pair.what} | {bare} | {ours} | {pair.ratio:.3f} |")
    if product:
        rate, bound = product.steps_per_second, product.bound
        print(f"product: {rate:.0f} trained steps/s; bare work on {cores()} cores: {bound:.0f}/s")
        print(f"product / bare work: {rate / bound:.3f}")
        print(f"product: {product.cpu:.3f} ms of the processor a step, bare work {product.bare_cpu:.3f}")
    return 0


def compare_learning(rounds: int) -> Pair:
    """Forward, loss, backward, step on T+1 rows of B columns; a decision is one of T x B."""
    batch = a_batch()
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

    learner = Learner(LearnerConfig(NETWORK), SPEC, team=None, seed=0)

    def update() -> None:
        batch.version[:] = learner.version
        learner.update(batch)

    return compare(f"learning, {UNROLL + 1} x {COLUMNS}", UNROLL * COLUMNS, loop, update, rounds)


def compare_acting(rows: int, rounds: int) -> Pair:
    """One decision for every row."""
    generator = np.random.default_rng(0)
    frames = generator.integers(256, size=(rows, SIDE, SIDE, FRAMES), dtype=np.uint8)
    mask, seat = np.ones((rows, PLACES), np.bool_), np.zeros(rows, np.int64)
    core = np.zeros((rows, 2, NETWORK.lstm), np.float32)
    seen, chance = Rows(frames, mask, seat, np.arange(rows)), Chance(generator, torch.Generator())
    bare, shown = Bare(), torch.from_numpy(frames)[None]
    state = torch.zeros(1, rows, NETWORK.lstm), torch.zeros(1, rows, NETWORK.lstm)
    policy = NetworkPolicy(LearnerConfig(NETWORK), SPEC, team=None)

    @torch.inference_mode()
    def forward() -> None:
        bare(shown, state)

    return compare(f"acting, {rows}", rows, forward, lambda: policy.act(seen, core, chance), rounds)


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


def train(seconds: float, *, bare_cpu: float) -> Product:
    """Run the product, and watch it from outside."""
    with tempfile.TemporaryDirectory(prefix="league-") as folder:
        run = Path(folder) / "run"
        command = [str(Path(sys.executable).parent / "league"), "train", "benchmarks.spotlight:Spotlight"]
        options = ["--run", str(run), "--quiet", "--seconds", str(seconds), *OPTIONS]
        process = subprocess.Popen(
            [*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        used: dict[int, float] = {}
        looks = []
        while process.poll() is None:
            time.sleep(0.5)
            rows = read_metrics(run / "metrics")
            if rows and rows[-1]["steps"]:
                used |= processor_seconds(process.pid)
                looks.append((time.monotonic(), rows[-1]["steps"], sum(used.values())))
        if process.returncode:
            raise SystemExit(process.stderr.read() if process.stderr else "")
    # Metrics come every few seconds: rates are taken between two rows of theirs, not between two looks.
    fresh = [new for old, new in pairwise(looks) if new[1] > old[1]]
    if len(fresh) < 4:
        raise SystemExit(f"--seconds {seconds:g} is too short: only {len(fresh)} figures came of the run")
    (begin, first, cpu), (end, last, cpu_end) = fresh[len(fresh) // 4], fresh[-1]
    steps = last - first
    return Product(steps / (end - begin), 1000 * (cpu_end - cpu) / steps, bare_cpu)


def processor_seconds(pid: int) -> dict[int, float]:
    """Of a process and of all below it that still live, by pid."""
    seconds = {}
    try:
        parent = psutil.Process(pid)
        for member in [parent, *parent.children(recursive=True)]:
            times = member.cpu_times()
            seconds[member.pid] = times.user + times.system
    except psutil.Error:  # one ended while we looked: what is known of it stays
        pass
    return seconds


if __name__ == "__main__":
    raise SystemExit(main())
