"""Matchmakers: a view of the league and a generator in, a proposal out. One rule a file."""

from __future__ import annotations

from collections.abc import Callable

from numpy.random import Generator

from league.config import LeagueConfig
from league.matchmaking.evaluation import Evaluation
from league.matchmaking.population import Population
from league.matchmaking.proposal import Proposal, make_match
from league.matchmaking.self_play import SelfPlay
from league.players import Player
from league.view import LeagueView

__all__ = ["Evaluation", "Matchmaker", "Population", "Proposal", "SelfPlay", "make_match", "matchmaker"]

Matchmaker = Callable[[LeagueView, Player, Generator], Proposal]
"""(view, the player to train, generator) -> what it should play next."""


def matchmaker(config: LeagueConfig) -> Matchmaker:
    """The rule that `config.matchmaker` names."""
    match config.matchmaker:
        case "population":
            return Population(config.latest_probability, config.window)
        case _:
            return SelfPlay(config.latest_probability, config.window)
