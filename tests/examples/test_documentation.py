"""What the documentation shows can be typed, and what it points to is there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from coordinator.options import apply_overrides
from coordinator.presets import build
from dashboards.cli import parse

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def commands() -> Iterator[tuple[str, str]]:
    """(page, command) for every `league …` that stands alone in a code block, comments left out."""
    for page in PAGES:
        for block in re.findall(r"^```\w*\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
            for line in block.splitlines():
                if re.match(r"(\.venv/bin/)?league ", line) and "[" not in line:
                    yield str(page.relative_to(ROOT)), line.removeprefix(".venv/bin/")


def links() -> Iterator[tuple[str, str]]:
    """(page, target) for every relative link and picture."""
    for page in PAGES:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
            if "://" not in target:
                yield str(page.relative_to(ROOT)), target


def test_there_is_something_to_check() -> None:
    assert len(list(commands())) > 15
    assert len(list(links())) > 20


@pytest.mark.parametrize(("page", "command"), list(commands()))
def test_a_documented_command_can_be_typed(page: str, command: str) -> None:
    args = parse(shlex.split(command, comments=True)[1:])
    if args.command == "train":
        named = {name: value for name in ("preset", "league") if (value := getattr(args, name))}
        apply_overrides(build(args.env, **named), args.overrides)


@pytest.mark.parametrize(("page", "target"), list(links()))
def test_a_link_leads_somewhere(page: str, target: str) -> None:
    file, _, anchor = target.partition("#")
    path = (ROOT / page).parent / file if file else ROOT / page
    assert path.exists()
    if anchor:
        titles = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
        assert anchor in [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]


@pytest.mark.parametrize("page", ["docs/papers.md", "docs/architecture.md"])
def test_the_files_that_a_table_names_are_there(page: str) -> None:
    named = re.findall(
        r"`((?:agents|coordinator|dashboards|envs|league)/[\w/.]*)`", (ROOT / page).read_text()
    )
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []
