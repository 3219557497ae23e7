"""The check that our packages are ours, on folders made for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from dashboards.packages import misplaced

ROOT = Path(__file__).resolve().parents[2]


def test_here_all_packages_are_ours() -> None:
    assert misplaced() is None


def test_a_package_of_the_same_name_is_named_with_its_cure(tmp_path: Path) -> None:
    for name in ("agents", "yards"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    for name, cure in (
        ("agents", "pip uninstall openai-agents"),
        ("yards", f"move {tmp_path / 'yards'} away"),
    ):
        code = f"from dashboards.packages import misplaced; print(misplaced(({name!r},)))"
        path = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]; "
        done = subprocess.run([sys.executable, "-c", path + code], capture_output=True, text=True, check=True)
        assert str(tmp_path / name) in done.stdout
        assert cure in done.stdout
        assert done.stdout.count("\n") == 1


def test_the_command_says_so_before_anything_else(tmp_path: Path) -> None:
    (tmp_path / "envs").mkdir()
    (tmp_path / "envs" / "__init__.py").touch()
    code = (
        f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]; "
        "from dashboards.cli import main; sys.exit(main(['envs']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("league: error: the package `envs` comes from ")
    assert done.stderr.count("\n") == 1


def test_a_missing_package(tmp_path: Path) -> None:
    assert "is missing" in str(misplaced(("no_such_package",), tmp_path))
