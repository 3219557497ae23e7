"""Names that users type."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from envs.catalogue import catalogue, make_game
from envs.connect_four import ConnectFour
from envs.game import GameError


def test_every_plain_entry_can_be_made() -> None:
    for entry in catalogue():
        if entry.kind != "adapter":
            game = make_game(entry.name, 3)
            assert game.copies == 3
            assert game.spec.name == entry.name


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("conect_four", "no game is called 'conect_four': did you mean connect_four"),
        ("matrix:rsp", "did you mean matrix:rps"),
        ("gymnasium:CartPol-v1", "did you mean gymnasium:CartPole-v1"),
        ("pettingzoo:classic/leduc", "did you mean pettingzoo:classic/leduc_holdem_v4"),
        ("mpe2:simple_tga", "did you mean mpe2:simple_tag"),
        ("pettingzo:classic/chess_v6", "there is no module 'pettingzo', did you mean pettingzoo:"),
        ("qqq", "there are connect_four, tictactoe"),
        ("envs.game:Gam", "module 'envs.game' has no 'Gam', did you mean Game"),
        ("envs.connect_four:ROWS", "cannot be called, it is a int"),
        (":", "is no module name"),
    ],
)
def test_misspelt_names_get_a_hint(name: str, complaint: str) -> None:
    with pytest.raises(GameError, match=complaint) as caught:
        make_game(name, 1)
    assert "\n" not in str(caught.value)


def test_no_copies_is_no_game() -> None:
    with pytest.raises(GameError, match="copies is 0, must be at least 1"):
        make_game("tictactoe", 0)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mpe2", None)
    with pytest.raises(GameError, match=r"pip install 'selfplay-league\[games\]'"):
        make_game("mpe2:simple_tag", 1)


def test_a_factory_of_games_is_given_copies() -> None:
    game = make_game("envs.connect_four:ConnectFour", 5)
    assert game.spec == ConnectFour(5).spec
    assert game.copies == 5


def test_factories_in_the_current_folder_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_own_games.py").write_text(
        "import gymnasium, envs.tictactoe\n"
        "def pole(): return gymnasium.make('CartPole-v1')\n"
        "def late(): return envs.tictactoe.TicTacToe(1)\n"
        "def early(copies): return 3\n"
        "def broken(): raise OSError('no disk')\n"
        "def nothing(): return None\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert make_game("my_own_games:pole", 2).spec.seats == ("agent",)
    for factory, complaint in {
        "late": "must take a parameter `copies`",
        "early": "must return a Game, not a int",
        "broken": "raised OSError: no disk",
        "nothing": "the factory returned a NoneType, allowed are",
    }.items():
        with pytest.raises(GameError, match=complaint):
            make_game(f"my_own_games:{factory}", 1)


def test_importing_the_catalogue_is_light() -> None:
    heavy = "{'gymnasium', 'pettingzoo', 'torch', 'ray', 'redis'}"
    code = (
        f"import sys, envs.catalogue as c; c.make_game('connect_four', 1); print({heavy} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
