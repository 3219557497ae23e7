"""Players may differ in all that learns: each is trained, acts, is frozen and evaluated by its variant."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from agents.config import Cooperation
from coordinator.config import RunConfig
from coordinator.evaluation import evaluate
from coordinator.first_players import check_pbt, check_variants, first_players
from coordinator.launch import train
from coordinator.limits import check_age, check_memory, check_round
from coordinator.options import OptionError, from_plain, load_config_file, to_plain
from coordinator.policies import Policies
from coordinator.presets import build
from coordinator.run_folder import RunFolder
from coordinator.run_store import open_store
from coordinator.snapshots import SnapshotStore
from dashboards.cli import main
from envs.catalogue import make_game
from envs.game import GameSpec
from league.players import Player
from tests.e2e.runs import SMALL, assert_healthy, assert_one_line, options

NAMES = "main,main-2"
TWO = {"league.matchmaker": "population", "league.players": NAMES, "runtime.runtime": "inline"}


def spec_of(game: str) -> GameSpec:
    with make_game(game, 1) as made:
        return made.spec


def learners_of(config: RunConfig, game: str) -> list[Player]:
    return [player for player in first_players(config, spec_of(game)).values() if player.role.learns]


class TestWhoIsMeant:
    def test_a_variant_lies_over_the_run_s_learner(self) -> None:
        flags = {**TWO, "learner.algorithm.discount": "0.5", "variants.main-2.algorithm.entropy_cost": "0.02"}
        config = build("tictactoe", flags=flags)
        assert config.learner_of(Player("main")) == config.learner
        expected = replace(config.learner.algorithm, discount=0.5, entropy_cost=0.02)
        assert config.learner_of(Player("main-2")) == replace(config.learner, algorithm=expected)

    def test_where_teams_differ_a_plain_name_is_each_team_s_own(self) -> None:
        flags = {
            **TWO,
            "variants.main.network.hidden": "8",
            "variants.main-2.network.hidden": "4",
            "variants.odd-2.network.hidden": "2",
        }
        config = build("matrix:pennies", flags=flags)
        players = learners_of(config, "matrix:pennies")
        widths = {player.name: config.learner_of(player).network.hidden for player in players}
        assert widths == {"even": (8,), "even-2": (4,), "odd": (8,), "odd-2": (2,)}
        check_variants(config, players)

    def test_roles_of_a_team(self) -> None:
        flags = {"variants.main-exploiter.network.hidden": "8", "variants.league-exploiter.network.lstm": "3"}
        config = build("matrix:pennies", league="alphastar", flags=flags)
        changed = {
            player.name
            for player in learners_of(config, "matrix:pennies")
            if config.learner_of(player) != config.learner
        }
        assert changed == {
            f"{team}-{name}" for team in ("even", "odd") for name in ("exploiter", "league-exploiter")
        }

    def test_streams_are_cut_by_it(self) -> None:
        flags = {
            **TWO,
            "variants.main-2.algorithm.batch": 32,
            "variants.main-2.cooperation": "joint",
            "variants.main-2.network.lstm": 5,
        }
        config = build("tictactoe", flags=flags)
        mine, other = (config.stream_config(Player(name)) for name in ("main-2", "main"))
        assert (mine.batch, mine.cooperation, mine.core) == (32, Cooperation.JOINT, 5)
        assert (other.batch, other.cooperation, other.core) == (256, Cooperation.INDEPENDENT, 0)

    def test_a_file_says_the_same_as_flags(self, tmp_path: Path) -> None:
        file = tmp_path / "run.toml"
        file.write_text(
            "[variants.main-2.algorithm]\nentropy_cost = 0.02\n[variants.main-2.network]\nhidden = [4]\n"
        )
        flags = {"variants.main-2.algorithm.entropy_cost": "0.02", "variants.main-2.network.hidden": "4"}
        from_file = build("tictactoe", file=load_config_file(file), flags=TWO)
        assert from_file == build("tictactoe", flags={**TWO, **flags})
        assert from_plain(RunConfig, json.loads(json.dumps(to_plain(from_file)))) == from_file

    def test_a_run_stored_before_there_were_any_is_read(self) -> None:
        plain = to_plain(build("tictactoe"))
        del plain["variants"], plain["pbt"]
        assert from_plain(RunConfig, plain) == build("tictactoe")


class TestRefused:
    @pytest.mark.parametrize(
        ("flags", "message"),
        [
            ({"variants.mian.network.lstm": 1}, r"variants\.mian: .* only main, main-2; did you mean main\?"),
            (
                {"variants.random.network.lstm": 1, "league.scripted": "random"},
                r"variants\.random: no player with",
            ),
        ],
    )
    def test_a_variant_of_nobody(self, flags: dict[str, object], message: str) -> None:
        config = build("tictactoe", flags={**TWO, **flags})
        with pytest.raises(OptionError, match=message):
            check_variants(config, learners_of(config, "tictactoe"))

    @pytest.mark.parametrize(
        ("words", "pattern"),
        [
            (["--variants.mian.network.lstm", "1"], r"variants\.mian: no player .* did you mean main\?"),
            (
                ["--variants.main.network.lstn", "1"],
                r"--variants\.main\.network\.lstn 1: did you mean .*lstm",
            ),
            (
                ["--variants.main.algorithm.c_bar", "2"],
                r"variants\.main\.algorithm: rho_bar 1\.0 is below c_bar 2",
            ),
            (["--variants.main", "2"], r"--variants\.main 2: is a section"),
            (
                ["--pbt.period", "5"],
                r"pbt\.period 5: nobody is compared, for no two players share a role: main",
            ),
            (["--pbt.gap", "5"], r"pbt: gap is 5\.0, but must be at most 1"),
        ],
    )
    def test_one_line_and_nothing_is_left(
        self, words: list[str], pattern: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder = tmp_path / "run"
        begin = ["train", "tictactoe", "--run", str(folder), "--quiet", "--runtime", "inline", "--steps", "1"]
        assert main([*begin, *words]) == 2
        assert_one_line(capsys.readouterr().err, pattern)
        assert not folder.exists()

    @pytest.mark.parametrize(
        ("check", "flags", "message"),
        [
            (
                check_memory,
                {"algorithm.batch": 10**12},
                r"^variants\.main-2\.algorithm\.batch 1000000000000, ",
            ),
            (check_round, {"algorithm.batch": 100_000}, "a batch of 100000 columns of 8 decisions"),
            (
                check_age,
                {"algorithm.batch": 1, "algorithm.max_policy_lag": 0},
                r"^variants\.main-2\.algorithm\.max_policy_lag 0: .* variants\.main-2\.algorithm\.batch 1 ",
            ),
        ],
    )
    def test_what_a_machine_or_a_round_cannot_hold(
        self, check: object, flags: dict[str, object], message: str
    ) -> None:
        variant = {f"variants.main-2.{name}": value for name, value in flags.items()}
        config = build("tictactoe", flags={**TWO, **variant})
        with pytest.raises(OptionError, match=message):
            check(config, spec_of("tictactoe"), learners_of(config, "tictactoe"))  # type: ignore[operator]


class TestPbtRefused:
    @pytest.mark.parametrize(
        ("game", "flags", "message"),
        [
            (
                "tictactoe",
                {"variants.main-2.network.hidden": "4"},
                r"main and main-2 .* network: .*128.* and .*4",
            ),
            (
                "tictactoe",
                {"variants.main.algorithm.optimizer": "adam"},
                r"differ in algorithm\.optimizer: adam and",
            ),
            (
                "tictactoe",
                {"variants.main.cooperation": "joint"},
                "differ in cooperation: joint and independent",
            ),
            (
                "tictactoe",
                {"variants.main-2.algorithm.entropy_cost": 0},
                "differ in what of pbt.tuned is above 0: entropy_cost, learning_rate and learning_rate",
            ),
            (
                "kuhn",
                {"pbt.tuned": "entropy_cost"},
                "pbt.tuned entropy_cost: of main that is 0, which no factor moves",
            ),
            (
                "gymnasium:CartPole-v1",
                {"pbt.fitness": "win_rate"},
                "has one team, where nobody wins; allowed are auto",
            ),
            (
                "matrix:pennies",
                {"league.players": "even,odd"},
                "no two players share a role and a team: even, odd",
            ),
        ],
    )
    def test_what_could_do_nothing_or_not_be_carried_out(
        self, game: str, flags: dict[str, object], message: str
    ) -> None:
        config = build(game, flags={**TWO, "pbt.period": 0, **flags})
        with pytest.raises(OptionError, match=message):
            check_pbt(config, spec_of(game), learners_of(config, game))

    @pytest.mark.parametrize(
        "game", ["tictactoe", "matrix:pennies", "gymnasium:CartPole-v1", "leduc", "kuhn"]
    )
    def test_its_preset_suits_every_game(self, game: str) -> None:
        config = build(game, league="pbt")
        players = learners_of(config, game)
        check_pbt(config, spec_of(game), players)
        drawn = {player.hyper["learning_rate"] / config.learner.algorithm.learning_rate for player in players}
        assert len(drawn) == len(players) >= 4
        assert 0.5 <= min(drawn) < max(drawn) <= 2.0

    def test_a_variant_s_own_value_is_where_a_player_begins(self) -> None:
        flags = {**TWO, "pbt.period": 0, "variants.main-2.algorithm.learning_rate": 0.125}
        players = {
            player.name: player for player in learners_of(build("tictactoe", flags=flags), "tictactoe")
        }
        assert players["main-2"].hyper["learning_rate"] == 0.125
        assert players["main"].hyper["learning_rate"] == 3e-3


VARIANT = {
    "variants.main-2.network.hidden": "8,8",
    "variants.main-2.network.torso": "conv",
    "variants.main-2.network.lstm": 6,
    "variants.main-2.cooperation": "joint",
    "variants.main-2.algorithm.batch": 16,
    "variants.main-2.algorithm.learning_rate": 0.02,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A dense network beside a convolutional one with a memory, which learns with a central critic."""
    folder = tmp_path_factory.mktemp("variants") / "run"
    fields = {
        **SMALL,
        **TWO,
        **VARIANT,
        "league.snapshot_steps": 1_500,
        "league.snapshot_min_steps": 1_000,
        "runtime.round_steps": 3_000,
    }
    words = ["train", "tictactoe", "--run", folder, "--quiet", "--seed", 3, "--steps", 6_000]
    assert main([*map(str, words), *options(fields)]) == 0
    return RunFolder.open(folder)


class TestRun:
    def test_both_learn_meet_and_are_frozen(self, run: RunFolder) -> None:
        assert_healthy(run.path)
        with open_store(run) as store:
            players, frozen = store.players(), {snapshot.player for snapshot in store.snapshots()}
            assert store.fold()
        assert min(player.steps for player in players.values()) > 500
        assert frozen == {"main", "main-2"}

    def test_each_acts_by_its_own_network(self, run: RunFolder) -> None:
        config = from_plain(RunConfig, run.config)
        with open_store(run) as store:
            players, snapshots = store.players(), store.snapshots()
        policies = Policies(
            config, spec_of("tictactoe"), SnapshotStore(run.snapshots), lambda: snapshots, players
        )
        for name, width in (("main", 0), ("main-2", 6)):
            assert policies.live(name).core == policies.get(f"{name}@1").core == width

    def test_they_are_evaluated_by_it(self, run: RunFolder) -> None:
        with open_store(run) as store:
            row = evaluate(run, store, "main", "main-2@1", 20, seed=0, greedy=False)
        assert row["games"] == 20

    def test_it_goes_on_where_it_stood(self, run: RunFolder) -> None:
        config = from_plain(RunConfig, run.config)
        result = train(config, run, watch=lambda frame: None, steps=1_000)
        assert result.reached
        assert_healthy(run.path)
