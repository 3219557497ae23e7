"""The command `league`: parse, dispatch, and turn every foreseen failure into one line.

Exit status: 0 done, 1 failed, 2 wrong usage. Errors go to standard error; with `--json`, standard
output holds JSON and nothing else. What a command needs is imported by the command, so that help and
mistakes answer at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from dashboards.packages import misplaced
from dashboards.parsers import build_parsers
from dashboards.usage import Parser, UsageError, take_overrides, unknown

USER_ERRORS = (
    ("envs.game", "GameError"),
    ("league.players", "LeagueError"),
    ("agents.errors", "AgentError"),
    ("coordinator.store_types", "StoreError"),
    ("coordinator.snapshots", "SnapshotError"),
    ("coordinator.run_folder", "RunFolderError"),
    ("coordinator.ray_cluster", "ClusterError"),
)
"""Where the errors live whose message is one line for the user. Named, so as to import none of them here."""

COMMANDS = {
    "train": "dashboards.training:train",
    "resume": "dashboards.training:resume",
    "leaderboard": "dashboards.commands:leaderboard",
    "status": "dashboards.commands:status",
    "matches": "dashboards.commands:matches",
    "snapshots": "dashboards.commands:snapshots",
    "eval": "dashboards.commands:evaluate",
    "exploitability": "dashboards.exploiting:exploitability",
    "doctor": "dashboards.commands:doctor",
    "envs": "dashboards.commands:envs",
    "presets": "dashboards.commands:presets",
    "dashboard": "dashboards.commands:dashboard",
}
"""Command -> the function that carries it out: `(args) -> exit status`."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the return value is the exit status."""
    # Before numpy is loaded. Its threads for small matrices cost far more than they save, here and in every
    # process that is started from this one.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        if advice := misplaced():
            raise UsageError(advice)
        args = parse(list(sys.argv[1:] if argv is None else argv))
        status = _command(args.command)(args)
        sys.stdout.flush()  # here, where a reader that has left is no surprise
        return status
    except UsageError as error:
        return _fail(error, 2)
    except _errors_of((("coordinator.options", "OptionError"),)) as error:
        return _fail(error, 2)
    except _errors_of(USER_ERRORS) as error:
        return _fail(error, 1)
    except BrokenPipeError:
        # The reader (`| head`) has seen enough; Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return _fail("interrupted", 1)


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command and its options; `overrides` holds the configuration fields among them.

    Raises UsageError; exits with 0 after `--help`.
    """
    top, commands = build_parsers()
    name = arguments[0] if arguments else ""
    if not name:
        top.print_help()
        raise SystemExit(0)
    if not name.startswith("-") and name not in commands:
        raise unknown("command", name, commands)
    parser = commands.get(name, top)
    overrides: dict[str, str] = {}
    if parser.get_default("takes_overrides"):
        rest, overrides = take_overrides(arguments[1:], parser.flags)
        arguments = [name, *rest]
        for flag in overrides:
            if "." not in flag:
                raise _unknown_option(flag, parser)
    args, left = top.parse_known_args(arguments)
    for argument in left:
        if argument.startswith("-"):
            raise _unknown_option(argument.partition("=")[0], parser)
        raise UsageError(f"{argument}: unexpected (see {parser.prog} --help)")
    args.overrides = overrides
    return args


def _unknown_option(flag: str, parser: Parser) -> UsageError:
    return unknown("option", flag, parser.flags, f"see {parser.prog} --help")


def _command(name: str) -> Callable[[argparse.Namespace], int]:
    module, _, function = COMMANDS[name].partition(":")
    command: Callable[[argparse.Namespace], int] = getattr(import_module(module), function)
    return command


def _errors_of(names: Sequence[tuple[str, str]]) -> tuple[type[Exception], ...]:
    """The named classes of modules that are loaded: a module that is not has raised nothing."""
    return tuple(getattr(sys.modules[module], name) for module, name in names if module in sys.modules)


def _fail(error: object, status: int) -> int:
    line = " ".join(str(error).split()) or type(error).__name__
    print(f"league: error: {line}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
