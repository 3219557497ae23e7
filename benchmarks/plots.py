"""Figures drawn without a screen, and written beside the page that shows them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def panels_of(path: Path, rows: int = 1, columns: int = 1, **subplots: Any) -> Iterator[Any]:
    """Empty panels, saved to `path` (its folder is made) once they were filled.

    subplots: as `matplotlib.pyplot.subplots` takes them. An SVG is the same file for the same figures, with
    words that can be searched.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams.update({"svg.hashsalt": "figures", "svg.fonttype": "none"})
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(rows, columns, **subplots)
    try:
        yield panels
        figure.tight_layout()
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, **({"metadata": {"Date": None}} if path.suffix == ".svg" else {"dpi": 80}))
    finally:
        plt.close(figure)
