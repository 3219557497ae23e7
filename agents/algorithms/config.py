"""Every choice about a player's loss and steps, as frozen dataclasses that import no torch."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class OptimizerKind(StrEnum):
    """How a step is made of a gradient."""

    ADAM = "adam"
    """Adam for every parameter (Kingma, Ba 2015)."""
    MUON = "muon"
    """Muon for the matrices inside a network (Jordan et al. 2024), Adam for biases and heads."""
    RMSPROP = "rmsprop"
    """RMSProp for every parameter, as the papers of A3C and IMPALA have it: the gradient by the root of the
    running mean of its square, with `epsilon` inside the root and a first mean of 1."""


class PolicyLoss(StrEnum):
    """What moves a policy."""

    GRADIENT = "gradient"
    """The gradient of log pi(a) (Espeholt et al. 2018): a choice that is rarely made moves little."""
    NEURD = "neurd"
    """The advantage itself, in logits (Hennes et al. 2020): a choice moves alike however rare it is, which
    games need in which nobody may play one choice for sure. For actions that are one choice of a few."""
    PPO = "ppo"
    """A clipped importance ratio (Schulman et al. 2017), so that a batch can be gone over several times."""
    IMPACT = "impact"
    """The same around a target network, which follows now and then (Luo et al. 2020)."""
    Q = "q"
    """Its values of actions alone: it plays the best, or at random with chance epsilon (Mnih et al. 2015).
    For actions that are one choice of a few."""

    @property
    def is_clipped(self) -> bool:
        """Whether it holds a ratio within `clip`."""
        return self in (PolicyLoss.PPO, PolicyLoss.IMPACT)

    @property
    def is_of_choices(self) -> bool:
        """Whether it is for actions that are one choice of a few, and for no others."""
        return self in (PolicyLoss.NEURD, PolicyLoss.Q)


class Targets(StrEnum):
    """What values are trained towards, and what advantages are made of."""

    VTRACE = "vtrace"
    """V-trace, corrected for a policy that moved on since (Espeholt et al. 2018)."""
    GAE = "gae"
    """Lambda-returns and generalised advantages, not corrected (Schulman et al. 2016); with `trace_decay` 1
    returns over the rest of the column, as in A3C."""
    TD_LAMBDA = "td_lambda"
    """Lambda-returns, not corrected, for the value; V-trace for the policy (Vinyals et al. 2019)."""


class Ratio(StrEnum):
    """Of which policies IMPACT's ratio is made (Luo et al. 2020, section 3.1)."""

    WORKER = "worker"
    """R1 = pi / pi_worker."""
    TARGET = "target"
    """R2 = pi / pi_target."""
    BOTH = "both"
    """R3 = pi / max(pi_target, pi_worker / target_clip)."""


@dataclass(frozen=True)
class AlgorithmConfig:
    """A loss over one batch, and how a step is made of it. What is not said otherwise is IMPALA's V-trace
    actor-critic (Espeholt et al. 2018, section 4)."""

    policy_loss: PolicyLoss = PolicyLoss.GRADIENT
    """What moves the policy: gradient, neurd, ppo, impact, or q (its values alone)."""
    targets: Targets = Targets.VTRACE
    """What values are trained towards: vtrace, gae, or td_lambda."""
    discount: float = 0.99
    """gamma, per own decision."""
    rho_bar: float = 1.0
    """Clip of the importance weight in the temporal difference: sets the fixed point."""
    c_bar: float = 1.0
    """Clip of the trace-cutting weight: sets speed and variance, not the fixed point."""
    pg_rho_bar: float = 1.0
    """Clip of the importance weight of the policy gradient."""
    trace_decay: float = 1.0
    """lambda: multiplies the trace-cutting weight, or weighs longer returns."""
    entropy_cost: float = 0.01
    """Weight of the entropy bonus at the start."""
    final_entropy_cost: float = 0.01
    """Weight of the entropy bonus once `anneal_steps` decisions were trained."""
    baseline_cost: float = 0.5
    """Weight of the value loss."""
    upgo_cost: float = 0.0
    """gradient: weight of the upgoing policy gradient beside V-trace's (Vinyals et al. 2019); 0 for none."""
    normalise_advantages: bool = False
    """Whether a batch's advantages are shifted and scaled to mean 0 and deviation 1."""
    clip: float = 0.2
    """ppo, impact: epsilon, how far the ratio may be from 1 before it counts no more."""
    dual_clip: float = 0.0
    """ppo: c, how many times a negative advantage may count at most (Ye et al. 2020); 0 for no such bound."""
    kl_cost: float = 0.0
    """ppo, impact: weight at the start of the divergence from the policy that acted, or from the target."""
    kl_target: float = 0.0
    """ppo, impact: the weight grows by half where the divergence is above twice this, and is halved where
    it is below half of it; 0 leaves it as it is."""
    ratio: Ratio = Ratio.BOTH
    """impact: of which policies the ratio is made: worker (R1), target (R2) or both (R3)."""
    target_clip: float = 2.0
    """impact: rho, clip of pi_worker / pi_target in the ratio."""
    target_updates: int = 0
    """impact, q: updates between two copies to the target network. 0: for impact as many as are made while a
    batch is held, `buffer.batches` x `passes` x `minibatches`, and 200 for q."""
    largest_weight: float = 20.0
    """neurd: clip of 1 / pi(a), which weighs the advantage of a choice that was drawn with chance pi(a)."""
    magnet_cost: float = 0.0
    """neurd, gradient, ppo: eta, weight of the pull to an earlier policy, the magnet; 0 for none."""
    magnet_updates: int = 200
    """Updates between two moves of the magnet, each to where the running mean of the weights is (Perolat et
    al. 2022). 0: it stays at the first weights, a teacher for who begins from those (Vinyals et al. 2019)."""
    reward_clip: float = 0.0
    """Rewards are clipped to [-x, x] before learning; 0 leaves them as they are."""
    optimizer: OptimizerKind = OptimizerKind.ADAM
    """adam, rmsprop, or muon: more strength from as many samples, for about 15 % more time an update."""
    learning_rate: float = 1e-3
    """Adam's or RMSProp's step size at the start."""
    final_learning_rate: float = 1e-3
    """The same once `anneal_steps` decisions were trained; between, linear."""
    momentum: float = 0.9
    """Adam's beta_1. With 0, policies that answer one another overshoot less."""
    epsilon: float = 1e-5
    """Keeps Adam's and RMSProp's steps small where gradients are."""
    matrix_learning_rate: float = 1e-2
    """Muon's step size at the start; it falls in proportion to Adam's."""
    anneal_steps: int = 0
    """Decisions over which learning rate and entropy cost go from start to final; 0 keeps the start."""
    max_gradient_norm: float = 1.0
    """Gradients are scaled down to this global norm."""
    averaging: float = 0.0
    """What a running mean of the weights keeps at an update; snapshots are frozen from it. 0 for none."""
    batch: int = 256
    """Columns (streams of `unroll` decisions) that leave an actor together; 0: as many as it plays copies."""
    max_policy_lag: int = 200
    """Columns whose oldest decision was made by weights older than this many updates are dropped, counted;
    those of a replay may be as old as they like."""

    def __post_init__(self) -> None:
        for name in ("discount", "trace_decay"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} is {getattr(self, name)}, but must lie in [0, 1]")
        for name, least in (
            ("batch", 0),
            ("max_policy_lag", 0),
            ("anneal_steps", 0),
            ("reward_clip", 0.0),
            ("largest_weight", 1.0),
            ("magnet_cost", 0.0),
            ("magnet_updates", 0),
            ("target_updates", 0),
            ("target_clip", 1.0),
            ("upgo_cost", 0.0),
            ("kl_cost", 0.0),
            ("kl_target", 0.0),
        ):
            if not getattr(self, name) >= least:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be at least {least}")
        for name in ("learning_rate", "max_gradient_norm", "epsilon", "clip"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be above 0")
        if self.rho_bar < self.c_bar:
            raise ValueError(
                f"rho_bar {self.rho_bar} is below c_bar {self.c_bar}: V-trace assumes rho_bar >= c_bar"
            )
        for name in ("averaging", "momentum"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ValueError(f"{name} is {getattr(self, name)}, but must lie in [0, 1)")
        if self.dual_clip and self.dual_clip <= 1.0:
            raise ValueError(f"dual_clip is {self.dual_clip}, but must be above 1, or 0 for no such bound")
        self._check_loss()

    def _check_loss(self) -> None:
        """What means something to some losses only."""
        for name, losses in (
            ("magnet_cost", (PolicyLoss.NEURD, PolicyLoss.GRADIENT, PolicyLoss.PPO)),
            ("upgo_cost", (PolicyLoss.GRADIENT,)),
            ("dual_clip", (PolicyLoss.PPO,)),
            ("kl_cost", (PolicyLoss.PPO, PolicyLoss.IMPACT)),
        ):
            if getattr(self, name) and self.policy_loss not in losses:
                allowed = " or ".join(losses)
                raise ValueError(
                    f"{name} is {getattr(self, name)}, but must be 0 with policy_loss {self.policy_loss}: "
                    f"it is part of {allowed} only"
                )
        if self.kl_target and not self.kl_cost:
            raise ValueError(f"kl_target is {self.kl_target} and kl_cost 0, but no multiple of 0 is above it")
        if self.upgo_cost and self.targets is Targets.GAE:
            raise ValueError(
                f"upgo_cost is {self.upgo_cost}, but must be 0 with targets gae, which are not corrected for "
                "who decided: it goes with vtrace or td_lambda"
            )
        if self.targets is not Targets.VTRACE and self.policy_loss in (PolicyLoss.NEURD, PolicyLoss.IMPACT):
            raise ValueError(
                f"targets is {self.targets}, but must be vtrace with policy_loss {self.policy_loss}, which "
                "trains on what older policies decided"
            )


@dataclass(frozen=True)
class QConfig:
    """Learning the values of actions, `algorithm.policy_loss` q: DQN, Ape-X (Horgan et al. 2018) and R2D2
    (Kapturowski et al. 2019)."""

    steps: int = 3
    """n: rewards in a target before it bootstraps."""
    double: bool = True
    """Whether the network that learns says which action the target network values (van Hasselt 2016)."""
    dueling: bool = True
    """Whether an action's value is the state's and an advantage over its mean (Wang et al. 2016)."""
    rescaling: float = 0.0
    """epsilon of h(x) = sign(x) (sqrt(|x| + 1) - 1) + epsilon x, in which values are learnt (Pohlen et al.
    2018); 0 learns them as they are."""
    burn_in: int = 0
    """Decisions of a column that only bring the recurrent state up to date, and are not trained on."""
    stored_state: bool = True
    """Whether a column begins by the recurrent state that the actor had there, or by zeros."""
    exploration: float = 0.4
    """Chance of a random move in copy i of N: exploration ^ (1 + spread i / (N - 1)) (Horgan et al. 2018)."""
    spread: float = 7.0
    """How far those chances lie apart."""
    frozen_exploration: float = 0.01
    """Chance of a random move for snapshots, and in matches that only rate."""

    def __post_init__(self) -> None:
        for name in ("steps",):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be at least 1")
        for name in ("rescaling", "burn_in", "spread"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be at least 0")
        for name in ("exploration", "frozen_exploration"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} is {getattr(self, name)}, but must lie in [0, 1]")
