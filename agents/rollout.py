"""THE loop that plays games and cuts trajectories.

    tables ──> seats of copies ──> rows that must act, by holder ──> one forward pass a holder
      ▲                                                                      │ actions
      └── episodes that ended: results <── rewards and ends <── game.step <──┘
                                                  │
                                       streams of learning players ──> trajectories

One `tick` moves every copy by one step. Opponents never change in mid-episode: a copy takes its next
table when an episode begins. Only decisions of identities that learn at their table are recorded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from agents import openings
from agents.asking import Asker, Notes
from agents.columns import Index
from agents.policy import Behaviour, Chance, Choice
from agents.scripted.base import Rows
from agents.stages import Stages
from agents.streams import StreamConfig, Streams
from agents.tables import NOBODY, Seating, Table, TableResult
from agents.together import Request, decide
from agents.trajectory import Trajectory
from envs.game import Array, Bools, Box, Discrete, Game, MultiDiscrete, Step


class Rollout:
    """Plays `game` at the tables it is given. `reset` comes before the first `tick`."""

    def __init__(
        self,
        game: Game,
        learners: Mapping[str, StreamConfig],
        stages: Stages | None = None,
        asker: Asker | None = None,
    ) -> None:
        """learners: how the decisions of those that learn are cut. stages: told what a tick is busy with.

        asker: decides for those that learn, and sees to it that their decisions are kept; None where they act
        by weights that are here.
        """
        spec, copies = game.spec, game.copies
        self.game = game
        self.behaviours: dict[str, Behaviour] = {}
        """Identity -> how it acts. Everyone who sits at a table must be here."""
        self.decisions = 0
        """Decisions taken by everyone since the start."""
        self.seating = Seating(spec, copies)
        self._stages = stages or Stages()
        self._asker = asker
        self._streams: Mapping[str, Streams | Notes] = (
            {name: Streams(spec, copies, config) for name, config in learners.items()}
            if asker is None
            else asker.notes
        )
        self._cores: dict[int, npt.NDArray[np.float32]] = {}
        self._copy = np.repeat(np.arange(copies), spec.slots)
        self._actions = np.zeros((copies, spec.slots, *spec.action_shape), spec.action_dtype)
        self._flat_actions = self._actions.reshape(copies * spec.slots, *spec.action_shape)
        self._gone = np.zeros((copies, len(spec.seats)), np.bool_)
        self._returns = np.zeros((copies, len(spec.seats)))
        self._length = np.zeros(copies, np.intp)
        self._results: list[TableResult] = []

    def reset(self, seed: int) -> None:
        """Begin anew with nobody at any table; what follows is determined by `seed` and the tables."""
        game, chance = np.random.SeedSequence(seed).spawn(2)
        self._step = self.game.reset(int(game.generate_state(1)[0]))
        self._may_open = openings.may_open(self.game.spec, self._step)
        self._chance = Chance.of(chance)
        self._beginning = np.arange(self.game.copies)
        self.seating.clear()
        self._gone[:], self._returns[:], self._length[:] = False, 0.0, 0
        self._history: defaultdict[int, list[int]] = defaultdict(list)
        self._results = []
        for streams in self._streams.values():
            streams.forget()
        if self._asker is not None:
            self._asker.begin()
        for core in self._cores.values():
            core[:] = 0.0

    def open(self, table: Table) -> None:
        """Let a table wait for copies. All who sit there are in `behaviours`.

        Where none of them varies its play, or learns and so explores, games begin with moves at random, so
        that they are not all one game. A game that cannot begin so (`may_open`) begins as ever, whatever the
        table asks for.
        """
        moves = table.opening
        if not any(self.behaviours[who].varies or who in table.learners for who in table.holders):
            moves = max(moves, openings.length(table.episodes // 2, self.game.spec.choices))
        self.seating.open(replace(table, opening=moves if self._may_open else 0))

    def results(self) -> list[TableResult]:
        """Results of the tables whose episodes were all over since the last call."""
        results, self._results = self._results, []
        return results

    def take(self) -> dict[str, list[Trajectory]]:
        """Full batches of every learning player since the last call."""
        return {name: streams.take() for name, streams in self._streams.items()}

    def tick(self) -> None:
        """One step of every copy."""
        stages = self._stages
        with stages("results"):
            self.seating.take_seats(self._beginning)
        with stages("inference"):
            self._act(self._step)
        with stages("game"):
            step = self._step = self.game.step(self._actions)
        with stages("storage"):
            self._reward(step)
            self._end(step)
        with stages("results"):
            self._finish(step)

    # --- acting ------------------------------------------------------------------------------------

    def _act(self, step: Step) -> None:
        seats = step.seat.reshape(-1)
        holders = self.seating.holder[self._copy, seats]
        if not step.acting.all():
            holders = np.where(step.acting.reshape(-1), holders, NOBODY)
        opening = self._opening_moves() if self.seating.opens else None
        if opening is not None:
            holders = np.where(np.isnan(opening), holders, NOBODY)
        order, spans = _by_holder(holders)
        seen = Rows(
            step.observation.reshape(len(seats), *step.observation.shape[2:])[order],
            step.mask.reshape(len(seats), -1)[order],
            seats[order],
            self._copy[order],
            self._history_of(self._copy[order]),
        )
        actions = self._flat_actions[order]
        nobodys = spans.pop(NOBODY, None)
        if nobodys is not None:
            mask = seen.mask[nobodys]
            if opening is None:
                actions[nobodys] = self._first_legal(mask)
            else:
                actions[nobodys] = openings.nth_legal(mask, np.nan_to_num(opening[order][nobodys]))
        requests = [self._request(holder, span, seen) for holder, span in spans.items()]
        choices = self._decide(seen, requests)
        with self._stages("storage"):
            for holder, request, choice in zip(spans, requests, choices, strict=True):
                rows = seen.part(request.span)
                if choice.forfeit:
                    actions[request.span] = self._first_legal(rows.mask)
                    self._results += self.seating.forfeit(self.seating.holders[holder][0], choice.forfeit)
                else:
                    actions[request.span] = choice.played
                    self._record(holder, rows, choice)
            self._flat_actions[order] = actions
        self._length += np.count_nonzero(step.acting, axis=1)
        if self._needs_history:
            for row in np.flatnonzero(step.acting.reshape(-1)):
                self._history[self._copy[row]].append(int(self._flat_actions[row]))

    def _request(self, holder: int, span: slice, seen: Rows) -> Request:
        """Ask one holder for the choices of these rows."""
        identity, learns = self.seating.holders[holder]
        behaviour = self.behaviours[identity]
        core = self._core_of(behaviour)
        before = None if core is None else core[seen.copy[span], seen.seat[span]]
        return Request(behaviour, span, before, learns)

    def _decide(self, seen: Rows, requests: Sequence[Request]) -> list[Choice]:
        if self._asker is None:
            return decide(seen, requests, self._chance, self._stages)
        return self._asker.decide(self._step, seen, requests, self._chance, self._stages)

    def _record(self, holder: int, seen: Rows, choice: Choice) -> None:
        """Keep what came of a decision: its recurrent state, and a row of a stream if the holder learns."""
        identity, learns = self.seating.holders[holder]
        behaviour = self.behaviours[identity]
        core = self._core_of(behaviour)
        self.decisions += len(seen.copy)
        if learns:
            self._streams[identity].decide(
                seen.copy, seen.seat, self._step, seen.observation, seen.mask, choice.action, choice.log_prob,
                behaviour.version, core, choice.q,
            )  # fmt: skip
        if core is not None:
            core[seen.copy, seen.seat] = choice.core

    @property
    def _needs_history(self) -> bool:
        return any(behaviour.needs_history for behaviour in self.behaviours.values())

    def _history_of(self, copies: Index) -> list[list[int]] | None:
        """All actions of the episode so far in each of the copies, where somebody asks for them."""
        return [self._history[copy] for copy in copies] if self._needs_history else None

    def _opening_moves(self) -> npt.NDArray[np.float64]:
        """[C] what decides a move that is at random; NaN where an episode is past its opening."""
        moves = np.minimum(self._length, openings.LONGEST)
        chosen: npt.NDArray[np.float64] = self.seating.openings[np.arange(len(moves)), moves]
        return chosen

    def _first_legal(self, mask: Bools) -> Array:
        """Anything that a copy which plays for nobody may do."""
        match self.game.spec.actions:
            case Discrete():
                return np.asarray(mask.argmax(axis=1))
            case MultiDiscrete(sizes):
                parts = np.split(mask, np.cumsum(sizes)[:-1], axis=1)
                return np.stack([part.argmax(axis=1) for part in parts], axis=1)
            case Box(low):
                return np.zeros((len(mask), len(low)), np.float32)

    def _core_of(self, behaviour: Behaviour) -> npt.NDArray[np.float32] | None:
        """Recurrent state of every (copy, seat), shared by behaviours of one width: [C, S, 2, H]."""
        width = behaviour.core
        if width and width not in self._cores:
            self._cores[width] = np.zeros((*self._gone.shape, 2, width), np.float32)
        return self._cores.get(width)

    # --- what came of it ---------------------------------------------------------------------------

    def _reward(self, step: Step) -> None:
        copies = _any_seat(step.reward)
        if not copies.size:
            return
        self._returns[copies] += step.reward[copies]
        for name, streams in self._streams.items():
            held = self._held(name, copies)
            if held.any():
                streams.reward(step, copies, held)

    def _end(self, step: Step) -> None:
        copies = _any_seat(step.terminated | step.truncated)
        if copies.size:
            self._gone[copies] |= step.terminated[copies] | step.truncated[copies]
            for name, streams in self._streams.items():
                held = self._held(name, copies)
                if held.any():
                    core = self._core_of(self.behaviours[name])
                    streams.end(step, copies, held, self._gone[copies], core)

    def _finish(self, step: Step) -> None:
        over = self._beginning = np.flatnonzero(step.over)
        if over.size:
            self._results += self.seating.finish(over, self._returns[over], self._length[over])
            self._gone[over], self._returns[over], self._length[over] = False, 0.0, 0
            for core in self._cores.values():
                core[over] = 0.0
            if self._history:
                for copy in over.tolist():
                    self._history.pop(copy, None)

    def _held(self, name: str, copies: Index) -> npt.NDArray[np.bool_]:
        """[n, S] seats of these copies that `name` holds and learns from."""
        held: npt.NDArray[np.bool_] = self.seating.holder[copies] == self.seating.index(name)
        return held


def _by_holder(holders: Index) -> tuple[Index | slice, dict[int, slice]]:
    """(an order of the rows that brings those of each holder together, holder -> where they are then)."""
    if (holders == holders[0]).all():
        return slice(None), {int(holders[0]): slice(0, len(holders))}
    low = holders.min()
    short = (holders - low).astype(np.uint16) if holders.max() - low < 1 << 16 else holders
    order = np.argsort(short, kind="stable")  # numpy sorts 16 bits by radix, five times as quick
    ordered = holders[order]
    ends = [0, *(np.flatnonzero(np.diff(ordered)) + 1).tolist(), len(holders)]
    return order, {int(ordered[first]): slice(first, end) for first, end in pairwise(ends)}


def _any_seat(array: Array) -> Index:
    """Copies in which [C, S] is not zero for some seat; on so short rows ten times as quick as `any`."""
    return np.flatnonzero(reduce(np.logical_or, array.T, np.False_))
