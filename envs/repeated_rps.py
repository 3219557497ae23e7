"""Rock, paper, scissors again and again between the same two, as in the competitions of 1999 and 2000.

One throw says nothing and a thousand say much: whoever sees a pattern in what the other throws can beat him,
and shows a pattern by it. OpenSpiel has 43 programs that were written for this; `agents/scripted/rrps.py`
brings them to the table.
"""

from __future__ import annotations

import numpy as np

from envs.buffers import blank_step
from envs.game import Array, ArraySpec, Discrete, Game, GameSpec, Ints, Step
from envs.legal import check_form, check_legal

NAME = "repeated_rps"
THROWS = 1000
"""Of an episode, as in the competitions."""
CHOICES = 3
"""0 rock, 1 paper, 2 scissors: each is beaten by the next."""


class RepeatedRps(Game):
    """`throws` throws by both seats at once. All copies begin and end their episodes together.

    Observation uint8 [6]: what the seat threw last, then what the other did, one-hot; all 0 at the beginning.
    Reward 1 for a throw that wins and -1 for one that loses; their sum decides who won the episode.
    """

    def __init__(self, copies: int, throws: int = THROWS) -> None:
        """throws: of an episode, 1 or more."""
        self.spec = GameSpec(
            name=NAME if throws == THROWS else f"{NAME}:{throws}",
            seats=("player_0", "player_1"),
            teams={"first": (0,), "second": (1,)},
            observation=ArraySpec((2 * CHOICES,), "uint8"),
            actions=Discrete(CHOICES),
            slots=2,
            symmetric=True,
        )
        self.copies = copies
        self._throws = throws
        self._thrown = 0
        self._one_hot = np.eye(CHOICES, dtype=np.uint8)
        self._gain = np.array([0.0, 1.0, -1.0], np.float32)
        """By (own throw - the other's) modulo 3."""
        self._step = blank_step(self.spec, copies)
        self._step.mask.fill(True)

    def reset(self, seed: int) -> Step:
        """See `Game.reset`; there is no chance in this game, so the seed changes nothing."""
        self._thrown = 0
        step = self._step
        step.observation.fill(0)
        step.reward.fill(0.0)
        step.terminated.fill(False)
        step.over.fill(False)
        return step

    def step(self, actions: Array) -> Step:
        """See `Game.step`."""
        step = self._step
        check_form(self.spec, self.copies, actions)
        check_legal(self.spec, step, actions)
        thrown: Ints = actions.astype(np.int64, copy=False)
        ahead = (thrown[:, 0] - thrown[:, 1]) % CHOICES
        self._gain.take(ahead, out=step.reward[:, 0])
        np.negative(step.reward[:, 0], out=step.reward[:, 1])
        self._thrown = (self._thrown + 1) % self._throws
        over = self._thrown == 0
        step.terminated.fill(over)
        step.over.fill(over)
        if over:
            step.observation.fill(0)
        else:
            shown = self._one_hot[thrown]
            step.observation[..., :CHOICES] = shown
            step.observation[..., CHOICES:] = shown[:, ::-1]
        return step


def throws_of(name: str) -> int | None:
    """Throws of an episode of the game that a `GameSpec` names so; None where it is another game."""
    family, colon, throws = name.partition(":")
    if family != NAME:
        return None
    return int(throws) if colon else THROWS
