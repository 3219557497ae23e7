"""Sums of weights, and who is found in them, against running sums over all."""

from __future__ import annotations

import numpy as np
import pytest

from agents.sum_tree import SumTree

SIZES = [1, 2, 3, 5, 8, 13, 64, 100]


def filled(entries: int, seed: int) -> tuple[SumTree, np.ndarray]:
    """(a tree after several rounds of changes, its weights): whole numbers, so that sums are exact."""
    generator = np.random.default_rng([seed, entries])
    tree, weights = SumTree(entries), np.zeros(entries)
    for _ in range(5):
        some = generator.permutation(entries)[: generator.integers(1, entries + 1)]
        weights[some] = generator.integers(0, 5, len(some))
        tree.set(some, weights[some])
    weights[generator.integers(entries)] += 1  # not all are 0
    tree.set(np.arange(entries), weights)
    return tree, weights


@pytest.mark.parametrize("entries", SIZES)
@pytest.mark.parametrize("seed", range(3))
def test_every_point_finds_whose_share_it_lies_in(entries: int, seed: int) -> None:
    tree, weights = filled(entries, seed)
    assert tree.total == weights.sum()
    np.testing.assert_array_equal(tree.weights(slice(0, entries)), weights)
    points = np.arange(0, tree.total, 0.25)
    given = points.copy()
    np.testing.assert_array_equal(tree.find(points), np.searchsorted(weights.cumsum(), points, side="right"))
    np.testing.assert_array_equal(points, given)


@pytest.mark.parametrize("entries", SIZES)
def test_who_has_no_weight_is_not_found_even_at_the_very_end(entries: int) -> None:
    generator = np.random.default_rng(entries)
    for _ in range(50):
        weights = generator.random(entries) * 10.0 ** generator.integers(-12, 12, entries)
        weights[generator.random(entries) < 0.6] = 0.0
        if not weights.any():
            continue
        tree = SumTree(entries)
        tree.set(np.arange(entries), weights)
        edges = np.concatenate([weights.cumsum(), [0.0, tree.total]])
        points = np.concatenate([np.nextafter(edges, np.inf), edges, np.nextafter(edges, 0.0)])
        assert (weights[tree.find(points)] > 0).all()


def test_what_is_set_and_taken_back_leaves_no_trace() -> None:
    """Sums changed by differences would keep the rounding of the largest weight that ever was."""
    tree, everybody = SumTree(10), np.arange(10)
    tree.set(everybody, np.full(10, 0.1))
    before = tree.total
    for size in (1e17, 1e30):
        tree.set(everybody[:4], np.full(4, size))
        tree.set(everybody[:4], np.full(4, 0.1))
    assert tree.total == before
    tree.clear()
    assert tree.total == 0.0


@pytest.mark.parametrize("entries", SIZES)
def test_memory_is_what_the_nodes_take(entries: int) -> None:
    assert SumTree.memory(entries) == SumTree(entries)._nodes.nbytes
