"""The page: what it serves, whom it lets in, and that a resting run is left alone."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from coordinator.run_folder import RunFolder
from coordinator.run_store import serve_store
from coordinator.store_types import StoreUnavailable
from dashboards.reading import Reading, reading
from dashboards.web.app import STATIC, create_app
from dashboards.web.feed import Feed

HOST = "127.0.0.1:8765"


class FakeFeed:
    """Counts how often it was asked; every page differs from the one before."""

    def __init__(self) -> None:
        self.asked = 0

    def latest(self) -> dict[str, Any]:
        self.asked += 1
        return {"run": "<b>", "steps": self.asked}


def fetch(
    path: str, method: str = "GET", feed: Any = None, stop_after: int = 1, **headers: str
) -> httpx.Response:
    import anyio

    feed = feed or FakeFeed()
    looks = iter(range(stop_after + 1))
    app = create_app(feed, {HOST}, stopping=lambda: next(looks) >= stop_after, pause=0.0)

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as client:
            return await client.request(method, path, headers=headers)

    return anyio.run(ask)


@pytest.mark.parametrize(
    "path", ["/", "/static/page.js", "/static/chart.js", "/static/dom.js", "/static/page.css"]
)
def test_static_files_come_with_a_strict_policy(path: str) -> None:
    response = fetch(path)
    assert response.status_code == 200
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self';")
    assert "unsafe" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"


def test_the_page_has_no_inline_script_and_needs_no_network() -> None:
    text = (STATIC / "index.html").read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|style=|<style", text)
    for file in STATIC.iterdir():
        addresses = set(re.findall(r"https?://[^\"' )]+", file.read_text()))
        assert addresses <= {"http://www.w3.org/2000/svg"}, file


def test_scripts_never_parse_markup() -> None:
    for file in STATIC.glob("*.js"):
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", file.read_text()
        )


def test_events_are_sent_as_they_change() -> None:
    response = fetch("/events", stop_after=3)
    assert response.headers["content-type"].startswith("text/event-stream")
    events = [json.loads(part.removeprefix("data: ")) for part in response.text.split("\n\n")[:-1]]
    assert [event["steps"] for event in events] == [1, 2, 3]


def test_events_are_not_repeated() -> None:
    class Still:
        def latest(self) -> dict[str, Any]:
            return {"steps": 1}

    response = fetch("/events", feed=Still(), stop_after=40)
    assert response.text.count("data: ") == 1
    assert response.text.count(": still here") == 2


def test_the_state_as_json() -> None:
    assert fetch("/page.json").json() == {"run": "<b>", "steps": 1}


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8765", "127.0.0.1", "127.0.0.1:8765.evil.example", ""]
)
def test_a_rebound_name_is_refused(host: str) -> None:
    feed = FakeFeed()
    for path in ("/", "/page.json", "/events"):
        assert fetch(path, feed=feed, host=host).status_code == 421
    assert feed.asked == 0


@pytest.mark.parametrize("origin", ["http://evil.example", "null", f"http://{HOST}.evil.example"])
def test_a_foreign_origin_is_refused(origin: str) -> None:
    feed = FakeFeed()
    assert fetch("/page.json", feed=feed, origin=origin).status_code == 403
    assert feed.asked == 0
    assert fetch("/page.json", origin=f"http://{HOST}").status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_can_be_changed(method: str) -> None:
    assert fetch("/page.json", method).status_code == 405


@pytest.mark.parametrize("path", ["/nowhere", "/static/../app.py", "/static/%2e%2e/app.py", "/static/"])
def test_only_the_page_s_own_files_are_served(path: str) -> None:
    assert fetch(path).status_code == 404


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A feed that never waits before it reads again."""
    monkeypatch.setattr("dashboards.web.feed.FRESH_SECONDS", 0.0)
    monkeypatch.setattr("dashboards.web.feed.REST", 0.0)


def rested(path: Path) -> tuple[Feed, list[int]]:
    """A feed of a run, and how often the run was opened."""
    opened: list[int] = []

    @contextmanager
    def open_run() -> Iterator[Reading]:
        opened.append(1)
        with reading(path) as run:
            yield run

    return Feed(open_run, lives=lambda: False), opened


@pytest.mark.usefixtures("impatient")
def test_a_resting_run_is_opened_once_and_its_lock_left_free(resting: Path) -> None:
    feed, opened = rested(resting)
    page = feed.latest()
    assert (page["run"], page["game"], page["state"]) == ("tictactoe-1", "tictactoe", "stopped")
    assert page["leaderboard"][0]["player"] == "main"
    assert [row["generation"] for row in page["leaderboard"] if row["live"]] == [4]
    assert page["last"][0]["id"] == 40
    assert page["remark"].startswith("Elo")
    assert feed.latest() is page
    assert len(opened) == 1
    assert RunFolder.open(resting).holder() is None


def test_the_page_is_json(resting: Path) -> None:
    feed, _ = rested(resting)
    assert json.loads(json.dumps(feed.latest(), allow_nan=False)) == json.loads(json.dumps(feed.latest()))


def test_what_takes_long_to_read_is_left_alone_for_longer(
    resting: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboards.web.feed.FRESH_SECONDS", 0.0)
    monkeypatch.setattr("dashboards.web.feed.REST", 1e9)
    feed = Feed(lambda: reading(resting), lives=lambda: True)
    assert feed.latest() is feed.latest()


@pytest.mark.usefixtures("impatient")
def test_a_living_run_is_read_anew(copied: Path) -> None:
    feed = Feed(lambda: reading(copied), lives=lambda: True)
    with serve_store(RunFolder.open(copied)) as (store, _):
        store.begin_epoch()
        store.set_state("running")
        store.put_status({"steps": 1})
        assert (feed.latest()["state"], feed.latest()["steps"]) == ("running", 1)
        store.put_status({"steps": 2})
        assert feed.latest()["steps"] == 2


@pytest.mark.usefixtures("impatient")
def test_a_store_that_does_not_answer_is_said_and_tried_again(resting: Path) -> None:
    failures = [StoreUnavailable("it does not answer")]

    @contextmanager
    def open_run() -> Iterator[Reading]:
        if failures:
            raise failures.pop()
        with reading(resting) as run:
            yield run

    feed = Feed(open_run, lives=lambda: False)
    assert feed.latest() == {"trouble": "it does not answer"}
    assert feed.latest()["state"] == "stopped"


def test_many_browsers_cause_one_reading(resting: Path) -> None:
    feed, opened = rested(resting)
    threads = [threading.Thread(target=feed.latest) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 1
