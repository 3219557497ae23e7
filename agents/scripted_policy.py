"""A scripted player at a table. It may be anybody's code: who fails, or plays what is illegal, forfeits."""

from __future__ import annotations

from threading import Thread
from typing import Any

import numpy as np
import numpy.typing as npt

from agents.policy import Chance, Choice
from agents.scripted.base import Rows, Scripted
from envs.game import Array, Box, GameSpec
from envs.legal import allowed, legal


class ScriptedPolicy:
    """How a scripted player acts. One that hung once is not asked again: its thread may still be at it."""

    version = 0
    core = 0

    def __init__(self, script: Scripted, spec: GameSpec, patience: float | None = None) -> None:
        """patience: seconds that one call may take; None for any time."""
        self._script = script
        self._spec = spec
        self._patience = None if getattr(script, "quick", False) else patience
        self._hung = ""
        self.needs_history = script.needs_history
        self.varies = bool(getattr(script, "varies", False))

    def act(self, rows: Rows, core: npt.NDArray[np.float32] | None, chance: Chance) -> Choice:
        """Its choices, or why it forfeits."""
        if self._hung:
            return _forfeit(self._hung)
        answer: list[Array] = []
        wrong: list[str] = []

        def ask() -> None:
            try:
                answer.append(np.asarray(self._script.act(rows, chance.numpy)))
            except (Exception, SystemExit) as error:  # the script's author may raise anything, and leave
                wrong.append(f"raised {type(error).__name__}: {' '.join(str(error).split())}")

        if self._patience is None:
            ask()
        else:
            thread = Thread(target=ask, daemon=True)
            thread.start()
            thread.join(self._patience)
        if not answer and not wrong:
            self._hung = f"took more than {self._patience:g} s over {len(rows.seat)} moves"
            return _forfeit(self._hung)
        if what := wrong[0] if wrong else _what_is_wrong(self._spec, rows, answer[0]):
            return _forfeit(what)
        return Choice(answer[0], answer[0], np.zeros(len(rows.seat), np.float32))


def _forfeit(what: str) -> Choice:
    nothing: npt.NDArray[Any] = np.zeros(0)
    return Choice(nothing, nothing, nothing, forfeit=what)


def _what_is_wrong(spec: GameSpec, rows: Rows, actions: Array) -> str | None:
    shape = (len(rows.seat), *spec.action_shape)
    kinds = "iuf" if isinstance(spec.actions, Box) else "iu"
    if actions.shape != shape or actions.dtype.kind not in kinds:
        return f"answered {actions.dtype} {list(actions.shape)}, must be {spec.action_dtype} {list(shape)}"
    fine = legal(spec, rows.mask, actions)
    if fine.all():
        return None
    first = int(np.flatnonzero(~fine)[0])
    return f"played {actions[first].tolist()}, which is illegal: {allowed(spec, rows.mask[first])}"
