"""Reaching the store of a run: a living one, one that sleeps in the folder, or a server elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from coordinator.files import clear_leftovers
from coordinator.redis_server import RedisServer, living_server
from coordinator.run_folder import RunFolder
from coordinator.store import Store


@contextmanager
def serve_store(run: RunFolder, url: str | None = None) -> Iterator[tuple[Store, str]]:
    """The store for the process that holds the run's lock, and the URL at which its actors reach it.

    url: a server elsewhere; None starts the embedded one, which stops when the context ends. Enter it from a
    thread that lives as long as the run (see `redis_server`). What a killed holder of the lock was writing is
    cleared away. Raises StoreUnavailable.
    """
    for folder in (run.path, run.redis, run.archive):
        clear_leftovers(folder)
    if url is not None:
        with Store.connect(url, run.namespace) as store:
            yield store, url
        return
    with RedisServer(run.redis) as server, Store.connect(server.url, run.namespace) as store:
        yield store, server.url


@contextmanager
def open_store(run: RunFolder, url: str | None = None) -> Iterator[Store]:
    """The store for whoever only looks at a run.

    Connects to `url`, or to the embedded server of the living run; where the run rests, starts its server for
    as long as the context lasts, holding the run's lock. Raises StoreUnavailable, or RunInUse when a process
    holds the run and its server does not answer.
    """
    if url is None:
        url = living_server(run.redis)
    if url is not None:
        with Store.connect(url, run.namespace) as store:
            yield store
        return
    with run.lock(), serve_store(run) as (store, _):
        yield store
