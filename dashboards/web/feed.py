"""What the page shows, read at most once a second however many browsers look."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from coordinator.run_folder import RunFolderError
from coordinator.store_types import StoreError
from dashboards.reading import Reading
from league.players import LeagueError

FRESH_SECONDS = 1.0
"""A page is read again when it is older than this."""
REST = 9.0
"""Seconds of rest for each second that reading took: a run of a thousand generations takes some."""

Open = Callable[[], AbstractContextManager[Reading]]


class Feed:
    """The latest page of one run. Safe to share between threads.

    A living run is read anew; a resting one is opened once and remembered until it lives again, because
    opening it holds its lock, and `league resume` must not find it taken.
    """

    def __init__(self, open: Open, lives: Callable[[], bool]) -> None:
        """open: the run, for as long as one reading takes. lives: whether a process runs it, cheaply."""
        self._open = open
        self._lives = lives
        self._lock = threading.Lock()
        self._page: dict[str, Any] = {}
        self._next_read = float("-inf")
        self._at_rest = False

    def latest(self) -> dict[str, Any]:
        """The page as JSON data; `{"trouble": why}` where the run cannot be read now."""
        with self._lock:
            if (began := time.monotonic()) >= self._next_read:
                self._page = self._next()
                now = time.monotonic()
                # How long one took that failed says nothing of the next.
                took = 0.0 if "trouble" in self._page else now - began
                self._next_read = now + max(FRESH_SECONDS, REST * took)
            return self._page

    def _next(self) -> dict[str, Any]:
        living = self._lives()
        if self._at_rest and not living:
            return self._page
        try:
            with self._open() as reading:
                page = reading.page()
        except (StoreError, RunFolderError, LeagueError) as error:
            self._at_rest = False
            return {"trouble": str(error)}
        self._at_rest = not living
        return page
