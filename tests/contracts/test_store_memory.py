"""What a run takes of its server does not grow with the results that it has had."""

from __future__ import annotations

from pathlib import Path

import pytest

from coordinator.archive import KEPT, SEGMENT, Archive
from coordinator.redis_server import RedisServer
from coordinator.store import Store
from tests.contracts.nouns import a_match, outcome_of

AT_ONCE = 2_000

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


def test_a_hundred_thousand_results_take_what_twenty_thousand_take(tmp_path: Path) -> None:
    archive, sizes = Archive(tmp_path / "archive"), {}
    with RedisServer(tmp_path / "redis") as server, Store.connect(server.url, "run") as store:
        store.create({})
        store.begin_epoch()
        for total in (20_000, 100_000):
            while (done := store.counts().done) < total:
                play(store, first=done + 1)
                archive.take_over(store, folded=done + AT_ONCE)
            sizes[total] = memory(store)
        assert store.archived() == (100_000 - KEPT) // SEGMENT * SEGMENT
    assert len(archive.segments()) == (100_000 - KEPT) // SEGMENT
    assert sizes[20_000] > KEPT * 100, "it must measure something"
    assert sizes[100_000] < sizes[20_000] * 1.05


def play(store: Store, first: int) -> None:
    """Offer, lease and report so many matches."""
    store.offer([a_match(id) for id in range(first, first + AT_ONCE)])
    leases = store.lease("actor", AT_ONCE, deadline=1e12)
    store.report([outcome_of(lease) for lease in leases])


def memory(store: Store) -> int:
    """Bytes of all keys of a run."""
    connection = store._connection
    keys = list(connection.client.scan_iter(connection.key("*")))
    return sum(connection.client.memory_usage(key, samples=0) for key in keys)
