"""Are these our packages? Two of the five names are also shipped by other distributions on PyPI."""

from __future__ import annotations

import importlib.util
from pathlib import Path

NAMES = ("agents", "coordinator", "dashboards", "envs", "league")
CLASHES = {"agents": "openai-agents", "envs": "envs"}


def misplaced(names: tuple[str, ...] = NAMES, home: Path | None = None) -> str | None:
    """One line on the first package that would be imported from elsewhere; None where all are ours.

    home: the folder that must hold them all; by default the one that holds `dashboards`.
    """
    home = home or Path(__file__).resolve().parent.parent
    for name in names:
        spec = importlib.util.find_spec(name)
        found = Path(spec.origin).resolve().parent if spec and spec.origin else None
        if found != home / name:
            return _advice(name, found, home)
    return None


def _advice(name: str, found: Path | None, home: Path) -> str:
    if found is None:
        return f"the package `{name}` is missing beside {home / 'dashboards'}: install selfplay-league again"
    clash = CLASHES.get(name)
    cause = f"the distribution {clash} ships the same name" if clash else "something shadows it"
    cure = f"pip uninstall {clash}" if clash else f"move {found} away or run from another folder"
    return (
        f"the package `{name}` comes from {found}, not from {home / name}: {cause}; "
        f"{cure}, or install selfplay-league in an environment of its own"
    )
