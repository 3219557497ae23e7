"""Population-based training as tables of states: when it is whose turn, who is copied, what moves."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import pytest

from league.codec import from_json, to_json
from league.ledger import Ledger, Returns
from league.pbt import PbtConfig, Turn, compare, first_hyper, next_turn, populations, turned
from league.players import Player, Role
from league.promotion import reset
from league.view import LeagueView
from tests.league.leagues import make_view

ON = PbtConfig(period=100)
HYPER = {"entropy_cost": 0.1, "learning_rate": 0.01}
GENERATION = 1000
SEEDS = range(200)


def four(**changes: object) -> list[Player]:
    """Mains in their second generation; the first is the only one who has trained for a period."""
    names = ["main", "main-2", "main-3", "main-4"]
    players = [Player(name, generation=2, hyper={**HYPER}, steps=50, turned_at=0) for name in names]
    return [replace(players[0], steps=100, **changes), *players[1:]]  # type: ignore[arg-type]


def meeting(rates: Mapping[str, float], games: int = 1000, players: list[Player] | None = None) -> LeagueView:
    """Everybody met `main@0`, by the generation in the making, and won so often."""
    ledger, players = Ledger(), players or four()
    for player in players:
        won = rates.get(player.name, 0.5) * games
        ledger.tally.record(player.node, "main@0", won, 0, games - won)
    return make_view(players, ledger=ledger)


def turn_of(view: LeagueView, config: PbtConfig = ON, seed: int = 0) -> Turn | None:
    return next_turn(view, config, GENERATION, seed)


class TestWhoseTurn:
    def test_it_is_off_unless_asked_for(self) -> None:
        assert turn_of(meeting({}), PbtConfig()) is None

    @pytest.mark.parametrize(
        ("steps", "turned_at", "config", "due"),
        [
            (99, 0, ON, False),
            (100, 0, ON, True),
            (199, 100, ON, False),
            (200, 100, ON, True),
            (149, 0, replace(ON, start=50), False),
            (150, 0, replace(ON, start=50), True),
            (999, 0, PbtConfig(period=0), False),
            (1000, 0, PbtConfig(period=0), True),
        ],
    )
    def test_a_period_of_training_after_the_last(
        self, steps: int, turned_at: int, config: PbtConfig, due: bool
    ) -> None:
        first, *others = four()
        others = [replace(other, steps=0) for other in others]
        view = make_view([replace(first, steps=steps, turned_at=turned_at), *others])
        turn = turn_of(view, config)
        assert (turn is not None) == due
        assert turn is None or turn.player == "main"

    def test_what_it_asks_for_once_it_asks_for_until_it_is_done(self) -> None:
        view = meeting({})
        turn = turn_of(view)
        assert turn is not None
        assert turn_of(view) == turn
        done = turned(view.players["main"], turn, None)
        assert (done.turned_at, done.hyper) == (100, turn.hyper)
        assert turn_of(replace(view, players={**view.players, "main": done})) is None

    def test_a_player_alone_in_its_role_takes_no_turn(self) -> None:
        alone = Player("it", Role.MAIN_EXPLOITER, generation=1, steps=500, hyper=HYPER)
        assert turn_of(make_view([alone, Player("main", generation=1)])) is None

    def test_a_population_is_of_one_role_and_one_team(self) -> None:
        players = [
            Player("hunter", team="a"), Player("hunter-2", team="a"), Player("prey", team="b"),
            Player("it", Role.MAIN_EXPLOITER, "a"), Player("random", Role.SCRIPTED),
        ]  # fmt: skip
        assert populations({player.name: player for player in players}) == {
            "hunter": ["hunter", "hunter-2"],
            "hunter-2": ["hunter", "hunter-2"],
            "prey": ["prey"],
            "it": ["it"],
        }

    def test_every_other_is_drawn_as_often(self) -> None:
        rates = {"main": 0.1, "main-2": 0.9, "main-3": 0.9, "main-4": 0.9}
        drawn = Counter(turn.rival for seed in SEEDS if (turn := turn_of(meeting(rates), seed=seed)))
        assert drawn.keys() == {"main-2", "main-3", "main-4"}
        assert min(drawn.values()) > 40


class TestExploit:
    @pytest.mark.parametrize(
        ("others", "games", "copies"),
        [
            (0.60, 100_000, True),
            (0.549, 100_000, False),  # fitter, but by less than the gap
            (0.551, 100_000, True),
            (0.60, 50, False),  # by more than the gap, but that may be chance
            (0.60, 10_000, True),
            (0.40, 100_000, False),
        ],
    )
    def test_who_is_clearly_fitter_is_copied(self, others: float, games: int, copies: bool) -> None:
        view = meeting(dict.fromkeys(("main-2", "main-3", "main-4"), others), games)
        turn = turn_of(view)
        assert turn is not None
        assert (turn.rival is not None) == copies

    def test_a_copy_takes_hyper_parameters_over(self) -> None:
        players = [
            four()[0],
            *(replace(p, hyper={"entropy_cost": 5.0, "learning_rate": 7.0}) for p in four()[1:]),
        ]
        view = meeting({"main": 0.1}, players=players)
        turn = turn_of(view, replace(ON, mutation=0.0))
        assert turn is not None
        assert turn.hyper == {"entropy_cost": 5.0, "learning_rate": 7.0}
        assert "wins 0.500 against 0.100, of 1 opponents" in turn.reason
        assert "entropy_cost 0.1 -> 5, learning_rate 0.01 -> 7" in turn.reason

    def test_its_results_of_before_say_nothing_and_its_parent_is_the_rival_s_last_snapshot(self) -> None:
        view = meeting({"main": 0.1})
        turn = turn_of(view)
        assert turn is not None
        assert turn.rival is not None
        assert turn.farewell == f"replaced by a copy of {turn.rival}: {turn.reason}"
        frozen = replace(view.players["main"], generation=3)
        copied = turned(frozen, turn, view.players[turn.rival])
        assert (copied.reset_at, copied.parent, copied.reset_reason) == (3, f"{turn.rival}@1", turn.reason)
        assert replace(copied, generation=4).parent == "main@3"
        again = reset(replace(copied, generation=4), "why")
        assert again.parent == "main@0", "a reset is no copy"
        assert from_json(Player, to_json(copied)) == copied
        later = replace(view, players={**view.players, "main": copied})
        assert compare(copied, view.players["main-2"], later, "win_rate") is None, "it met nobody yet"

    def test_who_copies_a_copy_grows_from_whom_that_was_copied_from(self) -> None:
        """Also where that is an older self: main-2 copies main, and main then copies main-2."""
        players = {player.name: replace(player, generation=3) for player in four()}
        turn = Turn("", "", {}, "weaker")
        copy = turned(players["main-2"], turn, players["main"])
        assert copy.parent == "main@2"
        assert turned(players["main-3"], turn, copy).parent == "main@2"
        assert turned(replace(players["main"], generation=4), turn, copy).parent == "main@2"
        frozen = replace(copy, generation=4)
        assert turned(players["main-3"], turn, frozen).parent == "main-2@3"

    def test_it_is_judged_by_what_it_was_lately(self) -> None:
        """By the generation in the making and the one before; older ones say nothing."""
        ledger = Ledger()
        for name in ("main", "main-2"):
            ledger.tally.record(f"{name}@3", "main@0", 100 if name == "main" else 200, 0, 800)
            ledger.tally.record(f"{name}@4", "main@0", 500, 0, 500)
            ledger.tally.record(f"{name}@2", "main@0", 100_000, 0, 0)
        players = [Player(name, generation=4) for name in ("main", "main-2")]
        compared = compare(*players, make_view(players, ledger=ledger), "win_rate")
        assert compared is not None
        assert compared.lead == pytest.approx(700 / 2000 - 600 / 1900)

    def test_only_opponents_that_both_met_count_each_by_the_games_of_who_met_it_less(self) -> None:
        ledger, players = Ledger(), four()
        first, second = players[:2]
        ledger.tally.record(first.node, "main@0", 30, 0, 70)
        ledger.tally.record(second.node, "main@0", 600, 0, 400)
        ledger.tally.record(first.node, players[2].node, 0, 300, 0)
        ledger.tally.record(second.node, players[2].node, 200, 0, 100)
        ledger.tally.record(first.node, "main@1", 5000, 0, 0)
        ledger.tally.record(second.node, first.node, 5000, 0, 0)
        compared = compare(first, second, make_view(players, ledger=ledger), "win_rate")
        assert compared is not None
        own, rival = (100 * 0.3 + 300 * 0.5) / 400, (100 * 0.6 + 300 * 2 / 3) / 400
        assert compared.lead == pytest.approx(rival - own)
        variance = (1 / 4) ** 2 * (0.25 / 100 + 0.25 / 1000) + (3 / 4) ** 2 * (0.25 / 300 + 0.25 / 300)
        assert compared.error == pytest.approx(math.sqrt(variance))


class TestOtherFitness:
    @pytest.mark.parametrize("fitness", ["auto", "return"])
    def test_the_mean_return_where_nobody_is_beaten(self, fitness: str) -> None:
        players = four()
        ledger = Ledger(returns={
            players[0].node: Returns(100, 1000.0, 10_500.0), players[1].node: Returns(400, 5000.0, 63_000.0)
        })  # fmt: skip
        compared = compare(*players[:2], make_view(players, ("one",), ledger=ledger), fitness)
        assert compared is not None
        assert compared.lead == pytest.approx((12.5 - 10) / 12.5)
        errors = [ledger.returns[player.node].standard_error for player in players[:2]]
        assert compared.error == pytest.approx(math.hypot(*errors) / 12.5)

    def test_losses_are_compared_as_well(self) -> None:
        players = four()
        ledger = Ledger(returns={
            players[0].node: Returns(100, -1000.0, 10_000.0), players[1].node: Returns(100, -500.0, 2_500.0)
        })  # fmt: skip
        compared = compare(*players[:2], make_view(players, ("one",), ledger=ledger), "return")
        assert compared is not None
        assert compared.lead == 0.5

    def test_returns_that_nobody_saw_compare_nothing(self) -> None:
        players = four()
        assert compare(*players[:2], make_view(players, ("one",)), "return") is None


class TestExplore:
    def test_each_moves_by_the_factor_up_or_down_with_its_chance(self) -> None:
        config = replace(ON, mutation=0.5, factor=2.0)
        turns = [turn for seed in SEEDS if (turn := turn_of(meeting({}), config, seed))]
        moved = Counter(
            (round(turn.hyper["entropy_cost"] / 0.1, 6), round(turn.hyper["learning_rate"] / 0.01, 6))
            for turn in turns
        )
        assert moved.keys() == {(a, b) for a in (0.5, 1.0, 2.0) for b in (0.5, 1.0, 2.0)}
        assert 70 < sum(count for (cost, _), count in moved.items() if cost == 1.0) < 130
        assert all(turn.rival is None for turn in turns)

    @pytest.mark.parametrize(("mutation", "stay"), [(0.0, True), (1.0, False)])
    def test_never_and_always(self, mutation: float, stay: bool) -> None:
        turn = turn_of(meeting({}), replace(ON, mutation=mutation))
        assert turn is not None
        assert [turn.hyper[name] == HYPER[name] for name in HYPER] == [stay, stay]

    def test_the_first_are_drawn_around_what_is_configured(self) -> None:
        config = PbtConfig(period=1, spread=10.0)
        drawn = [first_hyper(config, f"main-{n}", HYPER, seed=0)["learning_rate"] for n in range(400)]
        assert 0.001 <= min(drawn) < 0.0012
        assert 0.08 < max(drawn) <= 0.1
        assert 160 < sum(value < 0.01 for value in drawn) < 240, "evenly in the logarithm"
        assert first_hyper(config, "main", HYPER, 0) == first_hyper(config, "main", HYPER, 0)
        assert first_hyper(config, "main", HYPER, 0) != first_hyper(config, "main", HYPER, 1)

    def test_what_is_not_tuned_is_the_configuration_s(self) -> None:
        assert first_hyper(PbtConfig(), "main", HYPER, 0) == {}
        assert first_hyper(PbtConfig(period=0), "main", HYPER, 0) == HYPER
        only = PbtConfig(spread=2.0, tuned=("learning_rate",))
        assert first_hyper(only, "main", HYPER, 0).keys() == {"learning_rate"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"period": -1}, "period is -1, but must be at least 0, or none"),
        ({"start": -1}, "start is -1, but must be at least 0"),
        ({"gap": 1.5}, "gap is 1.5, but must be at most 1"),
        ({"mutation": -0.1}, "mutation is -0.1, but must be at least 0"),
        ({"spread": 0.5}, "spread is 0.5, but must be at least 1"),
        ({"factor": 1.0}, "factor is 1.0, but must be above 1"),
        ({"fitness": "returns"}, r"fitness has 'returns', known are auto, .*did you mean return\?"),
        ({"tuned": ("learning_rat",)}, r"tuned has 'learning_rat', .*did you mean learning_rate\?"),
    ],
)
def test_contradictions_are_refused_with_their_numbers(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PbtConfig(**fields)  # type: ignore[arg-type]


def test_players_that_were_stored_before_there_was_any_are_read() -> None:
    stored = '{"frozen_at":0,"generation":3,"name":"main","role":"main","steps":9,"team":null}'
    player = from_json(Player, stored)
    assert (player.hyper, player.turned_at, player.copied_from, player.parent) == ({}, 0, "", "main@2")
