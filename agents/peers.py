"""Learners of one player in several processes, in step: each finds the gradient of its own batch, all step by
the mean, and so all have the same weights (Espeholt et al. 2018, figure 1, right).

Who waits for whom: each for all others, in `meet` before an update and in `mean` within it. One that died
ends both with a `PeerError` for the others.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

from agents.errors import PeerError
from agents.update import Means, Proposal

PATIENCE = timedelta(hours=1)
"""A peer whose actors play nothing, for want of matches, is waited for; one that dies is noticed at once."""


class Peers:
    """This process among those that learn in step."""

    def __init__(self, rank: int, count: int, meeting: Path) -> None:
        """rank: of this process, below `count`. meeting: a file, not there yet, where all find one another.

        Waits until all are there.
        """
        dist.init_process_group(
            "gloo", init_method=f"file://{meeting}", rank=rank, world_size=count, timeout=PATIENCE
        )

    def meet(self) -> None:
        """Wait until all have a batch. Raises PeerError."""
        try:
            dist.barrier()
        except RuntimeError as error:
            raise PeerError("a learner process beside this one is gone") from error

    def mean(self, proposal: Proposal, gradient: Tensor) -> Proposal:
        """What all propose together: means over the decisions of all; `gradient` [n] becomes theirs.

        Raises PeerError.
        """
        share = float(proposal.decisions)
        if not proposal.decisions:
            gradient.zero_()
        figures = [share * each for each in (*proposal.means, proposal.policy_lag)]
        counts = [share, float(proposal.fresh), float(proposal.dropped)]
        told = torch.tensor([*figures, *counts], dtype=torch.float64)
        gradient.mul_(share)
        try:
            dist.all_reduce(gradient)
            dist.all_reduce(told)
        except RuntimeError as error:
            raise PeerError("a learner process beside this one is gone") from error
        *means, lag, decisions, fresh, dropped = told.tolist()
        whole = max(1.0, decisions)
        gradient.div_(whole)
        return replace(
            proposal,
            decisions=round(decisions),
            fresh=round(fresh),
            dropped=round(dropped),
            policy_lag=lag / whole,
            means=Means(*(each / whole for each in means)),
        )
