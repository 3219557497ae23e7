"""The ledger is a fold: split anywhere, it comes to the same bytes, and to what a literal replay says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from league.ledger import Ledger, Returns
from league.outcomes import check_outcome
from league.players import LeagueError, Match, Outcome, PairResult, Purpose, ReturnSum

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "ratings.json").read_text())
Log = list[tuple[Match, Outcome]]


def random_log(seed: int, length: int, teams: int = 2) -> Log:
    """A league of one player that is frozen now and then, with games against its past and itself."""
    generator, generation, log = np.random.default_rng(seed), 1, []
    for id in range(1, length + 1):
        generation += int(generator.random() < 0.1)
        pool = ["main", "main", "random", *(f"main@{g}" for g in range(generation))]
        identities = [str(generator.choice(pool)) for _ in range(teams)]
        nodes = {name: f"main@{generation}" if name == "main" else name for name in identities}
        episodes = int(generator.integers(1, 9))
        match = Match(
            id,
            {f"team_{team}": name for team, name in enumerate(identities)},
            episodes,
            seed=0,
            purpose=Purpose.TRAIN,
            nodes=nodes,
        )
        pairs = []
        for first in range(teams):
            for second in range(first + 1, teams):
                counts = generator.multinomial(episodes, [0.5, 0.2, 0.3]).tolist()
                pairs.append(PairResult(identities[first], identities[second], *counts))
        returns = []
        for name in identities:
            sample = generator.normal(size=episodes)
            returns.append(ReturnSum(name, episodes, float(sample.sum()), float((sample**2).sum())))
        ranked = [generator.permutation(teams).tolist() for _ in range(episodes)] if teams > 2 else []
        outcome = Outcome(
            match=id,
            attempt=1,
            episodes=episodes,
            decisions=7 * episodes,
            pairs=tuple(pairs),
            returns=tuple(returns),
            rankings=tuple(dict(zip(match.teams, places, strict=True)) for places in ranked),
        )
        check_outcome(match, outcome)
        log.append((match, outcome))
    return log


def fold(ledger: Ledger, log: Log) -> Ledger:
    for match, outcome in log:
        ledger.apply(match.id, match, outcome)
    return ledger


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 10_000), split=st.integers(0, 30), teams=st.integers(1, 3))
def test_folding_on_from_a_stored_half_gives_the_same_bytes(seed: int, split: int, teams: int) -> None:
    log = random_log(seed, 30, teams)
    whole = fold(Ledger(), log).to_json()
    half = Ledger.from_json(fold(Ledger(), log[:split]).to_json())
    assert fold(half, log[split:]).to_json() == whole
    assert Ledger.from_json(whole).to_json() == whole


@pytest.mark.parametrize("seed", range(3))
def test_against_a_literal_replay(seed: int) -> None:
    log, decay, k = random_log(seed, 120), 0.9, 20.0
    ledger = fold(Ledger(decay=decay, elo_k=k), log)
    elo: dict[str, float] = {}
    score: dict[tuple[str, str], list[float]] = {}
    games = dict.fromkeys({node for match, _ in log for node in match.nodes.values()}, 0)
    for match, outcome in log:
        (pair,) = outcome.pairs
        home, away = match.nodes[pair.home], match.nodes[pair.away]
        total = pair.wins + pair.draws + pair.losses
        if pair.home != pair.away:
            mine = score.setdefault((pair.home, pair.away), [0.0, 0.0])
            theirs = score.setdefault((pair.away, pair.home), [0.0, 0.0])
            mine[:] = mine[0] * decay + pair.wins + pair.draws / 2, mine[1] * decay + total
            theirs[:] = theirs[0] * decay + pair.losses + pair.draws / 2, theirs[1] * decay + total
        if home != away:
            games[home] += total
            games[away] += total
            for node in (home, away):
                if node not in elo:
                    player, _, generation = node.partition("@")
                    earlier = [f"{player}@{g}" for g in range(int(generation or 0))]
                    known = [name for name in earlier if name in elo]
                    elo[node] = elo[known[-1]] if known else 1200.0
            expected = 1 / (1 + 10 ** ((elo[away] - elo[home]) / 400))
            gain = k * ((pair.wins + pair.draws / 2) / total - expected)
            elo[home], elo[away] = elo[home] + gain, elo[away] - gain
    assert ledger.elo == pytest.approx(elo)
    for (player, opponent), (points, total) in score.items():
        assert ledger.payoff.win_rate(player, opponent) == pytest.approx(points / total)
    assert {node: ledger.tally.totals(node).games for node in games} == games
    assert ledger.totals.matches == 120
    assert ledger.totals.episodes == sum(outcome.episodes for _, outcome in log)
    assert sum(seats.first[0] for seats in ledger.seats.values()) == sum(o.pairs[0].wins for _, o in log)
    assert sum(seats.second[0] for seats in ledger.seats.values()) == sum(o.pairs[0].losses for _, o in log)


def test_golden_elo() -> None:
    golden = GOLDEN["elo"]
    ledger = Ledger(elo_k=golden["k"], elo={f"p{i}": rating for i, rating in enumerate(golden["initial"])})
    for id, game in enumerate(golden["matches"], start=1):
        home, away = f"p{game['home']}", f"p{game['away']}"
        counts = {1.0: (1, 0, 0), 0.5: (0, 1, 0), 0.0: (0, 0, 1)}[game["home_score"]]
        match = Match(id, {"a": home, "b": away}, 1, 0, Purpose.EVALUATE, {home: home, away: away})
        ledger.apply(id, match, Outcome(id, 1, 1, 1, (PairResult(home, away, *counts),), ()))
        assert ledger.elo[home] == pytest.approx(game["home_after"], rel=1e-12)
        assert ledger.elo[away] == pytest.approx(game["away_after"], rel=1e-12)
    assert [ledger.elo[f"p{i}"] for i in range(5)] == pytest.approx(golden["final"], rel=1e-12)


def test_both_ways_of_seating_make_one_update() -> None:
    match = Match(1, {"a": "x", "b": "y"}, 4, 0, Purpose.TRAIN, {"x": "x", "y": "y"})
    pairs = (PairResult("x", "y", 2, 0, 0), PairResult("y", "x", 0, 1, 1))
    ledger = Ledger(decay=0.5)
    ledger.apply(1, match, Outcome(1, 1, 4, 8, pairs, ()))
    assert ledger.elo == {"x": 1200 + 16 * (3.5 / 4 - 0.5), "y": 1200 - 16 * (3.5 / 4 - 0.5)}
    assert ledger.payoff.counts("x", "y") == (3.0, 1.0, 0.0)
    assert ledger.seats["x"].first == [2, 0, 0]
    assert ledger.seats["x"].second == [1, 1, 0]


def test_a_new_generation_starts_where_its_predecessor_stands_now() -> None:
    ledger = Ledger(elo={"main@3": 1350.0, "main@1": 1000.0})
    assert ledger.rating("main@4") == 1350.0
    assert ledger.rating("main@3") == 1350.0
    assert ledger.rating("main@0") == 1200.0
    assert ledger.rating("random") == 1200.0


def test_returns_have_a_mean_and_its_standard_error() -> None:
    sample = np.random.default_rng(0).normal(3.0, 2.0, 50)
    returns = Returns(50, float(sample.sum()), float((sample**2).sum()))
    assert returns.mean == pytest.approx(sample.mean())
    assert returns.standard_error == pytest.approx(sample.std(ddof=1) / np.sqrt(50))
    assert Returns(1, 1.0, 1.0).standard_error == np.inf


@pytest.mark.parametrize("seq", [0, 1, 3])
def test_a_gap_or_a_repetition_is_refused_and_folds_nothing(seq: int) -> None:
    (first, second) = random_log(1, 2)
    ledger = fold(Ledger(), [first])
    before = ledger.to_json()
    with pytest.raises(LeagueError, match=f"result {seq} cannot follow result 1: 2 is next"):
        ledger.apply(seq, *second)
    with pytest.raises(LeagueError, match="result 2 is of match 1, but its match is 2"):
        ledger.apply(2, second[0], first[1])
    assert ledger.to_json() == before


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"seq":1}', Ledger().to_json()[:-1] + ',"more":1}'])
def test_what_is_not_a_ledger_is_refused(text: str) -> None:
    with pytest.raises(LeagueError, match=r"not a ledger|not valid JSON"):
        Ledger.from_json(text)
