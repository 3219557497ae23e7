"""What a machine or a round cannot hold is refused at the start, with the numbers."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from agents import machine
from agents.columns import Columns
from agents.experience import Experience
from agents.streams import Streams
from agents.trajectory import allocate
from coordinator import limits
from coordinator.config import RunConfig
from coordinator.limits import check_age, check_machine, check_memory, check_round, remarks
from coordinator.options import OptionError
from coordinator.presets import LEAGUES, build
from coordinator.run_folder import RunFolder
from coordinator.run_store import open_store
from coordinator.runtime_config import Runtime, RuntimeConfig
from dashboards.cli import main
from envs.catalogue import make_game
from envs.game import GameSpec
from league.players import Player
from tests.agents.fakes import Moment, ScriptedGame
from tests.e2e.runs import assert_one_line, options


def spec_of(game: str) -> GameSpec:
    with make_game(game, 1) as made:
        return made.spec


UNEVEN = ScriptedGame([[Moment((0, 1, 2, 3))]], [(0, 1, 2), (3,)], symmetric=False).spec
"""A team of three and a team of one."""
HUNTERS, PREY = Player("hunters", team="team_0"), Player("prey", team="team_1")


def inline(**flags: object) -> RunConfig:
    return build("my:game", flags={"runtime.runtime": "inline", **flags})


@pytest.mark.parametrize(
    ("field", "most"), [("actors", 32), ("learner_threads", 4)], ids=["actors", "learner_threads"]
)
def test_more_than_the_cores_carry_is_refused(field: str, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "cores", lambda: 4)
    check_machine(RuntimeConfig(**{field: most}))  # type: ignore[arg-type]
    with pytest.raises(
        OptionError, match=rf"runtime\.{field} {most + 1}: .*4 cores; allowed are 0 .* to {most}"
    ):
        check_machine(RuntimeConfig(**{field: most + 1}))  # type: ignore[arg-type]
    check_machine(RuntimeConfig(address="ray://elsewhere", **{field: most + 1}))  # type: ignore[arg-type]


@pytest.mark.parametrize("cooperation", ["independent", "joint"])
@pytest.mark.parametrize("lstm", [0, 8])
def test_memory_is_what_the_columns_take(cooperation: str, lstm: int) -> None:
    flags = {"learner.cooperation": cooperation, "learner.network.lstm": lstm}
    config = inline(**flags).stream_config(HUNTERS)
    columns: Columns = Streams(UNEVEN, 5, config).columns
    tables = (columns._open, columns._full)
    held = sum(table.rows.nbytes + table.place.nbytes for table in tables)
    if columns._cores is not None and columns._full.core is not None:
        held += columns._cores[0].nbytes + columns._full.core.nbytes
    assert config.memory(UNEVEN, 5) == held


def test_columns_beyond_the_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    spec, players = spec_of("connect_four"), [Player("main")]
    config = build("connect_four", flags={"runtime.actors": 2})
    need = 2 * config.stream_config(players[0]).memory(spec, config.rollout.copies)
    memory = SimpleNamespace(total=need)
    monkeypatch.setattr("psutil.virtual_memory", lambda: memory)
    check_memory(config, spec, players)
    memory.total = need - 1
    with pytest.raises(
        OptionError, match=r"batch 256, rollout\.copies 4096, rollout\.unroll 16: .* there are 2"
    ):
        check_memory(config, spec, players)


@pytest.mark.parametrize("preset", ["ape_x", "r2d2", "impact", "ppo"])
def test_memory_is_what_a_buffer_takes_too(preset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As much as the arrays in it, once it is full; in step, of the batches of all."""
    spec, player = spec_of("tictactoe"), Player("main")
    flags = {"runtime.actors": 2, "rollout.copies": 4, "learner.algorithm.batch": 8}
    replay = {"learner.buffer.capacity": 50, "learner.buffer.least": 1, "learner.buffer.sample": 1}
    config = build("tictactoe", preset=preset, flags={**flags, **replay})
    learner, stream = config.learner_of(player), config.stream_config(player)
    experience = Experience(learner, seed=0)
    columns = {"impact": 4 * 8, "ppo": 2 * 8}.get(preset, 50)
    shape = {
        "rows": stream.unroll + 1,
        "columns": columns,
        "seats": 1,
        "state": False,
        "values": stream.values,
    }
    given = allocate(spec, core=stream.core, **shape)
    experience.add(given)
    held = getattr(experience._buffer, "_kept", None)
    arrays = [given.rows, given.place] if held is None else [held.rows, held.place, held.tree._nodes]
    kept = sum(array.nbytes for array in arrays)
    kept += held.core.nbytes if held is not None and held.core is not None else 0
    need = 2 * stream.memory(spec, 4) + kept
    memory = SimpleNamespace(total=need)
    monkeypatch.setattr("psutil.virtual_memory", lambda: memory)
    check_memory(config, spec, [player])
    memory.total = need - 1
    told = r"learner\.buffer\.(capacity 50|batches \d), rollout\.unroll \d+: what is kept to train on takes"
    with pytest.raises(OptionError, match=told):
        check_memory(config, spec, [player])


@pytest.mark.parametrize(
    ("flags", "pattern"),
    [
        (["--learner.algorithm.batch", "1e12"], r"learner\.algorithm\.batch 1000000000000, .* GB"),
        (["--runtime.learner_threads", "9999"], r"runtime\.learner_threads 9999: .* cores"),
        (
            ["--league", "population", "--runtime.round_steps", "600"],
            r"runtime\.round_steps 600: .* 3 players",
        ),
        (["--learner.algorithm.max_policy_lag", "0", "--learner.algorithm.batch", "8"], "max_policy_lag 0: "),
        (["--runtime.hang_seconds", "0.1"], "hang_seconds is 0.1, but must be at least 1"),
    ],
)
def test_a_run_that_cannot_be_is_one_line_and_leaves_nothing(
    flags: list[str], pattern: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(tmp_path / "run")
    words = ["train", "tictactoe", "--run", run, "--quiet", "--runtime", "inline", "--steps", "1"]
    assert main([*words, *flags]) == 2
    assert_one_line(capsys.readouterr().err, pattern)
    assert not (tmp_path / "run").exists()


def test_who_never_fills_a_batch_in_a_round_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three predators fill two batches, and end the round, before the prey has filled one."""
    pytest.importorskip("mpe2")
    monkeypatch.setattr("coordinator.launch.check_round", lambda *_: None)
    folder = tmp_path / "run"
    fields = {
        "game.teams": "prefix",
        "runtime.runtime": "inline",
        "runtime.round_steps": 900,
        "league.episodes": 4,
        "rollout.copies": 4,
        "rollout.unroll": 16,
        "learner.algorithm.batch": 32,
        "league.evaluate_share": 0,
    }
    words = ["train", "mpe2:simple_tag", "--run", folder, "--quiet", "--seed", 1, "--steps", 900]
    assert main([*map(str, words), *options(fields)]) == 0
    capsys.readouterr()
    with open_store(RunFolder.open(folder)) as store:
        notes = [note for note in store.status()["notes"] if "trains on nothing" in note]
        steps = {name: player.steps for name, player in store.players().items()}
    assert steps["agent"] == 0 < steps["adversary"]
    assert notes == ["agent trains on nothing in rounds of runtime.round_steps 900: raise it"]


def test_a_round_must_give_everybody_a_batch() -> None:
    """Of 4 decisions in a tick one is the prey's: its 16 x 16 take 1024 of all."""
    check_round(inline(**{"runtime.round_steps": 1024}), UNEVEN, [HUNTERS, PREY])
    with pytest.raises(
        OptionError, match=r"round_steps 1023: .* 2 players .* 16 columns of 16 .* 1024 and more"
    ):
        check_round(inline(**{"runtime.round_steps": 1023}), UNEVEN, [HUNTERS, PREY])


def test_a_round_of_teams_that_learn_as_one() -> None:
    """A hunters' column holds three decisions a row, a column of the prey one."""
    config = inline(**{"runtime.round_steps": 1023, "learner.cooperation": "joint"})
    with pytest.raises(OptionError, match="1024 and more"):
        check_round(config, UNEVEN, [HUNTERS, PREY])


def test_one_player_ends_its_round_itself_and_processes_have_no_rounds() -> None:
    short = {"runtime.round_steps": 20}
    check_round(inline(**short), spec_of("connect_four"), [Player("main")])
    ray = build("my:game", flags={**short, "runtime.runtime": "ray"})
    check_round(ray, UNEVEN, [HUNTERS, PREY])


def test_columns_that_are_nearly_all_too_old_are_refused() -> None:
    """2 actors of 8 copies with 3 hunters each: 48 columns are 12 updates."""
    flags = {"runtime.actors": 2, "rollout.copies": 8, "learner.algorithm.batch": 4}
    old = build("my:game", flags={**flags, "learner.algorithm.max_policy_lag": 0})
    with pytest.raises(
        OptionError, match=r"lag 0: 48 columns .* 12 updates .* allowed are 1 and more, or 6 roll"
    ):
        check_age(old, UNEVEN, [HUNTERS, PREY])
    check_age(
        build("my:game", flags={**flags, "learner.algorithm.max_policy_lag": 1}), UNEVEN, [HUNTERS, PREY]
    )
    check_age(old, UNEVEN, [PREY])
    copies = {**flags, "rollout.copies": 6, "learner.algorithm.max_policy_lag": 0}
    check_age(build("my:game", flags=copies), UNEVEN, [HUNTERS, PREY])


def test_passes_over_a_batch_are_updates_in_which_columns_grow_old() -> None:
    """48 columns are 12 batches, each gone over 3 times in 2 parts."""
    flags = {"runtime.actors": 2, "rollout.copies": 8, "learner.algorithm.batch": 4}
    passes = {"learner.buffer.kind": "circular", "learner.buffer.passes": 3, "learner.buffer.minibatches": 2}
    lag = "learner.algorithm.max_policy_lag"
    check_age(build("my:game", flags={**flags, lag: 1}), UNEVEN, [HUNTERS])
    check_age(build("my:game", flags={**flags, **passes, lag: 7}), UNEVEN, [HUNTERS])
    with pytest.raises(
        OptionError, match=r"make 72 updates of learner\.algorithm\.batch 4, 6 for each .* allowed are 7 and"
    ):
        check_age(build("my:game", flags={**flags, **passes, lag: 6}), UNEVEN, [HUNTERS])
    in_step = {**flags, **passes, lag: 3, "runtime.coordination": "sync"}  # the batches of both are one
    check_age(build("my:game", flags=in_step), UNEVEN, [HUNTERS])


def test_columns_for_a_replay_may_be_of_any_age() -> None:
    flags = {"rollout.copies": 4096, "learner.algorithm.batch": 1, "learner.algorithm.max_policy_lag": 0}
    check_age(build("my:game", preset="ape_x", flags=flags), UNEVEN, [HUNTERS])


@pytest.mark.parametrize("game", ["connect_four", "tictactoe", "matrix:rps", "gymnasium:CartPole-v1"])
@pytest.mark.parametrize("league", LEAGUES)
def test_presets_are_within_the_limits(game: str, league: str) -> None:
    config = build(game, league=league, flags={"runtime.runtime": "inline"})
    players = [Player(name, role) for name, role in config.league.roles.items() if role.learns]
    check_round(config, spec_of(game), players)
    check_age(config, spec_of(game), players)
    check_memory(config, spec_of(game), players)


def test_a_match_longer_than_a_round_is_refused_inline() -> None:
    flags = {"league.episodes": 101, "runtime.round_steps": 100}
    with pytest.raises(OptionError, match=r"league\.episodes 101 is above runtime\.round_steps 100"):
        inline(**flags)
    assert build("my:game", flags=flags).runtime.runtime is Runtime.RAY


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("precision", ["auto", "float32", "bfloat16"])
def test_bfloat16_that_the_processor_lacks_is_told(
    precision: str, there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "bfloat16_pays", lambda: there)
    told = remarks(build("tictactoe", flags={"learner.precision": precision}))
    if precision == "bfloat16" and not there:
        (line,) = told
        assert line.startswith("learner.precision bfloat16: ")
        assert "float32 is used" in line
    else:
        assert told == []
