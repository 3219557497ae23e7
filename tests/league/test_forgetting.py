"""Forgetting: alarms on tables where something was forgotten, and hardly ever where nothing was."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace

import numpy as np
import numpy.typing as npt
import pytest
from scipy.integrate import quad

from league.forgetting import ALPHA, Alarm, alarms, log_evidence
from league.ledger import Ledger
from league.players import Player
from league.view import LeagueView
from tests.league.leagues import make_view

Floats = npt.NDArray[np.float64]
Row = tuple[str, str, int, int, int]


def league(*tally: Row, recent: float = 0.0, generation: int = 4) -> LeagueView:
    """`main` in the making of a generation. tally: (node, opponent, wins, draws, losses).

    recent: decayed win rate of `main` against all its ancestors.
    """
    ledger = Ledger()
    for row in tally:
        ledger.tally.record(*row)
    rates = {f"main@{ancestor}": recent for ancestor in range(generation)}
    return make_view([Player("main", generation=generation)], ledger=ledger, win_rates={"main": rates})


FORGOTTEN = ("main@2", "main@0", 170, 20, 10), ("main@4", "main@0", 70, 20, 110)


def test_who_loses_to_an_ancestor_that_was_beaten_before_has_forgotten_it() -> None:
    (alarm,) = alarms(league(*FORGOTTEN, ("main@3", "main@0", 100, 0, 100), recent=0.5))
    assert (alarm.player, alarm.generation, alarm.ancestor, alarm.earlier) == ("main", 4, "main@0", "main@2")
    assert (alarm.score, alarm.games) == (0.4, 200)
    assert (alarm.earlier_score, alarm.earlier_games) == (0.9, 200)
    assert alarm.chance < 1e-9
    assert Alarm(**json.loads(json.dumps(asdict(alarm), allow_nan=False))) == alarm
    assert str(replace(alarm, chance=2e-5)) == (
        "main@4 forgets main@0: it scores 0.40 in 200 games, main@2 scored 0.90 in 200 (chance 2e-05 at most)"
    )


@pytest.mark.parametrize(
    ("tally", "why"),
    [
        ([("main@2", "main@0", 3, 0, 0), ("main@4", "main@0", 0, 0, 3)], "few games"),
        ([("main@2", "main@0", 180, 0, 20), ("main@4", "main@0", 170, 0, 30)], "as chance would have it"),
        ([("main@2", "main@0", 80, 0, 120), ("main@4", "main@0", 180, 0, 20)], "it learned"),
        ([("main@4", "main@0", 0, 0, 500)], "nobody did better"),
        ([("main@0", "main@2", 0, 0, 200)], "it did not play"),
        ([("rival@2", "main@0", 200, 0, 0), ("main@4", "main@0", 0, 0, 200)], "somebody else did better"),
        ([("main@4", "main@3", 0, 0, 200)], "nobody stands between"),
        ([("main@0", "main@1", 200, 0, 0), ("main@4", "main@1", 0, 0, 200)], "who did came before it"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_no_alarm(tally: list[Row], why: str) -> None:
    assert alarms(league(*tally)) == []


def test_who_has_caught_up_raises_no_alarm() -> None:
    assert alarms(league(*FORGOTTEN, recent=0.91)) == []


def test_who_was_reset_has_forgotten_nothing() -> None:
    view = league(*FORGOTTEN)
    player = replace(view.players["main"], reset_at=4)
    assert alarms(replace(view, players={"main": player})) == []


def test_one_alarm_an_ancestor_the_surest_first() -> None:
    found = alarms(
        league(
            ("main@1", "main@0", 90, 0, 10), ("main@2", "main@0", 95, 0, 5), ("main@4", "main@0", 30, 0, 70),
            ("main@3", "main@1", 99, 0, 1), ("main@4", "main@1", 1, 0, 99),
        )
    )  # fmt: skip
    assert [(alarm.ancestor, alarm.earlier) for alarm in found] == [
        ("main@1", "main@3"),
        ("main@0", "main@2"),
    ]
    assert found[0].chance < found[1].chance <= ALPHA


def test_more_ancestors_ask_for_more_evidence() -> None:
    """What is an alarm among 2 ancestors, which are 1 comparison, is none among 40, which are 780."""
    row = ("main@1", "main@0", 37, 0, 3), ("", "main@0", 18, 0, 22)
    few, many = (
        alarms(league(row[0], (f"main@{generation}", *row[1][1:]), generation=generation))
        for generation in (2, 40)
    )
    assert [alarm.ancestor for alarm in few] == ["main@0"]
    assert few[0].chance * 780 > ALPHA
    assert many == []


@pytest.mark.parametrize(("score", "games"), [((3.0, 7.5), (9.0, 11.0)), ((0.0, 4.0), (6.0, 4.0))])
def test_the_evidence_is_the_ratio_of_likelihoods(score: tuple[float, ...], games: tuple[float, ...]) -> None:
    """The mean over rates by integration, the greatest by trying rates."""
    mean = 1.0
    for s, n in zip(score, games, strict=True):
        integral, _ = quad(lambda r: r**s * (1 - r) ** (n - s), 0, 1, weight="alg", wvar=(-0.5, -0.5))  # noqa: B023
        mean *= integral / math.pi
    rates = np.linspace(0.0005, 0.9995, 1000)
    greatest = (rates ** sum(score) * (1 - rates) ** (sum(games) - sum(score))).max()
    points, total = (np.array(pair)[:, None] for pair in (score, games))
    (found,) = log_evidence(points[0], total[0], points[1], total[1])
    assert found == pytest.approx(math.log(mean / greatest), abs=1e-4)


def looks(
    generator: np.random.Generator, chances: list[float], lives: int, times: int
) -> tuple[Floats, Floats]:
    """[lives, times] points and games so far, of matches of 8 games with these chances to win, draw, lose."""
    counts = generator.multinomial(8, chances, (lives, times)).cumsum(axis=1)
    points: Floats = counts[..., 0] + 0.5 * counts[..., 1]
    return points, np.broadcast_to(8.0 * np.arange(1, times + 1), points.shape)


@pytest.mark.parametrize("chances", [[0.5, 0.0, 0.5], [0.9, 0.0, 0.1], [0.3, 0.4, 0.3]], ids=str)
def test_where_nothing_was_forgotten_alarms_stay_below_the_stated_rate(chances: list[float]) -> None:
    """4 000 generations that play as the one before did, looked at after every one of 250 matches.

    The same data show what the correction for looking often is for: a test for one look, at the same rate,
    raises false alarms in far more than its share of them.
    """
    generator, lives, times = np.random.default_rng(7), 4000, 250
    now, games = looks(generator, chances, lives, times)
    before, earlier_games = looks(generator, chances, lives, times)
    worse = now < before
    ever = (worse & (log_evidence(now, games, before, earlier_games) >= math.log(1 / ALPHA))).any(axis=1)
    print(f"false alarms, of {lives}: {ever.sum()}")
    assert ever.mean() <= ALPHA
    variance = chances[0] + 0.25 * chances[1] - (chances[0] + 0.5 * chances[1]) ** 2
    once = ((before - now) / np.sqrt(2 * games * variance) > 2.326).any(axis=1)
    assert once.mean() > 5 * ALPHA


def test_a_league_that_forgets_nothing_raises_no_alarm_and_one_that_does_raises_some() -> None:
    """Twelve generations against all their ancestors, by strengths that rise; then the last one's fall."""
    generator = np.random.default_rng(3)
    for last, expected in ((1.4, 0), (-1.0, 9)):
        strength = [*np.linspace(0.0, 1.3, 11), last]
        rows = [
            (f"main@{one}", f"main@{two}", wins, 0, 100 - wins)
            for one in range(12)
            for two in range(one)
            for wins in [int(generator.binomial(100, 1 / (1 + math.exp(strength[two] - strength[one]))))]
        ]
        found = alarms(league(*rows, generation=11))
        assert len(found) >= expected if expected else found == []
