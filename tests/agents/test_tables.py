"""Tables: every episode that was begun counts once, whoever sits where."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from agents.tables import NOBODY, Seating, Table, TableResult
from envs.game import ArraySpec, Discrete, GameSpec


def spec(*teams: int, symmetric: bool = True) -> GameSpec:
    """A game of so many seats a team, the seats of a team side by side."""
    ends = np.cumsum(teams).tolist()
    return GameSpec(
        name="tables",
        seats=tuple(f"seat_{seat}" for seat in range(sum(teams))),
        teams={
            f"team_{i}": tuple(range(end - n, end))
            for i, (n, end) in enumerate(zip(teams, ends, strict=True))
        },
        observation=ArraySpec((1,), "float32"),
        actions=Discrete(2),
        slots=1,
        symmetric=symmetric,
    )


def table(key: int, *holders: str, episodes: int, learners: str = "") -> Table:
    return Table(key, holders, episodes, frozenset(learners.split()))


def seated(seating: Seating) -> list[list[str | None]]:
    """[C][S] identity in every seat."""
    return [
        [None if holder == NOBODY else seating.holders[holder][0] for holder in copy]
        for copy in seating.holder.tolist()
    ]


def play_out(seating: Seating, returns: list[float], seed: int) -> list[TableResult]:
    """All that waits, copies ending at random; the seats of every copy get `returns`."""
    generator, copies = np.random.default_rng(seed), len(seating.holder)
    beginning, results = np.arange(copies), []
    for _ in range(60):
        seating.take_seats(beginning)
        beginning = np.flatnonzero(generator.random(copies) < 0.5)
        n = len(beginning)
        results += seating.finish(beginning, np.tile(returns, (n, 1)), np.ones(n, int))
    return results


@pytest.mark.parametrize("seed", range(5))
def test_every_episode_counts_once_and_changes_no_seat_while_it_lasts(seed: int) -> None:
    generator = np.random.default_rng(seed)
    seating = Seating(spec(1, 1), copies=9)
    wanted = {key: int(generator.integers(1, 30)) for key in range(40)}
    for key, episodes in wanted.items():
        seating.open(table(key, f"home_{key}", f"away_{key}", episodes=episodes))
    beginning, begun, results = np.arange(9), Counter[int | None](), []
    playing: dict[int, tuple[int | None, list[str | None]]] = {}
    for _ in range(2000):
        seating.take_seats(beginning)
        for copy, who in enumerate(seated(seating)):
            key = seating.key_of(copy)
            if copy in beginning:
                playing[copy] = key, who
                begun[key] += 1
            assert playing[copy] == (key, who)
            assert set(who) == ({None} if key is None else {f"home_{key}", f"away_{key}"})
        beginning = np.flatnonzero(generator.random(9) < 0.4)
        results += seating.finish(beginning, np.zeros((len(beginning), 2)), np.full(len(beginning), 5))
        for copy in beginning:
            assert seating.key_of(int(copy)) is None
    del begun[None]
    assert begun == wanted
    assert {result.key: result.episodes for result in results} == wanted
    assert len(results) == len(wanted)
    for result in results:
        assert result.decisions == 5 * result.episodes
        assert sum(sum(counts) for _, _, *counts, _ in result.pairs) == result.episodes
        assert [episodes for _, episodes, _, _ in result.returns] == [result.episodes] * 2
    assert seating.backlog == 0


def test_backlog_is_what_nobody_has_begun() -> None:
    seating = Seating(spec(1, 1), copies=4)
    seating.open(table(1, "a", "b", episodes=3))
    seating.open(table(2, "a", "b", episodes=6))
    assert seating.backlog == 9
    seating.take_seats(np.arange(4))
    assert seating.backlog == 5
    assert [seating.key_of(copy) for copy in range(4)] == [1, 1, 1, 2]


def test_identities_of_a_symmetric_game_change_places_from_episode_to_episode() -> None:
    seating = Seating(spec(1, 1), copies=3)
    seating.open(table(0, "a", "b", episodes=5))
    seating.take_seats(np.arange(3))
    assert seated(seating) == [["a", "b"], ["b", "a"], ["a", "b"]]
    seating.finish(np.array([0, 2]), np.zeros((2, 2)), np.ones(2, int))
    seating.take_seats(np.array([0, 2]))
    assert seated(seating) == [["b", "a"], ["b", "a"], ["a", "b"]]


def test_identities_of_another_game_keep_their_teams() -> None:
    seating = Seating(spec(2, 1, symmetric=False), copies=3)
    seating.open(table(0, "pair", "lone", episodes=9))
    seating.take_seats(np.arange(3))
    assert seated(seating) == [["pair", "pair", "lone"]] * 3


def test_results_are_told_by_who_sat_first() -> None:
    """The first seat always wins 2 to -1, except that copy 2 draws."""
    seating = Seating(spec(1, 1), copies=4)
    seating.open(table(7, "a", "b", episodes=10))
    results = []
    for copies in ([0, 1, 2, 3], [0, 1, 3], [1, 2, 3]):
        seating.take_seats(np.array(copies))
        got = np.array([[0.5, 0.5] if copy == 2 else [2.0, -1.0] for copy in copies])
        results += seating.finish(np.array(copies), got, np.full(len(copies), 4))
    (result,) = results
    assert result == TableResult(
        key=7,
        episodes=10,
        decisions=40,
        # a sat first in episodes 0, 2, 4, 6, 8; copy 2 played episodes 2 and 8.
        # A win is by 1.5, half of what 2 is above -1.
        pairs=(("a", "b", 3, 2, 0, 3 * 1.5), ("b", "a", 5, 0, 0, 5 * 1.5)),
        returns=(("a", 10, 3 * 2.0 + 2 * 0.5 - 5.0, 3 * 4.0 + 2 * 0.25 + 5.0),
                 ("b", 10, 5 * 2.0 + 2 * 0.5 - 3.0, 5 * 4.0 + 2 * 0.25 + 3.0)),
        # Of each pair a won one and lost one, but that it drew instead of winning in episodes 2 and 8.
        swapped=(0, 2, 3, 0, 0),
    )  # fmt: skip


def test_an_identity_against_itself_is_counted_by_seat() -> None:
    seating = Seating(spec(1, 1), copies=2)
    seating.open(table(0, "main", "main", episodes=4, learners="main"))
    (result,) = play_out(seating, [1.0, -1.0], seed=0)
    assert result.pairs == (("main", "main", 2, 0, 0, 2.0), ("main", "main", 2, 0, 0, 2.0))
    assert result.returns == (("main", 4, 0.0, 4.0), ("main", 4, 0.0, 4.0))
    assert seating.holders == [("main", True)]


def test_a_teams_return_is_the_mean_over_its_seats() -> None:
    seating = Seating(spec(2, 2), copies=1)
    seating.open(table(0, "a", "b", episodes=1))
    seating.take_seats(np.array([0]))
    (result,) = seating.finish(np.array([0]), np.array([[5.0, 0.0, 2.0, 2.0]]), np.array([1]))
    assert result.pairs == (("a", "b", 1, 0, 0, 0.25),)
    assert result.returns == (("a", 1, 2.5, 6.25), ("b", 1, 2.0, 4.0))


def test_three_teams_go_round_and_every_pair_is_counted() -> None:
    """Team t gets t in every game."""
    seating = Seating(spec(1, 2, 1), copies=1)
    seating.open(table(0, "a", "b", "c", episodes=5))
    turns, results = [], []
    for _ in range(5):
        seating.take_seats(np.array([0]))
        turns.append("".join(str(who) for who in seated(seating)[0]))
        results += seating.finish(np.array([0]), np.array([[0.0, 1.0, 1.0, 2.0]]), np.array([1]))
    assert turns == ["abbc", "bcca", "caab", "abbc", "bcca"]
    (result,) = results
    assert result.pairs == (
        ("a", "b", 0, 0, 2, -1.0), ("a", "c", 0, 0, 2, -2.0), ("b", "c", 0, 0, 2, -1.0),
        ("b", "c", 0, 0, 2, -1.0), ("b", "a", 0, 0, 2, -2.0), ("c", "a", 0, 0, 2, -1.0),
        ("c", "a", 0, 0, 1, -0.5), ("c", "b", 0, 0, 1, -1.0), ("a", "b", 0, 0, 1, -0.5),
    )  # fmt: skip
    assert result.returns == (("a", 5, 5.0, 9.0), ("b", 5, 4.0, 6.0), ("c", 5, 6.0, 10.0))
    # By holder: whoever sits in the last team comes first.
    assert result.places == ((2, 1, 0), (0, 2, 1), (1, 0, 2), (2, 1, 0), (0, 2, 1))


def test_who_shares_a_place_pushes_the_next_back_and_two_teams_have_none() -> None:
    seating = Seating(spec(1, 1, 1, 1, symmetric=False), copies=2)
    seating.open(table(0, "a", "b", "c", "d", episodes=2))
    seating.take_seats(np.arange(2))
    got = np.array([[1.0, 3.0, 1.0, 0.0], [2.0, 2.0, 2.0, 2.0]])
    (result,) = seating.finish(np.arange(2), got, np.ones(2, int))
    assert result.places == ((1, 0, 1, 3), (0, 0, 0, 0))
    two = Seating(spec(1, 1), copies=2)
    two.open(table(0, "a", "b", episodes=2))
    assert play_out(two, [1.0, 0.0], seed=0)[0].places == ()


def test_a_game_of_one_team_has_returns_and_no_pairs() -> None:
    seating = Seating(spec(2), copies=2)
    seating.open(table(0, "team", episodes=3))
    (result,) = play_out(seating, [1.0, 3.0], seed=1)
    assert result.pairs == ()
    assert result.returns == (("team", 3, 6.0, 12.0),)


def test_many_tables_at_once_and_places_used_again() -> None:
    """Far more than there is room for at first, three times over."""
    seating, results = Seating(spec(1, 1), copies=50), []
    for wave in range(3):
        for key in range(wave * 70, wave * 70 + 70):
            seating.open(table(key, "main", f"old_{key}", episodes=key % 5 + 1, learners="main"))
        results += play_out(seating, [1.0, -1.0], seed=wave)
        assert seated(seating) == [[None, None]] * 50
    assert sorted(result.key for result in results) == list(range(210))
    for result in results:
        assert result.episodes == result.decisions == result.key % 5 + 1
        first = (result.episodes + 1) // 2
        assert result.pairs[0] == ("main", f"old_{result.key}", first, 0, 0, first)
        assert sum(pair[2] for pair in result.pairs) == result.episodes


def test_learning_is_of_the_identity_at_its_table() -> None:
    seating = Seating(spec(1, 1), copies=3)
    seating.open(table(0, "main", "old", episodes=1, learners="main"))
    seating.open(table(1, "main", "old", episodes=1))
    seating.open(table(2, "other", "old", episodes=1, learners="other"))
    seating.take_seats(np.arange(3))
    learns = seating.holder == seating.index("main")
    assert learns.tolist() == [[True, False], [False, False], [False, False]]
    assert not (seating.holder == seating.index("old")).any()
    assert not (seating.holder == seating.index("absent")).any()


def test_clearing_sends_everybody_home() -> None:
    seating = Seating(spec(1, 1), copies=2)
    seating.open(table(0, "a", "b", episodes=9))
    seating.take_seats(np.arange(2))
    seating.clear()
    assert seating.backlog == 0
    assert seated(seating) == [[None, None]] * 2
    assert not seating.finish(np.arange(2), np.zeros((2, 2)), np.ones(2, int))
    seating.open(table(1, "b", "a", episodes=1))
    seating.take_seats(np.arange(2))
    assert seated(seating) == [["b", "a"], [None, None]]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("episodes", [1, 2, 9, 40])
def test_pairs_are_of_episodes_that_follow_each_other_whichever_ends_first(seed: int, episodes: int) -> None:
    """Two tables side by side, episodes that last at random, results at random; counted again by hand."""
    generator = np.random.default_rng(seed)
    seating = Seating(spec(1, 1), copies=7)
    for key in range(2):
        seating.open(table(key, "a", "b", episodes=episodes))
    begun, beginning, results = Counter[int](), np.arange(7), []
    episode: dict[int, tuple[int, int]] = {}
    halves = {(key, number): 0 for key in range(2) for number in range(episodes)}
    while len(results) < 2:
        seating.take_seats(beginning)
        for copy in beginning.tolist():
            if (key := seating.key_of(copy)) is not None:
                episode[copy] = key, begun[key]
                begun[key] += 1
        beginning = np.flatnonzero(generator.random(7) < 0.4)
        ahead = generator.integers(-1, 2, len(beginning))  # of the first seat
        for copy, lead in zip(beginning.tolist(), ahead.tolist(), strict=True):
            if copy in episode:
                key, number = episode.pop(copy)
                halves[key, number] = 1 + (lead if number % 2 == 0 else -lead)
        returns = np.stack([ahead, -ahead], axis=1).astype(float)
        results += seating.finish(beginning, returns, np.ones(len(beginning), int))
    for result in results:
        counted = Counter(
            halves[result.key, number] + halves[result.key, number + 1]
            for number in range(0, episodes - 1, 2)
        )
        assert result.swapped == tuple(counted[score] for score in range(5))


def test_nobody_changes_places_with_itself_or_where_teams_differ() -> None:
    for holders, symmetric, count in (
        (("a", "a"), True, 2),
        (("a", "b"), False, 2),
        (("a", "b", "c"), True, 3),
    ):
        seating = Seating(spec(*[1] * count, symmetric=symmetric), copies=4)
        seating.open(table(0, *holders, episodes=4))
        seating.take_seats(np.arange(4))
        (result,) = seating.finish(np.arange(4), np.zeros((4, count)), np.ones(4, int))
        assert result.swapped == ()
