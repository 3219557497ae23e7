"""Drawing one of many by its weight, and changing weights, both in time logarithmic in how many there are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Entries = npt.NDArray[np.int64]
Weights = npt.NDArray[np.float64]


class SumTree:
    """A binary tree whose leaves are the weights of entries, and whose nodes hold the sums below them.

    Node i has the children 2i and 2i + 1; node 1 is the root. A node is always its children's sum anew and
    never changed by differences, so that no rounding adds up. Many entries take one step for each level.
    """

    def __init__(self, entries: int) -> None:
        """All weights are 0."""
        self._depth = (entries - 1).bit_length()
        self._leaves = 1 << self._depth
        self._nodes = np.zeros(2 * self._leaves)

    @staticmethod
    def memory(entries: int) -> int:
        """Bytes that a tree of so many takes."""
        return 16 << (entries - 1).bit_length()

    @property
    def total(self) -> float:
        """Sum of all weights."""
        return float(self._nodes[1])

    def weights(self, entries: Entries | slice) -> Weights:
        """[n] of these entries."""
        return self._nodes[self._leaves :][entries]

    def set(self, entries: Entries, weights: Weights) -> None:
        """Give [n] entries these weights, which are not negative."""
        nodes = self._leaves + entries
        self._nodes[nodes] = weights
        for _ in range(self._depth):
            nodes = np.unique(nodes >> 1)
            self._nodes[nodes] = self._nodes[2 * nodes] + self._nodes[2 * nodes + 1]

    def clear(self) -> None:
        """Give all entries weight 0."""
        self._nodes[:] = 0.0

    def find(self, points: Weights) -> Entries:
        """[n] entries in which these points in [0, total) lie, if all weights lie side by side.

        One of weight 0 is never found, as long as there are others, however sums are rounded.
        """
        rest, nodes = points.copy(), np.ones(len(points), np.int64)
        for _ in range(self._depth):
            nodes *= 2
            left = self._nodes[nodes]
            right = (rest >= left) & (self._nodes[nodes + 1] > 0)
            rest -= np.where(right, left, 0.0)
            nodes += right
        return nodes - self._leaves
