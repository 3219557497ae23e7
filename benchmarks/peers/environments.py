"""What every peer needs, where it is installed, and how it is started.

An environment a peer: their dependencies contradict one another's, and ours. They are in `$PEERS_HOME`, or
else in `~/.cache/selfplay-league-peers`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.protocol import Task

TORCH = "torch==2.13.0"
KEEP_BUFFERS = {"MALLOC_MMAP_THRESHOLD_": str(2**30), "MALLOC_TRIM_THRESHOLD_": str(2**32)}
"""Lets glibc keep large buffers mapped, which speeds several of them up: they run at their best."""


@dataclass(frozen=True)
class Peer:
    """A training system that we compare with."""

    name: str
    program: str
    """Module of this package that trains with it."""
    packages: tuple[tuple[str, ...], ...]
    """Arguments of `pip install`, one call after the other."""

    @property
    def folder(self) -> Path:
        """Of its environment."""
        home = os.environ.get("PEERS_HOME") or Path.home() / ".cache" / "selfplay-league-peers"
        return Path(home) / self.name

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def installed(self) -> bool:
        """Whether `set_up` came to its end."""
        return self._stamp.exists()

    @property
    def _stamp(self) -> Path:
        return self.folder / ".installed"

    def command(self, task: Task) -> list[str]:
        """What trains with it."""
        return [str(self.python), "-m", f"benchmarks.peers.{self.program}", *task.arguments()]

    def set_up(self) -> None:
        """Make its environment. Raises CalledProcessError where pip fails, which has then said why."""
        subprocess.run([sys.executable, "-m", "venv", "--clear", self.folder], check=True)
        with _building(self.folder) as environment:
            for packages in self.packages:
                command = [str(self.python), "-m", "pip", "install", "--quiet", *packages]
                subprocess.run(command, check=True, env=environment)
        self._stamp.touch()


PEERS = {
    peer.name: peer
    for peer in (
        Peer("pgx", "pgx_ppo", (("jax<0.11", "pgx==2.6.0"),)),
        Peer("sample_factory", "sample_factory_appo", ((TORCH, "sample-factory==2.1.1"),)),
        Peer(
            "pufferlib",
            "pufferlib_ppo",
            (
                (TORCH, "numpy<2", "setuptools", "wheel", "Cython"),
                ("--no-build-isolation", "--no-binary", "pufferlib", "pufferlib==3.0.0"),
            ),
        ),
    )
}
"""By name, the easiest to install first."""


def installed_peers() -> list[Peer]:
    """Those that can be measured here."""
    return [peer for peer in PEERS.values() if peer.installed]


@contextmanager
def _building(folder: Path) -> Iterator[dict[str, str]]:
    """The environment variables under which PufferLib builds without a download; they hurt nobody else.

    It fetches a graphics library for its C games unless it is told NO_OCEAN, and then stumbles over a list
    that only those games fill; and wherever it finds a CUDA compiler it builds for CUDA.
    """
    path = [entry for entry in os.environ["PATH"].split(os.pathsep) if not (Path(entry) / "nvcc").exists()]
    library = next((folder / "lib").glob("python3.*")) / "site-packages"
    missing = library / "missing_list.pth"
    missing.write_text("import builtins; builtins.c_extension_paths = []\n")
    try:
        yield {**os.environ, "NO_OCEAN": "1", "PATH": os.pathsep.join(path)}
    finally:
        missing.unlink()
