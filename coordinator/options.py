"""Configuration from layers: defaults <- preset <- file <- flags, over nested frozen dataclasses.

A configuration is *plain* (nested dicts, JSON values) while layers are laid over one another, and is
built once at the end: so a flag may repair what a file alone would contradict. Names may be nested
(`{"learner": {"batch": 128}}`) or dotted (`{"learner.batch": "128"}`), in snake or kebab case.

Every mistake is an `OptionError` of one line: which field, which value, what is allowed.
"""

from __future__ import annotations

import difflib
import functools
import json
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

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
    """A YAML or JSON file (JSON is YAML) as a dict. Raises OptionError where it is none."""
    import yaml

    try:
        text = Path(path).read_text(encoding="utf-8")
        loaded = yaml.safe_load(text)
    except OSError as error:
        raise OptionError(f"config file {path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise OptionError(f"config file {path}: is not UTF-8 text") from error
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
    return key.lstrip("-").replace("-", "_").split(".")


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def is_config(kind: Any) -> bool:
    """Whether a field's type is a section, with fields of its own."""
    return isinstance(kind, type) and is_dataclass(kind)


def default_of(field: Field[Any]) -> Any:
    """The field's default, or dataclasses.MISSING."""
    return field.default if field.default_factory is MISSING else field.default_factory()


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is near to a misspelt one, if any is."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)), None)


def _unknown(cls: type, path: str, names: list[str], value: object, spell: Spelling) -> OptionError:
    name, *rest = names
    siblings = [_join(path, known) for known in kinds(cls)]
    near = closest(_join(path, name), siblings)
    kind = "option" if spell is as_flag else "field"
    said = "" if isinstance(value, Mapping) else f" {_shown(value)}"
    tail = (
        f"did you mean {spell('.'.join([near, *rest]))}?"
        if near
        else f"known are {', '.join(map(spell, siblings))}"
    )
    return OptionError(f"unknown {kind} {spell('.'.join([_join(path, name), *rest]))}{said}: {tail}")


def _set(cls: type, plain: Plain, names: list[str], value: object, path: str, spell: Spelling) -> None:
    """Write one value into the nested dicts, replacing (never changing) the dicts on its way."""
    name, *rest = names
    if name not in kinds(cls):
        raise _unknown(cls, path, names, value, spell)
    kind, here = kinds(cls)[name], _join(path, name)
    if not is_config(kind):
        if rest:
            raise OptionError(f"{spell('.'.join([here, *rest]))}: {spell(here)} has no fields of its own")
        plain[name] = to_plain(_read(kind, value, here, spell))
        return
    section = plain[name] = {**plain.get(name, {})}
    if rest:
        _set(kind, section, rest, value, here, spell)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            _set(kind, section, _split(str(key)), inner, here, spell)
    else:
        example = _join(here, next(iter(kinds(kind))))
        raise OptionError(f"{spell(here)} {_shown(value)}: is a section; name a field, like {spell(example)}")


# ---------------------------------------------------------------------------- values


def _build(cls: type, plain: object, path: str, spell: Spelling) -> object:
    if not isinstance(plain, Mapping):
        raise OptionError(f"{spell(path)} {_shown(plain)}: must be a section of fields")
    for name, value in plain.items():
        if name not in kinds(cls):
            raise _unknown(cls, path, [name], value, spell)
    values = {
        name: _build(kind, plain[name], _join(path, name), spell)
        if is_config(kind)
        else _read(kind, plain[name], _join(path, name), spell)
        for name, kind in kinds(cls).items()
        if name in plain
    }
    missing = [f.name for f in fields(cls) if f.init and f.name not in values and default_of(f) is MISSING]
    if missing:
        raise OptionError(f"{spell(_join(path, missing[0]))}: is missing and has no default")
    try:
        return cls(**values)
    except OptionError:
        raise
    except ValueError as error:
        raise OptionError(f"{spell(path)}: {error}" if path else str(error)) from error


@functools.cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind, config=ConfigDict(allow_inf_nan=False))


def _read(kind: Any, value: object, path: str, spell: Spelling) -> object:
    """Check one value: text (a flag) is parsed, anything else must be of the type already."""
    try:
        if isinstance(value, str):
            return _adapter(kind).validate_python(_from_text(kind, value))
        return _adapter(kind).validate_json(json.dumps(to_plain(value), default=str), strict=True)
    except ValidationError as error:
        near = closest(value, _choices(kind)) if isinstance(value, str) else None
        hint = f"; did you mean {near}?" if near else ""
        message = f"{spell(path)} {_shown(value)}: must be {in_words(kind)}{hint}"
        raise OptionError(message) from error


def _from_text(kind: Any, text: str) -> object:
    """What pydantic's lax mode does not know: `none`, `128,128` and `1e6` for a whole number."""
    parts = _alternatives(kind)
    if type(None) in parts and text.lower() in ("none", "null"):
        return None
    if any(get_origin(part) is tuple for part in parts):
        return [item.strip() for item in text.strip("[]() ").split(",") if item.strip()]
    if int in parts and "e" in text.lower():
        try:
            number = float(text)
        except ValueError:
            return text
        return int(number) if number.is_integer() else text
    return text


def _alternatives(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)


def _choices(kind: Any) -> list[str]:
    """The values of an enum or a Literal, of an alternative of it too."""
    found: list[object] = []
    for part in _alternatives(kind):
        if get_origin(part) is Literal:
            found += get_args(part)
        elif isinstance(part, type) and issubclass(part, Enum):
            found += [member.value for member in part]
    return [str(value) for value in found]


def in_words(kind: Any) -> str:
    """What a field allows: `a whole number`, `one of mlp, conv, resnet`, `a number or none`."""
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "text", type(None): "none"}
    if len(parts := _alternatives(kind)) > 1:
        return " or ".join(in_words(part) for part in parts)
    if kind in words:
        return words[kind]
    if choices := _choices(kind):
        return f"one of {', '.join(choices)}"
    if get_origin(kind) is tuple:
        item = in_words(get_args(kind)[0]).removeprefix("a ")
        return f"{item}s separated by commas" if item.endswith("number") else f"{item} separated by commas"
    return getattr(kind, "__name__", str(kind))


def _shown(value: object) -> str:
    text = value if isinstance(value, str) and value else json.dumps(to_plain(value), default=str)
    return text if len(text) <= 60 else text[:57] + "..."
