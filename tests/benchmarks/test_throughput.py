"""The tables and decisions of the benchmarks; nothing here is timed."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.regression import ALLOWED, save, verdict
from benchmarks.throughput import Throughput, describe, rates
from benchmarks.time_to_strength import GOALS, Goal, Kept, Run, Scored, draw, read_runs, scheduled
from benchmarks.time_to_strength import describe as describe_runs

RUN = Throughput("selfplay-league", 300_000.0, 290_000.0, 310_000.0, 8.5, 1700.0, 1200.0, 90.0, 110.0)


def test_rates_are_of_windows_after_the_first_quarter() -> None:
    points = [(float(second), 1000 * second if second >= 10 else 0) for second in range(41)]
    assert rates(points) == [1000.0] * 6
    points = [(0.0, 0), (10.0, 100), (14.0, 500), (15.0, 600), (20.0, 2600), (26.0, 2600)]
    assert rates(points) == [100.0, 400.0, 0.0]
    assert rates(points[:1]) == rates([]) == []


def test_table_puts_systems_side_by_side() -> None:
    lines = describe([RUN, replace(RUN, system="pgx", steps_per_second=600_000.0)]).splitlines()
    assert len(lines) == 4
    assert lines[2] == (
        "| selfplay-league | 300,000 (290,000 – 310,000) | 8.5 | 1,700 (1,200) | 90, 110 | 3,000 |"
    )
    assert lines[3].startswith("| pgx | 600,000 ")
    assert {line.count("|") for line in lines} == {7}


def test_table_shows_stages_where_the_run_has_them() -> None:
    runs = [replace(RUN, stages={"stage/learn": 0.5}), replace(RUN, system="pgx")]
    assert describe(runs).splitlines()[-1] == "| learn | 0.500 |"


@pytest.mark.parametrize(("share", "good"), [(ALLOWED - 0.01, False), (ALLOWED + 0.01, True), (2.0, True)])
def test_regression_is_relative_to_the_machine(share: float, good: bool) -> None:
    slow_machine = replace(RUN, gemm_before=9.0, gemm_after=11.0, steps_per_second=share * 30_000.0)
    fine, line = verdict(slow_machine, committed=RUN.per_gflops)
    assert fine is good
    assert f"{share:.0%} of the committed 3,000, allowed is 85%" in line
    assert "\n" not in line


def test_saved_figure_stands_beside_others(tmp_path: Path) -> None:
    import json

    file = tmp_path / "benchmarks.json"
    file.write_text('{"other": 1}')
    save(file, RUN)
    figures = json.loads(file.read_text())
    assert figures["other"] == 1
    assert figures["throughput"]["per_gflops"] == 3000.0
    assert verdict(RUN, figures["throughput"]["per_gflops"])[0]


def row(score: float, games: int = 400) -> dict[str, float]:
    return {"score": score, "score_low": score - 0.03, "score_high": score + 0.03, "games": games}


def run(system: str, scores: list[tuple[float, float, float]]) -> Run:
    policies = [Scored(s, {"mcts:100": row(easy), "mcts:1000": row(hard)}) for s, easy, hard in scores]
    return Run(system, 0, 60.0, 2_500_000, 90.0, 91.0, "a machine", policies)


def test_time_to_a_goal_is_that_of_the_first_policy_that_reached_it() -> None:
    found = run("pgx", [(10.0, 0.5, 0.1), (20.0, 0.85, 0.2), (30.0, 0.8, 0.3), (45.0, 0.9, 0.4)])
    easy, hard = (found.reached(goal) for goal in GOALS)
    assert easy is not None
    assert easy.seconds == 20.0
    assert hard is None
    assert describe_runs([found]).splitlines()[-1] == (
        "| pgx | 0 | 20 s: 0.850 [0.820, 0.880], 400 games"
        " | not in 60 s (best 0.400 [0.370, 0.430], 400 games) | 2.5 M | 90, 91 |"
    )


def test_a_run_that_kept_no_policy_says_so() -> None:
    assert "no policy kept" in describe_runs([run("pgx", [])])


def test_of_our_snapshots_the_newest_at_each_time_is_scored_once() -> None:
    def unscored(goal: Goal) -> dict[str, float]:
        raise AssertionError

    kept = [Kept(seconds, unscored) for seconds in (15.0, 19.0, 41.0, 58.0)]
    assert [policy.seconds for policy in scheduled(kept)] == [19.0, 41.0, 58.0]


def test_runs_are_read_back_and_drawn(tmp_path: Path) -> None:
    import json
    from dataclasses import asdict

    runs = [run("selfplay-league", [(10.0, 0.5, 0.1)]), run("pgx", [(12.0, 0.4, 0.2)])]
    file = tmp_path / "runs.json"
    file.write_text(json.dumps([asdict(one) for one in runs]))
    assert read_runs(file) == runs
    assert read_runs(tmp_path / "none.json") == []
    draw(runs, tmp_path / "a.svg")
    draw(read_runs(file), tmp_path / "b.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert b">selfplay-league<" in (tmp_path / "a.svg").read_bytes()
