"""A network's parameters side by side in one piece of memory, and their gradients in another.

What is done to all of them alike (norms, sums, averages, copies) is then one operation, and not one for each.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


class Flat:
    """Moves parameters into its memory: they and their `grad` become views of it."""

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        self.values = torch.cat([parameter.detach().flatten() for parameter in parameters])
        """[n] all numbers, in order."""
        self.gradient = torch.zeros_like(self.values)
        """[n] and the gradient for them."""
        sizes = [parameter.numel() for parameter in parameters]
        views = zip(
            parameters,
            self.values.split_with_sizes(sizes),
            self.gradient.split_with_sizes(sizes),
            strict=True,
        )
        for parameter, values, gradient in views:
            parameter.data = values.view(parameter.shape)
            parameter.grad = gradient.view(parameter.shape)

    def clip(self, most: float) -> float:
        """Scale the gradient down to this norm; returns what it was."""
        norm = float(torch.linalg.vector_norm(self.gradient))
        if norm > most:
            self.gradient.mul_(most / (norm + 1e-6))
        return norm
