"""PSRO: mixtures of the past, and the matches that fill their payoff."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from league.ledger import Ledger
from league.matchmaking import FillPayoff, MetaStrategy, Psro
from league.matchmaking.psro import population
from league.players import LeagueError, Player, Purpose, Role
from league.view import LeagueView
from tests.league.leagues import agrees, frequencies, make_view

BIASED_RPS = [[0.5, 0.0, 1.0], [1.0, 0.5, 0.25], [0.0, 0.75, 0.5]]
"""Rock, paper, scissors, where scissors beat paper only three times out of four."""
NASH = [0.2, 0.4, 0.4]


def three(past: int = 3, **live: float) -> LeagueView:
    """`main` with three snapshots that beat each other in a circle."""
    ledger = Ledger()
    for one in range(3):
        for other in range(one):
            rate = BIASED_RPS[one][other]
            ledger.tally.record(f"main@{one}", f"main@{other}", 400 * rate, 0, 400 * (1 - rate))
    rates = {name.replace("main_", "main@"): rate for name, rate in live.items()}
    return make_view([Player("main", generation=past)], ledger=ledger, win_rates={"main": rates})


@pytest.mark.parametrize(
    ("strategy", "mixture", "tolerance"),
    [
        (MetaStrategy.UNIFORM, [1 / 3] * 3, 1e-12),
        (MetaStrategy.NASH, NASH, 1e-9),
        (MetaStrategy.PROJECTED_REPLICATOR, NASH, 0.03),
        (MetaStrategy.REGRET_MATCHING, NASH, 0.01),
        (MetaStrategy.RECTIFIED, NASH, 1e-9),
    ],
)
def test_mixtures(strategy: MetaStrategy, mixture: list[float], tolerance: float) -> None:
    view = three()
    reason = Psro(strategy, 32)(view, view.players["main"], np.random.default_rng(0)).reason["draws"][
        "second"
    ]
    assert reason["names"] == ["main@0", "main@1", "main@2"]
    np.testing.assert_allclose(reason["probabilities"], mixture, atol=tolerance)


def test_alpha_rank_spends_its_time_with_who_takes_over() -> None:
    ledger = Ledger()
    ledger.tally.record("main@1", "main@0", 400, 0, 0)
    view = make_view([Player("main", generation=2)], ledger=ledger)
    reason = Psro(MetaStrategy.ALPHA_RANK, 32)(view, view.players["main"], np.random.default_rng(0)).reason
    assert reason["draws"]["second"]["probabilities"][1] > 0.99


@pytest.mark.parametrize(
    ("rates", "mixture"),
    [
        ({"main_0": 0.9, "main_1": 0.4, "main_2": 0.5}, [1 / 3, 0.0, 2 / 3]),
        ({"main_0": 0.9, "main_1": 0.5, "main_2": 0.1}, [1 / 3, 2 / 3, 0.0]),
        ({"main_0": 0.1, "main_1": 0.1, "main_2": 0.1}, NASH),
    ],
)
def test_rectified_meets_only_whom_it_does_not_lose_to(rates: dict[str, float], mixture: list[float]) -> None:
    view = three(**rates)
    main = view.players["main"]
    chances = {f"main@{g}": chance for g, chance in enumerate(mixture) if chance}
    counts = frequencies(Psro(MetaStrategy.RECTIFIED, 32), view, main, "second", 0, 2000)
    assert agrees(counts, chances), counts


def test_a_new_result_changes_the_mixture() -> None:
    view = three()
    rule, main = Psro(MetaStrategy.NASH, 32), view.players["main"]
    before = rule(view, main, np.random.default_rng(0)).reason["draws"]["second"]["probabilities"]
    view.ledger.tally.record("main@2", "main@1", 4000, 0, 0)
    after = rule(view, main, np.random.default_rng(0)).reason["draws"]["second"]["probabilities"]
    np.testing.assert_allclose(before, NASH, atol=1e-9)
    assert abs(after[0] - 1 / 3) < 0.03


def test_the_population_is_the_newest_and_whoever_never_changes() -> None:
    players = [Player("main", generation=9), Player("bot", Role.SCRIPTED), Player("tutor", Role.PRETRAINED)]
    view = make_view(players)
    names = [view.opponents[index] for index in population(view, "second", 2)]
    assert names == ["main@7", "main@8", "bot", "tutor"]


@pytest.mark.parametrize("strategy", MetaStrategy)
def test_where_two_teams_differ_each_has_its_population(strategy: MetaStrategy) -> None:
    wolf, sheep = Player("wolf", team="hunters", generation=2), Player("sheep", team="prey", generation=3)
    view = make_view([wolf, sheep], ("hunters", "prey"), symmetric=False)
    for hunter in range(2):  # sheep@1 loses to nobody
        view.ledger.tally.record(f"wolf@{hunter}", "sheep@1", 0, 0, 400)
        for other in (0, 2):
            view.ledger.tally.record(f"wolf@{hunter}", f"sheep@{other}", 400, 0, 0)
    proposal = Psro(strategy, 32)(view, wolf, np.random.default_rng(0))
    reason = proposal.reason["draws"]["prey"]
    assert reason["names"] == ["sheep@0", "sheep@1", "sheep@2"]
    assert proposal.teams["hunters"] == "wolf"
    if strategy is not MetaStrategy.UNIFORM:
        assert reason["probabilities"][1] > 0.9
    other = Psro(strategy, 32)(view, sheep, np.random.default_rng(0))
    assert other.reason["draws"]["hunters"]["names"] == ["wolf@0", "wolf@1"]
    assert sum(other.reason["draws"]["hunters"]["probabilities"]) == pytest.approx(1.0)


def test_three_teams_that_differ_have_no_table() -> None:
    players = [Player(team, team=team, generation=1) for team in ("a", "b", "c")]
    view = make_view(players, ("a", "b", "c"), symmetric=False)
    with pytest.raises(LeagueError, match="for teams alike, but a, b, c differ"):
        Psro(MetaStrategy.NASH, 4)(view, players[0], np.random.default_rng(0))


class TestFillPayoff:
    """Evaluation matches for the table."""

    def test_the_least_known_pair_comes_most(self) -> None:
        view = three()
        main = Player("main", generation=4)
        view = make_view([main], ledger=view.ledger)  # main@3 is new, and met nobody
        generator = np.random.default_rng(0)
        rule = FillPayoff(32)
        proposals = [p for _ in range(400) if (p := rule(view, generator)) and "games" in p.reason]
        counts = Counter(frozenset(p.teams.values()) for p in proposals)
        new = sum(count for pair, count in counts.items() if "main@3" in pair)
        assert new > 0.95 * len(proposals)
        assert all(len(pair) == 2 and "main" not in pair for pair in counts)
        assert {p.purpose for p in proposals} == {Purpose.EVALUATE}
        assert 0.65 * 400 < len(proposals) < 0.85 * 400, "three quarters fill the payoff"

    def test_the_others_are_rated_too(self) -> None:
        view = make_view([Player("main", generation=2)], scripted=("random",))
        generator, rule = np.random.default_rng(1), FillPayoff(32)
        met = {name for _ in range(200) if (p := rule(view, generator)) for name in p.teams.values()}
        assert met == {"main", "main@0", "main@1", "random"}

    def test_there_may_be_nobody_to_compare(self) -> None:
        rule, generator = FillPayoff(32), np.random.default_rng(0)
        assert rule(make_view([Player("main")]), generator) is None
        one_team = make_view([Player("main", generation=2)], ("all",))
        assert any(rule(one_team, generator) for _ in range(20))
