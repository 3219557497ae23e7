"""Whether an outcome can be what came of a match. Asked before a result is accepted, ever after trusted."""

from __future__ import annotations

import math
from collections import Counter
from itertools import combinations

from league.players import LeagueError, Match, Outcome


def check_outcome(match: Match, outcome: Outcome) -> None:
    """Raise LeagueError, with one line, where `outcome` cannot belong to `match`.

    Every two teams of the match have one result an episode, every team one return an episode. Only where
    somebody forfeited may there be fewer episodes than the match asked for.
    """
    where = f"outcome of match {match.id}"
    if outcome.match != match.id:
        raise LeagueError(f"{where}: it names match {outcome.match}")
    least = 0 if outcome.forfeits else match.episodes
    if not least <= outcome.episodes <= match.episodes:
        raise LeagueError(f"{where}: {outcome.episodes} episodes, but the match is of {match.episodes}")
    if outcome.decisions < 0 or outcome.attempt < 0:
        raise LeagueError(f"{where}: decisions {outcome.decisions} or attempt {outcome.attempt} is negative")
    _check_identities(match, outcome, where)
    _check_pairs(match, outcome, where)
    _check_swapped(match, outcome, where)
    _check_returns(match, outcome, where)
    _check_rankings(match, outcome, where)


def _check_identities(match: Match, outcome: Outcome, where: str) -> None:
    named = [
        *(identity for pair in outcome.pairs for identity in (pair.home, pair.away)),
        *(entry.identity for entry in outcome.returns),
        *outcome.forfeits,
        *((outcome.swapped.identity,) if outcome.swapped else ()),
    ]
    playing = set(match.teams.values())
    for identity in named:
        if identity not in playing:
            raise LeagueError(f"{where}: {identity!r} does not play in it, only {', '.join(sorted(playing))}")


def _check_pairs(match: Match, outcome: Outcome, where: str) -> None:
    played: Counter[tuple[str, ...]] = Counter()
    for pair in outcome.pairs:
        if min(pair.wins, pair.draws, pair.losses) < 0:
            raise LeagueError(
                f"{where}: {pair.home} against {pair.away} counts {pair.wins} wins, {pair.draws} draws, "
                f"{pair.losses} losses; none may be negative"
            )
        played[tuple(sorted((pair.home, pair.away)))] += pair.wins + pair.draws + pair.losses
    meetings = Counter(tuple(sorted(two)) for two in combinations(match.teams.values(), 2))
    for two in sorted(meetings | played):
        if played[two] != meetings[two] * outcome.episodes:
            raise LeagueError(
                f"{where}: {two[0]} against {two[1]} counts {played[two]} results, "
                f"but {meetings[two] * outcome.episodes} were played"
            )


def _check_swapped(match: Match, outcome: Outcome, where: str) -> None:
    """Every whole pair of episodes is counted, and its scores add up to what the episodes did."""
    if outcome.swapped is None:
        return
    name, counts = outcome.swapped.identity, outcome.swapped.counts
    if len(match.teams) != 2 or len(set(match.teams.values())) != 2:
        raise LeagueError(f"{where}: pairs of games of {name}, but no two change places in it")
    if len(counts) != 5 or min(counts) < 0 or sum(counts) != outcome.episodes // 2:
        raise LeagueError(
            f"{where}: pairs of games are {list(counts)}, but must be 5 counts that add up to "
            f"{outcome.episodes // 2}"
        )
    scored = sum(half * count for half, count in enumerate(counts))
    played = sum(2 * (pair.wins if pair.home == name else pair.losses) + pair.draws for pair in outcome.pairs)
    if not 0 <= played - scored <= 2 * (outcome.episodes % 2):
        raise LeagueError(
            f"{where}: {name} scored {scored / 2:g} in pairs of games, but {played / 2:g} in all of them"
        )


def _check_rankings(match: Match, outcome: Outcome, where: str) -> None:
    """Every episode has a ranking or none has, and a team's place is how many came before it."""
    if not outcome.rankings:
        return
    if len(match.teams) < 3 or len(outcome.rankings) != outcome.episodes:
        raise LeagueError(
            f"{where}: {len(outcome.rankings)} rankings of {len(match.teams)} teams, "
            f"but {outcome.episodes if len(match.teams) > 2 else 'no'} episodes were ranked"
        )
    for places in outcome.rankings:
        taken = sorted(places.values())
        if places.keys() != match.teams.keys() or [taken.index(place) for place in taken] != taken:
            raise LeagueError(f"{where}: {places} is no ranking of {', '.join(sorted(match.teams))}")


def _check_returns(match: Match, outcome: Outcome, where: str) -> None:
    counted: Counter[str] = Counter()
    for entry in outcome.returns:
        counted[entry.identity] += entry.episodes
        if entry.episodes < 0 or not math.isfinite(entry.total) or not math.isfinite(entry.total_of_squares):
            raise LeagueError(
                f"{where}: returns of {entry.identity} are {entry.total} over {entry.episodes} episodes"
            )
        # Cauchy and Schwarz; the slack is for rounding.
        if entry.total * entry.total > entry.total_of_squares * entry.episodes * (1 + 1e-6) + 1e-9:
            raise LeagueError(
                f"{where}: returns of {entry.identity} add up to {entry.total} over {entry.episodes} "
                f"episodes, which the sum of squares {entry.total_of_squares} does not allow"
            )
    for identity, teams in Counter(match.teams.values()).items():
        if counted[identity] != teams * outcome.episodes:
            raise LeagueError(
                f"{where}: {counted[identity]} returns of {identity}, "
                f"but it played {teams * outcome.episodes}"
            )
