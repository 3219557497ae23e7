"""What may be typed: the commands, their options, and the help that a newcomer reads."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from dashboards.usage import Parser, actors, count, duration, port, seed

TOP = """\
Train competing populations of agents, rate every generation, resume exactly.

first steps
  league train connect_four --seconds 60     train a league for a minute
  league leaderboard runs/connect_four-1     who is how strong, with intervals
  league resume runs/connect_four-1          go on where it stood
  league dashboard runs/connect_four-1       watch it in a browser
"""

TRAIN = """\
examples
  league train connect_four --seconds 60
  league train tictactoe --run runs/mine --seed 7 --steps 2e6
  league train pettingzoo:classic/leduc_holdem_v4 --seconds 20
  league train mypackage.mygame:make --config my.yaml

A branch of another run, from its generation 12 on:
  league train connect_four --initialize-from runs/connect_four-1@12 --seconds 60

Any field of the configuration is an option by its dotted name, above preset and file:
  league train connect_four --league.latest-probability 0.5 --learner.algorithm.batch 128
All fields, their defaults and what they mean: league train connect_four --help-config
Ctrl-C once finishes cleanly, so that `league resume` goes on; twice stops at once.
"""

RESUME = """\
Without --steps and --seconds it goes on to the goal that it has. N steps, and N more after a resume, are
counted as 2 N.

examples
  league resume runs/connect_four-1
  league resume runs/connect_four-1 --seconds 300
"""

PLAYERS = """\
A player is `main` (its newest weights), `main@12` (generation 12), `main@latest` (its newest
snapshot), `random`, `minimax` (small games), `mcts:100` (search; games that OpenSpiel has too),
`rrps:greenberg` (one of the bots of repeated_rps) or `module:factory` of your own.
"""

EVAL = f"""\
{PLAYERS}
examples
  league eval runs/connect_four-1 --player main --against random --games 1000 --greedy
  league eval runs/connect_four-1 --player main@latest --against main@0
"""

EXPLOITABILITY = """\
What the best answer to a player would win. It is exact in matrix games, and in those whose information states
the package open-spiel can list: kuhn, leduc, tictactoe (1.5 GB). NashConv is the sum of what both seats could
gain, exploitability half of it.

In other games, or with --budget, answers are trained against the player, who stands still: one from first
weights, one from the player's own. The better one's games are a bound from below, with a 95 % interval.
Ctrl-C once ends the training and measures what was learned by then.

A player is `main` (its newest weights), `main@12`, `main@latest`, `nash` (the league's Nash mixture, drawn
before a game and kept to), or scripted. The default is the first player.

examples
  league exploitability runs/leduc-1
  league exploitability runs/leduc-1 main main@3 nash
  league exploitability runs/connect_four-1 --player main@latest --budget 4e6
"""

Commands = dict[str, Parser]


def build_parsers() -> tuple[Parser, Commands]:
    """The whole command line, and each command's own parser by name."""
    top = Parser(prog="league", description=TOP)
    top.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    subparsers = top.add_subparsers(dest="command", metavar="COMMAND", title="commands", parser_class=Parser)
    commands: Commands = {}

    def command(name: str, summary: str, epilog: str = "", **defaults: Any) -> Parser:
        parser: Parser = subparsers.add_parser(
            name, help=summary, description=summary[0].upper() + summary[1:] + ".", epilog=epilog
        )
        parser.set_defaults(**defaults)
        commands[name] = parser
        return parser

    _train(command("train", "train a league in a new run folder", TRAIN, takes_overrides=True))
    resume = _of_run(command("resume", "go on with a run exactly where it stood", RESUME), json=False)
    _goal(resume)
    _of_run(command("leaderboard", "every player and generation by strength, with 95 %% intervals"))
    _of_run(command("status", "how a run stands: steps, speed, players, actors, matches"))
    matches = _of_run(command("matches", "which matches were made, why, and what came of them"))
    matches.add_argument(
        "--last", type=count, metavar="N", help="only the newest N (default: 30; with --json all of them)"
    )
    _of_run(command("snapshots", "the frozen generations and where their files are"))
    _eval(_of_run(command("eval", "let one player meet another, and count", EVAL)))
    best = _of_run(command("exploitability", "what the best answer to a player would win", EXPLOITABILITY))
    best.add_argument("identities", nargs="*", metavar="IDENTITY", help="whom to answer")
    best.add_argument(
        "--player", dest="identities_too", action="append", default=[], metavar="A", help="the same"
    )
    best.add_argument(
        "--budget",
        type=count,
        metavar="N",
        help="decisions that each answer is trained on (default: league.snapshot_steps of the run)",
    )
    best.add_argument(
        "--games", type=count, metavar="N", help="games to measure a trained answer by (default 1000)"
    )
    best.add_argument(
        "--seed", type=seed, metavar="N", help="of training and games (default: drawn and printed)"
    )
    _of_run(command("doctor", "check every invariant of a run; exit status 1 where one is broken"))
    _json(command("envs", "the games that can be named"))
    _json(command("presets", "the complete configurations that can be named"))
    dashboard = _of_run(command("dashboard", "watch a run in a browser"), json=False)
    dashboard.add_argument(
        "--port",
        type=port,
        default=8765,
        metavar="N",
        help="port on this machine (default 8765; 0: any free one)",
    )
    return top, commands


def _train(parser: Parser) -> None:
    parser.usage = "league train ENV [options] [--any.config-field VALUE]"
    parser.add_argument("env", metavar="ENV", help="the game to train on; `league envs` lists what there is")
    parser.add_argument(
        "--run", type=Path, metavar="DIR", help="folder of the run (default: runs/<game>-<number>)"
    )
    parser.add_argument("--preset", metavar="NAME", help="a complete configuration; see `league presets`")
    parser.add_argument("--league", metavar="NAME", help="who plays whom: as `league presets` lists them")
    parser.add_argument("--config", type=Path, metavar="FILE", help="fields to change: YAML, JSON or TOML")
    _goal(parser)
    parser.add_argument(
        "--seed", type=seed, metavar="N", help="of everything random (default: drawn and printed)"
    )
    parser.add_argument(
        "--runtime", choices=("inline", "ray"), help="all in one process, or on all cores and a cluster (Ray)"
    )
    parser.add_argument(
        "--address", metavar="RAY", help="an existing Ray cluster; default: one of its own, here"
    )
    parser.add_argument(
        "--actors", type=actors, metavar="N", help="processes that play; auto, the default: as cores allow"
    )
    parser.add_argument(
        "--initialize-from",
        metavar="RUN@N",
        help="begin from generation N of another run, its ancestors and their results included "
        "(RUN:PLAYER@N: for one player)",
    )
    _redis(parser)
    old = parser.add_mutually_exclusive_group()
    old.add_argument("--resume", action="store_true", help="go on with the run that the folder holds")
    old.add_argument(
        "--force", action="store_true", help="delete the run that the folder holds and start anew"
    )
    parser.add_argument("--help-config", action="store_true", help="list every configuration field and exit")


def _goal(parser: Parser) -> None:
    parser.add_argument("--steps", type=count, metavar="N", help="train on this many decisions, league-wide")
    parser.add_argument("--seconds", type=duration, metavar="N", help="train for this long")
    parser.add_argument("--quiet", action="store_true", help="no progress while training")


def _eval(parser: Parser) -> None:
    parser.add_argument("--player", required=True, metavar="A", help="who is measured")
    parser.add_argument("--against", default="random", metavar="B", help="whom it meets (default random)")
    parser.add_argument("--games", type=count, default=1000, metavar="N", help="how many (default 1000)")
    parser.add_argument("--seed", type=seed, metavar="N", help="of the games (default: drawn and printed)")
    parser.add_argument("--greedy", action="store_true", help="A plays its most likely move")


def _of_run(parser: Parser, json: bool = True) -> Parser:
    parser.add_argument("run", type=Path, metavar="DIR", help="folder of the run")
    _redis(parser)
    if json:
        _json(parser)
    return parser


def _redis(parser: Parser) -> None:
    parser.add_argument(
        "--redis",
        metavar="URL",
        help="Redis or Valkey of the run (default: the run's own, or what it was made with)",
    )


def _json(parser: Parser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON for programs: a stable interface")


class _Version(argparse.Action):
    """Looks the version up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"league {version('selfplay-league')}")
        parser.exit()
