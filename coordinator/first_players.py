"""Who plays in a league when a run begins, and whether the configuration speaks of them alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from agents.config import LearnerConfig
from agents.errors import AgentError
from agents.scripted import make_scripted
from coordinator.config import RunConfig, is_meant
from coordinator.option_values import closest
from coordinator.options import OptionError
from envs.game import Discrete, GameSpec
from league.config import MATCHMAKERS
from league.pbt import first_hyper, populations
from league.players import Player, Role
from league.teams import named_for, player_name

OF_ANY_TEAM = re.compile("(main|league)(-.*)?")
"""Names of players that say no team: where teams differ, each team gets its own of them."""


def first_players(config: RunConfig, spec: GameSpec) -> dict[str, Player]:
    """The league's players at the start of a run, bound to teams where the game is not symmetric.

    Raises OptionError where a player's name says no team, a team has no main, a scripted player is unknown or
    cannot play the game, or somebody's algorithm does not fit the game's actions.
    """
    return {name: _with_hyper(player, config, spec) for name, player in _seated(config, spec).items()}


def _with_hyper(player: Player, config: RunConfig, spec: GameSpec) -> Player:
    if not player.role.learns:
        return player
    algorithm = config.learner_of(player).algorithm
    if algorithm.policy_loss.is_of_choices and not isinstance(spec.actions, Discrete):
        raise OptionError(
            f"learner.algorithm.policy_loss is {algorithm.policy_loss}, but must be gradient, ppo or impact "
            f"in {spec.name}, whose actions are not one choice of a few"
        )
    values = vars(algorithm)
    return replace(player, hyper=first_hyper(config.pbt, player.name, values, config.seed))


def _seated(config: RunConfig, spec: GameSpec) -> dict[str, Player]:
    """All players, each bound to its team."""
    roles = config.league.roles
    for name in config.league.scripted:
        try:
            make_scripted(name, spec)
        except AgentError as error:
            raise OptionError(f"league.scripted: {error}") from error
    if spec.symmetric or len(spec.teams) == 1:
        return {name: Player(name, role) for name, role in roles.items()}
    scripted = {name: Player(name, role) for name, role in roles.items() if not role.learns}
    learning = {name: role for name, role in roles.items() if role.learns}
    if all(OF_ANY_TEAM.fullmatch(name) for name in learning):
        learning = {named_for(team, name): role for team in spec.teams for name, role in learning.items()}
    players = {name: Player(name, role, _team_of(name, spec.teams)) for name, role in learning.items()}
    for team in spec.teams:
        if team not in {player.team for player in players.values() if player.role is Role.MAIN}:
            mains = [name for name, role in learning.items() if role is Role.MAIN]
            raise OptionError(
                f"league.players {', '.join(mains)}: nobody plays team {team} of {spec.name}; "
                f"name a player {player_name(team)}"
            )
    return players | scripted


def check_variants(config: RunConfig, players: Sequence[Player]) -> None:
    """Raises OptionError where a variant is of nobody. players: those with a network."""
    for name in config.variants:
        if not any(is_meant(name, player) for player in players):
            known = [player.name for player in players]
            near = closest(name, known)
            hint = f"; did you mean {near}?" if near else ""
            raise OptionError(
                f"variants.{name}: no player with a network is called so, only {', '.join(known)}{hint}"
            )


def check_gate(config: RunConfig, spec: GameSpec) -> None:
    """Raises OptionError where no player could ever pass its gate, since it never meets its parent."""
    if config.league.gate == "sprt" and not (spec.symmetric and len(spec.teams) == 2):
        differ = "" if spec.symmetric else ", which differ"
        raise OptionError(
            "league.gate sprt: a player is tested against the snapshot before it, with seats swapped, "
            f"but the teams of {spec.name} are {', '.join(spec.teams)}{differ}; allowed are win_rate, time"
        )


def check_meta_game(config: RunConfig, spec: GameSpec) -> None:
    """Raises OptionError where a rule that mixes by payoffs would find no game of two."""
    if config.league.matchmaker == "psro" and len(spec.teams) > 2 and not spec.symmetric:
        others = ", ".join(name for name in MATCHMAKERS if name != "psro")
        raise OptionError(
            f"league.matchmaker psro: it has a payoff for two teams, or for teams alike, but those of "
            f"{spec.name}, {', '.join(spec.teams)}, differ; allowed are {others}"
        )


def check_pbt(config: RunConfig, spec: GameSpec, learners: Sequence[Player]) -> None:
    """Raises OptionError where population-based training could do nothing, or could not be carried out."""
    if config.pbt.period is None:
        return
    others = populations({player.name: player for player in learners})
    if all(len(names) < 2 for names in others.values()):
        raise OptionError(
            f"pbt.period {config.pbt.period}: nobody is compared, for no two players share a role"
            f"{' and a team' if len(spec.teams) > 1 and not spec.symmetric else ''}: {', '.join(others)}"
        )
    if len(spec.teams) == 1 and config.pbt.fitness == "win_rate":
        raise OptionError(
            f"pbt.fitness {config.pbt.fitness}: {spec.name} has one team, where nobody wins; "
            "allowed are auto, return"
        )
    shapes = {player.name: _copied(config.learner_of(player), player) for player in learners}
    for player in learners:
        if len(others[player.name]) > 1 and config.pbt.tuned and not player.hyper:
            tuned = " and ".join(config.pbt.tuned)
            raise OptionError(f"pbt.tuned {tuned}: of {player.name} that is 0, which no factor moves")
        for other in others[player.name]:
            for field, value in shapes[player.name].items():
                if value != shapes[other][field]:
                    raise OptionError(
                        f"pbt.period {config.pbt.period}: {player.name} and {other} copy one another, "
                        f"but differ in {field}: {value} and {shapes[other][field]}"
                    )


def _copied(learner: LearnerConfig, player: Player) -> dict[str, object]:
    """What players have in common of whom one can take over from another."""
    return {
        "what of pbt.tuned is above 0": ", ".join(player.hyper),
        "network": learner.network,
        "cooperation": learner.cooperation,
        "algorithm.optimizer": learner.algorithm.optimizer,
    }


def _team_of(name: str, teams: Iterable[str]) -> str:
    """`predator-2` plays `predator`; where there is a team `predator-2` too, it plays that."""
    meant = [team for team in teams if f"{name}-".startswith(f"{player_name(team)}-")]
    if meant:
        return max(meant, key=lambda team: len(player_name(team)))
    allowed = ", ".join(player_name(team) for team in teams)
    raise OptionError(
        f"league.players {name}: begins with no team's name; allowed are {allowed}, with -2, -3, …"
    )
