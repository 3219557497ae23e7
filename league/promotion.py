"""When a player is frozen: its network becomes a snapshot and its next generation begins."""

from __future__ import annotations

from league.config import LeagueConfig
from league.players import Player
from league.view import LeagueView


def decide_freeze(player: Player, view: LeagueView, config: LeagueConfig) -> str | None:
    """Why `player` should be frozen now, in words; None where it should not.

    AlphaStar's rule (Vinyals et al. 2019, pseudocode `ready_to_checkpoint`): enough training, and then
    either a win rate above the bar against every opponent, or as much training as is allowed. Opponents
    are the snapshots that this generation met in `snapshot_min_games` games or more, so that a new
    generation is not frozen on what the one before it won; the win rates are the decayed ones, of late.
    """
    trained = player.steps - player.frozen_at
    if trained >= config.snapshot_steps:
        return f"trained on {trained} decisions, {config.snapshot_steps} is the most"
    if trained < config.snapshot_min_steps:
        return None
    faced = _faced(player, view, config.snapshot_min_games)
    if not faced:
        return None
    win_rates = view.ledger.payoff.win_rates(player.name, faced)
    worst = int(win_rates.argmin())
    if win_rates[worst] < config.snapshot_win_rate:
        return None
    return (
        f"wins {win_rates[worst]:.2f} or more against each of {len(faced)} snapshots it faced "
        f"(least against {faced[worst]}), {config.snapshot_win_rate:g} is asked"
    )


def _faced(player: Player, view: LeagueView, min_games: int) -> list[str]:
    """Snapshots that the generation in the making met in at least `min_games` games."""
    tally = view.ledger.tally
    met = tally.opponents(player.node)
    games = tally.games(player.node, met)
    frozen = {snapshot.name for snapshot in view.snapshots}
    return [name for name, count in zip(met, games, strict=True) if count >= min_games and name in frozen]
