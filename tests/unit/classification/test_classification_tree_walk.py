"""Trees packed for walking answer as the trees they were packed from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import ExtraTreesClassifier

from agristat_platform.classification.forest import Forest, flatten_forest
from agristat_platform.classification.tree_walk import leaf_of, pack_trees

# root 0 compares x0 with 1: left is node 2 (x1 with -0.5), right is leaf 1; the children of 2 are leaves 4 and 3
LEFT, RIGHT = np.array([2, -1, 4, -1, -1], np.int32), np.array([1, 7, 3, 8, 9], np.int32)
FEATURE, THRESHOLD = np.array([0, -1, 1, -1, -1], np.int32), np.array([1.0, 0, -0.5, 0, 0])


@pytest.mark.parametrize(("row", "leaf"), [((2, 0), 7), ((1, -0.5), 9), ((0.5, 0), 8), ((1.0000001, -1), 7)])
def test_a_tree_in_any_order_by_hand(row, leaf):
    roots, nodes = pack_trees(np.array([0]), LEFT, RIGHT, FEATURE, THRESHOLD)
    assert nodes["feature"].tolist() == [0, 1, -1, -1, -1]  # depth first, left before right
    assert nodes[leaf_of(nodes, roots[0], np.array([row], np.float32), 0)]["right"] == leaf


@given(st.floats(width=32, allow_nan=False), st.floats(allow_nan=False))
def test_a_threshold_between_two_float32_parts_the_same_values(value, threshold):
    _, nodes = pack_trees(
        np.array([0]), np.array([1, -1, -1]), np.array([2, 0, 0]), np.array([0, -1, -1]), np.array([threshold, 0, 0])
    )
    assert (np.float32(value) <= nodes["threshold"][0]) == (np.float64(value) <= threshold)


@pytest.fixture(scope="module")
def fitted():
    random = np.random.default_rng(0)
    X = random.normal(size=(300, 6)).astype(np.float32)
    y = (X[:, 0] + random.normal(size=300) > 0).astype(int) + (X[:, 1] > 0.5)
    return X, ExtraTreesClassifier(12, min_samples_leaf=3, random_state=0).fit(X, y), y


def test_leaves_of_one_class_and_of_several_give_the_shares_of_scikit_learn(fitted):
    X, trees, _ = fitted
    forest = flatten_forest(trees.estimators_)
    assert 0 < (forest.leaves == 1).any(axis=1).mean() < 1
    np.testing.assert_allclose(forest.probabilities(X), trees.predict_proba(X), atol=1e-6)


def test_nodes_in_another_order_answer_the_same_bytes(fitted):
    X, trees, _ = fitted
    forest = flatten_forest(trees.estimators_)
    nodes = len(forest.left)
    place = np.arange(nodes)
    inner = np.flatnonzero(forest.left >= 0)
    # mirror what follows each tree's root, so that children no longer come in depth-first order
    ends = np.append(forest.roots[1:], nodes)
    for root, end in zip(forest.roots, ends, strict=True):
        place[root + 1 : end] = place[root + 1 : end][::-1]
    left, right = forest.left.copy(), forest.right.copy()
    left[inner], right[inner] = place[forest.left[inner]], place[forest.right[inner]]

    def moved(values):
        found = np.empty_like(values)
        found[place] = values
        return found

    other = Forest(
        forest.roots, moved(left), moved(right), moved(forest.feature), moved(forest.threshold), forest.leaves
    )
    assert other.probabilities(X).tobytes() == forest.probabilities(X).tobytes()
