"""The embedded server: private, durable, and gone with its run."""

from __future__ import annotations

import os
import random
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from coordinator.redis_server import ADDRESS, SOCKET_PATH_LIMIT, RedisServer, living_server, socket_path
from coordinator.store import Store, StoreUnavailable, Verdict
from tests.contracts.nouns import a_match, an_outcome, outcome_of

ORPHAN = """
import sys, time
from pathlib import Path
from coordinator.redis_server import RedisServer
server = RedisServer(Path(sys.argv[1]))
server.start()
print(server.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder whose path leaves room for a socket's; pytest's own may not."""
    with TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


def wait_until(true: Callable[[], bool]) -> None:
    """Waits generously; only a hang fails here."""
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


def test_only_its_user_reaches_it(tmp_path: Path) -> None:
    with RedisServer(tmp_path / "redis") as server:
        assert stat.S_IMODE((tmp_path / "redis").stat().st_mode) == 0o700
        assert stat.S_IMODE((tmp_path / "redis/socket").stat().st_mode) == 0o600
        with Store.connect(server.url, "run") as store:
            assert store.weaknesses() == []
            settings = store._connection.client.config_get("port", "save", "maxmemory")
        assert settings["port"] == "0"
        assert settings["save"] == ""
        assert int(settings["maxmemory"]) > 0


def test_stopped_and_started_it_knows_everything(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    for attempt in range(3):
        with server, Store.connect(server.url, "run") as store:
            if attempt == 0:
                store.create({"game": "kuhn"})
            assert store.config() == {"game": "kuhn"}
            assert store.begin_epoch() == attempt + 1
            assert server.alive
        assert not server.alive
        assert not (tmp_path / ADDRESS).exists()
    server.stop()  # twice does no harm


def test_a_path_too_long_for_a_socket_is_listened_on_elsewhere(
    tmp_path: Path, short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = short_folder
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    with RedisServer(deep) as server:
        path = Path(server.url.removeprefix("unix://"))
        assert path.parent.parent == runtime
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert (deep / ADDRESS).read_text().strip() == server.url
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))  # another login finds it by its note
        assert living_server(deep) == server.url
    assert living_server(deep) is None


def test_a_runtime_folder_that_is_too_long_as_well_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep))
    assert len(str(socket_path(deep))) <= SOCKET_PATH_LIMIT


def test_a_runtime_folder_that_others_may_enter_is_refused(
    tmp_path: Path, short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short_folder))
    prepared = short_folder / f"selfplay-league-{os.getuid()}"
    prepared.mkdir()
    prepared.chmod(0o755)
    with pytest.raises(StoreUnavailable, match="must be a folder of yours with mode 0700"):
        socket_path(tmp_path / ("d" * 120))


def test_paths_with_odd_letters(tmp_path: Path) -> None:
    folder = tmp_path / 'a "run" \\ 100% #1 ü'
    with RedisServer(folder) as server, Store.connect(server.url, "run") as store:
        store.create({})
        assert living_server(folder) == server.url


def test_the_copy_of_a_living_run_is_not_that_run(tmp_path: Path) -> None:
    with RedisServer(tmp_path / "run"):
        (tmp_path / "copy").mkdir()
        (tmp_path / "copy" / ADDRESS).write_text((tmp_path / "run" / ADDRESS).read_text())
        assert living_server(tmp_path / "copy") is None


def test_it_dies_with_its_parent(tmp_path: Path) -> None:
    parent, server = start_orphan(tmp_path)
    parent.kill()
    parent.communicate()
    wait_until(lambda: gone(server))
    with RedisServer(tmp_path) as again:  # over the stale socket and note
        assert again.alive


def test_a_server_that_lives_on_is_shut_down_first(tmp_path: Path) -> None:
    parent, old = start_orphan(tmp_path)
    try:
        with RedisServer(tmp_path) as server:
            assert gone(old)
            assert server.alive
    finally:
        parent.kill()
        parent.communicate()


def start_orphan(folder: Path) -> tuple[subprocess.Popen[str], int]:
    parent = subprocess.Popen(
        [sys.executable, "-c", ORPHAN, str(folder)], stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
    )
    assert parent.stdout is not None
    return parent, int(parent.stdout.readline())


def test_a_torn_tail_of_the_log_is_cut_off(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server, Store.connect(server.url, "run") as store:
        store.create({})
        store.begin_epoch()
        store.put_status({"steps": 1})
        store.put_status({"steps": 2})
    (log,) = (tmp_path / "appendonlydir").glob("*.incr.aof")
    log.write_bytes(log.read_bytes()[:-5])
    with RedisServer(tmp_path) as server, Store.connect(server.url, "run") as store:
        assert store.status() == {"steps": 1}


def test_a_damaged_log_is_named(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server, Store.connect(server.url, "run") as store:
        store.create({})
        store.begin_epoch()
    (log,) = (tmp_path / "appendonlydir").glob("*.incr.aof")
    data = bytearray(log.read_bytes())
    data[data.index(b"$")] = ord("!")
    log.write_bytes(data)
    with pytest.raises(StoreUnavailable, match=r"the embedded server did not start: .*server\.log"):
        RedisServer(tmp_path).start()


@pytest.mark.parametrize(
    ("kills", "seed"),
    [(2, 1), pytest.param(15, 2, marks=pytest.mark.slow), pytest.param(15, 3, marks=pytest.mark.slow)],
)
def test_nothing_acknowledged_is_lost_or_counted_twice(tmp_path: Path, kills: int, seed: int) -> None:
    """kill -9 in the midst of a stream of reports, and again after each restart."""
    chance = random.Random(seed)
    accepted: set[int] = set()
    with RedisServer(tmp_path) as server, Store.connect(server.url, "run") as store:
        store.create({})
    for _ in range(kills):
        server = RedisServer(tmp_path)
        with server, Store.connect(server.url, "run") as store:
            store.begin_epoch()
            check_all_are_there(store, accepted)
            killer = threading.Timer(chance.uniform(0.02, 0.3), os.kill, (server.pid, signal.SIGKILL))
            killer.start()
            report_until_it_dies(store, accepted)
            killer.join()
    with RedisServer(tmp_path) as server, Store.connect(server.url, "run") as store:
        check_all_are_there(store, accepted)
        assert len(accepted) > 0


def report_until_it_dies(store: Store, accepted: set[int]) -> None:
    try:
        while True:
            first = store.next_match()
            store.offer([a_match(id) for id in range(first, first + 20)])
            leases = store.lease("actor", 20, deadline=1e12)
            verdicts = store.report([outcome_of(lease) for lease in leases])
            accepted.update(
                lease.match.id
                for lease, verdict in zip(leases, verdicts, strict=True)
                if verdict is Verdict.ACCEPTED
            )
    except StoreUnavailable:
        return


def check_all_are_there(store: Store, accepted: set[int]) -> None:
    logged = store.results(after=0, limit=10**6)
    assert [result.seq for result in logged] == list(range(1, len(logged) + 1))
    ids = [result.match.id for result in logged]
    assert len(set(ids)) == len(ids) == store.counts().done
    assert accepted <= set(ids)
    assert {match.id for match in store.open_matches()}.isdisjoint(ids)
    sample = ids[-20:]
    assert store.report([an_outcome(id) for id in sample]) == [Verdict.REPEATED] * len(sample)


def test_ctrl_c_is_for_the_run_to_handle(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        assert server.pid is not None
        assert os.getpgid(server.pid) != os.getpgrp()


def test_it_opens_no_port_of_its_own_accord(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        inodes = {os.readlink(link) for link in Path(f"/proc/{server.pid}/fd").iterdir() if link.is_symlink()}
        tcp = (
            Path("/proc/net/tcp").read_text().splitlines()[1:]
            + Path("/proc/net/tcp6").read_text().splitlines()[1:]
        )
        assert inodes.isdisjoint(f"socket:[{line.split()[9]}]" for line in tcp)
