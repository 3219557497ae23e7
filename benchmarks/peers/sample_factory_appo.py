"""Sample Factory's APPO on our game, in its serial mode, which trained fastest on few cores.

Version 2.1.1 has no masks for illegal actions. They are added by its own means of extension, an encoder and
an actor-critic of one's own, because a policy that plays illegal columns cannot be compared.
"""

from __future__ import annotations

import tempfile
from typing import Any

import gymnasium
import numpy as np
import torch
from sample_factory.algo.runners.runner import AlgoObserver, Runner
from sample_factory.algo.utils.action_distributions import get_action_distribution
from sample_factory.algo.utils.context import global_model_factory
from sample_factory.algo.utils.misc import ExperimentStatus
from sample_factory.cfg.arguments import parse_full_cfg, parse_sf_args
from sample_factory.envs.env_utils import register_env
from sample_factory.model.action_parameterization import ActionParameterizationDefault
from sample_factory.model.actor_critic import ActorCriticSharedWeights
from sample_factory.model.encoder import Encoder
from sample_factory.train import make_runner
from torch import Tensor, nn

from benchmarks.peers.protocol import Layers, Progress, Task
from benchmarks.peers.turns import DISCOUNT, Turns

GAMES, UNROLL, BATCH = 1024, 32, 32768
SETTINGS = {
    "env": "connect_four",
    "algo": "APPO",
    "device": "cpu",
    "serial_mode": True,
    "async_rl": False,
    "batched_sampling": True,
    "num_workers": 1,
    "num_envs_per_worker": 1,
    "worker_num_splits": 1,
    "rollout": UNROLL,
    "batch_size": BATCH,
    "learning_rate": 3e-4,
    "gamma": DISCOUNT,
    "gae_lambda": 0.95,
    "ppo_clip_ratio": 0.2,
    "exploration_loss_coeff": 0.01,
    "max_grad_norm": 1.0,
    "use_rnn": False,
    "normalize_input": False,
    "normalize_returns": False,
    "with_wandb": False,
    "save_every_sec": 10**6,
    "experiment_summaries_interval": 1000,
    "train_for_env_steps": 10**11,
    "decorrelate_envs_on_one_worker": False,
    "decorrelate_experience_max_seconds": 0,
    "max_policy_lag": 10**4,
}
"""What is not named here is the library's default."""


class Games(gymnasium.Env):  # type: ignore[misc]
    """Our game as many agents; the observation ends with the legal columns."""

    num_agents = GAMES
    is_multiagent = True
    observation_space = gymnasium.spaces.Box(0.0, 1.0, (91,), np.float32)
    action_space = gymnasium.spaces.Discrete(7)
    render_mode = None

    def __init__(self) -> None:
        self._turns = Turns(GAMES)
        self._never = torch.zeros(GAMES, dtype=torch.bool)

    def reset(self, **_: Any) -> Any:
        self._turns.reset()
        return self._look(), {}

    def step(self, actions: Any) -> Any:
        reward, over = self._turns.step(np.asarray(actions).reshape(-1))
        return self._look(), torch.from_numpy(reward), torch.from_numpy(over), self._never, {}

    def _look(self) -> Tensor:
        seen = torch.empty(GAMES, 91)
        seen[:, :84] = torch.from_numpy(self._turns.observation)
        seen[:, 84:] = torch.from_numpy(self._turns.legal)
        return seen


class Torso(Encoder):  # type: ignore[misc]
    """The hidden layers; remembers which columns were legal."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.layers = nn.Sequential(nn.Linear(84, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU())
        self.legal = torch.ones(1, 7)

    def forward(self, observations: dict[str, Tensor]) -> Tensor:
        """[N, 91] -> features [N, 128]."""
        self.legal = observations["obs"][:, 84:]
        features: Tensor = self.layers(observations["obs"][:, :84])
        return features

    def get_out_size(self) -> int:
        """Width of the features."""
        return 128


class LegalActions(ActionParameterizationDefault):  # type: ignore[misc]
    """A distribution over the columns that were legal."""

    torso: Torso
    """Set once the network is whole."""

    def forward(self, features: Tensor) -> tuple[Tensor, Any]:
        """[N, 128] -> logits [N, 7], distribution."""
        logits = self.distribution_linear(features) + (self.torso.legal - 1.0) * 1e9
        return logits, get_action_distribution(self.action_space, raw_logits=logits)


class Network(ActorCriticSharedWeights):  # type: ignore[misc]
    """The benchmark's network."""

    def get_action_parameterization(self, width: int) -> LegalActions:
        """See the base class."""
        actions = LegalActions(self.cfg, width, self.action_space)
        object.__setattr__(actions, "torso", self.encoder)  # a plain reference: it has its place already
        return actions

    def policy_layers(self) -> Layers:
        """What `protocol` saves."""
        parts = {"a": self.encoder.layers[0], "b": self.encoder.layers[2]}
        parts["p"] = self.action_parameterization.distribution_linear
        weights = {f"{name}.w": part.weight.detach().numpy().T for name, part in parts.items()}
        return weights | {f"{name}.b": part.bias.detach().numpy() for name, part in parts.items()}


class Watcher(AlgoObserver):  # type: ignore[misc]
    """Reports after every update, and ends the training."""

    def __init__(self, task: Task) -> None:
        self._progress = Progress(task)

    def on_training_step(self, runner: Runner, _: int) -> None:
        """Called by the library after every update."""
        learner = runner.learners[0].learner
        if not self._progress.trained(learner.env_steps, learner.actor_critic.policy_layers):
            runner.cfg.train_for_seconds = -1


def make_games(*_: Any, **__: Any) -> Games:
    """By its name, so that the library can send it to another process."""
    return Games()


def make_torso(config: Any, _: Any) -> Torso:
    """The same."""
    return Torso(config)


def make_network(config: Any, observations: Any, actions: Any) -> Network:
    """The same."""
    return Network(global_model_factory(), observations, actions, config)


def main() -> None:
    """Train until time is up."""
    task = Task.parse()
    register_env("connect_four", make_games)
    factory = global_model_factory()
    factory.register_encoder_factory(make_torso)
    factory.register_actor_critic_factory(make_network)
    with tempfile.TemporaryDirectory() as folder:
        settings = SETTINGS | {"seed": task.seed, "train_dir": folder, "experiment": "run"}
        arguments = [f"--{name}={value}" for name, value in settings.items()]
        parser, _ = parse_sf_args(arguments)
        _, runner = make_runner(parse_full_cfg(parser, arguments))
        runner.register_observer(Watcher(task))
        for stage in (runner.init, runner.run):
            if (status := stage()) != ExperimentStatus.SUCCESS:
                raise SystemExit(f"Sample Factory ended with status {status}")


if __name__ == "__main__":
    main()
