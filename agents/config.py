"""Every choice about how a player learns, as frozen dataclasses that import no torch.

The process that coordinates reads and checks these without paying for the libraries that compute.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from agents.algorithms.config import AlgorithmConfig, PolicyLoss, QConfig


class Torso(StrEnum):
    """What turns an observation into features."""

    MLP = "mlp"
    """Dense layers over the flattened observation."""
    CONV = "conv"
    """Two 3x3 convolutions that keep the board's size, then dense layers: for boards."""
    RESNET = "resnet"
    """IMPALA's deep residual net (Espeholt et al. 2018, figure 3): for frames."""


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


class BufferKind(StrEnum):
    """What is between the arrival of a batch and an update."""

    QUEUE = "queue"
    """Nothing: every batch is trained on once, in order."""
    CIRCULAR = "circular"
    """`batches` of them side by side, each gone over `passes` times (Luo et al. 2020). One alone: epochs."""
    PRIORITIZED = "prioritized"
    """A replay of columns, drawn by how wrong their values were (Schaul et al. 2016)."""


@dataclass(frozen=True)
class BufferConfig:
    """What happens to batches between their arrival and an update."""

    kind: BufferKind = BufferKind.QUEUE
    """queue, circular, or prioritized."""
    batches: int = 1
    """circular: N, batches that are held."""
    passes: int = 1
    """circular: K, times that each is gone over."""
    minibatches: int = 1
    """circular: parts of a batch, each an update of its own; columns are shuffled between passes."""
    capacity: int = 100_000
    """prioritized: columns that are kept; the oldest go."""
    least: int = 1_000
    """prioritized: columns before anything is drawn."""
    sample: int = 64
    """prioritized: columns, or transitions, in an update."""
    ratio: float = 1.0
    """prioritized: columns, or transitions, that are drawn for every one that arrives."""
    transitions: bool = False
    """prioritized: whether single decisions are drawn, with the `q.steps` that follow, or whole columns."""
    priority_exponent: float = 0.6
    """prioritized: alpha, how far priorities decide what is drawn; 0 draws uniformly."""
    importance_exponent: float = 0.4
    """prioritized: beta, how far losses are weighed to make up for that."""
    mixture: float = 0.9
    """prioritized: eta, share of the largest error in a column's priority; the rest is their mean."""

    def __post_init__(self) -> None:
        for name, least in (
            ("batches", 1),
            ("passes", 1),
            ("minibatches", 1),
            ("capacity", 1),
            ("least", 1),
            ("sample", 1),
        ):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be at least {least}")
        for name in ("priority_exponent", "importance_exponent", "mixture"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} is {getattr(self, name)}, but must lie in [0, 1]")
        if not self.ratio > 0:
            raise ValueError(f"ratio is {self.ratio}, but must be above 0: nothing would ever be trained")
        if self.kind is BufferKind.PRIORITIZED and self.least > self.capacity:
            raise ValueError(
                f"least is {self.least} and capacity {self.capacity}, but a replay that never holds as many "
                "columns would never be drawn from"
            )


@dataclass(frozen=True)
class LearnerConfig:
    """How one player learns."""

    network: NetworkConfig = NetworkConfig()
    """Shape of its network."""
    algorithm: AlgorithmConfig = AlgorithmConfig()
    """Its loss and step sizes."""
    cooperation: Cooperation = Cooperation.INDEPENDENT
    """Whether the seats of its team learn alone or as one."""
    precision: Precision = Precision.AUTO
    """Numbers in products of matrices: auto (bfloat16 where the processor has it and it pays), float32 (never
    bfloat16), or bfloat16 (as auto, but a run says so at its start where the processor lacks it)."""
    q: QConfig = QConfig()
    """What is particular to `algorithm.policy_loss` q."""
    buffer: BufferConfig = BufferConfig()
    """What happens to batches between their arrival and an update."""

    @property
    def burn_in(self) -> int:
        """Rows of a column that are not trained on."""
        return self.q.burn_in if self.algorithm.policy_loss is PolicyLoss.Q else 0

    @property
    def overlap(self) -> int:
        """Rows that a column shares with the one before it, so that each is trained on in one of them."""
        if self.algorithm.policy_loss is not PolicyLoss.Q:
            return 0
        return self.q.steps - 1 if self.buffer.transitions else self.q.burn_in

    @property
    def trained(self) -> slice:
        """Rows of what an update is made of that it learns from."""
        return slice(0, 1) if self.buffer.transitions else slice(self.burn_in, -1)

    def __post_init__(self) -> None:
        q, replay = self.algorithm.policy_loss is PolicyLoss.Q, self.buffer.kind is BufferKind.PRIORITIZED
        if self.buffer.transitions and not replay:
            raise ValueError(
                f"buffer.transitions is true, but must be false with buffer.kind {self.buffer.kind}: only a "
                "replay knows single decisions"
            )
        if replay and not q:
            raise ValueError(
                f"buffer.kind is prioritized, but must be queue or circular with algorithm.policy_loss "
                f"{self.algorithm.policy_loss}, which learns from what policies near its own decided"
            )
        if q and self.cooperation is Cooperation.JOINT:
            raise ValueError(
                "cooperation is joint, but must be independent with algorithm.policy_loss q: values of a "
                "team's actions are not to be had from a central value of states"
            )
        if self.q.burn_in and not self.network.lstm:
            raise ValueError(
                f"q.burn_in is {self.q.burn_in}, but must be 0 with network.lstm 0: there is no state to "
                "bring up"
            )
        if self.buffer.transitions and self.network.lstm:
            raise ValueError(
                f"buffer.transitions is true, but must be false with network.lstm {self.network.lstm}: the "
                "state is kept for the beginnings of columns only"
            )


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
