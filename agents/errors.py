"""What goes wrong in a way that the user can mend."""

from __future__ import annotations


class AgentError(Exception):
    """A player, its network or its script is wrong. The message is one line for the user to read."""


class PeerError(AgentError):
    """A process that learns in step with this one is gone: all begin again from the last checkpoint."""
