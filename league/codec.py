"""The nouns of a league as canonical JSON text, and strictly back.

One object has one text (keys sorted, no spaces), so texts may be compared and hashed. Reading refuses
what it does not know: an unknown or missing key, a wrong type, a number that is not finite. Only a field
marked ADDED_LATER may be missing, in what was written before there was one.
"""

from __future__ import annotations

import json
import math
from dataclasses import fields, is_dataclass
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Any, NoReturn, TypeVar, get_args, get_origin, get_type_hints

from league.players import LeagueError

Noun = TypeVar("Noun")

SCALARS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
EXACT = 2**53
"""Whole numbers up to here are floats without loss."""


def to_json(noun: Any) -> str:
    """Canonical JSON of a frozen dataclass. Raises LeagueError where a value is not of its field's type."""
    return dumps(_plain(type(noun), noun, type(noun).__name__))


def from_json(cls: type[Noun], text: str) -> Noun:
    """The object that `to_json` wrote. Raises LeagueError, naming the field, where the text is not one."""
    noun: Noun = _typed(cls, loads(text), cls.__name__)
    return noun


def dumps(plain: Any) -> str:
    """Canonical text of plain JSON data: sorted keys, no spaces, finite numbers that read back exactly."""
    try:
        return json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise LeagueError(f"cannot be written as JSON: {error}") from error


def loads(text: str) -> Any:
    """Plain data of a JSON text; NaN, infinities and repeated keys are refused with LeagueError."""
    try:
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_distinct)
    except (ValueError, RecursionError) as error:
        raise LeagueError(f"not valid JSON: {error}") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number that may be stored")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    plain = dict(pairs)
    if len(plain) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return plain


def _is_noun(kind: Any) -> bool:
    return isinstance(kind, type) and is_dataclass(kind)


@cache
def _hints(cls: Any) -> dict[str, Any]:
    """Types of a dataclass's fields, resolved once."""
    return get_type_hints(cls)


def _fail(where: str, value: Any, allowed: str) -> NoReturn:
    raise LeagueError(f"{where} is {value!r:.80}, but must be {allowed}")


def _plain(kind: Any, value: Any, where: str) -> Any:
    """`value`, an instance of `kind`, as plain JSON data."""
    if _is_noun(kind):
        hints = _hints(kind)
        if type(value) is not kind:
            _fail(where, value, f"a {kind.__name__}")
        return {
            f.name: _plain(hints[f.name], getattr(value, f.name), f"{where}.{f.name}") for f in fields(kind)
        }
    return _convert(kind, value, where, _plain, tuple)


def _typed(kind: Any, value: Any, where: str) -> Any:
    """Plain JSON data as an instance of `kind`."""
    if _is_noun(kind):
        if not isinstance(value, dict):
            _fail(where, value, "an object")
        known = [f.name for f in fields(kind)]
        if unknown := sorted(value.keys() - set(known)):
            raise LeagueError(f"{where} has the unknown key {unknown[0]!r}, known are {', '.join(known)}")
        needed = [f.name for f in fields(kind) if not f.metadata.get("added_later")]
        if missing := [name for name in needed if name not in value]:
            raise LeagueError(f"{where} lacks the key {missing[0]!r}")
        hints = _hints(kind)
        return kind(
            **{name: _typed(hints[name], value[name], f"{where}.{name}") for name in known if name in value}
        )
    return _convert(kind, value, where, _typed, list)


def _convert(kind: Any, value: Any, where: str, inner: Any, sequence: type[Any]) -> Any:
    """What is not a dataclass, in either direction; `sequence` is what a tuple is on the side of `value`."""
    origin: Any = get_origin(kind)
    if kind is Any:
        return _any(value, where)
    if origin is UnionType:
        if value is None and NoneType in get_args(kind):
            return None
        (other,) = (option for option in get_args(kind) if option is not NoneType)
        return inner(other, value, where)
    if origin is dict:
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            _fail(where, value, "an object")
        _, item = get_args(kind)
        return {key: inner(item, entry, f"{where}[{key!r}]") for key, entry in value.items()}
    if origin is tuple:
        if not isinstance(value, sequence):
            _fail(where, value, "a list")
        item, _ = get_args(kind)
        entries = [inner(item, entry, f"{where}[{index}]") for index, entry in enumerate(value)]
        return tuple(entries) if sequence is list else entries
    return _scalar(kind, value, where)


def _scalar(kind: Any, value: Any, where: str) -> Any:
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        if not isinstance(value, str) or value not in list(kind):
            _fail(where, value, " or ".join(kind))
        return kind(value)
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        if (isinstance(value, int) and abs(value) > EXACT) or not math.isfinite(value):
            _fail(where, value, "a finite number that a float holds")
        return float(value)
    if type(value) is not kind:
        _fail(where, value, SCALARS[kind])
    return value


def _any(value: Any, where: str) -> Any:
    """`value`, checked to be plain JSON that reads back equal."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return _scalar(float, value, where)
    if isinstance(value, list):
        return [_any(entry, f"{where}[{index}]") for index, entry in enumerate(value)]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _any(entry, f"{where}[{key!r}]") for key, entry in value.items()}
    _fail(where, value, "plain JSON")
