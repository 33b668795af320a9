"""Forests as plain arrays: taken from fitted scikit-learn trees, walked by a numba kernel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numba import njit

from agristat_platform.classification.tree_walk import leaf_of, pack_trees

_BATCH = 4096  # rows whose features stay in the cache while one tree after another walks them
_MIXED, _PURE = -1, -2


@dataclass(frozen=True)
class Forest:
    """Class-probability forest in six arrays.

    Attributes
    ----------
    roots:
        int64 (t,): first node of each tree.
    left, right:
        int32 (nodes,): children. A leaf has left = -1, and right is its row in `leaves`.
    feature:
        int32 (nodes,): column compared; -1 at a leaf.
    threshold:
        float64 (nodes,): a sample goes left when its value is ≤ this.
    leaves:
        float32 (leaves, classes): class shares at the leaf, summing to 1.
    """

    roots: np.ndarray
    left: np.ndarray
    right: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    leaves: np.ndarray

    def probabilities(self, prepared: np.ndarray) -> np.ndarray:
        """Mean class shares over the trees, float64 (n, classes), for float32 features without NaN."""
        total = np.zeros((len(prepared), self.leaves.shape[1]))
        for start in range(0, len(prepared), _BATCH):
            rows = slice(start, start + _BATCH)
            _add_votes(np.ascontiguousarray(prepared[rows]), *self._packed, self.leaves, total[rows])
        return total / len(self.roots)

    @cached_property
    def _packed(self) -> tuple[np.ndarray, np.ndarray]:
        """Roots and nodes as they are walked; at a leaf of one class alone `feature` is _PURE and `right` is that class."""
        leaf = np.flatnonzero(self.left < 0)
        rows = self.right[leaf]
        pure = (self.leaves == 1).any(axis=1)[rows]
        feature, right = np.where(self.left < 0, _MIXED, self.feature), self.right.copy()
        feature[leaf[pure]] = _PURE
        right[leaf[pure]] = self.leaves.argmax(axis=1)[rows[pure]]
        return pack_trees(self.roots, self.left, right, feature, self.threshold)

    def fault(self, width: int, classes: int) -> str | None:
        """Say what makes these arrays unsafe to walk, or None: the kernel doesn't check its bounds."""
        fault = node_fault(self.roots, self.left, self.right, self.feature, self.threshold, width)
        if fault:
            return fault
        if self.leaves.ndim != 2 or self.leaves.shape[1] != classes:
            return f"leaves don't have {classes} classes"
        leaf = self.left < 0
        if (self.right[leaf] < 0).any() or (self.right[leaf] >= len(self.leaves)).any():
            return "a leaf has no class shares"
        return None


def node_fault(
    roots: np.ndarray, left: np.ndarray, right: np.ndarray, feature: np.ndarray, threshold: np.ndarray, width: int
) -> str | None:
    """Say why these trees can't be walked on `width` features without leaving the arrays, or None."""
    nodes = len(left)
    if not (len(right) == len(feature) == len(threshold) == nodes and len(roots)):
        return "node arrays differ in length"
    if roots.min() < 0 or roots.max() >= nodes:
        return "a root lies outside the node arrays"
    inner = left >= 0
    index = np.arange(nodes)
    # Children after their parent: that also rules out a walk that never ends.
    if (left[inner] <= index[inner]).any() or (left[inner] >= nodes).any():
        return "a left child lies outside the node arrays"
    if (right[inner] <= index[inner]).any() or (right[inner] >= nodes).any():
        return "a right child lies outside the node arrays"
    if (feature[inner] < 0).any() or (feature[inner] >= width).any():
        return "a node compares a feature that doesn't exist"
    if (feature[~inner] >= 0).any():
        return "a leaf compares a feature"
    return None


def flatten_forest(trees: Any) -> Forest:
    """Flatten fitted scikit-learn decision trees (an ensemble's `estimators_`) into a `Forest`."""
    roots, left, right, feature, threshold, leaves = [], [], [], [], [], []
    node_offset = leaf_offset = 0
    for tree in (estimator.tree_ for estimator in trees):
        is_leaf = tree.children_left < 0
        shares = tree.value[is_leaf, 0, :].astype(np.float64)
        shares /= shares.sum(axis=1, keepdims=True)
        leaf_rows = np.cumsum(is_leaf) - 1 + leaf_offset
        roots.append(node_offset)
        left.append(np.where(is_leaf, -1, tree.children_left + node_offset))
        right.append(np.where(is_leaf, leaf_rows, tree.children_right + node_offset))
        feature.append(np.where(is_leaf, -1, tree.feature))
        threshold.append(np.where(is_leaf, 0.0, tree.threshold))
        leaves.append(shares)
        node_offset += tree.node_count
        leaf_offset += len(shares)
    return Forest(
        roots=np.array(roots, dtype=np.int64),
        left=np.concatenate(left).astype(np.int32),
        right=np.concatenate(right).astype(np.int32),
        feature=np.concatenate(feature).astype(np.int32),
        threshold=np.concatenate(threshold).astype(np.float64),
        leaves=np.concatenate(leaves).astype(np.float32),
    )


@njit(cache=True, nogil=True)
def _add_votes(X: np.ndarray, roots: np.ndarray, nodes: np.ndarray, leaves: np.ndarray, total: np.ndarray) -> None:
    for t in range(roots.shape[0]):
        for i in range(X.shape[0]):
            leaf = leaf_of(nodes, roots[t], X, i)
            if nodes[leaf].feature == _PURE:
                total[i, nodes[leaf].right] += 1.0
            else:
                for k in range(leaves.shape[1]):
                    total[i, k] += leaves[nodes[leaf].right, k]
