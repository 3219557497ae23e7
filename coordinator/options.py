"""Configuration from layers: defaults <- preset <- file <- flags, over nested frozen dataclasses.

A configuration is *plain* (nested dicts, JSON values) while layers are laid over one another, and is
built once at the end: so a flag may repair what a file alone would contradict. Names may be nested
(`{"learner": {"batch": 128}}`) or dotted (`{"learner.batch": "128"}`), in snake or kebab case.

A field `Mapping[str, Section]` holds a section for each of some names (`variants.main-2.batch`). Where its
metadata say `{"over": "learner"}`, what is not given of a section is as in the field `learner`.

Every mistake is an `OptionError` of one line: which field, which value, what is allowed.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar, cast, get_type_hints

from coordinator.option_values import closest, is_config, read_value, sections_of, shown

Config = TypeVar("Config")
Plain = dict[str, Any]
"""A configuration as nested dicts of JSON values."""
Spelling = Callable[[str], str]
"""How a message names the field `league.latest_probability`."""


class OptionError(ValueError):
    """A field, a value or their combination is not allowed. The message is one line for the user."""


def as_flag(path: str) -> str:
    """`league.latest_probability` -> `--league.latest-probability`."""
    return "--" + path.replace("_", "-")


def as_field(path: str) -> str:
    """The field's own name."""
    return path


def apply_overrides(config: Config, overrides: Mapping[str, object]) -> Config:
    """The configuration with some fields changed, as given on a command line."""
    return from_plain(type(config), overlay(type(config), to_plain(config), overrides, as_flag), as_flag)


def overlay(cls: type, base: Plain, layer: Mapping[str, object], spell: Spelling = as_field) -> Plain:
    """`base` with the values of `layer` over it; names and types are checked, contradictions not yet.

    Raises OptionError for an unknown name (with the closest known one) or a value of the wrong type.
    """
    merged = {**base}
    for key, value in layer.items():
        _set(cls, merged, _split(key), value, "", spell)
    return merged


def load_config_file(path: Path | str) -> dict[str, Any]:
    """A YAML or JSON file (JSON is YAML), or a TOML file by its name, as a dict. Raises OptionError else."""
    import yaml

    try:
        text = Path(path).read_text(encoding="utf-8")
        loaded = tomllib.loads(text) if Path(path).suffix == ".toml" else yaml.safe_load(text)
    except OSError as error:
        raise OptionError(f"config file {path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise OptionError(f"config file {path}: is not UTF-8 text") from error
    except tomllib.TOMLDecodeError as error:
        raise OptionError(f"config file {path}: {error}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "is not YAML"
        raise OptionError(f"config file {path}: {problem}{where}") from error
    if loaded is None:
        return {}
    if not isinstance(loaded, dict) or not all(isinstance(key, str) for key in loaded):
        raise OptionError(f"config file {path}: must hold fields and values, like `learner: {{batch: 256}}`")
    return loaded


def to_plain(config: object) -> Any:
    """Nested dicts and JSON values; `from_plain` is its inverse."""
    if is_dataclass(config) and not isinstance(config, type):
        return {field.name: to_plain(getattr(config, field.name)) for field in fields(config)}
    if isinstance(config, Enum):
        return config.value
    if isinstance(config, Mapping):
        return {key: to_plain(value) for key, value in config.items()}
    if isinstance(config, (tuple, list)):
        return [to_plain(value) for value in config]
    return config


def from_plain(cls: type[Config], plain: Mapping[str, object], spell: Spelling = as_field) -> Config:
    """Build and check a configuration; missing fields take their defaults.

    Raises OptionError for an unknown name, a wrong type, or what a `__post_init__` forbids.
    """
    return cast(Config, _build(cls, plain, "", spell))


# ---------------------------------------------------------------------------- names


@functools.cache
def kinds(cls: type) -> dict[str, Any]:
    """Field -> its type, annotations resolved."""
    hints = get_type_hints(cls)
    return {field.name: hints[field.name] for field in fields(cls) if field.init}


def _split(key: str) -> list[str]:
    return key.lstrip("-").split(".")


def _snake(name: str) -> str:
    return name.replace("-", "_")


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def default_of(field: Field[Any]) -> Any:
    """The field's default, or dataclasses.MISSING."""
    return field.default if field.default_factory is MISSING else field.default_factory()


def _within(path: str, name: str, spell: Spelling) -> Spelling:
    """How a message names a field of a section that bears a name: that stays as it was typed."""
    return lambda inner: f"{spell(path)}.{name}" + (f".{spell(inner).lstrip('-')}" if inner else "")


def _unknown(cls: type, path: str, names: list[str], value: object, spell: Spelling) -> OptionError:
    name, *rest = map(_snake, names)
    siblings = [_join(path, known) for known in kinds(cls)]
    near = closest(_join(path, name), siblings)
    kind = "option" if spell(name).startswith("--") else "field"
    said = "" if isinstance(value, Mapping) else f" {shown(value)}"
    tail = (
        f"did you mean {spell('.'.join([near, *rest]))}?"
        if near
        else f"known are {', '.join(map(spell, siblings))}"
    )
    return OptionError(f"unknown {kind} {spell('.'.join([_join(path, name), *rest]))}{said}: {tail}")


def _set(cls: type, plain: Plain, names: list[str], value: object, path: str, spell: Spelling) -> None:
    """Write one value into the nested dicts, replacing (never changing) the dicts on its way."""
    name, rest = _snake(names[0]), names[1:]
    if name not in kinds(cls):
        raise _unknown(cls, path, names, value, spell)
    kind, here = kinds(cls)[name], _join(path, name)
    if is_config(kind):
        plain[name] = _section(kind, plain.get(name, {}), rest, value, here, spell)
    elif (section := sections_of(kind)) is not None:
        plain[name] = _sections(section, plain.get(name, {}), rest, value, here, spell)
    elif rest:
        raise OptionError(
            f"{spell('.'.join([here, *map(_snake, rest)]))}: {spell(here)} has no fields of its own"
        )
    else:
        plain[name] = to_plain(_read(kind, value, here, spell))


def _section(kind: type, plain: Plain, names: list[str], value: object, path: str, spell: Spelling) -> Plain:
    """A section with a value, or several, written into it."""
    section = {**plain}
    if names:
        _set(kind, section, names, value, path, spell)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            _set(kind, section, _split(str(key)), inner, path, spell)
    else:
        example = _join(path, next(iter(kinds(kind))))
        raise OptionError(f"{spell(path)} {shown(value)}: is a section; name a field, like {spell(example)}")
    return section


def _sections(kind: type, plain: Plain, names: list[str], value: object, path: str, spell: Spelling) -> Plain:
    """Sections by name, with a value, or several, written into one or more of them."""
    if names:
        name, rest = _named(kind, names, value)
        section = _section(kind, plain.get(name, {}), rest, value, "", _within(path, name, spell))
        return {**plain, name: section}
    if not isinstance(value, Mapping):
        raise _no_names(path, value, spell)
    for key, inner in value.items():
        plain = _sections(kind, plain, _split(str(key)), inner, path, spell)
    return plain


def _named(kind: type, names: list[str], value: object) -> tuple[str, list[str]]:
    """(name, the field in its section). A name may hold dots: it ends where a field of the section stands."""
    ends = (at for at, part in enumerate(names) if at and _snake(part) in kinds(kind))
    end = next(ends, len(names) if isinstance(value, Mapping) else 1)
    return ".".join(names[:end]), names[end:]


def _no_names(path: str, value: object, spell: Spelling) -> OptionError:
    return OptionError(f"{spell(path)} {shown(value)}: holds sections by name, like {spell(path)}.NAME")


# ---------------------------------------------------------------------------- values


def _build(cls: type, plain: object, path: str, spell: Spelling) -> object:
    if not isinstance(plain, Mapping):
        raise OptionError(f"{spell(path)} {shown(plain)}: must be a section of fields")
    for name, value in plain.items():
        if name not in kinds(cls):
            raise _unknown(cls, path, [name], value, spell)
    values = {
        name: _value(cls, name, plain, _join(path, name), spell) for name in kinds(cls) if name in plain
    }
    missing = [f.name for f in fields(cls) if f.init and f.name not in values and default_of(f) is MISSING]
    if missing:
        raise OptionError(f"{spell(_join(path, missing[0]))}: is missing and has no default")
    try:
        return cls(**values)
    except OptionError:
        raise
    except ValueError as error:
        where = spell(path)
        raise OptionError(f"{where}: {error}" if where.strip("-") else str(error)) from error


def _read(kind: Any, value: object, path: str, spell: Spelling) -> object:
    try:
        return read_value(kind, value)
    except ValueError as error:
        raise OptionError(f"{spell(path)} {error}") from error


def _value(cls: type, name: str, plain: Mapping[str, object], path: str, spell: Spelling) -> object:
    """One field of `plain`, built and checked; sections by name over the field that they lie over."""
    kind, value = kinds(cls)[name], plain[name]
    if is_config(kind):
        return _build(kind, value, path, spell)
    if (section := sections_of(kind)) is None:
        return _read(kind, value, path, spell)
    if not isinstance(value, Mapping):
        raise _no_names(path, value, spell)
    below = next(field.metadata.get("over", "") for field in fields(cls) if field.name == name)
    base = cast(Plain, plain.get(below, {}))
    built: dict[str, object] = {}
    for who, given in value.items():
        within = _within(path, who, spell)
        built[who] = _build(section, _section(section, base, [], given, "", within), "", within)
    return built
