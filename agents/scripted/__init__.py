"""Players that do not learn, by name: `random`, `minimax`, `mcts:N`, `rrps:BOT`, `module:factory`, …."""

from __future__ import annotations

import difflib
import importlib
import os
import re
import sys
from typing import Any

from agents.errors import AgentError
from agents.scripted.base import Rows, Scripted
from agents.scripted.mcts import MctsPlayer
from agents.scripted.minimax import MinimaxPlayer
from agents.scripted.random import RandomPlayer
from agents.scripted.rrps import RrpsBot, expand
from envs.game import GameSpec

__all__ = ["Rows", "Scripted", "expand", "make_scripted"]

KNOWN = ("random", "minimax", "mcts:N", "mcts_solver:N", "rrps:BOT", "module:factory")


def make_scripted(identity: str, spec: GameSpec) -> Scripted:
    """The scripted player of that name, for one game.

    Raises AgentError where there is none of that name, or it cannot play the game.
    """
    name, colon, argument = identity.partition(":")
    match name:
        case "random" if not colon:
            return RandomPlayer(spec.actions)
        case "minimax" if not colon:
            return MinimaxPlayer(spec)
        case "mcts" | "mcts_solver":
            if not re.fullmatch(r"[1-9][0-9]{0,8}", argument):
                raise AgentError(
                    f"player {identity!r}: {name}:N needs N >= 1 simulations, as in '{name}:100'"
                )
            return MctsPlayer(spec, int(argument), solve=name == "mcts_solver")
        case "rrps":
            return RrpsBot(spec, argument)
    if not re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", identity):
        raise AgentError(f"no player is called {identity!r}{_hint(name)}; allowed: {', '.join(KNOWN)}")
    return _from_module(identity, name, argument, spec)


def _from_module(identity: str, module: str, factory: str, spec: GameSpec) -> Scripted:
    """What `factory(spec)` of a user's module makes; it may lie in the current folder."""
    if (here := os.getcwd()) not in sys.path:
        sys.path.append(here)  # last, so that nothing in the folder hides an installed package
    try:
        made: Any = getattr(importlib.import_module(module), factory)(spec)
    except AgentError:
        raise
    except ModuleNotFoundError as error:
        if error.name is not None and f"{module}.".startswith(f"{error.name}."):
            raise AgentError(
                f"player {identity!r}: no module is called {error.name!r}{_hint(module)}"
            ) from error
        raise AgentError(f"player {identity!r}: {module} itself needs {error.name!r}") from error
    except Exception as error:  # The user's code may raise anything; what it says is for the user.
        said = " ".join(str(error).split())
        raise AgentError(f"player {identity!r}: {type(error).__name__}: {said}") from error
    if not callable(getattr(made, "act", None)) or not isinstance(getattr(made, "needs_history", None), bool):
        raise AgentError(
            f"player {identity!r} made a {type(made).__name__}, which lacks act(rows, generator)"
            " or needs_history (True or False)"
        )
    scripted: Scripted = made
    return scripted


def _hint(name: str) -> str:
    close = difflib.get_close_matches(name, [known.partition(":")[0] for known in KNOWN[:-1]], n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
