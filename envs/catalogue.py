"""From the name that a user types to the game: built-in, PettingZoo, Gymnasium, or a factory of their own.

    connect_four  kuhn  leduc  …          built in, `league envs` lists them
    matrix:NAME                           one-shot matrix games, `envs.matrix.MATRICES`
    repeated_rps:N                        rock, paper, scissors, N throws an episode
    recall:N                              a cue that is asked for N steps later
    pettingzoo:FAMILY/NAME[_vN]           `pettingzoo.make`; parallel where the environment offers it
    mpe2:NAME[_vN]                        the particle environments, also `pettingzoo:mpe/NAME`
    gymnasium:ID                          `gymnasium.make`
    MODULE:FACTORY                        a function of the user's

A factory with a parameter `copies` returns a `Game` for that many copies. One without returns a single
PettingZoo environment (AEC or parallel) or Gymnasium environment, and is called once a copy. Modules are
looked for in the current folder as well.

Importing this module is cheap: what a name needs is imported when the name is resolved.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import os
import pkgutil
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from envs.connect_four import ConnectFour
from envs.game import Game, GameError
from envs.kuhn import Kuhn
from envs.leduc import Leduc
from envs.matrix import MATRICES, MatrixGame
from envs.recall import Recall
from envs.repeated_rps import RepeatedRps
from envs.tictactoe import TicTacToe
from envs.two_step import TwoStep

_BUILT_IN: dict[str, tuple[Callable[[int], Game], str]] = {
    "connect_four": (ConnectFour, "four in a line on a 7 x 6 board with gravity"),
    "tictactoe": (TicTacToe, "three in a line on a 3 x 3 board"),
    "kuhn": (Kuhn, "Kuhn poker: three cards, one bet"),
    "leduc": (Leduc, "Leduc hold'em: six cards, two rounds of bets"),
    "repeated_rps": (RepeatedRps, "rock, paper, scissors, 1000 throws; repeated_rps:N for N throws"),
    "recall": (Recall, "a cue, asked for after 8 steps; recall:N for N: it takes a memory"),
    "two_step": (TwoStep, "two-step cooperative game (QMIX): best return 8"),
}
_VERSION = re.compile(r"[_-]v(\d+)$")
_COUNT = re.compile(r"[1-9][0-9]{0,8}")


@dataclass(frozen=True)
class Entry:
    """One line of `league envs`."""

    name: str
    """What a user types."""
    description: str
    """What is played."""
    teams: str
    """Who plays: `first, second`."""
    kind: str
    """`turns`, `simultaneous`, or `adapter` for a family of games."""


def make_game(name: str, copies: int, *, teams: str = "auto") -> Game:
    """The game that a user names, `copies` times.

    teams: how the seats of a PettingZoo environment form teams, see `envs.teams.TeamRule`; only `auto`
        means something elsewhere.
    Raises GameError for a name that stands for nothing, with the closest that does; for a package that is
    not installed, with what to install; for an environment that cannot be played.
    """
    if copies < 1:
        raise GameError(f"{name}: copies is {copies}, must be at least 1")
    family, colon, rest = name.partition(":")
    if not colon:
        return _built_in(name, copies)
    match family:
        case "matrix":
            if rest not in MATRICES:
                raise GameError(_unknown(name, [f"matrix:{each}" for each in MATRICES]))
            return MatrixGame(rest, copies)
        case "repeated_rps":
            if not _COUNT.fullmatch(rest):
                raise GameError(f"{name}: repeated_rps:N needs N >= 1 throws, as in 'repeated_rps:200'")
            return RepeatedRps(copies, int(rest))
        case "recall":
            if not rest.isascii() or not rest.isdigit() or len(rest) > 9:
                raise GameError(f"{name}: recall:N needs N >= 0 steps between, as in 'recall:20'")
            return Recall(copies, int(rest))
        case "gymnasium":
            return _gymnasium(name, rest, copies)
        case "mpe2":
            return _adapted(name, _mpe2(name, rest), copies, teams)
        case "pettingzoo":
            make_env = _mpe2(name, rest.removeprefix("mpe/")) if rest.startswith("mpe/") else _zoo(name, rest)
            return _adapted(name, make_env, copies, teams)
        case _:
            return _from_factory(name, family, rest, copies, teams)


def catalogue() -> list[Entry]:
    """Every built-in game, then the families of games that adapters bring."""
    plain = [_entry(name, description) for name, (_, description) in _BUILT_IN.items()]
    matrices = [_entry(f"matrix:{name}", matrix.description) for name, matrix in MATRICES.items()]
    return [
        *plain,
        *matrices,
        Entry("pettingzoo:FAMILY/NAME", "pettingzoo:classic/leduc_holdem_v4, …", "by seat names", "adapter"),
        Entry("mpe2:NAME", "mpe2:simple_tag, mpe2:simple_adversary, …", "by seat names", "adapter"),
        Entry("gymnasium:ID", "gymnasium:CartPole-v1, …", "solo", "adapter"),
        Entry("MODULE:FACTORY", "your own game or environment", "yours", "adapter"),
    ]


def _entry(name: str, description: str) -> Entry:
    spec = make_game(name, 1).spec
    return Entry(name, description, ", ".join(spec.teams), "turns" if spec.slots == 1 else "simultaneous")


def _built_in(name: str, copies: int) -> Game:
    if name not in _BUILT_IN:
        known = [*_BUILT_IN, *(f"matrix:{each}" for each in MATRICES), "pettingzoo:", "gymnasium:", "mpe2:"]
        raise GameError(_unknown(name, known))
    return _BUILT_IN[name][0](copies)


def _unknown(name: str, known: Iterable[str]) -> str:
    """What to say of a name that is not among `known`."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
    return f"no game is called {name!r}: {hint}"


def _gymnasium(name: str, env_id: str, copies: int) -> Game:
    gymnasium = _import(name, "gymnasium", "gymnasium")
    from envs.gymnasium import adapt

    try:
        spec = gymnasium.spec(env_id)
    except gymnasium.error.Error:
        known = [f"gymnasium:{each}" for each in gymnasium.registry]
        raise GameError(_unknown(name, _closest(name, known))) from None

    def make_env() -> Any:
        try:
            return gymnasium.make(spec, disable_env_checker=True)
        except (ImportError, gymnasium.error.DependencyNotInstalled) as error:
            raise GameError(_not_installed(str(error), "gymnasium[all]")) from error

    return adapt(name, make_env, copies)


def _zoo(name: str, env_id: str) -> Callable[[], Any]:
    """Maker of a registered PettingZoo environment, parallel where it offers that."""
    zoo = _import(name, "pettingzoo", "pettingzoo")
    wanted = _VERSION.sub(r"-v\1", env_id)  # how the registry writes versions
    registries = {"parallel": zoo.parallel_registry, "aec": zoo.aec_registry}
    apis = [api for api, known in registries.items() if _registered(wanted, known)]
    if not apis:
        ids = sorted({*zoo.aec_registry, *zoo.parallel_registry})
        names = ["pettingzoo:" + _VERSION.sub(r"_v\1", each) for each in ids]
        raise GameError(_unknown(name, _closest(name, names)))

    def make_env() -> Any:
        from pettingzoo.env_registry.exceptions import FailedToImport

        try:
            return zoo.make(apis[0], wanted)
        except (ImportError, FailedToImport) as error:
            cause = str(error.__cause__ or error)
            raise GameError(_not_installed(cause, f"pettingzoo[{env_id.partition('/')[0]}]")) from error

    return make_env


def _registered(wanted: str, registry: Iterable[str]) -> bool:
    """Whether an id is there, with its version or without."""
    return any(wanted in (each, _VERSION.sub("", each)) for each in registry)


def _mpe2(name: str, scenario: str) -> Callable[[], Any]:
    """Maker of a particle environment, of its newest version where none is asked for."""
    mpe2 = _import(name, "mpe2", "selfplay-league[games]")
    modules = [m.name for m in pkgutil.iter_modules(mpe2.__path__) if _VERSION.search(m.name)]
    wanted = [m for m in modules if scenario in (m, _VERSION.sub("", m))]
    if not wanted:
        raise GameError(_unknown(name, _closest(name, [f"mpe2:{_VERSION.sub('', m)}" for m in modules])))
    module = _import(name, f"mpe2.{max(wanted)}", "selfplay-league[games]")
    make_env: Callable[[], Any] = module.parallel_env
    return make_env


def _closest(name: str, known: list[str]) -> list[str]:
    """The few of a long list that are worth naming."""
    return difflib.get_close_matches(name, known, n=5, cutoff=0.3) or known[:5]


def _adapted(name: str, make_env: Callable[[], Any], copies: int, teams: str) -> Game:
    from envs.pettingzoo import adapt

    return adapt(name, make_env, copies, teams=teams)


def _from_factory(name: str, module_name: str, attribute: str, copies: int, teams: str) -> Game:
    factory = _load(name, module_name, attribute)
    if _takes_copies(factory):
        game = _call(name, lambda: factory(copies=copies))
        if not isinstance(game, Game):
            raise GameError(
                f"{name}: a factory with a parameter `copies` must return a Game, not {_kind(game)}"
            )
        from envs.guard import GuardedGame

        return GuardedGame(game, name)
    made = _call(name, factory)
    if isinstance(made, Game):
        raise GameError(f"{name}: a factory that returns a Game must take a parameter `copies`")
    return _adapt_made(name, made, factory, copies, teams)


def _adapt_made(name: str, made: Any, factory: Callable[[], Any], copies: int, teams: str) -> Game:
    """`made` is the first environment; the factory makes the others."""
    import gymnasium

    spare = [made]

    def make_env() -> Any:
        return spare.pop() if spare else factory()

    if isinstance(made, gymnasium.Env):
        from envs.gymnasium import adapt

        return adapt(name, make_env, copies)
    import pettingzoo

    if isinstance(made, pettingzoo.AECEnv | pettingzoo.ParallelEnv):
        return _adapted(name, make_env, copies, teams)
    raise GameError(
        f"{name}: the factory returned {_kind(made)}, "
        "allowed are a PettingZoo AECEnv or ParallelEnv, a Gymnasium Env, or (given `copies`) a Game"
    )


def _load(name: str, module_name: str, attribute: str) -> Callable[..., Any]:
    here = os.getcwd()
    if here not in sys.path:
        sys.path.append(here)  # last, so that nothing in the folder hides an installed package
    module = _import(name, module_name, None)
    if not hasattr(module, attribute):
        known = [each for each, value in vars(module).items() if callable(value)]
        raise GameError(f"{name}: {_missing_attribute(module_name, attribute, known)}")
    factory = getattr(module, attribute)
    if not callable(factory):
        raise GameError(f"{name}: {attribute!r} of {module_name!r} cannot be called, it is {_kind(factory)}")
    checked: Callable[..., Any] = factory
    return checked


def _missing_attribute(module_name: str, attribute: str, known: list[str]) -> str:
    close = difflib.get_close_matches(attribute, known, n=1)
    hint = f", did you mean {close[0]}?" if close else ""
    return f"module {module_name!r} has no {attribute!r}{hint}"


def _takes_copies(factory: Callable[..., Any]) -> bool:
    try:
        return "copies" in inspect.signature(factory).parameters
    except ValueError:  # some built-in callables have no signature
        return False


def _call(name: str, make: Callable[[], Any]) -> Any:
    from envs.adapter import foreign_code

    with foreign_code(name):
        return make()


def _import(name: str, module_name: str, package: str | None) -> Any:
    """Import a module; where it is missing, say what to install (`package`) or that it is not there."""
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if package is not None:
            raise GameError(f"{name}: {_not_installed(str(error), package)}") from None
        if error.name is not None and module_name.split(".")[0] == error.name.split(".")[0]:
            families = ["matrix", "pettingzoo", "gymnasium", "mpe2"]
            close = difflib.get_close_matches(module_name, families, n=1)
            hint = f", did you mean {close[0]}:?" if close else ""
            raise GameError(f"{name}: there is no module {module_name!r}{hint}") from None
        raise GameError(
            f"{name}: module {module_name!r} needs {error.name!r}, which is not installed"
        ) from error
    except ValueError as error:
        raise GameError(f"{name}: {module_name!r} is no module name") from error


def _not_installed(cause: str, package: str) -> str:
    return f"a package is missing ({cause}): pip install '{package}'"


def _kind(thing: object) -> str:
    return f"a {type(thing).__name__}"
