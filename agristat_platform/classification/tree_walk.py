"""Walking decision trees fast: what a row compares at a node lies together, and the left child follows its parent.

Where a row goes left the processor has the next node before the comparison is settled; and one node is one cache line, not
one in each of four arrays. Belongs here: the way of a row to its leaf. Not here: what a leaf says (`forest`, `boosting`).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

NODE = np.dtype([("threshold", np.float32), ("feature", np.int32), ("right", np.int32)])
"""A row goes to the next node when its feature is ≤ the threshold, else to `right`. A leaf's feature is negative; what its
feature and `right` mean is up to the owner."""


def pack_trees(
    roots: NDArray[np.int64],
    left: NDArray[np.int32],
    right: NDArray[np.int32],
    feature: NDArray[np.int32],
    threshold: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.void]]:
    """Trees as roots and records (`NODE`) in depth-first order; float32 rows arrive where they did.

    A float32 value is ≤ a float64 threshold exactly when it is ≤ the greatest float32 that isn't above it.

    Parameters
    ----------
    roots, left, right, feature, threshold:
        As in `forest.Forest`, without fault (`forest.node_fault`); a leaf has left < 0 and feature < 0.
    """
    inner = left >= 0
    if not np.array_equal(left[inner], np.flatnonzero(inner) + 1):
        order, place = _depth_first(roots, left, right)
        roots, inner, feature, threshold = place[roots], inner[order], feature[order], threshold[order]
        right = np.where(inner, place[np.where(inner, right[order], 0)], right[order])
    with np.errstate(over="ignore"):
        rounded = threshold.astype(np.float32)
    above = rounded.astype(np.float64) > threshold
    rounded[above] = np.nextafter(rounded[above], np.float32(-np.inf))
    nodes = np.empty(len(feature), dtype=NODE)
    nodes["threshold"], nodes["feature"], nodes["right"] = rounded, feature, right
    return roots, nodes


@njit(cache=True, nogil=True)
def leaf_of(nodes: np.ndarray, root: int, X: np.ndarray, i: int) -> int:
    """Number of the leaf that row i of float32 features (n, p) without NaN arrives at; bounds aren't checked."""
    node = root
    feature = nodes[node].feature
    while feature >= 0:
        if X[i, feature] <= nodes[node].threshold:
            node = node + 1
        else:
            node = nodes[node].right
        feature = nodes[node].feature
    return node


def _depth_first(
    roots: NDArray[np.int64], left: NDArray[np.int32], right: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Nodes in depth-first order, left before right, and where each then stands."""
    order: list[int] = []
    for root in roots.tolist():
        waiting = [root]
        while waiting:
            node = waiting.pop()
            order.append(node)
            if left[node] >= 0:
                waiting += [int(right[node]), int(left[node])]
    place = np.zeros(len(left), dtype=np.int64)
    place[order] = np.arange(len(order))
    return np.array(order, dtype=np.int64), place
