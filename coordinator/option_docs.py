"""What every field of a configuration is for: read from the string literal under it in the source."""

from __future__ import annotations

import ast
import functools
import inspect
import itertools
import sys
from collections.abc import Iterator
from dataclasses import MISSING, fields
from typing import Any, NamedTuple

from coordinator.option_values import in_words, is_config
from coordinator.options import default_of, kinds, to_plain


class Option(NamedTuple):
    """One field of a configuration."""

    path: str
    """`league.latest_probability`."""
    type: str
    """What is allowed, in words."""
    default: Any
    """A JSON value; None where the field has none."""
    doc: str
    """The string literal under the field; empty where there is none."""


def describe(cls: type) -> list[Option]:
    """Every field of a configuration, in order, nested ones by their dotted path."""
    return list(_describe(cls, ""))


def _describe(cls: type, prefix: str) -> Iterator[Option]:
    docs = _docs(cls)
    for field in fields(cls):
        if not field.init:
            continue
        kind, path = kinds(cls)[field.name], prefix + field.name
        if is_config(kind):
            yield from _describe(kind, f"{path}.")
        else:
            default = default_of(field)
            plain = None if default is MISSING else to_plain(default)
            yield Option(path, in_words(kind), plain, docs.get(field.name, ""))


@functools.cache
def _classes(module: str) -> dict[str, list[ast.stmt]]:
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {node.name: node.body for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}


def _docs(cls: type) -> dict[str, str]:
    """Field -> its doc. Python throws these literals away, so they are read from the source."""
    found: dict[str, str] = {}
    for above, below in itertools.pairwise(_classes(cls.__module__)[cls.__name__]):
        match above, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(doc))):
                found[name] = " ".join(doc.split())
    return found
