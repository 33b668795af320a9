"""Gradient boosting as plain arrays: fitted by scikit-learn or LightGBM, walked by a numba kernel of our own.

Histogram-based boosting: Ke et al. (2017), LightGBM, NeurIPS 30; scikit-learn's HistGradientBoosting after it. Not here:
averaged forests (`forest`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

from agristat_platform.classification.errors import BoostingMissingError
from agristat_platform.classification.forest import node_fault
from agristat_platform.classification.tree_walk import leaf_of, pack_trees

if TYPE_CHECKING:
    from agristat_platform.classification.fitting import EnsembleSettings

_BATCH = 4096  # rows whose features stay in the cache while one tree after another walks them
_LEAST_LEAF = 5  # samples of a leaf; the libraries' 20 leaves a crop of a dozen labels without a leaf of its own
_FEATURES_A_SPLIT = 0.3


@dataclass(frozen=True)
class Boosting:
    """Sum of trees for each class's logit, softmax at the end.

    Attributes
    ----------
    roots, left, right, feature, threshold:
        As in `forest.Forest`; a leaf's `right` is its position in `values`.
    tree_class:
        int32 (t,): the class that a tree adds to.
    values:
        float64 (leaves,): what a leaf adds to the logit.
    baseline:
        float64 (classes,): logits before the first tree.
    """

    roots: np.ndarray
    tree_class: np.ndarray
    left: np.ndarray
    right: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    values: np.ndarray
    baseline: np.ndarray

    def probabilities(self, prepared: np.ndarray) -> np.ndarray:
        """Class probabilities, float64 (n, classes), for float32 features (n, q) without NaN."""
        logits = np.repeat(self.baseline[None, :], len(prepared), axis=0)
        for start in range(0, len(prepared), _BATCH):
            rows = slice(start, start + _BATCH)
            _add_values(
                np.ascontiguousarray(prepared[rows]),
                *self._packed,
                self.tree_class,
                self.values,
                logits[rows],
            )
        logits -= logits.max(axis=1, keepdims=True)
        odds = np.exp(logits)
        return np.asarray(odds / odds.sum(axis=1, keepdims=True))

    @cached_property
    def _packed(self) -> tuple[np.ndarray, np.ndarray]:
        return pack_trees(self.roots, self.left, self.right, self.feature, self.threshold)

    def fault(self, width: int, classes: int) -> str | None:
        """Say what makes these arrays unsafe to walk, or None: the kernel doesn't check its bounds."""
        fault = node_fault(self.roots, self.left, self.right, self.feature, self.threshold, width)
        if fault:
            return fault
        leaf = self.left < 0
        if self.values.ndim != 1 or (self.right[leaf] < 0).any() or (self.right[leaf] >= len(self.values)).any():
            return "a leaf of the boosted trees has no value"
        if self.baseline.shape != (classes,) or len(self.tree_class) != len(self.roots):
            return f"boosted trees are not of {classes} classes"
        if self.tree_class.min() < 0 or self.tree_class.max() >= classes:
            return "a boosted tree adds to a class that doesn't exist"
        return None


def fit_boosting(
    prepared: np.ndarray, index: np.ndarray, weight: np.ndarray, classes: int, settings: EnsembleSettings
) -> Boosting:
    """Fit `settings.boosting` ("histogram" or "lightgbm") on features without NaN (n, q), class indices and weights (n,).

    Raises
    ------
    BoostingMissingError
        LightGBM is asked for and not installed.
    """
    if settings.boosting == "lightgbm":
        return _fit_lightgbm(prepared, index, weight, classes, settings)
    from sklearn.ensemble import HistGradientBoostingClassifier

    classifier = HistGradientBoostingClassifier(
        max_iter=settings.boosting_rounds,
        learning_rate=settings.boosting_rate,
        max_leaf_nodes=settings.boosting_leaves,
        min_samples_leaf=_LEAST_LEAF,
        l2_regularization=1.0,
        max_features=_FEATURES_A_SPLIT,
        early_stopping=False,
        random_state=settings.seed,
    )
    return flatten_histogram_boosting(classifier.fit(prepared, index, sample_weight=weight))


def flatten_histogram_boosting(classifier: Any) -> Boosting:
    """Take the trees out of a fitted `HistGradientBoostingClassifier` without categories.

    With two classes scikit-learn keeps a single logit; it becomes the second of two, the first staying 0.
    """
    trees = []
    rounds = classifier._predictors
    shift = 1 if len(classifier.classes_) == 2 else 0
    for predictors in rounds:
        for k, predictor in enumerate(predictors):
            nodes = predictor.nodes
            leaf = nodes["is_leaf"].astype(bool)
            trees.append(
                (
                    k + shift,
                    np.where(leaf, -1, nodes["left"].astype(np.int64)),
                    np.where(leaf, -1, nodes["right"].astype(np.int64)),
                    np.where(leaf, -1, nodes["feature_idx"].astype(np.int64)),
                    np.where(leaf, 0.0, nodes["num_threshold"].astype(np.float64)),
                    nodes["value"].astype(np.float64),
                )
            )
    baseline = np.zeros(len(classifier.classes_))
    baseline[shift:] = np.ravel(classifier._baseline_prediction)
    return _joined(trees, baseline)


def require_lightgbm() -> Any:
    """The module lightgbm.

    Raises
    ------
    BoostingMissingError
        It is not installed.
    """
    try:
        import lightgbm
    except (ImportError, OSError) as reason:  # OSError: its library needs libgomp, which is a system package
        raise BoostingMissingError(
            f"the ensemble asks for LightGBM, which can't be loaded: {reason}",
            remedy='Install the extra "boosting": pip install -c constraints.txt -e ".[boosting]"; '
            'or set boosting to "histogram", which needs nothing more',
        ) from reason
    return lightgbm


def _fit_lightgbm(
    prepared: np.ndarray, index: np.ndarray, weight: np.ndarray, classes: int, settings: EnsembleSettings
) -> Boosting:
    lightgbm = require_lightgbm()
    parameters = {
        "objective": "multiclass",
        "num_class": classes,
        "learning_rate": settings.boosting_rate,
        "num_leaves": settings.boosting_leaves,
        "min_data_in_leaf": _LEAST_LEAF,
        "min_sum_hessian_in_leaf": 1e-3,
        "lambda_l2": 1.0,
        "feature_fraction_bynode": _FEATURES_A_SPLIT,
        "seed": settings.seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": settings.workers,
        "verbosity": -1,
    }
    data = lightgbm.Dataset(prepared.astype(np.float64), label=index, weight=weight)
    booster = lightgbm.train(parameters, data, num_boost_round=settings.boosting_rounds)
    return flatten_lightgbm(booster, classes)


def flatten_lightgbm(booster: Any, classes: int) -> Boosting:
    """Take the trees out of a LightGBM booster of the objective "multiclass" without categories."""
    trees = []
    for tree in booster.dump_model()["tree_info"]:
        left: list[int] = []
        right: list[int] = []
        feature: list[int] = []
        threshold: list[float] = []
        value: list[float] = []
        pending = [(tree["tree_structure"], -1, False)]
        while pending:
            node, parent, is_right = pending.pop()
            here = len(left)
            if parent >= 0:
                (right if is_right else left)[parent] = here
            split = "split_feature" in node
            left.append(-1)
            right.append(-1)
            feature.append(node["split_feature"] if split else -1)
            threshold.append(node["threshold"] if split else 0.0)
            value.append(0.0 if split else node["leaf_value"])
            if split:
                pending += [(node["right_child"], here, True), (node["left_child"], here, False)]
        columns = np.array(left), np.array(right), np.array(feature), np.array(threshold), np.array(value)
        trees.append((tree["tree_index"] % classes, *columns))
    return _joined(trees, np.zeros(classes))


def _joined(
    trees: list[tuple[int, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]], baseline: np.ndarray
) -> Boosting:
    """One run of arrays out of (class, left, right, feature, threshold, value) by tree, children counted within it."""
    nodes = np.cumsum([0, *(len(tree[1]) for tree in trees)])
    left, right, feature, threshold, values = [], [], [], [], []
    leaves = 0
    for offset, (_, tree_left, tree_right, tree_feature, tree_threshold, tree_value) in zip(
        nodes[:-1], trees, strict=True
    ):
        leaf = tree_left < 0
        left.append(np.where(leaf, -1, tree_left + offset))
        right.append(np.where(leaf, np.cumsum(leaf) - 1 + leaves, tree_right + offset))
        feature.append(tree_feature)
        threshold.append(tree_threshold)
        values.append(tree_value[leaf])
        leaves += int(leaf.sum())
    return Boosting(
        roots=nodes[:-1].astype(np.int64),
        tree_class=np.array([tree[0] for tree in trees], dtype=np.int32),
        left=np.concatenate(left).astype(np.int32),
        right=np.concatenate(right).astype(np.int32),
        feature=np.concatenate(feature).astype(np.int32),
        threshold=np.concatenate(threshold).astype(np.float64),
        values=np.concatenate(values).astype(np.float64),
        baseline=baseline.astype(np.float64),
    )


@njit(cache=True, nogil=True)
def _add_values(
    X: np.ndarray,
    roots: np.ndarray,
    nodes: np.ndarray,
    tree_class: np.ndarray,
    values: np.ndarray,
    total: np.ndarray,
) -> None:
    for t in range(roots.shape[0]):
        k = tree_class[t]
        for i in range(X.shape[0]):
            total[i, k] += values[nodes[leaf_of(nodes, roots[t], X, i)].right]
