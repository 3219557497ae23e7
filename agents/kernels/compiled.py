"""The compiled library, or that there is none."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from importlib.util import find_spec

POINTER, INTEGER, FLOAT = ctypes.c_void_p, ctypes.c_int64, ctypes.c_float


def _load() -> ctypes.CDLL | None:
    spec = find_spec("agents.kernels._compiled")
    return None if spec is None or spec.origin is None else ctypes.CDLL(spec.origin)


LIBRARY = _load()


def function(name: str, *arguments: type) -> Callable[..., None]:
    """A function of the library that returns nothing; one that raises where there is no library."""
    if LIBRARY is None:
        return _absent
    found = getattr(LIBRARY, name)
    found.argtypes, found.restype = arguments, None
    called: Callable[..., None] = found
    return called


def _absent(*_: object) -> None:
    raise RuntimeError("agents/kernels was not compiled; ask before you call")
