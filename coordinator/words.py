"""A match in words that a person reads at a glance: who met whom, what came of it, why it was made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from league.players import Match, Outcome, PairResult


def opponents_in_words(match: Match) -> str:
    """`main vs main@3`; in a game of one team just `main`."""
    return " vs ".join(match.teams.values())


def result_in_words(match: Match, outcome: Outcome) -> str:
    """`+20 =1 −11`: won, drawn and lost by the first team; where it met itself, by its seat."""
    if outcome.forfeits:
        return "; ".join(f"{identity} forfeited: {why}" for identity, why in outcome.forfeits.items())
    if outcome.pairs:
        wins, draws, losses = _seen_by(next(iter(match.teams.values())), outcome.pairs)
        return f"+{wins} ={draws} −{losses}"
    means = [f"{r.identity} {r.total / r.episodes:.2f}" for r in outcome.returns if r.episodes]
    return f"mean return {', '.join(means)}" if means else "no episode finished"


def reason_in_words(reason: Mapping[str, Any]) -> str:
    """Why a match was made: `self-play: main against itself (p=0.8)`; `past: main@3, one of 5`.

    Reads the reasons that `league.matchmaking` writes; of a user's own rule it names the branch.
    """
    rule, branch = str(reason.get("rule", "")), str(reason.get("branch", ""))
    if rule == "evaluation":
        return _evaluation_in_words(branch, reason)
    if draws := reason.get("draws"):
        return "; ".join(_draw_in_words(rule, str(reason.get("player", "")), draw) for draw in draws.values())
    if branch == "alone":
        return f"alone: {reason.get('player', 'it')} has no opponent in this game"
    return ": ".join(part for part in (rule.replace("_", "-"), branch) if part) or "no reason was noted"


def _evaluation_in_words(branch: str, reason: Mapping[str, Any]) -> str:
    pairings = _several(reason.get("candidates", 1), "pairing")
    match branch:
        case "against its parent, for the gate":
            return f"evaluation: {reason['player']} {branch}, it wins {reason['win_rate']:.2f}"
        case "least known pair of the meta-game":
            met = _several(round(reason["games"]), "game")
            return f"evaluation: {branch}, {met} so far, one of {pairings} (p={reason['probability']:.2g})"
    return f"evaluation: the most telling of {pairings}"


def _draw_in_words(rule: str, player: str, draw: Mapping[str, Any]) -> str:
    opponent, branch = str(draw.get("opponent", "")), str(draw.get("branch", ""))
    if "latest_probability" not in draw:
        return f"{rule.replace('_', '-')}: {branch}: {opponent}{_odds(draw)}"
    if branch == "past":
        return f"past: {opponent}, one of {draw.get('candidates', 1)}"
    title = "self-play" if opponent == player else rule.replace("_", "-") or branch
    whom = f"{player} against itself" if opponent == player else f"{player} against the live {opponent}"
    if branch != "latest":
        return f"{title}: {whom}, nothing past yet"
    return f"{title}: {whom} (p={draw.get('latest_probability', 1):g})"


def _odds(draw: Mapping[str, Any]) -> str:
    """`, one of 12 (p=0.31), wins 0.62`: the player against it; nothing where there was no choice."""
    if draw.get("candidates", 1) == 1:
        return ""
    wins = f", wins {draw['win_rate']:.2f}" if "win_rate" in draw else ""
    return f", one of {draw['candidates']} (p={draw.get('probability', 0.0):.2g}){wins}"


def _several(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _seen_by(identity: str, pairs: tuple[PairResult, ...]) -> tuple[int, int, int]:
    """Wins, draws and losses; a pair of twice the same identity counts once, as its earlier team."""
    home = [(p.wins, p.draws, p.losses) for p in pairs if p.home == identity]
    away = [(p.losses, p.draws, p.wins) for p in pairs if p.away == identity != p.home]
    wins, draws, losses = (sum(column) for column in zip(*home, *away, strict=True))
    return wins, draws, losses
