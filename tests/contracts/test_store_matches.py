"""What every store promises of matches: each is leased by one actor at a time, and counts exactly once."""

from __future__ import annotations

import pytest

from coordinator import store as store_module
from coordinator.store import Expired, MatchCounts, MatchState, Store, StoreError, Verdict
from tests.contracts.nouns import a_match, an_outcome, outcome_of


class TestOffer:
    def test_matches_are_leased_in_the_order_of_their_offer(self, store: Store) -> None:
        store.offer([a_match(1), a_match(2)])
        store.offer([a_match(3)])
        assert store.next_match() == 4
        assert [lease.match for lease in store.lease("a", 2, 10.0)] == [a_match(1), a_match(2)]
        assert [lease.match for lease in store.lease("b", 2, 10.0)] == [a_match(3)]
        assert store.lease("c", 2, 10.0) == []
        assert store.lease("c", 0, 10.0) == []

    def test_offered_twice_it_is_there_once(self, store: Store) -> None:
        store.offer([a_match(1), a_match(2)])
        (lease,) = store.lease("a", 1, 10.0)
        store.report([outcome_of(lease)])
        store.offer([a_match(1), a_match(2), a_match(3)])
        assert store.counts() == MatchCounts(ready=2, leased=0, parked=0, done=1, refused=0)

    def test_an_id_that_was_passed_over_is_refused_with_all_that_came_along(self, store: Store) -> None:
        store.offer([a_match(5)])
        with pytest.raises(StoreError, match="match 4 is not new: the next one is 7"):
            store.offer([a_match(6), a_match(4)])
        assert [match.id for match in store.open_matches()] == [5]
        assert store.next_match() == 6


class TestReport:
    def test_it_counts_once_however_often_it_is_sent(self, store: Store) -> None:
        store.offer([a_match(1)])
        (lease,) = store.lease("a", 1, 10.0)
        assert store.report([outcome_of(lease)]) == [Verdict.ACCEPTED]
        assert store.report([outcome_of(lease), outcome_of(lease)]) == [Verdict.REPEATED] * 2
        (logged,) = store.results(after=0)
        assert (logged.seq, logged.match, logged.outcome) == (1, a_match(1), an_outcome(1))
        assert store.open_matches() == []
        assert store.counts() == MatchCounts(ready=0, leased=0, parked=0, done=1, refused=0)

    def test_a_contradicting_report_is_kept_and_not_counted(self, store: Store) -> None:
        store.offer([a_match(1)])
        (lease,) = store.lease("a", 1, 10.0)
        store.report([outcome_of(lease, wins=2)])
        for _ in range(2):
            assert store.report([outcome_of(lease, wins=3)]) == [Verdict.CONFLICT]
        assert store.refused() == [outcome_of(lease, wins=3)]
        assert store.counts().refused == 1
        assert [result.outcome for result in store.results(0)] == [outcome_of(lease, wins=2)]

    def test_a_late_report_of_an_earlier_attempt_is_stale(self, store: Store) -> None:
        store.offer([a_match(1)])
        (early,) = store.lease("a", 1, deadline=10.0)
        store.expire(now=11.0)
        assert store.report([outcome_of(early)]) == [Verdict.STALE]  # offered again
        (late,) = store.lease("b", 1, deadline=20.0)
        assert late.attempt == 2
        assert store.report([outcome_of(early)]) == [Verdict.STALE]  # leased by another
        assert store.report([outcome_of(late, wins=3)]) == [Verdict.ACCEPTED]
        assert store.report([outcome_of(early)]) == [Verdict.STALE]  # done by another
        assert store.refused() == []
        assert [result.outcome.attempt for result in store.results(0)] == [2]

    def test_a_match_that_nobody_leases_cannot_be_reported(self, store: Store) -> None:
        store.offer([a_match(1)])
        assert store.report([an_outcome(1)]) == [Verdict.STALE]
        assert store.report([an_outcome(2)]) == [Verdict.UNKNOWN]
        assert store.results(0) == []

    def test_nothing_to_report(self, store: Store) -> None:
        assert store.report([]) == []

    def test_a_long_batch_gets_its_verdicts_in_order(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(store_module, "REPORTS_AT_ONCE", 3)
        store.offer([a_match(id) for id in range(1, 9)])
        leases = store.lease("a", 8, 10.0)
        outcomes = [outcome_of(lease) for lease in leases]
        store.report([outcomes[4]])
        expected = [Verdict.ACCEPTED] * 8
        expected[4] = Verdict.REPEATED
        assert store.report(outcomes) == expected

    def test_contradictions_that_are_kept_are_bounded(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(store_module, "REFUSED_KEPT", 2)
        store.offer([a_match(1)])
        (lease,) = store.lease("a", 1, 10.0)
        store.report([outcome_of(lease, wins) for wins in (2, 0, 1, 3)])
        assert store.refused() == [outcome_of(lease, wins) for wins in (1, 3)]
        assert store.counts().done == 1

    def test_scripts_are_sent_again_to_a_server_that_forgot_them(self, store: Store) -> None:
        store.offer([a_match(1), a_match(2)])
        leases = store.lease("a", 2, 10.0)
        store.report([outcome_of(leases[0])])
        store._connection.client.script_flush()
        assert store.report([outcome_of(lease) for lease in leases]) == [Verdict.REPEATED, Verdict.ACCEPTED]
        store._connection.client.script_flush()
        store.offer([a_match(3)])
        assert store.counts().ready == 1


class TestWithdraw:
    def test_what_is_withdrawn_counts_no_more_wherever_it_was(self, store: Store) -> None:
        store.offer([a_match(id) for id in (1, 2, 3, 4, 5)])
        done, leased = store.lease("a", 2, deadline=10.0)
        store.report([outcome_of(done)])
        for _ in range(3):
            store.lease("b", 1, deadline=20.0)
            store.fail(3, store.open_matches()[1].attempt, "it failed")
        assert store.withdraw([1, 2, 3, 4]) == 3
        assert [match.id for match in store.open_matches()] == [5]
        assert store.counts() == MatchCounts(ready=1, leased=0, parked=0, done=1, refused=0)
        assert store.report([outcome_of(leased)]) == [Verdict.STALE]
        store.fail(2, 1, "too late")
        store.renew("a", 30.0)
        assert store.expire(now=40.0) == Expired([], [])
        assert store.withdraw([1, 2, 3, 4]) == 0
        assert [lease.match.id for lease in store.lease("c", 5, 50.0)] == [5]
        assert [result.match.id for result in store.results(0)] == [1]

    def test_ids_are_not_given_again(self, store: Store) -> None:
        store.offer([a_match(1), a_match(2)])
        store.withdraw([1, 2])
        assert store.next_match() == 3
        with pytest.raises(StoreError, match="match 2 is not new: the next one is 3"):
            store.offer([a_match(2)])


class TestLeases:
    def test_one_that_ran_out_is_offered_again_first(self, store: Store) -> None:
        store.offer([a_match(id) for id in (1, 2, 3, 4)])
        store.lease("a", 2, deadline=10.0)
        store.lease("b", 1, deadline=30.0)
        assert store.expire(now=9.0) == Expired([], [])
        assert store.expire(now=10.0) == Expired(reoffered=[1, 2], parked=[])
        first, second, third, fourth = store.open_matches()
        assert (first.state, first.attempt, first.failures, first.owner) == (MatchState.READY, 2, 1, None)
        assert first.why == "the lease of a ran out"
        assert first.deadline is None
        assert second.state == MatchState.READY
        assert (third.state, third.owner, third.deadline) == (MatchState.LEASED, "b", 30.0)
        assert (fourth.state, fourth.attempt) == (MatchState.READY, 1)
        again = store.lease("c", 3, deadline=40.0)
        assert [(lease.match.id, lease.attempt) for lease in again] == [(1, 2), (2, 2), (4, 1)]

    def test_after_three_failures_it_is_parked(self, store: Store) -> None:
        store.offer([a_match(1)])
        for attempt in (1, 2, 3):
            (lease,) = store.lease("a", 1, deadline=10.0)
            assert lease.attempt == attempt
            parked = attempt == 3
            assert store.expire(now=11.0) == Expired([] if parked else [1], [1] if parked else [])
        assert store.lease("a", 1, deadline=10.0) == []
        (match,) = store.open_matches()
        assert (match.state, match.failures) == (MatchState.PARKED, 3)
        assert store.counts() == MatchCounts(ready=0, leased=0, parked=1, done=0, refused=0)
        assert store.report([an_outcome(1, attempt=3)]) == [Verdict.STALE]

    def test_an_actor_that_fails_says_why(self, store: Store) -> None:
        store.offer([a_match(1)])
        for attempt in (1, 2, 3):
            store.lease("a", 1, deadline=10.0)
            for _ in range(2):  # said twice, it counts once
                store.fail(1, attempt, f"reward is NaN in attempt {attempt}")
        (match,) = store.open_matches()
        assert (match.state, match.why) == (MatchState.PARKED, "reward is NaN in attempt 3")

    def test_to_fail_what_is_not_leased_changes_nothing(self, store: Store) -> None:
        store.offer([a_match(1)])
        before = store.open_matches()
        store.fail(1, 1, "not mine")
        store.fail(7, 1, "not there")
        assert store.open_matches() == before

    def test_who_lost_a_lease_cannot_fail_it_for_the_next(self, store: Store) -> None:
        store.offer([a_match(1)])
        store.lease("a", 1, deadline=10.0)
        store.expire(now=11.0)
        store.lease("b", 1, deadline=20.0)
        before = store.open_matches()
        store.fail(1, 1, "too late")
        assert store.open_matches() == before

    def test_renewing_moves_own_deadlines_and_only_forward(self, store: Store) -> None:
        store.offer([a_match(1), a_match(2)])
        store.lease("a", 1, deadline=10.0)
        store.lease("b", 1, deadline=10.0)
        store.renew("a", 20.0)
        store.renew("a", 15.0)
        assert [match.deadline for match in store.open_matches()] == [20.0, 10.0]
        assert store.expire(now=12.0).reoffered == [2]

    @pytest.mark.parametrize(("failed", "failures", "why"), [(False, 0, ""), (True, 1, "a died")])
    def test_an_owner_that_is_gone_gives_everything_back(
        self, store: Store, failed: bool, failures: int, why: str
    ) -> None:
        store.offer([a_match(1), a_match(2), a_match(3)])
        (late,) = store.lease("a", 1, deadline=10.0)
        store.lease("b", 1, deadline=10.0)
        store.lease("a", 1, deadline=10.0)
        store.heartbeat("a", {"matches": 2})
        store.heartbeat("b", {"matches": 1})
        assert store.release("a", failed=failed) == [1, 3]
        assert store.actors() == {"b": {"matches": 1}}
        first = store.open_matches()[0]
        assert (first.attempt, first.failures, first.why) == (2, failures, why)
        assert [match.owner for match in store.open_matches()] == [None, "b", None]
        assert store.report([outcome_of(late)]) == [Verdict.STALE]

    def test_leaving_never_parks_a_match(self, store: Store) -> None:
        store.offer([a_match(1)])
        for attempt in range(1, 6):
            assert [lease.attempt for lease in store.lease("a", 1, deadline=10.0)] == [attempt]
            assert store.release("a") == [1]

    @pytest.mark.parametrize("time", [float("nan"), float("inf")])
    def test_a_deadline_is_a_time(self, store: Store, time: float) -> None:
        store.offer([a_match(1)])
        with pytest.raises(StoreError, match="must be finite seconds"):
            store.lease("a", 1, time)
        assert store.counts().ready == 1
