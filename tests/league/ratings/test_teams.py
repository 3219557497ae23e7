"""Skills in games of more than two teams: the paper's equations, a simulation's truth, and the ledger."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from league.leaderboard import RankedRow, leaderboard
from league.ledger import Ledger
from league.players import Match, Outcome, Player, Purpose
from league.ratings.teams import Skill, rated, skill_of
from tests.league.leagues import make_view

BETA, TAU = 25.0 / 6.0, 25.0 / 300.0


def literal(skills: list[Skill], places: list[int]) -> list[Skill]:
    """Weng and Lin 2011, algorithm 4, where nobody shares a place; before it, sigma grows by tau."""
    variance = [skill.sigma**2 + TAU**2 for skill in skills]
    c = math.sqrt(sum(v + BETA**2 for v in variance))
    weight = [math.exp(skill.mu / c) for skill in skills]
    after = []
    for i, skill in enumerate(skills):
        omega = delta = 0.0
        for q, place in enumerate(places):
            if place <= places[i]:
                p = weight[i] / sum(w for w, other in zip(weight, places, strict=True) if other >= place)
                omega += (q == i) - p
                delta += p * (1 - p)
        gamma = math.sqrt(variance[i]) / c
        mu = skill.mu + variance[i] / c * omega
        after.append(Skill(mu, math.sqrt(variance[i] * max(1 - gamma * variance[i] / c**2 * delta, 1e-4))))
    return after


@pytest.mark.parametrize("seed", range(5))
def test_an_episode_against_the_paper(seed: int) -> None:
    generator = np.random.default_rng(seed)
    count = int(generator.integers(2, 7))
    skills = [Skill(*generator.uniform([10, 0.5], [40, 9]).tolist()) for _ in range(count)]
    places = generator.permutation(count).tolist()
    names = [f"main@{index}" for index in range(count)]
    after = rated(dict(zip(names, skills, strict=True)), dict(zip(names, places, strict=True)))
    expected = np.array(literal(skills, places))
    np.testing.assert_allclose([after[name] for name in names], expected, rtol=1e-9)


def test_who_shares_a_place_moves_alike_and_the_first_rises() -> None:
    after = rated({"a": Skill(), "b": Skill(), "c": Skill()}, {"a": 0, "b": 1, "c": 1})
    assert after["a"].mu > 25 > after["b"].mu
    assert after["b"] == after["c"]
    assert after["a"].sigma < 25 / 3


def test_skills_find_the_order_of_a_free_for_all() -> None:
    """2 000 episodes of four among eight, whose places follow from strengths (Plackett-Luce)."""
    generator, names = np.random.default_rng(2), [f"p{index}" for index in range(8)]
    theta = np.linspace(0.0, 3.0, 8)
    skills = dict.fromkeys(names, Skill())
    for _ in range(2000):
        who = generator.choice(8, 4, replace=False)
        order = who[np.argsort(-(theta[who] + generator.gumbel(size=4)))]
        places = {names[index]: place for place, index in enumerate(order)}
        skills |= rated({name: skills[name] for name in places}, places)
    assert sorted(names, key=lambda name: skills[name].mu) == names


THREE = Match(
    1,
    {"north": "main", "east": "main@0", "south": "main"},
    2,
    0,
    Purpose.TRAIN,
    {"main": "main@1", "main@0": "main@0"},
)


def test_a_node_that_holds_two_teams_counts_once() -> None:
    ledger = Ledger()
    places = {"north": 0, "east": 1, "south": 2}
    ledger.apply(1, THREE, Outcome(1, 1, 1, 9, (), (), rankings=(places,)))
    # By name east comes before north before south: main@1 is counted where it came first.
    assert ledger.skills == rated({"main@0": Skill(), "main@1": Skill()}, {"main@0": 1, "main@1": 0})
    alone = replace(THREE, teams=dict.fromkeys(THREE.teams, "main"))
    before = dict(ledger.skills)
    ledger.apply(2, alone, Outcome(1, 1, 1, 9, (), (), rankings=(places,)))
    assert ledger.skills == before


def test_a_new_generation_starts_where_its_predecessor_stands_but_unsurely() -> None:
    skills = {"main@1": Skill(31.0, 1.5)}
    assert skill_of("main@1", skills) == Skill(31.0, 1.5)
    assert skill_of("main@3", skills) == Skill(31.0)
    assert skill_of("main@0", skills) == skill_of("random", skills) == Skill()


def test_the_leaderboard_of_three_teams_shows_skills_and_that_of_two_does_not() -> None:
    ledger = Ledger(skills={"main@0": Skill(20.0, 2.0), "main@1": Skill(30.0, 1.0)})
    view = make_view([Player("main", generation=1)], teams=("a", "b", "c"), ledger=ledger)
    rows = {row.node: row for row in leaderboard(view) if isinstance(row, RankedRow)}
    assert rows.keys() == {"main@0", "main@1"}
    assert rows["main@1"].skill == 30.0
    assert rows["main@1"].skill_high - rows["main@1"].skill_low == pytest.approx(2 * 1.959963984540054)
    assert not any(isinstance(row, RankedRow) for row in leaderboard(replace(view, teams=("a", "b"))))
