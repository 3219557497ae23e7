"""The commands that train: `league train` and `league resume`."""

from __future__ import annotations

import argparse
import re
import secrets
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from dashboards.figures import clock_time, short
from dashboards.reading import reading
from dashboards.tables import say, show_leaderboard
from dashboards.terminal import live_view
from dashboards.usage import UsageError
from league.players import first_main

if TYPE_CHECKING:
    from coordinator.config import RunConfig
    from coordinator.run_folder import RunFolder

RUNS = Path("runs")
"""Where runs go that were given no folder."""
FLAG_FIELDS = {
    "seed": "seed",
    "runtime": "runtime.runtime",
    "address": "runtime.address",
    "actors": "runtime.actors",
    "redis": "runtime.redis",
    "initialize_from": "initialize_from",
}
"""Options that are short names for a field of the configuration."""


def train(args: argparse.Namespace) -> int:
    """Make a run and train it; with --resume, go on with the one that is there."""
    from coordinator.branch import look

    if args.resume:
        return _resume_by_train(args)
    with _wrong_game_is_wrong_usage():
        _try_game(args.env)
    config = build_config(args)
    if args.help_config:
        _explain(config)
        return 0
    path = args.run or free_folder(args.env)
    config = look(config, path)
    run = _create(path, config, args.force)
    try:
        return _train(config, run, args)
    except Exception:
        run.discard()
        raise


def resume(args: argparse.Namespace) -> int:
    """Go on with a run as it was configured."""
    from coordinator.launch import load_config
    from coordinator.run_folder import RunFolder

    run = RunFolder.open(args.run)
    config = load_config(run)
    if args.redis:
        config = replace(config, runtime=replace(config.runtime, redis=args.redis))
    return _train(config, run, args)


def build_config(args: argparse.Namespace) -> RunConfig:
    """Game's defaults <- presets <- file <- flags; the seed is drawn where neither file nor flag gives it."""
    from coordinator.config import GameConfig, RunConfig
    from coordinator.options import as_flag, load_config_file, overlay, to_plain
    from coordinator.presets import build

    # A mistake among the flags is named as it was typed.
    overlay(RunConfig, to_plain(RunConfig(GameConfig(args.env))), args.overrides, as_flag)
    file = load_config_file(args.config) if args.config else {}
    flags: dict[str, Any] = {
        field: value for name, field in FLAG_FIELDS.items() if (value := getattr(args, name)) is not None
    }
    flags |= args.overrides
    if "seed" not in {**file, **flags}:
        flags["seed"] = secrets.randbelow(2**31)
    named = {name: getattr(args, name) for name in ("preset", "league") if getattr(args, name)}
    return build(args.env, **named, file=file, flags=flags)


def free_folder(env: str) -> Path:
    """`runs/connect_four-1`, or the next number that is free."""
    name = re.sub(r"[^a-z0-9._]+", "-", env.lower()).strip("-.") or "run"
    number = 1
    while (RUNS / f"{name}-{number}").exists():
        number += 1
    return RUNS / f"{name}-{number}"


def next_commands(run: Path, player: str, league: str) -> list[str]:
    """What a newcomer may try next. player: one of the run; league: how the command is called here."""
    folder = shlex.quote(str(run))
    return [
        f"{league} eval {folder} --player {player} --against random --greedy",
        f"{league} resume {folder} --seconds 60",
        f"{league} dashboard {folder}",
    ]


def program() -> str:
    """`league`; where a shell would not find that, the path by which this program was called."""
    called = Path(sys.argv[0])
    if called.name != "league" or shutil.which("league"):
        return "league"
    return shlex.quote(str(_as_typed(called)))


def _train(config: RunConfig, run: RunFolder, args: argparse.Namespace) -> int:
    from coordinator.launch import train
    from coordinator.limits import remarks

    folder = _as_typed(run.path)
    wait = "; processes start, which takes some seconds" if config.runtime.runtime == "ray" else ""
    say(f"{config.game.name} in {folder}, seed {config.seed}{wait}", *remarks(config))
    with live_view(Console(), args.quiet) as watch:
        result = train(config, run, watch=watch, steps=args.steps, seconds=args.seconds)
    how = "Reached its goal" if result.reached else "Stopped cleanly"
    say(f"{how}: {short(result.steps)} steps in {clock_time(result.seconds)}.", "")
    with reading(run.path, args.redis) as now:
        player = first_main(now.store.players().values()).name
        show_leaderboard(now.board(now.rows()))
    say("", "Next:", *(f"  {command}" for command in next_commands(folder, player, program())))
    return 0


def _resume_by_train(args: argparse.Namespace) -> int:
    """`league train ENV --run DIR --resume`: the same as `league resume DIR`, for scripts that say both."""
    from coordinator.options import as_flag
    from coordinator.run_folder import RunFolder
    from dashboards.reading import game_of

    if args.run is None:
        raise UsageError("--resume: say which run by --run DIR")
    changes = ("preset", "league", "config", "seed", "runtime", "address", "actors", "initialize_from")
    given = [as_flag(name) for name in changes if getattr(args, name) is not None]
    if given or args.overrides:
        first = [*given, *args.overrides][0]
        raise UsageError(f"{first}: a run goes on as it was configured; leave it out with --resume")
    game = game_of(RunFolder.open(args.run))
    if game != args.env:
        raise UsageError(f"{args.env}: the run in {args.run} plays {game}")
    return resume(args)


def _create(path: Path, config: RunConfig, force: bool) -> RunFolder:
    from coordinator.options import to_plain
    from coordinator.run_folder import RunFolder

    return RunFolder.create(path, to_plain(config), force=force)


def _try_game(name: str) -> None:
    """Raises GameError before anything is made, where the game cannot be."""
    from envs.catalogue import make_game

    make_game(name, 1).close()


@contextmanager
def _wrong_game_is_wrong_usage() -> Iterator[None]:
    from envs.game import GameError

    try:
        yield
    except GameError as error:
        raise UsageError(str(error)) from error


def _as_typed(path: Path) -> Path:
    """Relative to here where it lies below: shorter to read and to type again."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _explain(config: RunConfig) -> None:
    """Every field, what it stands at for this game, and what it means."""
    from coordinator.option_docs import describe
    from coordinator.options import as_flag, to_plain

    plain = to_plain(config)
    for option in describe(type(config)):
        value = _at(plain, option.path)
        shown = ",".join(map(str, value)) if isinstance(value, list) else value
        say(f"{as_flag(option.path)} {shown}", f"    {option.doc} ({option.type})")


def _at(plain: Mapping[str, Any], path: str) -> Any:
    value: Any = plain
    for name in path.split("."):
        value = value[name]
    return value
