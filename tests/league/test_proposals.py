"""Whatever the league looks like, every rule proposes existing players in teams that they may play."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from league.codec import from_json, to_json
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
    Proposal,
    Psro,
    SelfPlay,
    Weighting,
    make_match,
)
from league.matchmaking.opponents import NAMED
from league.players import Match, Player, Purpose, Role
from league.view import LeagueView
from tests.league.leagues import make_view

RULES = [
    SelfPlay(0.5),
    Population(0.5),
    Fictitious(0.4),
    *(Prioritised(weighting, 0.2) for weighting in Weighting),
    OpenAIFive(0.5, 0.01),
    AlphaStar(),
    AlphaStarPseudocode(),
    *(Psro(strategy, 5) for strategy in MetaStrategy),
]
LEARNING = [role for role in Role if role.learns]


@st.composite
def leagues(draw: st.DrawFn) -> LeagueView:
    """Symmetric or not, one team to three, any roles, any results, all-or-nothing ones too."""
    symmetric = draw(st.booleans())
    teams = ("a", "b", "c")[: draw(st.integers(1, 3 if symmetric else 2))]
    bound = list(teams) if not symmetric and len(teams) > 1 else [None]
    players = [
        Player(
            f"{team or 'any'}-{index}",
            draw(st.sampled_from(LEARNING)),
            team,
            generation := draw(st.integers(0, 4)),
            reset_at=draw(st.integers(0, generation)),
        )
        for team in bound
        for index in range(draw(st.integers(1, 3)))
    ]
    fixed = draw(st.integers(0, 2))
    players += [Player("random", Role.SCRIPTED), Player("tutor", Role.PRETRAINED, bound[-1])][:fixed]
    view = make_view(players, teams, symmetric, ("random",))
    generator = np.random.default_rng(draw(st.integers(0, 1000)))
    names = [*view.opponents, *(player.name for player in view.learners)]
    for one in names:
        for other in names:
            if generator.random() < 0.5:
                rate = generator.choice([0.0, 1.0, generator.random()])
                result = (200 * rate, 0, 200 * (1 - rate))
                view.ledger.payoff.record(one, other, *result)
                view.ledger.tally.record(view.node(one), view.node(other), *result)
    return view


def check(view: LeagueView, proposal: Proposal) -> None:
    assert list(proposal.teams) == list(view.teams)
    for team, identity in proposal.teams.items():
        view.node(identity)  # raises where nobody is called so
        player = view.players.get(identity.partition("@")[0])
        assert identity in view.scripted or (player is not None and view.may_play(player, team))
    match = make_match(proposal, 1, 8, 0, view)
    assert from_json(Match, to_json(match)) == match


@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(view=leagues(), seed=st.integers(0, 10_000))
def test_training_matches(view: LeagueView, seed: int) -> None:
    rule: Any
    for rule in RULES:
        for player in view.learners:
            proposal = rule(view, player, np.random.default_rng(seed))
            check(view, proposal)
            assert proposal.purpose is Purpose.TRAIN
            assert proposal.teams[view.team_of(player)] == player.name
            for team, reason in proposal.reason["draws"].items():
                assert reason["opponent"] == proposal.teams[team]
                assert {"opponent", "branch", "candidates", "draw", "win_rate"} <= reason.keys()
                assert 0 <= reason["win_rate"] <= 1
                names = reason.get("names", [])
                assert len(reason.get("win_rates", [])) == len(names)
                chances = reason.get("probabilities", [1.0])
                assert min(chances) >= 0
                assert sum(chances) == pytest.approx(1.0) or 0 < sum(chances) < 1 < len(names) == NAMED
                assert 0 < reason.get("probability", 1.0) <= 1 + 1e-12
                assert len(names) in (0, min(reason["candidates"], NAMED))
            again = rule(view, player, np.random.default_rng(seed))
            assert again == proposal


@settings(deadline=None, max_examples=100, suppress_health_check=list(HealthCheck))
@given(view=leagues(), seed=st.integers(0, 10_000))
def test_matches_that_rate(view: LeagueView, seed: int) -> None:
    for rule in (Evaluation(), FillPayoff(3)):
        proposal = rule(view, np.random.default_rng(seed))
        if proposal is not None:
            check(view, proposal)
            assert proposal.purpose is Purpose.EVALUATE
            assert {"rule", "branch", "candidates", "probability", "draw"} <= proposal.reason.keys()
            assert len(view.teams) != 2 or {"win_rate"} <= proposal.reason.keys()
            assert 0 < proposal.reason["probability"] <= 1 + 1e-12
            assert proposal == rule(view, np.random.default_rng(seed))
            assert len(view.teams) == 1 or len(set(proposal.teams.values())) > 1
