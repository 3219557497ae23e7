"""One start of a run, as both runtimes see it: how far to go, when to stop, what to show.

figures of learners ──> Progress ──> status (store), metrics (files), Frame (whoever watches)
goal, clock, Ctrl-C ──> stop?
"""

from __future__ import annotations

import signal
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from types import FrameType
from typing import Any

from coordinator.coordinator import Coordinator
from coordinator.figures import Figures, Shares, Traffic, mean_shares, rounded
from coordinator.metrics import Metrics
from coordinator.report import Frame, frame
from coordinator.store import Store
from league.forgetting import Alarm, alarms
from league.leaderboard import Row, leaderboard
from league.players import Match, Outcome

Watch = Callable[[Frame], None]

FRAME_SECONDS = 0.4
"""Between two frames for whoever watches."""
RATING_SECONDS = 2.0
"""Between two looks at who is how strong, and at what was forgotten."""
RATING_REST = 19.0
"""Seconds of rest for each second that such a look took: a league of a thousand generations takes some."""
METRIC_SECONDS = 2.0
"""Between two rows of metrics."""
WINDOW = 5.0
"""Seconds that steps per second and policy lag look back."""
NOTES = 20
"""Notes that are kept for whoever watches."""


@dataclass(frozen=True)
class Goal:
    """How far a run is to go, counted over all its starts; None for no limit."""

    steps: int | None = None
    """Trained decisions over the whole league."""
    seconds: float | None = None
    """Seconds of training."""


class StopSignal:
    """Ctrl-C once asks to finish cleanly; twice stops at once (KeyboardInterrupt)."""

    def __init__(self) -> None:
        self.asked = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take SIGINT and SIGTERM over, until the end."""
        before = {number: signal.signal(number, self._hear) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _hear(self, number: int, _: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


class Session:
    """Progress of one start of a run."""

    def __init__(
        self,
        name: str,
        coordinator: Coordinator,
        store: Store,
        metrics: Metrics,
        goal: Goal,
        stop: StopSignal,
        watch: Watch,
    ) -> None:
        status = store.status()
        self.goal = goal
        self.steps = sum(player.steps for player in coordinator.players.values())
        self.updates = int(status.get("updates", 0))
        self.versions: dict[str, int] = dict(status.get("versions", {}))
        self.dropped = int(status.get("dropped", 0))
        self._name = name
        self._coordinator = coordinator
        self._store = store
        self._metrics = metrics
        self._stop = stop
        self._watch = watch
        self._notes: deque[str] = deque(maxlen=NOTES)
        self._seconds_before = float(status.get("seconds", 0.0))
        self._began = time.monotonic()
        self._recent: deque[tuple[float, int, int, float]] = deque([(self._began, self.steps, 0, 0.0)])
        """(time, steps, updates in between, sum of their policy lag)"""
        self._rows: Sequence[Row] = []
        self._alarms = [Alarm(**alarm) for alarm in status.get("forgetting", [])]
        self._alarmed = {_what(alarm) for alarm in self._alarms}
        """What was noted already."""
        self._next_frame = self._next_rating = self._next_metrics = 0.0
        self._latest: dict[str, float] = {}
        self._stages: dict[str, Shares] = {}
        """`actor` (the mean of all) and `learner` -> share of its time by stage, lately."""

    def begin(self) -> None:
        """Everything is up: training begins, and so does its clock."""
        self._began = time.monotonic()
        self._recent = deque([(self._began, self.steps, 0, 0.0)])

    @property
    def seconds(self) -> float:
        """Of training, over all starts."""
        return self._seconds_before + time.monotonic() - self._began

    @property
    def reached(self) -> bool:
        """Whether the goal is reached."""
        steps, seconds = self.goal.steps, self.goal.seconds
        return (steps is not None and self.steps >= steps) or (
            seconds is not None and self.seconds >= seconds
        )

    @property
    def interrupted(self) -> bool:
        """Whether somebody asked to stop before that."""
        return self._stop.asked

    @property
    def out_of_time(self) -> bool:
        """Whether to stop now, rather than at the end of a round."""
        return self.interrupted or (self.goal.seconds is not None and self.seconds >= self.goal.seconds)

    def note(self, text: str) -> None:
        """Something that a person should know now."""
        self._notes.append(text)

    def absorb(self) -> int:
        """Fold what actors reported since the last call, name who forfeited; how many results there were."""
        results = self._coordinator.absorb()
        for result in results:
            self.note_forfeits(result.match, result.outcome)
        return len(results)

    def note_forfeits(self, match: Match, outcome: Outcome) -> None:
        """Who failed to play on in a match, and whether it is still drawn."""
        view = self._coordinator.view()
        for identity, what in outcome.forfeits.items():
            drawn = ", and is drawn no more" if view.gave_up(match.nodes[identity]) else ""
            self.note(f"{identity} forfeited match {match.id}: it {what}{drawn}")

    def trained(
        self, figures: Mapping[str, Figures], steps: Mapping[str, int], versions: Mapping[str, int]
    ) -> None:
        """What the learners did since the last call, and where they stand."""
        for name, count in steps.items():
            self._coordinator.trained(name, count)
        self.steps = sum(player.steps for player in self._coordinator.players.values())
        self.versions.update(versions)
        updates = sum(f.updates for f in figures.values())
        lag = sum(f.sums.get("policy_lag", 0.0) for f in figures.values())
        self.updates += updates
        now = time.monotonic()
        self._recent.append((now, self.steps, updates, lag))
        while len(self._recent) > 2 and self._recent[1][0] < now - WINDOW:
            self._recent.popleft()
        for name, f in figures.items():
            self.dropped += f.dropped
            if f.skipped:
                self.note(f"{name}: {f.skipped} updates skipped, their loss or gradient was not finite")
            self._latest.update({f"{name}/{key}": value for key, value in f.means().items()})

    def served(self, traffic: Traffic | None) -> None:
        """What went through the inference server since the last call; None where there is none."""
        if traffic is not None:
            self._latest.update(traffic.means())

    def spent(self, process: str, shares: Shares) -> None:
        """What the `actor` or the `learner` was busy with lately; nothing where it does not say."""
        if shares:
            self._stages[process] = shares

    def status(self) -> dict[str, Any]:
        """The latest figures, for the store."""
        return {
            "steps": self.steps,
            "updates": self.updates,
            "seconds": round(self.seconds, 3),
            "steps_per_second": round(self._rate(), 1),
            "policy_lag": round(self._lag(), 3),
            "versions": self.versions,
            "dropped": self.dropped,
            "stages": {process: rounded(shares) for process, shares in self._stages.items()},
            "goal": asdict(self.goal),
            "forfeits": dict(self._coordinator.ledger.forfeits),
            "notes": list(self._notes),
            "forgetting": [asdict(alarm) for alarm in self._alarms],
        }

    def show(self, state: str = "running", actors: Mapping[str, Any] | None = None) -> None:
        """Let whoever watches see where the run is, and write metrics; both as often as is useful."""
        now = time.monotonic()
        self.spent("actor", mean_shares([beat.get("stages", {}) for beat in (actors or {}).values()]))
        if now >= self._next_metrics and self._latest:
            self._next_metrics = now + METRIC_SECONDS
            self._write_metrics()
        if now < self._next_frame and state == "running":
            return
        self._next_frame = now + FRAME_SECONDS
        if now >= self._next_rating or state != "running":
            self._judge()
            took = time.monotonic() - now
            self._next_rating = now + took + max(RATING_SECONDS, RATING_REST * took)
        self._watch(self._frame(state, actors or {}))

    def _judge(self) -> None:
        """Who is how strong, and what was forgotten; an alarm that lasts is noted once, over all starts."""
        view = self._coordinator.view()
        self._rows = leaderboard(view, self._coordinator.config.league.prior_draws)
        self._alarms = alarms(view)
        for alarm in self._alarms:
            if _what(alarm) not in self._alarmed:
                self._alarmed.add(_what(alarm))
                self.note(str(alarm))

    def _frame(self, state: str, actors: Mapping[str, Any]) -> Frame:
        return frame(
            run=self._name,
            game=self._coordinator.spec.name,
            state=state,
            status=self.status(),
            players=self._coordinator.players,
            rows=self._rows,
            actors=actors,
            counts=self._store.counts(),
            results=self._store.last_results(8),
            notes=tuple(self._notes),
            progress=self._progress(),
        )

    def _progress(self) -> float | None:
        shares = [
            done / whole
            for done, whole in ((self.steps, self.goal.steps), (self.seconds, self.goal.seconds))
            if whole
        ]
        return min(1.0, max(shares)) if shares else None

    def _rate(self) -> float:
        (then, before, _, _), (now, after, _, _) = self._recent[0], self._recent[-1]
        return (after - before) / (now - then) if now > then else 0.0

    def _lag(self) -> float:
        updates = sum(entry[2] for entry in self._recent)
        return sum(entry[3] for entry in self._recent) / updates if updates else 0.0

    def _write_metrics(self) -> None:
        ledger = self._coordinator.ledger
        elo = {f"elo/{p.name}": ledger.rating(p.node) for p in self._coordinator.view().learners}
        figures = {
            "run/steps_per_second": self._rate(),
            "run/policy_lag": self._lag(),
            "run/updates": self.updates,
        }
        stages = {
            f"stage/{process}/{name}": share
            for process, shares in self._stages.items()
            for name, share in shares.items()
        }
        forgotten = Counter(alarm.player for alarm in self._alarms)
        forgetting = {f"forgetting/{name}": forgotten[name] for name in self._coordinator.learners}
        self._metrics.write(self.steps, {**figures, **elo, **self._latest, **stages, **forgetting})


def _what(alarm: Alarm) -> tuple[str, int, str]:
    """What an alarm is about: who forgets whom."""
    return alarm.player, alarm.generation, alarm.ancestor
