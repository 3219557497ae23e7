"""An update's arithmetic in one call, where networks and games are of the commonest kind: see learn.c."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from agents.config import ImpalaConfig
from agents.kernels.compiled import FLOAT, INTEGER, LIBRARY, POINTER
from agents.kernels.dense import WORKS, Net, Packed, addresses
from agents.trajectory import Records

FIELDS = ("observation", "mask", "action", "log_prob", "acting", "reward", "terminated")
MOST_LAYERS = 16


class _Batch(ctypes.Structure):
    """`Batch` of learn.c."""

    _fields_ = [
        ("net", Net),
        *[(name, INTEGER) for name in ("steps", "columns", "to_row", "to_column")],
        *[(name, POINTER) for name in FIELDS],
        ("bytes", INTEGER),
        *[(name, FLOAT) for name in ("rho_bar", "c_bar", "pg_rho_bar", "trace_decay")],
        *[(name, FLOAT) for name in ("discount", "reward_clip", "entropy_cost", "baseline_cost", "scale")],
        *[(name, POINTER) for name in ("for_weights", "for_biases", "sums")],
    ]


if LIBRARY is not None:
    LIBRARY.learn.argtypes, LIBRARY.learn.restype = [ctypes.POINTER(_Batch)], ctypes.c_int


class Learned(NamedTuple):
    """What a call gives."""

    gradient: Tensor
    """float32 [n] for weight and bias of one layer after the other."""
    policy: float
    value: float
    entropy: float
    rho: float
    """Terms of the loss, as in `impala.Losses`, each a sum over decisions times `scale`."""


def serves(rows: Records, net: Packed) -> bool:
    """Whether `learn` can work on such rows: one seat a stream, one choice of a few, bytes or float32 seen.

    net: must give a logit for every choice, then the value.
    """
    kinds = _fields(rows)
    seen, action, mask = (kinds[name][0] for name in ("observation", "action", "mask"))
    return (
        WORKS
        and action.shape == (1,)
        and action.base == np.int64
        and mask.shape == (1, net.widths[-1] - 1)
        and seen.base in (np.uint8, np.bool_, np.float32)
        and int(np.prod(seen.shape)) == net.widths[0]
        and len(net.widths) - 1 <= MOST_LAYERS
    )


def learn(config: ImpalaConfig, rows: Records, net: Packed, *, entropy_cost: float, scale: float) -> Learned:
    """Forward, V-trace, the loss's gradient and backward, of columns [T+1, B] in whatever stride they lie.

    scale: 1 / decisions of the whole batch of which this may be a part.

    Raises MemoryError.
    """
    if LIBRARY is None:
        raise RuntimeError("agents/kernels was not compiled; ask `serves` before you call")
    gradient, for_weights, for_biases = net.zeros()
    sums = np.zeros(4)
    arrays = addresses(for_weights), addresses(for_biases)
    fields = _fields(rows)
    base = rows.__array_interface__["data"][0]
    steps, columns = rows.shape[0] - 1, rows.shape[1]
    batch = _Batch(
        net.net, steps, columns, *rows.strides, *(base + fields[name][1] for name in FIELDS),
        fields["observation"][0].base.itemsize == 1,
        config.rho_bar, config.c_bar, config.pg_rho_bar, config.trace_decay,
        config.discount, config.reward_clip, entropy_cost, config.baseline_cost, scale,
        *map(ctypes.addressof, arrays), sums.ctypes.data,
    )  # fmt: skip
    if LIBRARY.learn(batch):
        raise MemoryError(f"no memory for a batch of {rows.shape} rows")
    return Learned(gradient, *sums.tolist())


def _fields(rows: Records) -> Mapping[str, tuple[np.dtype[Any], int]]:
    """Dtype and offset in bytes of every field of a record."""
    return {name: (kind[0], kind[1]) for name, kind in (rows.dtype.fields or {}).items()}
