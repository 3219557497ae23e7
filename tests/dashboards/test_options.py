"""Layers of configuration: each mistake is one line that names field, value and what is allowed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Literal

import pytest

from coordinator.option_docs import describe
from coordinator.options import (
    OptionError,
    apply_overrides,
    as_flag,
    from_plain,
    load_config_file,
    overlay,
    to_plain,
)


class Shape(StrEnum):
    ROUND = "round"
    SQUARE = "square"


@dataclass(frozen=True)
class Learner:
    batch: int = 256
    """Columns in
    one update."""
    rate: float = 0.5
    hidden: tuple[int, ...] = (8, 8)
    shape: Shape = Shape.ROUND
    clip: float | None = None
    low: float = 0.0

    def __post_init__(self) -> None:
        if self.low > self.rate:
            raise ValueError(f"low {self.low} is above rate {self.rate}")


@dataclass(frozen=True)
class League:
    latest_probability: float = 0.8
    """How often it meets itself."""


@dataclass(frozen=True)
class Run:
    game: str
    """Which game."""
    seed: int = 0
    fast: bool = False
    place: Literal["here", "there"] = "here"
    league: League = field(default_factory=League)
    learner: Learner = field(default_factory=Learner)
    weights: dict[str, float] = field(default_factory=dict)
    variants: Mapping[str, Learner] = field(default_factory=dict, metadata={"over": "learner"})
    """By name."""


RUN = Run("tictactoe")


@pytest.mark.parametrize(
    ("path", "text", "value"),
    [
        ("league.latest-probability", "0.5", 0.5),
        ("--league.latest_probability", "1", 1.0),
        ("learner.batch", "128", 128),
        ("learner.batch", "1e3", 1000),
        ("learner.hidden", "128,64", (128, 64)),
        ("learner.hidden", "(128, 64)", (128, 64)),
        ("learner.hidden", "128", (128,)),
        ("learner.hidden", "", ()),
        ("learner.shape", "square", Shape.SQUARE),
        ("learner.clip", "0.1", 0.1),
        ("learner.clip", "none", None),
        ("fast", "true", True),
        ("game", "12", "12"),
    ],
)
def test_text_becomes_the_field_s_type(path: str, text: str, value: object) -> None:
    changed = apply_overrides(RUN, {path: text})
    owner: object = changed
    for name in path.lstrip("-").replace("-", "_").split("."):
        owner = getattr(owner, name)
    assert owner == value
    assert type(owner) is type(value)


def test_what_is_not_named_stays() -> None:
    changed = apply_overrides(RUN, {"learner.batch": "1"})
    assert changed == Run("tictactoe", learner=Learner(batch=1))
    assert to_plain(RUN) == to_plain(Run("tictactoe"))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            {"league.latest-probabilty": "0.5"},
            "unknown option --league.latest-probabilty 0.5: did you mean --league.latest-probability?",
        ),
        ({"lerner.batch": "1"}, "unknown option --lerner.batch 1: did you mean --learner.batch?"),
        (
            {"zzz": "1"},
            "unknown option --zzz 1: known are "
            "--game, --seed, --fast, --place, --league, --learner, --weights, --variants",
        ),
        ({"learner.batch": "many"}, "--learner.batch many: must be a whole number"),
        ({"learner.batch": "1.5"}, "--learner.batch 1.5: must be a whole number"),
        ({"learner.batch": ""}, '--learner.batch "": must be a whole number'),
        ({"learner.rate": "nan"}, "--learner.rate nan: must be a number"),
        ({"learner.hidden": "8,x"}, "--learner.hidden 8,x: must be whole numbers separated by commas"),
        (
            {"learner.shape": "sqare"},
            "--learner.shape sqare: must be one of round, square; did you mean square?",
        ),
        ({"learner.clip": "x"}, "--learner.clip x: must be a number or none"),
        ({"place": "hre"}, "--place hre: must be one of here, there; did you mean here?"),
        ({"fast": "perhaps"}, "--fast perhaps: must be true or false"),
        ({"learner": "5"}, "--learner 5: is a section; name a field, like --learner.batch"),
        ({"seed.x": "5"}, "--seed.x: --seed has no fields of its own"),
        ({"learner.low": "0.9"}, "--learner: low 0.9 is above rate 0.5"),
        (
            {"variants.main_2.bach": "1"},
            "unknown option --variants.main_2.bach 1: did you mean --variants.main_2.batch?",
        ),
        ({"variants.a-b.batch": "x"}, "--variants.a-b.batch x: must be a whole number"),
        ({"variants.a-b": "5"}, "--variants.a-b 5: is a section; name a field, like --variants.a-b.batch"),
        ({"variants": "5"}, "--variants 5: holds sections by name, like --variants.NAME"),
        ({"variants.a-b.low": "0.9"}, "--variants.a-b: low 0.9 is above rate 0.5"),
        ({"variants.a.batch.x": "5"}, "--variants.a.batch.x: --variants.a.batch has no fields of its own"),
    ],
)
def test_mistakes_are_one_line(overrides: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError) as caught:
        apply_overrides(RUN, overrides)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ({"learner": {"batc": 1}}, "unknown field learner.batc 1: did you mean learner.batch?"),
        ({"learner": {"batch": True}}, "learner.batch true: must be a whole number"),
        ({"learner": {"batch": 1.5}}, "learner.batch 1.5: must be a whole number"),
        ({"learner": {"rate": float("nan")}}, "learner.rate NaN: must be a number"),
        ({"learner": {"hidden": 8}}, "learner.hidden 8: must be whole numbers separated by commas"),
        ({"learner": None}, "learner null: is a section; name a field, like learner.batch"),
        ({"game": 5}, "game 5: must be text"),
        ({"variants": {"a": {"batch": True}}}, "variants.a.batch true: must be a whole number"),
        ({"variants": {"a": 5}}, "variants.a 5: is a section; name a field, like variants.a.batch"),
        ({"variants": [5]}, "variants [5]: holds sections by name, like variants.NAME"),
    ],
)
def test_mistakes_in_a_file_name_the_field(layer: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError) as caught:
        overlay(Run, to_plain(RUN), layer)
    assert str(caught.value) == message


def test_a_flag_repairs_what_the_file_alone_would_contradict() -> None:
    plain = overlay(Run, to_plain(RUN), {"learner": {"low": 0.9}})
    with pytest.raises(OptionError, match=r"^learner: low 0.9 is above rate 0.5$"):
        from_plain(Run, plain)
    plain = overlay(Run, plain, {"learner.rate": "0.95"}, as_flag)
    assert from_plain(Run, plain).learner == Learner(low=0.9, rate=0.95)


def test_plain_survives_json_and_comes_back() -> None:
    run = Run("x", 3, True, "there", League(0.25), Learner(1, 0.5, (4,), Shape.SQUARE, 0.5), {"a": 1.0})
    run = replace(run, variants={"main.2": Learner(9), "a_b": Learner(8), "a-b": run.learner})
    assert from_plain(Run, json.loads(json.dumps(to_plain(run)))) == run


class TestSectionsByName:
    def test_what_is_not_given_is_as_in_the_section_below(self) -> None:
        plain = overlay(Run, to_plain(RUN), {"variants": {"main-2": {"batch": 7}}, "learner": {"rate": 0.75}})
        plain = overlay(Run, plain, {"learner.hidden": "4", "variants.main-2.low": "0.6"})
        run = from_plain(Run, plain)
        assert run.variants == {"main-2": Learner(batch=7, rate=0.75, hidden=(4,), low=0.6)}
        assert run.learner == Learner(rate=0.75, hidden=(4,))

    def test_a_later_layer_leaves_the_rest_of_an_earlier_one(self) -> None:
        first = overlay(Run, to_plain(RUN), {"variants.a.batch": "7", "variants.b.batch": "6"})
        second = overlay(Run, first, {"variants.a.rate": "0.25"})
        assert second["variants"] == {"a": {"batch": 7, "rate": 0.25}, "b": {"batch": 6}}
        assert first["variants"] == {"a": {"batch": 7}, "b": {"batch": 6}}

    @pytest.mark.parametrize("name", ["main", "main-2", "main_2", "main.2", "main.2.x"])
    def test_a_name_stays_as_it_was_typed(self, name: str) -> None:
        typed = apply_overrides(RUN, {f"--variants.{name}.batch": "1"})
        in_a_file = from_plain(Run, overlay(Run, to_plain(RUN), {"variants": {name: {"batch": 1}}}))
        assert typed.variants == in_a_file.variants == {name: Learner(batch=1)}

    def test_a_run_that_was_stored_without_any_has_none(self) -> None:
        plain = to_plain(RUN)
        del plain["variants"]
        assert from_plain(Run, plain) == RUN


def test_a_field_without_default_must_be_there() -> None:
    with pytest.raises(OptionError, match=r"^game: is missing and has no default$"):
        from_plain(Run, {"seed": 1})


@pytest.mark.parametrize("text", ["learner:\n  batch: 7\n", '{"learner": {"batch": 7}}'])
def test_yaml_and_json_files_are_read(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config"
    file.write_text(text)
    assert load_config_file(file) == {"learner": {"batch": 7}}


def test_a_toml_file_is_read_by_its_name(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('learner.batch = 7\n[variants."main.2"]\nhidden = [4]\n')
    loaded = load_config_file(file)
    assert loaded == {"learner": {"batch": 7}, "variants": {"main.2": {"hidden": [4]}}}
    file.write_text("learner = ]")
    with pytest.raises(OptionError, match=r"^config file .*config\.toml: .*line 1"):
        load_config_file(file)


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("# nothing yet\n")
    assert load_config_file(file) == {}


@pytest.mark.parametrize("content", [b"[1, 2]", b"a: [1", b"just words", b"\xff\xfe\x00", b"1: 2"])
def test_a_file_that_is_no_configuration_is_one_line(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "bad.yaml"
    file.write_bytes(content)
    with pytest.raises(OptionError) as caught:
        load_config_file(file)
    assert str(caught.value).startswith(f"config file {file}: ")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"no\.yaml: cannot be read: No such file"):
        load_config_file(tmp_path / "no.yaml")


def test_every_field_is_described_by_the_text_under_it() -> None:
    options = {option.path: option for option in describe(Run)}
    assert options["learner.batch"] == ("learner.batch", "a whole number", 256, "Columns in one update.")
    assert options["league.latest_probability"].doc == "How often it meets itself."
    assert options["learner.shape"].type == "one of round, square"
    assert options["learner.hidden"].default == [8, 8]
    assert options["variants"] == ("variants", "sections by name", {}, "By name.")
    assert next(iter(options)) == "game"
