"""Every choice about how a player learns, as frozen dataclasses that import no torch.

The process that coordinates reads and checks these without paying for the libraries that compute.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Torso(StrEnum):
    """What turns an observation into features."""

    MLP = "mlp"
    """Dense layers over the flattened observation."""
    CONV = "conv"
    """Two 3x3 convolutions that keep the board's size, then dense layers: for boards."""
    RESNET = "resnet"
    """IMPALA's deep residual net (Espeholt et al. 2018, figure 3): for frames."""


class OptimizerKind(StrEnum):
    """How a step is made of a gradient."""

    ADAM = "adam"
    """Adam for every parameter (Kingma, Ba 2015)."""
    MUON = "muon"
    """Muon for the matrices inside a network (Jordan et al. 2024), Adam for biases and heads."""


class PolicyLoss(StrEnum):
    """How an advantage moves a policy."""

    GRADIENT = "gradient"
    """Along the gradient of log pi(a) (Espeholt et al. 2018): a choice that is rarely made moves little."""
    NEURD = "neurd"
    """By the advantage itself, in logits (Hennes et al. 2020): a choice moves alike however rare it is, which
    games need in which nobody may play one choice for sure. For actions that are one choice of a few."""


class Cooperation(StrEnum):
    """How the seats of one team learn."""

    INDEPENDENT = "independent"
    """Each seat alone: its own rewards, its own value of its own observation."""
    JOINT = "joint"
    """As one: the team's mean reward and a central critic; acting stays decentralised."""


class Precision(StrEnum):
    """In which numbers matrices are multiplied; weights, losses and sums are float32 always."""

    AUTO = "auto"
    """bfloat16 where the processor multiplies it in hardware and a batch has rows enough, else float32."""
    FLOAT32 = "float32"
    """float32, whatever the processor can do."""
    BFLOAT16 = "bfloat16"
    """As auto; where the processor cannot do it, a run says so when it starts."""


@dataclass(frozen=True)
class NetworkConfig:
    """Shape of a player's network."""

    torso: Torso = Torso.MLP
    """What turns an observation into features: mlp, conv or resnet."""
    hidden: tuple[int, ...] = (128, 128)
    """Widths of the dense layers after the torso."""
    channels: tuple[int, ...] = (32, 32)
    """Channels of the convolutions (conv) or of the residual sections (resnet: 16, 32, 32 in the paper)."""
    lstm: int = 0
    """Width of an LSTM after the dense layers; 0 for none."""

    def __post_init__(self) -> None:
        for name in ("hidden", "channels"):
            if any(width < 1 for width in getattr(self, name)):
                raise ValueError(f"{name} is {getattr(self, name)}, but every width must be at least 1")
        if self.lstm < 0:
            raise ValueError(f"lstm is {self.lstm}, but must be at least 0")


@dataclass(frozen=True)
class ImpalaConfig:
    """The V-trace actor-critic (Espeholt et al. 2018, section 4), whose policy may move by NeuRD instead."""

    discount: float = 0.99
    """gamma, per own decision."""
    rho_bar: float = 1.0
    """Clip of the importance weight in the temporal difference: sets the fixed point."""
    c_bar: float = 1.0
    """Clip of the trace-cutting weight: sets speed and variance, not the fixed point."""
    pg_rho_bar: float = 1.0
    """Clip of the importance weight of the policy gradient."""
    trace_decay: float = 1.0
    """lambda: multiplies the trace-cutting weight."""
    entropy_cost: float = 0.01
    """Weight of the entropy bonus at the start."""
    final_entropy_cost: float = 0.01
    """Weight of the entropy bonus once `anneal_steps` decisions were trained."""
    baseline_cost: float = 0.5
    """Weight of the value loss."""
    policy_loss: PolicyLoss = PolicyLoss.GRADIENT
    """How an advantage moves the policy: gradient, or neurd."""
    largest_weight: float = 20.0
    """neurd: clip of 1 / pi(a), which weighs the advantage of a choice that was drawn with chance pi(a)."""
    magnet_cost: float = 0.0
    """neurd: eta, weight of the pull to an earlier policy, the magnet (Perolat et al. 2022); 0 for none."""
    magnet_updates: int = 200
    """Updates between two moves of the magnet, each to where the running mean of the weights is."""
    reward_clip: float = 0.0
    """Rewards are clipped to [-x, x] before learning; 0 leaves them as they are."""
    optimizer: OptimizerKind = OptimizerKind.ADAM
    """adam, or muon: more strength from as many samples, for about 15 % more time an update."""
    learning_rate: float = 1e-3
    """Adam's step size at the start."""
    final_learning_rate: float = 1e-3
    """Adam's step size once `anneal_steps` decisions were trained; between, linear."""
    momentum: float = 0.9
    """Adam's beta_1. With 0, policies that answer one another overshoot less."""
    matrix_learning_rate: float = 1e-2
    """Muon's step size at the start; it falls in proportion to Adam's."""
    anneal_steps: int = 0
    """Decisions over which learning rate and entropy cost go from start to final; 0 keeps the start."""
    max_gradient_norm: float = 1.0
    """Gradients are scaled down to this global norm."""
    averaging: float = 0.0
    """What a running mean of the weights keeps at an update; snapshots are frozen from it. 0 for none."""
    batch: int = 256
    """Columns (streams of `unroll` decisions) in one update."""
    max_policy_lag: int = 200
    """Columns whose oldest decision was made by weights older than this many updates are dropped, counted."""

    def __post_init__(self) -> None:
        for name, low, high in (("discount", 0.0, 1.0), ("trace_decay", 0.0, 1.0)):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} is {getattr(self, name)}, but must lie in [{low:g}, {high:g}]")
        for name, least in (
            ("batch", 1),
            ("max_policy_lag", 0),
            ("anneal_steps", 0),
            ("reward_clip", 0.0),
            ("largest_weight", 1.0),
            ("magnet_cost", 0.0),
            ("magnet_updates", 1),
        ):
            if not getattr(self, name) >= least:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be at least {least}")
        for name in ("learning_rate", "max_gradient_norm"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be above 0")
        if self.rho_bar < self.c_bar:
            raise ValueError(
                f"rho_bar {self.rho_bar} is below c_bar {self.c_bar}: V-trace assumes rho_bar >= c_bar"
            )
        for name in ("averaging", "momentum"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ValueError(f"{name} is {getattr(self, name)}, but must lie in [0, 1)")
        if self.magnet_cost and self.policy_loss is not PolicyLoss.NEURD:
            raise ValueError(
                f"magnet_cost is {self.magnet_cost}, but must be 0 with policy_loss {self.policy_loss}: only "
                "neurd is pulled by a magnet"
            )


@dataclass(frozen=True)
class LearnerConfig:
    """How one player learns."""

    network: NetworkConfig = NetworkConfig()
    """Shape of its network."""
    algorithm: ImpalaConfig = ImpalaConfig()
    """Its loss and step sizes."""
    cooperation: Cooperation = Cooperation.INDEPENDENT
    """Whether the seats of its team learn alone or as one."""
    precision: Precision = Precision.AUTO
    """Numbers in products of matrices: auto (bfloat16 where the processor has it and it pays), float32 (never
    bfloat16), or bfloat16 (as auto, but a run says so at its start where the processor lacks it)."""


@dataclass(frozen=True)
class RolloutConfig:
    """How games are played and cut into trajectories."""

    copies: int = 64
    """Games that one actor plays side by side."""
    unroll: int = 16
    """T: own decisions in one column of a trajectory; a column carries one more row to bootstrap from."""

    def __post_init__(self) -> None:
        for name in ("copies", "unroll"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be at least 1")
