"""Metrics survive being killed and resumed, in both files."""

from __future__ import annotations

import json
from pathlib import Path

from coordinator.metrics import JSONL, Metrics, read_metrics


def events(folder: Path) -> list[tuple[int, str, float]]:
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    return [
        (event.step, value.tag, value.tensor.float_val[0])
        for file in sorted(folder.glob("events.out.tfevents.*"))
        for event in EventFileLoader(str(file)).Load()
        for value in event.summary.value
    ]


def test_rows_reach_both_files(tmp_path: Path) -> None:
    with Metrics(tmp_path / "metrics") as metrics:
        metrics.write(10, {"learner/loss": 0.5, "speed/steps_per_second": 100})
        metrics.write(20, {"learner/loss": float("nan"), "speed/steps_per_second": 200})
    rows = read_metrics(tmp_path / "metrics")
    assert [{k: v for k, v in row.items() if k != "time"} for row in rows] == [
        {"steps": 10, "learner/loss": 0.5, "speed/steps_per_second": 100.0},
        {"steps": 20, "speed/steps_per_second": 200.0},
    ]
    assert events(tmp_path / "metrics") == [
        (10, "learner/loss", 0.5),
        (10, "speed/steps_per_second", 100.0),
        (20, "speed/steps_per_second", 200.0),
    ]


def test_resume_forgets_what_never_happened(tmp_path: Path) -> None:
    with Metrics(tmp_path) as metrics:
        for steps in (10, 20, 30):
            metrics.write(steps, {"loss": steps})
    with Metrics(tmp_path, resumed_at=20) as metrics:
        metrics.write(25, {"loss": 1.0})
    assert [row["steps"] for row in read_metrics(tmp_path)] == [10, 20, 25]


def test_tensorboard_purges_the_same_rows(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with Metrics(tmp_path) as metrics:
        for steps in (10, 20, 30):
            metrics.write(steps, {"loss": steps})
    with Metrics(tmp_path, resumed_at=21) as metrics:
        metrics.write(25, {"loss": 1.0})
    shown = EventAccumulator(str(tmp_path))
    shown.Reload()
    assert [event.step for event in shown.Scalars("loss")] == [10, 20, 25]


def test_half_a_line_of_a_killed_process_is_dropped(tmp_path: Path) -> None:
    with Metrics(tmp_path) as metrics:
        metrics.write(10, {"loss": 1.0})
    with (tmp_path / JSONL).open("a") as file:
        file.write('{"time": 1, "st')
    assert [row["steps"] for row in read_metrics(tmp_path)] == [10]
    with Metrics(tmp_path, resumed_at=10) as metrics:
        metrics.write(11, {"loss": 2.0})
    assert [row["steps"] for row in read_metrics(tmp_path)] == [10, 11]


def test_a_row_can_be_read_while_the_run_goes_on(tmp_path: Path) -> None:
    with Metrics(tmp_path) as metrics:
        metrics.write(1, {"loss": 1.0})
        assert json.loads((tmp_path / JSONL).read_text())["steps"] == 1


def test_no_metrics_yet(tmp_path: Path) -> None:
    assert read_metrics(tmp_path / "nothing") == []
