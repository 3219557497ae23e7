"""The slow, literal answer to: what does each player of a turn-based game learn from?

From joint ticks (who moved, what everybody was given, whether the game ended) to every player's own
transitions. The rollout is tested against this, and this against golden numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

GAME_OVER = -1
"""`next_t` of a transition after which the episode ended."""
CUT = -2
"""`next_t` of a transition that was still open when the ticks ran out."""


@dataclass(frozen=True)
class Tick:
    """One move in the game."""

    player: int
    action: int
    rewards: tuple[float, ...]
    """What the move gave to every player."""
    terminal: bool
    """Whether the move ended the game."""


@dataclass(frozen=True)
class Transition:
    """One decision of one player, and all that came of it until his next."""

    t: int
    """Tick of the decision."""
    reward_sum: float
    reward_env_discounted: float
    """The same rewards, each discounted by gamma per tick since the decision."""
    k: int
    """Ticks from the decision until the next one, or the end."""
    terminal: bool
    next_t: int


def cut_turns(ticks: Sequence[Tick], players: int, gamma: float) -> list[list[Transition]]:
    """Every player's transitions, in order.

    A transition collects the player's rewards from his own move on until just before his next one, or
    to the end of the episode, whoever moved last. What a player is given before his first move
    of an episode belongs to no decision.
    """
    return [_transitions_of(player, ticks, gamma) for player in range(players)]


def _transitions_of(player: int, ticks: Sequence[Tick], gamma: float) -> list[Transition]:
    transitions = []
    for t in (t for t, tick in enumerate(ticks) if tick.player == player):
        rewards = []
        next_t = CUT
        for later in range(t, len(ticks)):
            if later > t and ticks[later].player == player:
                next_t = later
                break
            rewards.append(ticks[later].rewards[player])
            if ticks[later].terminal:
                next_t = GAME_OVER
                break
        transitions.append(
            Transition(
                t=t,
                reward_sum=sum(rewards),
                reward_env_discounted=sum(gamma**i * reward for i, reward in enumerate(rewards)),
                k=len(rewards),
                terminal=next_t == GAME_OVER,
                next_t=next_t,
            )
        )
    return transitions
