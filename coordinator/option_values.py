"""One value of a configuration: checked against its field's type, or read from text."""

from __future__ import annotations

import difflib
import functools
import json
import types
from collections.abc import Iterable, Mapping
from dataclasses import is_dataclass
from enum import Enum
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import ConfigDict, TypeAdapter, ValidationError


def is_config(kind: Any) -> bool:
    """Whether a field's type is a section, with fields of its own."""
    return isinstance(kind, type) and is_dataclass(kind)


def sections_of(kind: Any) -> type | None:
    """The type of the sections that a field holds by name; None where it holds none."""
    found = get_args(kind)[1] if get_origin(kind) is Mapping else None
    return found if is_config(found) else None


def read_value(kind: Any, value: object) -> object:
    """Check one value: text (a flag) is parsed, anything else must be of the type already.

    Raises ValueError, whose message is the value and what is allowed.
    """
    try:
        if isinstance(value, str):
            return _adapter(kind).validate_python(_from_text(kind, value))
        return _adapter(kind).validate_json(json.dumps(value, default=str), strict=True)
    except ValidationError as error:
        near = closest(value, _choices(kind)) if isinstance(value, str) else None
        hint = f"; did you mean {near}?" if near else ""
        raise ValueError(f"{shown(value)}: must be {in_words(kind)}{hint}") from error


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is near to a misspelt one, if any is."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)), None)


def in_words(kind: Any) -> str:
    """What a field allows: `a whole number`, `one of mlp, conv, resnet`, `a number or none`."""
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "text", type(None): "none"}
    if len(parts := _alternatives(kind)) > 1:
        return " or ".join(in_words(part) for part in parts)
    if kind in words:
        return words[kind]
    if sections_of(kind) is not None:
        return "sections by name"
    if choices := _choices(kind):
        return f"one of {', '.join(choices)}"
    if get_origin(kind) is tuple:
        item = in_words(get_args(kind)[0]).removeprefix("a ")
        return f"{item}s separated by commas" if item.endswith("number") else f"{item} separated by commas"
    return getattr(kind, "__name__", str(kind))


def shown(value: object) -> str:
    """A value as a message quotes it."""
    text = value if isinstance(value, str) and value else json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


@functools.cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind, config=ConfigDict(allow_inf_nan=False))


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
