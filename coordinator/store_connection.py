"""One connection to Redis or Valkey: opens it, runs the scripts, and gives failures their names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

import redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from coordinator.store_types import StaleEpoch, StoreError, StoreUnavailable

MIN_REDIS = (7, 0)
MIN_VALKEY = (7, 2)
CONNECT_SECONDS = 5.0
REPLY_SECONDS = 15.0
"""An fsync on a busy disk takes a while; a server that is silent for longer is taken for dead."""
RETRIES = 3
DURABLE = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}
"""Settings under which an acknowledged write is never lost."""


@dataclass(frozen=True)
class Script:
    """One file of `lua/`, ready to be sent."""

    keys: tuple[str, ...]
    """Names of its KEYS, as its header gives them."""
    text: str


@cache
def scripts() -> Mapping[str, Script]:
    """Every script by the name of its file; `shared.lua` stands before each.

    The shebang makes the server check memory before a script starts, instead of failing in its middle.
    """
    sources = {
        file.name.removesuffix(".lua"): file.read_text(encoding="utf-8")
        for file in files("coordinator").joinpath("lua").iterdir()
        if file.name.endswith(".lua")
    }
    shared = sources.pop("shared")
    return {name: Script(_keys(name, body), f"#!lua\n{shared}\n{body}") for name, body in sources.items()}


def _keys(name: str, body: str) -> tuple[str, ...]:
    header = re.search(r"^-- KEYS: (.+)$", body, re.MULTILINE)
    if header is None:
        raise ValueError(f"lua/{name}.lua has no line '-- KEYS: ...'")
    return tuple(header[1].split())


class Connection:
    """Commands and scripts on one namespace of one server. Safe to share between threads."""

    def __init__(self, url: str, namespace: str) -> None:
        """Raises StoreUnavailable when the server cannot be used."""
        self.place = _place(url)
        self._namespace = namespace
        self._sha: dict[str, str] = {}
        self._once = _client(url, retries=0)
        with self.named_errors():
            _check_version(self.place, self._once.info("server"))
        self.client = _client(url, retries=RETRIES)
        """Retries what a broken connection may have swallowed: for commands that do no harm twice."""

    def key(self, name: str) -> str:
        """The full key of one of the names in the store's table."""
        return f"{self._namespace}:{name}"

    def run(self, name: str, *args: str | int, retry: bool = True) -> Any:
        """Run a script. `retry=False` for one that must not run twice, whatever the connection does."""
        client = self.client if retry else self._once
        with self.named_errors():
            try:
                return client.evalsha(*self._call(name, args))
            except redis.exceptions.NoScriptError:
                self._sha.clear()  # the server is a new one; the script did not run
                return client.evalsha(*self._call(name, args))

    def run_many(self, name: str, rows: Sequence[Sequence[str | int]]) -> list[Any]:
        """Run a script once a row, in one round trip. Only for scripts that do no harm twice."""
        with self.named_errors():
            try:
                return self._pipeline(name, rows)
            except redis.exceptions.NoScriptError:
                self._sha.clear()
                return self._pipeline(name, rows)

    def _pipeline(self, name: str, rows: Sequence[Sequence[str | int]]) -> list[Any]:
        with self.client.pipeline(transaction=False) as pipeline:
            for row in rows:
                pipeline.evalsha(*self._call(name, row))
            replies: list[Any] = pipeline.execute()
        return replies

    def _call(self, name: str, args: Sequence[str | int]) -> tuple[str | int, ...]:
        script = scripts()[name]
        if name not in self._sha:
            self._sha[name] = self.client.script_load(script.text)
        return self._sha[name], len(script.keys), *map(self.key, script.keys), *args

    def weaknesses(self) -> list[str]:
        """Settings under which the server may lose what it has acknowledged, in words."""
        with self.named_errors():
            try:
                found = {name: self.client.config_get(name).get(name) for name in DURABLE}
            except redis.exceptions.ResponseError:  # hosted servers often forbid the question
                return ["the server does not tell its settings, and acknowledged results may be lost"]
        return [
            f"{name} is {found[name]!r}, and acknowledged results may be lost: set it to {value!r}"
            for name, value in DURABLE.items()
            if found[name] != value
        ]

    @contextmanager
    def named_errors(self) -> Iterator[None]:
        """Turns what the client library raises into the store's own errors, one line each."""
        try:
            yield
        except redis.exceptions.AuthenticationError as error:
            raise StoreUnavailable(f"{self.place} refuses the password: {error}") from error
        except redis.exceptions.BusyLoadingError as error:
            raise StoreUnavailable(f"{self.place} is still loading its data: try again") from error
        except redis.exceptions.NoPermissionError as error:
            raise StoreUnavailable(f"{self.place} does not let this user in: {error}") from error
        except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError) as error:
            raise StoreUnavailable(f"{self.place} does not answer: {error}") from error
        except (redis.exceptions.OutOfMemoryError, redis.exceptions.ReadOnlyError) as error:
            raise StoreUnavailable(f"{self.place} takes no writes: {error}") from error
        except redis.exceptions.ResponseError as error:
            raise self._named(str(error)) from error

    def _named(self, text: str) -> StoreError:
        code, _, rest = text.partition(" ")
        if code == "STALEEPOCH":
            return StaleEpoch(f"another coordinator has taken over the run: {rest}")
        if code == "REFUSED":
            return StoreError(rest)
        if code in ("MISCONF", "NOREPLICAS"):
            return StoreUnavailable(f"{self.place} takes no writes: {text}")
        return StoreError(f"{self.place}: {text}")

    def close(self) -> None:
        self._once.close()
        self.client.close()


def _client(url: str, retries: int) -> Any:
    try:
        return redis.Redis.from_url(
            url,
            decode_responses=True,
            protocol=2,
            socket_timeout=REPLY_SECONDS,
            socket_connect_timeout=CONNECT_SECONDS,
            retry=Retry(ExponentialBackoff(cap=1.0, base=0.05), retries),
        )
    except ValueError as error:
        raise StoreUnavailable(
            f"{_place(url)} is not redis://:password@host:port/0, rediss://… or unix:///path: {error}"
        ) from error


def _place(url: str) -> str:
    """A URL as it may be shown: without its password."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "the Redis URL"
    login, _, host = parts.netloc.rpartition("@")
    return f"{parts.scheme}://{'…@' if login else ''}{host}{parts.path}"


def _check_version(place: str, info: Mapping[str, Any]) -> None:
    """Raises StoreUnavailable for a server that lacks what the scripts need (shebangs, Redis 7.0)."""
    valkey = info.get("valkey_version")
    name, text, least = (
        ("Valkey", str(valkey), MIN_VALKEY)
        if valkey is not None
        else ("Redis", str(info.get("redis_version", "0")), MIN_REDIS)
    )
    version = tuple(int(number) for number in re.findall(r"\d+", text)[:2])
    if version < least:
        raise StoreUnavailable(
            f"{place} is {name} {text}, which is too old: "
            f"it takes Redis >= {_dotted(MIN_REDIS)} or Valkey >= {_dotted(MIN_VALKEY)}"
        )


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
