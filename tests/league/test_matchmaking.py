"""Who meets whom: the rules' branches, their frequencies, and their reasons."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from league.codec import from_json, to_json
from league.config import META_STRATEGIES, WEIGHTINGS, LeagueConfig
from league.ledger import Ledger
from league.matchmaking import (
    AlphaStar,
    AlphaStarPseudocode,
    Evaluation,
    Fictitious,
    FillPayoff,
    MetaStrategy,
    OpenAIFive,
    Population,
    Prioritised,
    Psro,
    SelfPlay,
    Weighting,
    evaluator,
    make_match,
    matchmaker,
)
from league.players import LeagueError, Match, Player, Purpose, Role
from tests.league.leagues import agrees, frequencies, make_view


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    ("rule", "chances"),
    [
        (SelfPlay(0.6), {"main": 0.6, **{f"main@{g}": 0.1 for g in range(4)}}),
        (SelfPlay(0.6, window=2), {"main": 0.6, "main@2": 0.2, "main@3": 0.2}),
        (
            Population(0.6),
            {"main": 0.3, **{f"main@{g}": 0.05 for g in range(4)}, "rival": 0.3, "rival@0": 0.2},
        ),
        (Population(1.0), {"main": 0.5, "rival": 0.5}),
    ],
)
def test_opponents_come_as_often_as_the_rule_says(rule: Any, chances: dict[str, float], seed: int) -> None:
    main = Player("main", generation=4)
    view = make_view([main, Player("rival", generation=1)])
    counts = frequencies(rule, view, main, "second", seed, 3000)
    assert agrees(counts, chances), counts


@pytest.mark.parametrize("rule", [SelfPlay(0.5), Population(0.5)])
def test_players_bound_to_teams_meet_the_other_teams(rule: Any) -> None:
    wolf, sheep = Player("wolf", team="hunters", generation=3), Player("sheep", team="prey", generation=2)
    view = make_view([wolf, sheep], ("hunters", "prey"), symmetric=False)
    counts = frequencies(rule, view, sheep, "hunters", 3, 3000)
    assert agrees(counts, {"wolf": 0.5, "wolf@0": 1 / 6, "wolf@1": 1 / 6, "wolf@2": 1 / 6}), counts
    assert rule(view, sheep, np.random.default_rng(0)).teams["prey"] == "sheep"
    assert list(rule(view, sheep, np.random.default_rng(0)).teams) == ["hunters", "prey"]


def test_every_other_team_is_drawn_for_itself() -> None:
    main = Player("main", generation=1)
    view = make_view([main], ("a", "b", "c"))
    generator = np.random.default_rng(0)
    seen = Counter(tuple(SelfPlay(0.5)(view, main, generator).teams.values()) for _ in range(400))
    assert set(seen) == {("main", b, c) for b in ("main", "main@0") for c in ("main", "main@0")}


def test_a_game_of_one_team_is_played_alone() -> None:
    main = Player("main", generation=1)
    proposal = SelfPlay(0.5)(make_view([main], ("all",), symmetric=False), main, np.random.default_rng(0))
    assert proposal.teams == {"all": "main"}
    assert proposal.reason == {"rule": "self_play", "player": "main", "branch": "alone", "draws": {}}


def test_without_a_past_the_latest_is_played() -> None:
    main = Player("main")
    proposal = SelfPlay(0.0)(make_view([main]), main, np.random.default_rng(0))
    assert proposal.teams == {"first": "main", "second": "main"}
    assert proposal.reason["branch"] == "latest, for want of a past"


@pytest.mark.parametrize("past", [20, 21])
def test_the_reason_tells_the_draw(past: int) -> None:
    main = Player("main", generation=past)
    proposal = SelfPlay(0.0)(make_view([main]), main, np.random.default_rng(5))
    reason = proposal.reason["draws"]["second"]
    assert proposal.reason["rule"] == "self_play"
    assert reason["branch"] == proposal.reason["branch"] == "past"
    assert reason["candidates"] == past
    assert ("names" in reason) == (past <= 20)
    assert reason["probability"] == 1 / past
    assert reason["opponent"] == proposal.teams["second"] == f"main@{int(reason['pick'] * past)}"


def test_the_same_generator_makes_the_same_matches() -> None:
    main = Player("main", generation=50)
    view = make_view([main], scripted=("random",))

    def run() -> list[str]:
        generator = np.random.default_rng(9)
        proposals = [rule(view, main, generator) for rule in [SelfPlay(0.5), Population(0.5)] * 20]
        proposals += [Evaluation()(view, generator) for _ in range(20)]
        return [to_json(make_match(p, 1, 1, 1, view)) for p in proposals]

    assert run() == run()


def test_a_match_notes_which_generation_is_in_the_making() -> None:
    main = Player("main", generation=3)
    view = make_view([main], scripted=("random",))
    proposal = SelfPlay(0.0)(view, main, np.random.default_rng(0))
    match = make_match(proposal, id=7, episodes=64, seed=11, view=view)
    opponent = proposal.teams["second"]
    assert match.nodes == {"main": "main@3", opponent: opponent}
    assert (match.id, match.episodes, match.seed, match.purpose) == (7, 64, 11, Purpose.TRAIN)
    assert from_json(Match, to_json(match)) == match


def test_nobody_of_that_name_and_nobody_for_that_team() -> None:
    view = make_view([Player("main", generation=1)], scripted=("random",))
    with pytest.raises(LeagueError, match="nobody is called 'main@1'; did you mean 'main@0'"):
        view.node("main@1")
    assert [view.node(name) for name in ("main", "main@0", "random")] == ["main@1", "main@0", "random"]
    bound = Player("main", team="prey")
    view = make_view([bound], ("hunters", "prey"), symmetric=False)
    with pytest.raises(LeagueError, match="no learning player is bound to team 'hunters'"):
        SelfPlay(1.0)(view, bound, np.random.default_rng(0))
    with pytest.raises(
        LeagueError, match="player main is bound to team None, but the game has hunters, prey"
    ):
        SelfPlay(1.0)(view, Player("main"), np.random.default_rng(0))


def test_scripted_players_are_not_trained() -> None:
    view = make_view([Player("main"), Player("random", role=Role.SCRIPTED)])
    assert [player.name for player in view.learners] == ["main"]
    assert view.node("random") == "random"


def test_the_configuration_names_the_rule() -> None:
    assert matchmaker(LeagueConfig(latest_probability=0.3, window=4)) == SelfPlay(0.3, 4)
    population = LeagueConfig("population", ("a", "b"), 0.3, 4)
    assert matchmaker(population) == Population(0.3, 4)


@pytest.mark.parametrize(
    ("config", "rule"),
    [
        (LeagueConfig("fictitious", delta=0.5), Fictitious(0.5)),
        (LeagueConfig("pfsp", weighting="variance"), Prioritised(Weighting.VARIANCE, 0.8)),
        (LeagueConfig("openai_five", quality_step=0.1), OpenAIFive(0.8, 0.1)),
        (LeagueConfig("alphastar"), AlphaStar()),
        (LeagueConfig("alphastar_pseudocode"), AlphaStarPseudocode()),
        (LeagueConfig("psro", window=9, meta_strategy="uniform"), Psro(MetaStrategy.UNIFORM, 9)),
    ],
)
def test_every_rule_has_a_name(config: LeagueConfig, rule: Any) -> None:
    assert matchmaker(config) == rule
    assert evaluator(config) == (FillPayoff(9) if config.matchmaker == "psro" else Evaluation())


def test_every_name_in_the_configuration_is_one_that_the_rules_know() -> None:
    assert list(Weighting) == list(WEIGHTINGS)
    assert list(MetaStrategy) == list(META_STRATEGIES)


@pytest.mark.parametrize(
    ("delta", "past", "least"),
    [(0.0, 10, 0), (0.5, 10, 5), (0.9, 10, 9), (0.7, 10, 7), (1.0, 10, 9), (0.5, 1, 0), (0.3, 10, 3)],
)
def test_fictitious_play_leaves_out_the_oldest_share(delta: float, past: int, least: int) -> None:
    main = Player("main", generation=past)
    counts = frequencies(Fictitious(delta), make_view([main]), main, "second", 0, 2000)
    left = past - least
    assert agrees(counts, {f"main@{g}": 1 / left for g in range(least, past)}), counts


def test_fictitious_play_without_a_past_is_self_play() -> None:
    main = Player("main")
    proposal = Fictitious()(make_view([main]), main, np.random.default_rng(0))
    assert proposal.teams["second"] == "main"


class TestEvaluation:
    """Matches that only rate."""

    def test_even_pairs_with_few_games_come_most(self) -> None:
        main = Player("main", generation=3)
        ledger = Ledger(elo={"main@0": 1200.0, "main@1": 1200.0, "main@2": 2400.0, "main@3": 1200.0})
        ledger.tally.record("main@0", "main@1", 99, 0, 0)
        view, generator = make_view([main], ledger=ledger), np.random.default_rng(2)
        proposals = [Evaluation()(view, generator) for _ in range(400)]
        counts = Counter(frozenset(p.teams.values()) for p in proposals if p)
        # main@3 (live) is even with main@0 and main@1 and met neither; the other pairs are lopsided or known.
        even = counts[frozenset({"main", "main@0"})] + counts[frozenset({"main", "main@1"})]
        assert even > 0.95 * 400, counts
        assert all(
            p and p.purpose is Purpose.EVALUATE and 0 < p.reason["probability"] <= 1 for p in proposals
        )

    def test_who_is_hardly_known_comes_most_though_there_are_many_others(self) -> None:
        """A new generation among 300 that are well known: 1 of 45 000 pairs drawn blindly would have it."""
        main = Player("main", generation=300)
        view, generator = make_view([main]), np.random.default_rng(3)
        for older in range(299):
            view.ledger.tally.record(f"main@{older}", f"main@{older + 1}", 200, 0, 200)
        counts = Counter(
            name for _ in range(200) if (p := Evaluation()(view, generator)) for name in p.teams.values()
        )
        assert counts["main"] > 180, counts.most_common(3)

    def test_of_two_that_are_as_well_known_the_even_pairs_come_most(self) -> None:
        main = Player("main", generation=3)
        view, generator = make_view([main]), np.random.default_rng(3)
        view.ledger.elo = {"main@0": 800.0, "main@1": 1600.0, "main@2": 1600.0, "main@3": 800.0}
        counts = Counter(
            frozenset(p.teams.values()) for _ in range(400) if (p := Evaluation()(view, generator))
        )
        even = counts[frozenset({"main", "main@0"})] + counts[frozenset({"main@1", "main@2"})]
        assert even > 0.9 * 400

    def test_who_forfeited_thrice_comes_no_more(self) -> None:
        players = [Player("main", generation=1), Player("bad", Role.SCRIPTED)]
        for forfeits, met in ((2, True), (3, False)):
            view = make_view(players, ledger=Ledger(forfeits={"bad": forfeits}), scripted=("bad",))
            generator = np.random.default_rng(0)
            names = {n for _ in range(200) if (p := Evaluation()(view, generator)) for n in p.teams.values()}
            pfsp = frequencies(Prioritised(Weighting.SQUARED, 0.0), view, players[0], "second", 0, 200)
            assert ("bad" in names, "bad" in pfsp) == (met, met)
            assert view.node("bad") == "bad"

    def test_scripted_players_of_the_league_come_too_and_once(self) -> None:
        players = [Player("main"), Player("random", Role.SCRIPTED), Player("mcts:9", Role.SCRIPTED)]
        view, generator = make_view(players, scripted=("random",)), np.random.default_rng(0)
        seen = Counter(
            name for _ in range(300) if (p := Evaluation()(view, generator)) for name in p.teams.values()
        )
        assert agrees(seen, dict.fromkeys(["main", "random", "mcts:9"], 1 / 3)), seen

    def test_nobody_meets_itself(self) -> None:
        view, generator = make_view([Player("main", generation=1)]), np.random.default_rng(0)
        for _ in range(100):
            proposal = Evaluation()(view, generator)
            assert proposal is not None
            assert set(proposal.teams.values()) == {"main", "main@0"}

    def test_there_may_be_nobody_to_compare(self) -> None:
        assert Evaluation()(make_view([Player("main")]), np.random.default_rng(0)) is None

    def test_teams_keep_to_their_own(self) -> None:
        players = [Player("wolf", team="hunters", generation=2), Player("sheep", team="prey", generation=2)]
        view = make_view(players, ("hunters", "prey"), symmetric=False, scripted=("random",))
        generator = np.random.default_rng(1)
        seen = [Evaluation()(view, generator) for _ in range(200)]
        assert {p.teams["hunters"] for p in seen if p} == {"wolf", "wolf@0", "wolf@1", "random"}
        assert {p.teams["prey"] for p in seen if p} == {"sheep", "sheep@0", "sheep@1", "random"}

    def test_alone_the_least_played_comes_most(self) -> None:
        ledger = Ledger.from_json(
            Ledger()
            .to_json()
            .replace('"returns":{}', '"returns":{"main@0":[999,0.0,0.0],"main@1":[0,0.0,0.0]}')
        )
        view = make_view([Player("main", generation=1)], ("all",), ledger=ledger)
        generator = np.random.default_rng(1)
        counts = Counter(p.teams["all"] for _ in range(200) if (p := Evaluation()(view, generator)))
        assert counts["main"] > 190

    def test_three_teams_are_all_filled(self) -> None:
        view = make_view([Player("main", generation=2)], ("a", "b", "c"))
        proposal = Evaluation()(view, np.random.default_rng(0))
        assert proposal is not None
        assert list(proposal.teams) == ["a", "b", "c"]
