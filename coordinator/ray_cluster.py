"""A Ray cluster for one run: started for it alone, or joined, and never left behind."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

OBJECT_STORE = 256 * 2**20
"""Bytes of shared memory for trajectories and weights in flight."""
SETTINGS = {
    # Ray runs its workers at nice 15: they would starve beside anything else.
    "RAY_worker_niceness": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    # glibc otherwise gives every large buffer back to the kernel, which halves the rate of large batches.
    "MALLOC_MMAP_THRESHOLD_": "1073741824",
    "MALLOC_TRIM_THRESHOLD_": "4294967296",
}


class ClusterError(Exception):
    """Ray cannot be reached or started. The message is one line for the user to read."""


@contextmanager
def cluster(address: str, namespace: str, folder: Path) -> Iterator[None]:
    """Ray for as long as the context lasts.

    address: `local` starts one that ends with this process; anything else is joined. folder: where to note
    the session, so that the next start can clear away what a killed one left behind.
    """
    note = folder / "ray.json"
    sweep(note)
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    import ray

    local = address == "local"
    try:
        context = ray.init(
            address=address,
            namespace=namespace,
            log_to_driver=False,
            logging_level="ERROR",
            include_dashboard=False if local else None,
            object_store_memory=OBJECT_STORE if local else None,
            num_cpus=len(os.sched_getaffinity(0)) if local else None,
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ClusterError(f"runtime.address {address}: {' '.join(str(error).split())}") from error
    try:
        if local:
            note.write_text(json.dumps({"session": context.address_info["session_dir"]}))
        yield
    finally:
        ray.shutdown()
        if local:
            sweep(note)


def sweep(note: Path) -> list[int]:
    """Kill what is left of the session that `note` speaks of; returns the process ids."""
    with suppress(OSError, ValueError, KeyError):
        session = json.loads(note.read_text())["session"]
        left = [process for process in psutil.process_iter() if _belongs(process, session)]
        for process in left:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, timeout=5)
        note.unlink()
        return [process.pid for process in left]
    return []


def _belongs(process: psutil.Process, session: str) -> bool:
    """Whether a process was started for a Ray session: all of them are told its folder."""
    try:
        return process.pid != os.getpid() and any(session in part for part in process.cmdline())
    except psutil.Error:
        return False
