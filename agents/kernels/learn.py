"""An update's arithmetic in one call, where networks and games are of the commonest kind: see learn.c."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from agents.algorithms.config import AlgorithmConfig, PolicyLoss
from agents.kernels.compiled import FLOAT, INTEGER, LIBRARY, POINTER
from agents.kernels.dense import WORKS, Net, Packed, addresses
from agents.trajectory import Records

FIELDS = ("observation", "state", "mask", "action", "log_prob", "acting", "reward", "terminated")
MOST_LAYERS = 16


class _Batch(ctypes.Structure):
    """`Batch` of learn.c."""

    _fields_ = [
        *[(name, Net) for name in ("net", "critic", "magnet")],
        ("choices", INTEGER),
        *[(name, INTEGER) for name in ("steps", "columns", "to_row", "to_column")],
        *[(name, POINTER) for name in FIELDS],
        *[(name, INTEGER) for name in ("bytes", "state_bytes")],
        *[(name, FLOAT) for name in ("rho_bar", "c_bar", "pg_rho_bar", "trace_decay")],
        *[(name, FLOAT) for name in ("discount", "reward_clip", "entropy_cost", "baseline_cost")],
        *[(name, FLOAT) for name in ("largest_weight", "magnet_cost", "scale")],
        *[(name, POINTER) for name in ("for_weights", "for_biases", "sums")],
    ]


if LIBRARY is not None:
    LIBRARY.learn.argtypes, LIBRARY.learn.restype = [ctypes.POINTER(_Batch)], ctypes.c_int


class Nets(NamedTuple):
    """What an update goes through."""

    policy: Packed
    """Gives a logit for every choice; then the value, where there is no critic."""
    critic: Packed | None
    """Gives the value of a state, or, where the game has none, of an observation."""
    magnet: Packed | None
    """The policy that pulls."""


class Learned(NamedTuple):
    """What a call gives."""

    gradient: Tensor
    """float32 [n] for weight and bias of one layer after the other, the policy's and then the critic's."""
    policy: float
    value: float
    entropy: float
    rho: float
    """Terms of the loss, as in `impala.Losses`, each a sum over decisions times `scale`."""


def serves(rows: Records, nets: Nets) -> bool:
    """Whether `learn` can work on such rows: one seat a stream, one choice of a few, bytes or float32 seen.

    nets: see `Nets` for what they must give.
    """
    kinds = {name: kind for name, (kind, _) in _fields(rows).items()}
    action, mask = kinds["action"], kinds["mask"]
    given = mask.shape[-1] + (nets.critic is None)
    return (
        WORKS
        and action.shape == (1,)
        and action.base == np.int64
        and mask.shape[0] == 1
        and _reads(kinds["observation"], nets.policy)
        and nets.policy.widths[-1] == given
        and (nets.magnet is None or nets.magnet.widths == nets.policy.widths)
        and (nets.critic is None or (_reads(kinds["state"], nets.critic) and nets.critic.widths[-1] == 1))
    )


def _reads(seen: np.dtype[Any], net: Packed) -> bool:
    """Whether a network can be fed with a field."""
    kinds = (np.uint8, np.bool_, np.float32)
    size = int(np.prod(seen.shape))
    return seen.base in kinds and size == net.widths[0] and len(net.widths) - 1 <= MOST_LAYERS


def learn(
    config: AlgorithmConfig, rows: Records, nets: Nets, *, entropy_cost: float, scale: float
) -> Learned:
    """Forward, V-trace, the loss's gradient and backward, of columns [T+1, B] in whatever stride they lie.

    scale: 1 / decisions of the whole batch of which this may be a part.

    Raises MemoryError.
    """
    if LIBRARY is None:
        raise RuntimeError("agents/kernels was not compiled; ask `serves` before you call")
    learning = [net.zeros() for net in (nets.policy, nets.critic) if net]
    for_weights, for_biases = ([part for each in learning for part in each[at]] for at in (1, 2))
    sums = np.zeros(4)
    arrays = addresses(for_weights), addresses(for_biases)
    fields = _fields(rows)
    base = rows.__array_interface__["data"][0]
    steps, columns = rows.shape[0] - 1, rows.shape[1]
    batch = _Batch(
        *(net.net if net else Net() for net in nets), fields["mask"][0].shape[-1],
        steps, columns, *rows.strides, *(base + fields[name][1] for name in FIELDS),
        *(fields[name][0].base.itemsize == 1 for name in ("observation", "state")),
        config.rho_bar, config.c_bar, config.pg_rho_bar, config.trace_decay,
        config.discount, config.reward_clip, entropy_cost, config.baseline_cost,
        config.largest_weight if config.policy_loss is PolicyLoss.NEURD else 0.0, config.magnet_cost, scale,
        *map(ctypes.addressof, arrays), sums.ctypes.data,
    )  # fmt: skip
    if LIBRARY.learn(batch):
        raise MemoryError(f"no memory for a batch of {rows.shape} rows")
    return Learned(torch.cat([flat for flat, *_ in learning]), *sums.tolist())


def _fields(rows: Records) -> Mapping[str, tuple[np.dtype[Any], int]]:
    """Dtype and offset in bytes of every field of a record. A game without a state shows the observation."""
    fields = {name: (kind[0], kind[1]) for name, kind in (rows.dtype.fields or {}).items()}
    return {"state": fields["observation"], **fields}
