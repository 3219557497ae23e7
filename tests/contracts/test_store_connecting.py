"""A server that cannot be used is named in one line, without its password."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from coordinator.redis_server import RedisServer
from coordinator.store import Commit, Store, StoreError, StoreUnavailable
from coordinator.store_connection import scripts
from tests.contracts.nouns import a_player

SECRET = "s3cret"


@contextmanager
def a_server_that_says(info: str) -> Iterator[str]:
    """URL of a tiny server that answers INFO so, and everything else with OK."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        client, _ = listener.accept()
        with client:
            while request := client.recv(4096):
                body = (
                    f"${len(info)}\r\n{info}\r\n" if b"INFO" in request else "+OK\r\n" * request.count(b"*")
                )
                client.sendall(body.encode())

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
    finally:
        listener.close()
        thread.join()


@pytest.mark.parametrize(
    ("info", "what"),
    [
        ("redis_version:6.0.0", "is Redis 6.0.0, which is too old: it takes Redis >= 7.0 or Valkey >= 7.2"),
        ("redis_version:6.2.14\r\nredis_mode:standalone", "is Redis 6.2.14, which is too old"),
        (
            "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:7.0.1",
            "is Valkey 7.0.1, which is too old",
        ),
        ("nothing:known", "is Redis 0, which is too old"),
    ],
)
def test_too_old(info: str, what: str) -> None:
    with a_server_that_says(info) as url, pytest.raises(StoreUnavailable, match=re.escape(what)):
        Store.connect(url, "run")


@pytest.mark.parametrize("info", ["redis_version:7.0.0", "redis_version:7.2.4\r\nvalkey_version:7.2.0"])
def test_new_enough(info: str) -> None:
    with a_server_that_says(info) as url:
        Store.connect(url, "run").close()


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(StoreUnavailable, match=rf"^redis://…@127.0.0.1:{port}/0 does not answer: ") as caught:
        Store.connect(f"redis://:{SECRET}@127.0.0.1:{port}/0", "run")
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_socket(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="does not answer"):
        Store.connect(f"unix://{tmp_path}/socket", "run")


@pytest.mark.parametrize(
    "url", ["localhost:6379", "http://localhost", "redis://localhost:port", "redis://[", ""]
)
def test_not_a_redis_url(url: str) -> None:
    with pytest.raises(StoreUnavailable, match="is not redis://"):
        Store.connect(url, "run")


@pytest.mark.parametrize("login", ["", f":{SECRET}@"])
def test_wrong_password(tmp_path: Path, login: str) -> None:
    with RedisServer(tmp_path, password="right") as server:
        url = server.url.replace(":right@", login)
        with pytest.raises(StoreUnavailable, match="refuses the password") as caught:
            Store.connect(url, "run")
    assert SECRET not in str(caught.value)


def test_a_full_server_refuses_the_whole_commit(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server, Store.connect(server.url, "run") as store:
        store.create({})
        store.begin_epoch()
        store._connection.client.config_set("maxmemory", 1)
        with pytest.raises(StoreUnavailable, match=r"takes no writes: .*maxmemory"):
            store.commit(Commit(players=(a_player(),), fold="{}"))
        assert store.players() == {}
        assert store.fold() is None


def test_a_server_that_goes_away_is_named(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server, Store.connect(server.url, "run") as store:
        store.create({})
        server.stop()
        with pytest.raises(StoreUnavailable, match="does not answer"):
            store.config()


@pytest.mark.parametrize("namespace", ["", "a b", "{a}", "-a", "a" * 200])
def test_a_namespace_is_a_plain_name(namespace: str) -> None:
    with pytest.raises(StoreError, match="namespace"):
        Store.connect("redis://127.0.0.1:1/0", namespace)


@pytest.mark.parametrize("name", sorted(scripts()))
def test_every_script_tells_its_keys_arguments_and_answer(name: str) -> None:
    script = scripts()[name]
    for title in ("KEYS: ", "ARGV: ", "Returns "):
        assert len(re.findall(rf"^-- {title}", script.text, re.MULTILINE)) == 1
    body = script.text[script.text.index("-- KEYS: ") :]
    assert re.search(rf"^local {', '.join(script.keys)} = (unpack\(KEYS\)|KEYS\[1\])$", body, re.MULTILINE)
