"""Matchmakers: a view of the league and a generator in, a proposal out. One rule a file."""

from __future__ import annotations

from collections.abc import Callable

from numpy.random import Generator

from league.config import LeagueConfig
from league.matchmaking.alphastar import AlphaStar
from league.matchmaking.alphastar_pseudocode import AlphaStarPseudocode
from league.matchmaking.evaluation import Evaluation
from league.matchmaking.fictitious import Fictitious
from league.matchmaking.openai_five import OpenAIFive
from league.matchmaking.parents import AgainstParents
from league.matchmaking.pfsp import Prioritised, Weighting
from league.matchmaking.population import Population
from league.matchmaking.proposal import Proposal, make_match
from league.matchmaking.psro import FillPayoff, MetaStrategy, Psro
from league.matchmaking.self_play import SelfPlay
from league.players import Player
from league.view import LeagueView

__all__ = [
    "AgainstParents",
    "AlphaStar",
    "AlphaStarPseudocode",
    "Evaluation",
    "Evaluator",
    "Fictitious",
    "FillPayoff",
    "Matchmaker",
    "MetaStrategy",
    "OpenAIFive",
    "Population",
    "Prioritised",
    "Proposal",
    "Psro",
    "SelfPlay",
    "Weighting",
    "evaluator",
    "make_match",
    "matchmaker",
]

Matchmaker = Callable[[LeagueView, Player, Generator], Proposal]
"""(view, the player to train, generator) -> what it should play next."""
Evaluator = Callable[[LeagueView, Generator], Proposal | None]
"""(view, generator) -> a match that only rates, or None where nobody can be compared."""


def matchmaker(config: LeagueConfig) -> Matchmaker:
    """The rule that `config.matchmaker` names."""
    match config.matchmaker:
        case "population":
            return Population(config.latest_probability, config.window)
        case "fictitious":
            return Fictitious(config.delta)
        case "pfsp":
            return Prioritised(Weighting(config.weighting), config.latest_probability)
        case "openai_five":
            return OpenAIFive(config.latest_probability, config.quality_step)
        case "alphastar":
            return AlphaStar()
        case "alphastar_pseudocode":
            return AlphaStarPseudocode()
        case "psro":
            return Psro(MetaStrategy(config.meta_strategy), config.window)
        case _:
            return SelfPlay(config.latest_probability, config.window)


def evaluator(config: LeagueConfig) -> Evaluator:
    """What makes the matches that only rate."""
    rating = FillPayoff(config.window) if config.matchmaker == "psro" else Evaluation()
    return AgainstParents(config, rating) if config.gate == "sprt" else rating
