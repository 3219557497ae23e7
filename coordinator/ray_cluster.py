"""A Ray cluster for one run: started for it alone, or joined, and never left behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from coordinator.runtime_config import cores

OBJECT_STORE = 256 * 2**20
"""Bytes of shared memory for trajectories and weights in flight."""
PATIENCE = 60.0
"""Seconds that a process of the cluster has to answer."""
SETTINGS = {
    # Ray runs its workers at nice 15: they would starve beside anything else.
    "RAY_worker_niceness": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}


MARK = "SELFPLAY_LEAGUE_RUN"
"""In the environment of every process of a local cluster: the run's folder."""


class ClusterError(Exception):
    """Ray cannot be started or reached, or what it runs keeps failing. One line for the user to read."""


@contextmanager
def cluster(address: str, namespace: str, folder: Path) -> Iterator[None]:
    """Ray for as long as the context lasts.

    address: `local` starts one that ends with this process; anything else is joined. folder: the run's,
    whose lock is held; what an earlier start of it that was killed left behind is cleared away.
    Raises ClusterError.
    """
    sweep(folder)
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    os.environ[MARK] = str(folder)
    import ray

    handler = signal.getsignal(signal.SIGTERM)
    try:
        _start(address, namespace, folder)
    except Exception as error:  # Ray's own; some of them are no more than that
        raise ClusterError(f"runtime.address {address}: {' '.join(str(error).split())}") from error
    signal.signal(signal.SIGTERM, handler)  # Ray has put its own in place, which ends the process at once
    try:
        yield
    except ray.exceptions.RayError as error:
        raise ClusterError(f"Ray failed: {' '.join(str(error).split())}") from error
    finally:
        ray.shutdown()
        sweep(folder)


def _start(address: str, namespace: str, folder: Path) -> None:
    """Start Ray, or join it; once more where a start takes longer than the 30 s that Ray allows for it."""
    import ray

    local = address == "local"
    for last in (False, True):
        try:
            ray.init(
                address=address,
                namespace=namespace,
                log_to_driver=False,
                logging_level="ERROR",
                include_dashboard=False if local else None,
                object_store_memory=OBJECT_STORE if local else None,
                num_cpus=cores() if local else None,
            )
            return
        except (ConnectionError, RuntimeError, ValueError):
            raise  # wrong, rather than late
        except Exception:
            ray.shutdown()
            sweep(folder)
            if last:
                raise


def sweep(folder: Path) -> list[int]:
    """Kill what is left of the local clusters of a run; returns the process ids."""
    left = [process for process in psutil.process_iter() if _belongs(process, folder)]
    for process in left:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(left, timeout=5)
    return [process.pid for process in left]


def _belongs(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.pid != os.getpid() and process.environ().get(MARK) == str(folder)
    except psutil.Error:
        return False
