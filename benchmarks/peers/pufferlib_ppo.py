"""PufferLib's PPO (`pufferl.PuffeRL`) on our game, one process a core, gradients averaged over gloo.

PufferLib's own launcher joins processes over NCCL alone, so the processes are joined here. Settings are those
that trained fastest; what is not named here is its `config/default.ini`.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pufferlib
import pufferlib.vector
import torch
from pufferlib import pufferl
from torch import Tensor, distributed, multiprocessing, nn

from benchmarks.peers.protocol import Layers, Progress, Task
from benchmarks.peers.turns import DISCOUNT, Turns

pufferl.ADVANTAGE_CUDA = False  # it takes a CUDA compiler for a device

GAMES, UNROLL, MINIBATCH = 1024, 64, 8192
"""Of each process."""
SETTINGS: dict[str, Any] = {
    "torch_deterministic": True,
    "cpu_offload": False,
    "device": "cpu",
    "optimizer": "adam",
    "anneal_lr": False,
    "precision": "float32",
    "total_timesteps": 10**11,
    "learning_rate": 3e-4,
    "gamma": DISCOUNT,
    "gae_lambda": 0.95,
    "update_epochs": 1,
    "clip_coef": 0.2,
    "vf_coef": 0.5,
    "vf_clip_coef": 0.2,
    "max_grad_norm": 1.0,
    "ent_coef": 0.01,
    "adam_beta1": 0.9,
    "adam_beta2": 0.999,
    "adam_eps": 1e-8,
    "checkpoint_interval": 10**9,
    "batch_size": "auto",
    "minibatch_size": MINIBATCH,
    "max_minibatch_size": MINIBATCH,
    "bptt_horizon": UNROLL,
    "compile": False,
    "compile_mode": "default",
    "vtrace_rho_clip": 1.0,
    "vtrace_c_clip": 1.0,
    "prio_alpha": 0.8,
    "prio_beta0": 0.2,
    "use_rnn": False,
    "env": "connect_four",
}


class Games(pufferlib.PufferEnv):  # type: ignore[misc]
    """Our game; the observation ends with the legal columns."""

    def __init__(self, buf: Any = None, seed: int = 0) -> None:
        self.single_observation_space = gymnasium.spaces.Box(0, 1, (91,), np.uint8)
        self.single_action_space = gymnasium.spaces.Discrete(7)
        self.num_agents = GAMES
        super().__init__(buf)
        self._turns = Turns(GAMES)

    def reset(self, seed: int | None = None) -> Any:
        self._turns.reset()
        self._look()
        return self.observations, []

    def step(self, actions: Any) -> Any:
        self.rewards[:], self.terminals[:] = self._turns.step(actions)
        self._look()
        return self.observations, self.rewards, self.terminals, self.truncations, []

    def close(self) -> None:
        """Nothing to give back."""

    def _look(self) -> None:
        self.observations[:, :84] = self._turns.observation
        self.observations[:, 84:] = self._turns.legal


class Policy(nn.Module):
    """The benchmark's network."""

    hidden_size = 128

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(84, 128), nn.Linear(128, 128)
        self.p, self.v = nn.Linear(128, 7), nn.Linear(128, 1)

    def forward(self, observation: Tensor, state: Any = None) -> tuple[Tensor, Tensor]:
        """[N, 91] -> logits [N, 7] of legal columns, values [N, 1]."""
        numbers = observation.float()
        hidden = torch.relu(self.b(torch.relu(self.a(numbers[:, :84]))))
        return self.p(hidden) + (numbers[:, 84:] - 1.0) * 1e9, self.v(hidden)

    def layers(self) -> Layers:
        """What `protocol` saves."""
        parts = {name: getattr(self, name) for name in "abp"}
        weights = {f"{name}.w": part.weight.detach().numpy().T for name, part in parts.items()}
        return weights | {f"{name}.b": part.bias.detach().numpy() for name, part in parts.items()}


class Trainer(pufferl.PuffeRL):  # type: ignore[misc]
    """Standard output is for `protocol`."""

    def print_dashboard(self, *_: Any, **__: Any) -> None:
        """Keep quiet."""


def work(rank: int, processes: int, meeting: str, task: Task) -> None:
    """One process: games, and the same learner as all others."""
    torch.set_num_threads(1)
    torch.manual_seed(task.seed)  # the same first weights everywhere
    policy = Policy()
    distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=processes)
    joined = nn.parallel.DistributedDataParallel(policy)
    joined.forward_eval = policy.forward  # type: ignore[assignment]
    torch.manual_seed(task.seed * processes + rank)  # but other games
    games = pufferlib.vector.make(Games, backend=pufferlib.vector.Serial, num_envs=1)
    trainer = Trainer({**SETTINGS, "seed": task.seed, "data_dir": str(Path(meeting).parent)}, games, joined)
    progress = Progress(task) if rank == 0 else None
    going = torch.ones(1)
    while going:
        trainer.evaluate()
        trainer.train()
        if progress is not None:
            going.fill_(progress.trained(trainer.global_step * processes, policy.layers))
        distributed.broadcast(going, 0)
    trainer.utilization.stop()
    distributed.destroy_process_group()


def main() -> None:
    """Train until time is up."""
    task = Task.parse()
    sys.argv[1:] = []  # the library reads it
    processes = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        arguments = (processes, str(Path(folder) / "meeting"), task)
        multiprocessing.spawn(work, arguments, nprocs=processes)  # type: ignore[attr-defined, no-untyped-call]


if __name__ == "__main__":
    main()
