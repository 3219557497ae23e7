"""Which generation of another run is meant, and whether a new run can begin from it: as tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agents.config import Cooperation, LearnerConfig, NetworkConfig, Torso
from coordinator.branch import adopt, among, inherit
from coordinator.config import RunConfig
from coordinator.options import OptionError
from coordinator.presets import build
from coordinator.sources import OtherRun, Source, check_network, told
from coordinator.store_types import LoggedResult
from league.players import LeagueError, Match, Outcome, Player, Purpose, Role, Snapshot


@pytest.mark.parametrize(
    ("text", "run", "player", "generation"),
    [
        ("runs/old@12", "runs/old", None, 12),
        ("runs/old:main@0", "runs/old", "main", 0),
        ("/a b/run@3@12", "/a b/run@3", None, 12),
        ("run@3:main-2@12", "run@3", "main-2", 12),
        ("a:b/old@1", "a:b/old", None, 1),
        ("a:b/old:main@1", "a:b/old", "main", 1),
        ("a:b@1", "a", "b", 1),
        ("a:b/@1", "a:b/", None, 1),
        ("./a:Old@1", "./a:Old", None, 1),
    ],
)
def test_a_source_is_a_folder_perhaps_a_player_and_a_generation(
    text: str, run: str, player: str | None, generation: int
) -> None:
    source = Source.parse(text)
    assert source == Source(Path(run), generation, player)
    assert Source.parse(str(source)) == source


@pytest.mark.parametrize("text", ["", "runs/old", "runs/old@", "@12", "runs/old@latest", "runs/old@-1"])
def test_what_is_no_source(text: str) -> None:
    with pytest.raises(LeagueError, match=r"must be a run's folder and a generation, RUN@12 or RUN:main@12"):
        Source.parse(text)


def test_what_is_wrong_is_told_by_the_name_of_the_option() -> None:
    with (
        pytest.raises(OptionError, match=r"^--initialize-from old@12: no$"),
        told("--initialize-from", "old@12"),
    ):
        raise LeagueError("no")


CONFIG = build("tictactoe")


def other(
    generations: dict[str, int], config: RunConfig = CONFIG, teams: dict[str, str] | None = None
) -> OtherRun:
    """A run whose players were frozen so often, and a scripted one."""
    snapshots = [
        Snapshot(name, g, "0" * 64, f"{name}@{g - 1}" if g else None, 100 * g, "why")
        for name, count in generations.items()
        for g in range(count)
    ]
    players = {
        name: Player(name, team=(teams or {}).get(name), generation=n) for name, n in generations.items()
    }
    players["random"] = Player("random", Role.SCRIPTED)
    snapshots.sort(key=lambda one: (one.generation, one.player))
    nothing: Any = None
    return OtherRun(config, players, snapshots, files=nothing, log=nothing)


def source(generation: int, player: str | None = None) -> Source:
    return Source(Path("old"), generation, player)


def new(*names: str, **teams: str) -> dict[str, Player]:
    return {name: Player(name, team=teams.get(name)) for name in names}


class TestGeneration:
    def test_everybody_who_has_it_or_one_alone(self) -> None:
        run = other({"main": 5, "main-2": 3})
        assert [one.name for one in run.generation(source(2)).values()] == ["main@2", "main-2@2"]
        assert [one.name for one in run.generation(source(4)).values()] == ["main@4"]
        assert [one.name for one in run.generation(source(2, "main-2")).values()] == ["main-2@2"]

    @pytest.mark.parametrize(
        ("generations", "asked", "message"),
        [
            (
                {"main": 5, "main-2": 3},
                source(5),
                "no generation 5 there: main has 0 to 4, main-2 has 0 to 2",
            ),
            ({"main": 5, "main-2": 3}, source(4, "main-2"), "no generation 4 there: main-2 has 0 to 2"),
            ({"main": 0}, source(0), "no generation 0 there: none was frozen yet"),
            (
                {"main": 5},
                source(1, "mian"),
                "no player that learns is called mian there; did you mean main?",
            ),
            ({"main": 5}, source(1, "random"), "called random there; there are main"),
        ],
    )
    def test_there_is_none(self, generations: dict[str, int], asked: Source, message: str) -> None:
        with pytest.raises(LeagueError) as refused:
            other(generations).generation(asked)
        assert message in str(refused.value)


class TestInherit:
    def test_players_of_the_same_names_go_on_and_others_begin_afresh(self) -> None:
        run = other({"main": 5, "main-2": 3, "gone": 5})
        taken = inherit(source(3), run, CONFIG, new("main", "main-2", "main-3"))
        heir = Player("main", generation=4, steps=300, frozen_at=300, turned_at=300)
        assert taken.heirs == {"main": heir}
        assert [one.name for one in taken.ancestors] == ["main@0", "main@1", "main@2", "main@3"]

    def test_a_role_may_be_another(self) -> None:
        players = {"main": Player("main", Role.MAIN_EXPLOITER)}
        assert (
            inherit(source(1), other({"main": 5}), CONFIG, players).heirs["main"].role is Role.MAIN_EXPLOITER
        )

    @pytest.mark.parametrize(
        ("run", "players", "message"),
        [
            (other({"main": 5}, build("kuhn")), new("main"), "game.name is kuhn there and tictactoe here"),
            (other({"main": 5}), new("hero"), "it is of main, but in this run learn hero"),
            (
                other({"main": 5}, teams={"main": "even"}),
                new("main", main="odd"),
                "main plays even there, odd here",
            ),
            (
                other({"main": 5}, build("tictactoe", flags={"learner.network.hidden": "64,64"})),
                new("main"),
                "network.hidden of main is 64,64 there and ",
            ),
        ],
    )  # fmt: skip
    def test_what_does_not_fit(self, run: OtherRun, players: dict[str, Player], message: str) -> None:
        with pytest.raises(LeagueError) as refused:
            inherit(source(1), run, CONFIG, players)
        assert message in str(refused.value)

    def test_a_variant_s_network_counts(self) -> None:
        small = replace(CONFIG.learner, network=NetworkConfig(hidden=(8,)))
        run = other({"main": 5}, replace(CONFIG, variants={"main": small}))
        with pytest.raises(LeagueError, match=r"network\.hidden of main is 8 there"):
            inherit(source(1), run, CONFIG, new("main"))
        assert inherit(source(1), run, replace(CONFIG, variants={"main": small}), new("main")).heirs


@pytest.mark.parametrize(
    "other",
    [
        LearnerConfig(NetworkConfig(torso=Torso.CONV)),
        LearnerConfig(NetworkConfig(lstm=4)),
        LearnerConfig(cooperation=Cooperation.JOINT),
    ],
)
def test_networks_of_other_shapes(other: LearnerConfig) -> None:
    check_network("main", LearnerConfig(), replace(LearnerConfig(), algorithm=CONFIG.learner.algorithm))
    with pytest.raises(LeagueError, match=r"of main is .* there and .* here"):
        check_network("main", other, LearnerConfig())


class TestAdopt:
    PLAYER = Player("champion", Role.PRETRAINED)

    def test_it_has_the_team_and_the_network_that_it_had(self) -> None:
        small = replace(CONFIG.learner, network=NetworkConfig(hidden=(8,)))
        run = other({"main": 5}, replace(CONFIG, learner=small), teams={"main": "first"})
        found = adopt(source(3), run, CONFIG, self.PLAYER)
        assert found.player == replace(self.PLAYER, team="first")
        assert (found.snapshot.name, found.learner) == ("main@3", small)

    def test_it_must_be_one_of_the_same_game(self) -> None:
        run = other({"main": 5, "main-2": 5})
        with pytest.raises(LeagueError, match="main, main-2 have one: say whose, old:main@3"):
            adopt(source(3), run, CONFIG, self.PLAYER)
        assert adopt(source(3, "main-2"), run, CONFIG, self.PLAYER).snapshot.name == "main-2@3"
        with pytest.raises(LeagueError, match=r"game\.name is kuhn there"):
            adopt(source(3), other({"main": 5}, build("kuhn")), CONFIG, self.PLAYER)


def logged(seq: int, nodes: Sequence[str]) -> LoggedResult:
    match = Match(seq + 10, {}, 1, 0, Purpose.TRAIN, {node.partition("@")[0]: node for node in nodes})
    return LoggedResult(seq, match, Outcome(seq + 10, 1, 1, 9, (), ()))


def test_results_among_ancestors_alone_are_kept_and_numbered_anew() -> None:
    log = [
        logged(1, ["main@1", "random"]),
        logged(2, ["main@1", "main-2@1"]),
        logged(3, ["main@2"]),
        logged(4, ["main@3"]),
        logged(5, ["main@1"]),
    ]
    kept = list(among(log, {"main@0", "main@1", "main@2", "random"}))
    assert [(match.id, outcome.match) for match, outcome in kept] == [(1, 1), (2, 2), (3, 3)]
    assert [list(match.nodes.values()) for match, _ in kept] == [["main@1", "random"], ["main@2"], ["main@1"]]
