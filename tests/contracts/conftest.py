"""One contract, two servers: the embedded one on its socket, and one reached over TCP with a password."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from coordinator.redis_server import RedisServer
from coordinator.store import Store

PASSWORD = 'p@ss: "word"/%'
namespaces = count(1)


@pytest.fixture(scope="session", params=["unix socket", "TCP with a password"])
def server_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    password = PASSWORD if request.param == "TCP with a password" else None
    folder: Path = tmp_path_factory.mktemp("server")
    with RedisServer(folder, password=password) as server:
        yield server.url


@pytest.fixture
def connect(server_url: str) -> Iterator[Callable[[], Store]]:
    """Connects to this test's own namespace, as often as wanted."""
    namespace = f"test:{next(namespaces)}"
    opened: list[Store] = []

    def connect() -> Store:
        opened.append(Store.connect(server_url, namespace))
        return opened[-1]

    yield connect
    for store in opened:
        store.close()


@pytest.fixture
def store(connect: Callable[[], Store]) -> Store:
    """A fresh run and its coordinator."""
    store = connect()
    store.create({"game": "tictactoe"})
    store.begin_epoch()
    return store
