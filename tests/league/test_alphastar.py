"""AlphaStar's roles, by the paper and by the pseudocode, on tables of states."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from league.matchmaking import AlphaStar, AlphaStarPseudocode
from league.matchmaking.alphastar import without_monotone_suffix
from league.players import Player
from league.view import LeagueView
from tests.league.leagues import Fixed, agrees, alphastar_players, frequencies, make_view

PAPER, PSEUDOCODE = AlphaStar(), AlphaStarPseudocode()
MAINS = {f"main@{g}" for g in range(3)}
EXPLOITERS = {f"exploiter@{g}" for g in range(3)}
EVERYONE = {f"{name}@{g}" for name in ("main", "exploiter", "leaguer", "generic") for g in range(3)}
EVEN = dict.fromkeys(EVERYONE, 0.5)
BEATEN = dict.fromkeys(EVERYONE, 0.9)
Rates = dict[str, float]


def reached(rule: Any, view: LeagueView, player: Player, coin: float) -> tuple[str, set[str]]:
    """The branch at this coin, and everybody whom it may draw."""
    picks = np.linspace(0.0, 0.999, 200)
    proposals = [rule(view, player, Fixed(coin, 0.0, float(pick))) for pick in picks]
    (branch,) = {proposal.reason["branch"] for proposal in proposals}
    return branch, {proposal.teams["second"] for proposal in proposals}


@pytest.mark.parametrize(
    ("rule", "name", "coin", "rates", "branch", "opponents"),
    [
        # The paper's main: 35 % self-play, 50 % PFSP over all, 15 % the forgotten and main exploiters.
        (PAPER, "main", 0.0, EVEN, "self-play", {"main"}),
        (PAPER, "main", 0.349, EVEN, "self-play", {"main"}),
        (PAPER, "main", 0.351, EVEN, "pfsp, squared", EVERYONE),
        (PAPER, "main", 0.849, EVEN, "pfsp, squared", EVERYONE),
        (PAPER, "main", 0.849, EVEN | {"main@0": 1.0}, "pfsp, squared", EVERYONE - {"main@0"}),
        (PAPER, "main", 0.851, EVEN, "forgotten and exploiters, squared", EXPLOITERS),
        (PAPER, "main", 0.851, EVEN | {"main@0": 0.2, "main@1": 0.6},
         "forgotten and exploiters, squared", EXPLOITERS | {"main@0"}),
        # A tail that falls was not forgotten: main@2 is new, not lost.
        (PAPER, "main", 0.851, EVEN | {"main@0": 0.8, "main@1": 0.6, "main@2": 0.3},
         "forgotten and exploiters, squared", EXPLOITERS),
        # The paper's main exploiter: half of the time the main, unless it is too strong.
        (PAPER, "exploiter", 0.49, EVEN, "curriculum over the mains' past, variance", MAINS),
        (PAPER, "exploiter", 0.51, EVEN, "the current main", {"main"}),
        (PAPER, "exploiter", 0.51, EVEN | {"main": 0.21}, "the current main", {"main"}),
        (PAPER, "exploiter", 0.51, EVEN | {"main": 0.19}, "curriculum over the mains' past, variance", MAINS),
        (PAPER, "exploiter", 0.49, EVEN | {"main@0": 0.0, "main@1": 1.0},
         "curriculum over the mains' past, variance", {"main@2"}),
        (PAPER, "leaguer", 0.0, EVEN, "pfsp, linear capped", EVERYONE),
        (PAPER, "leaguer", 0.99, EVEN | {"generic@0": 1.0}, "pfsp, linear capped", EVERYONE - {"generic@0"}),
        (PAPER, "generic", 0.5, EVEN, "pfsp, linear", EVERYONE),
        # The pseudocode's main: 0.5 PFSP, 0.15 verification, else self-play.
        (PSEUDOCODE, "main", 0.0, EVEN, "pfsp, squared", EVERYONE),
        (PSEUDOCODE, "main", 0.499, EVEN, "pfsp, squared", EVERYONE),
        (PSEUDOCODE, "main", 0.501, EVEN | {"exploiter@1": 0.29}, "verification against exploiters, squared",
         EXPLOITERS),
        (PSEUDOCODE, "main", 0.649, BEATEN | {"main@0": 0.6, "main@1": 0.8},
         "verification against the past, squared", MAINS),
        (PSEUDOCODE, "main", 0.649, BEATEN | {"main@0": 0.6, "main@1": 0.8, "main@2": 0.7},
         "verification against the past, squared", {"main@0", "main@1"}),
        (PSEUDOCODE, "main", 0.649, BEATEN | {"main@0": 0.8, "main@1": 0.6, "main@2": 0.4},
         "self-play", {"main"}),
        (PSEUDOCODE, "main", 0.649, BEATEN | {"main@0": 0.71, "main@1": 0.9}, "self-play", {"main"}),
        (PSEUDOCODE, "main", 0.649, EVEN | {"exploiter@1": 0.31}, "self-play", {"main"}),
        (PSEUDOCODE, "main", 0.651, EVEN | {"exploiter@1": 0.1}, "self-play", {"main"}),
        (PSEUDOCODE, "exploiter", 0.0, EVEN, "the current main", {"main"}),
        (PSEUDOCODE, "exploiter", 0.9, EVEN | {"main": 0.11}, "the current main", {"main"}),
        (PSEUDOCODE, "exploiter", 0.9, EVEN | {"main": 0.1}, "curriculum over a main's past, variance",
         MAINS),
        (PSEUDOCODE, "leaguer", 0.9, EVEN, "pfsp, linear capped", EVERYONE),
        (PSEUDOCODE, "generic", 0.0, EVEN, "pfsp, linear", EVERYONE),
    ],
)  # fmt: skip
def test_role(rule: Any, name: str, coin: float, rates: Rates, branch: str, opponents: set[str]) -> None:
    view = make_view(alphastar_players(3), win_rates={name: rates})
    assert reached(rule, view, view.players[name], coin) == (branch, opponents)


@pytest.mark.parametrize(
    ("rates", "kept"),
    [
        ([], []),
        ([0.5], []),
        ([0.9, 0.7, 0.5], []),
        ([0.5, 0.5], []),
        ([0.5, 0.7], [0.5, 0.7]),
        ([0.9, 0.3, 0.6, 0.6, 0.2], [0.9, 0.3, 0.6]),
        ([0.1, 0.2, 0.3], [0.1, 0.2, 0.3]),
    ],
)
def test_monotone_suffix(rates: list[float], kept: list[float]) -> None:
    assert without_monotone_suffix(np.array(rates)).tolist() == kept


@pytest.mark.parametrize("rule", [PAPER, PSEUDOCODE])
@pytest.mark.parametrize("coin", [0.0, 0.4, 0.6, 0.9])
@pytest.mark.parametrize("name", ["main", "exploiter", "leaguer", "generic"])
def test_without_a_past_everybody_meets_somebody_live(rule: Any, name: str, coin: float) -> None:
    """`min()` over no snapshots, as at the start of the pseudocode's league."""
    view = make_view(alphastar_players(0))
    proposal = rule(view, view.players[name], Fixed(coin, 0.0))
    assert proposal.teams["second"] in view.players


def test_frequencies_of_a_main() -> None:
    main = Player("main", generation=2)
    view = make_view([main], win_rates={"main": {"main@0": 0.0, "main@1": 0.5}})
    # main@0 was forgotten, for main@1 was beaten more often: the 15 % are all its own.
    chances = {"main": 0.35, "main@0": 0.5 * 0.8 + 0.15, "main@1": 0.5 * 0.2}
    assert agrees(counts := frequencies(PAPER, view, main, "second", 0, 3000), chances), counts
    view = make_view([main], win_rates={"main": {"main@0": 0.0, "main@1": 0.5}})
    chances = {"main": 0.35, "main@0": 0.65 * 0.8, "main@1": 0.65 * 0.2}
    assert agrees(counts := frequencies(PSEUDOCODE, view, main, "second", 0, 3000), chances), counts


def test_a_main_that_loses_to_another_meets_its_past() -> None:
    players = [Player("main", generation=2), Player("main-2", generation=2)]
    view = make_view(players, win_rates={"main": {"main-2": 0.3}})
    seen = {
        PSEUDOCODE(view, players[0], Fixed(0.9, 0.9, pick)).teams["second"] for pick in (0.0, 0.4, 0.6, 0.9)
    }
    assert seen == {"main-2@0", "main-2@1"}
    assert PSEUDOCODE(view, players[0], Fixed(0.9, 0.1)).teams["second"] == "main"
    view = make_view(players, win_rates={"main": {"main-2": 0.31}})
    assert PSEUDOCODE(view, players[0], Fixed(0.9, 0.9)).reason["branch"] == "the current main"


@pytest.mark.parametrize("rule", [PAPER, PSEUDOCODE])
def test_where_teams_differ_roles_meet_the_other_teams(rule: Any) -> None:
    view = make_view(alphastar_players(2, wolf="hunters", sheep="prey"), ("hunters", "prey"), symmetric=False)
    for name in ("wolf-main", "wolf-exploiter", "wolf-leaguer"):
        player, generator = view.players[name], np.random.default_rng(0)
        proposals = [rule(view, player, generator) for _ in range(200)]
        assert {proposal.teams["hunters"] for proposal in proposals} == {name}
        met = {proposal.teams["prey"] for proposal in proposals}
        live = {identity for identity in met if "@" not in identity}
        assert all(identity.startswith("sheep-") for identity in met)
        assert live == (set() if name == "wolf-leaguer" else {"sheep-main"})


def test_what_an_exploiter_won_before_its_reset_says_nothing() -> None:
    players = alphastar_players(3)
    view = make_view(players, win_rates={"exploiter": {"main": 0.05}})
    exploiter = Player("exploiter", players[1].role, generation=3)
    assert PSEUDOCODE(view, exploiter, Fixed(0.0)).teams["second"] == "main@0"
    anew = Player("exploiter", players[1].role, generation=3, reset_at=3)
    assert PSEUDOCODE(view, anew, Fixed(0.0)).teams["second"] == "main"
    view.ledger.tally.record("exploiter@2", "main@3", 100, 0, 0)
    view.ledger.tally.record("exploiter@3", "main@3", 2, 0, 98)
    assert view.win_rates(anew, ["main", "main@0"]).tolist() == [0.02, 0.5]
    assert PSEUDOCODE(view, anew, Fixed(0.0)).teams["second"] == "main@0"
