"""Convolution kernels against the convolution written out, and the head's short cut against leaving groups out."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agristat_platform.classification.cross_season.convolution_kernels import fit_convolution_kernels
from agristat_platform.classification.cross_season.kernel_head import _held_out_scores, fit_kernel_head, softmax


def _written_out(kernels, series: np.ndarray) -> np.ndarray:
    """Shares of positive values of one series (steps, features), by the definition."""
    shares = []
    triples = list(combinations(range(9), 3))
    for d, dilation in enumerate(kernels.dilations.tolist()):
        for k, heavy in enumerate(triples):
            weight = np.full(9, -1.0)
            weight[list(heavy)] = 2.0
            total = series[:, kernels.feature_sets[d, k]].sum(axis=1)
            reach = 4 * dilation
            wide = np.concatenate([np.zeros(reach), total, np.zeros(reach)])
            output = np.array([weight @ wide[t : t + 8 * dilation + 1 : dilation] for t in range(len(series))])
            if not kernels.padded[d, k]:
                output = output[reach : len(series) - reach]
            shares += [(output > b).mean() for b in kernels.biases[d, k] if np.isfinite(b)]
    return np.array(shares)


@pytest.mark.parametrize(("steps", "dilations"), [(23, [1, 2]), (9, [1]), (7, [1]), (72, [1, 2, 3, 4, 5, 6, 7, 8])])
def test_shares_are_those_of_the_definition_at_any_length(steps: int, dilations: list[int]) -> None:
    random = np.random.default_rng(3)
    kernels = fit_convolution_kernels(random.normal(size=(6, steps, 4)), size=84 * 32, seed=5)
    series = random.normal(size=(6, steps, 4))  # not those that biases came from: an output may equal its bias there
    assert kernels.dilations.tolist() == dilations
    shares = kernels.transform(series)
    assert shares.shape == (6, 84 * 32)
    for i in range(6):
        np.testing.assert_allclose(shares[i], _written_out(kernels, series[i]), atol=1e-6)


def test_a_kernel_never_reaches_beyond_a_series_of_23_steps_without_padding() -> None:
    kernels = fit_convolution_kernels(np.random.default_rng(0).normal(size=(3, 23, 2)))
    assert (8 * kernels.dilations < 23).all()
    assert 0.4 < kernels.padded.mean() < 0.6


def test_unsupported_positions_have_no_weight() -> None:
    random = np.random.default_rng(1)
    series = random.normal(size=(4, 23, 3))
    kernels = fit_convolution_kernels(series, size=840)
    whole = kernels.transform(series, np.ones((4, 23)))
    np.testing.assert_array_equal(whole, kernels.transform(series))
    none = kernels.transform(series, np.zeros((4, 23)))
    np.testing.assert_allclose(none, whole, atol=1e-6)
    half = np.ones((4, 23))
    half[:, ::2] = 0
    assert np.abs(kernels.transform(series, half) - whole).max() > 0.05


def test_shares_of_a_series_do_not_depend_on_the_others_and_seeds_matter() -> None:
    series = np.random.default_rng(2).normal(size=(9, 23, 3))
    kernels = fit_convolution_kernels(series, size=420, seed=1)
    np.testing.assert_array_equal(kernels.transform(series)[4:], kernels.transform(series[4:]))
    again, other = fit_convolution_kernels(series, size=420, seed=1), fit_convolution_kernels(series, size=420, seed=2)
    np.testing.assert_array_equal(kernels.biases, again.biases)
    assert (kernels.feature_sets != other.feature_sets).any()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(2, 4))
def test_the_heads_short_cut_equals_leaving_groups_out(seed: int, folds: int) -> None:
    random = np.random.default_rng(seed)
    columns, target = random.normal(size=(12, 5)), random.normal(size=(12, 2))
    dealt = [np.arange(12)[i::folds] for i in range(folds)]
    scores = _held_out_scores(columns @ columns.T, target, 0.7, dealt)
    for rows in dealt:
        rest = np.setdiff1d(np.arange(12), rows)
        weights = np.linalg.solve(columns[rest].T @ columns[rest] + 0.7 * np.eye(5), columns[rest].T @ target[rest])
        np.testing.assert_allclose(scores[rows], columns[rows] @ weights, atol=1e-8)


def test_the_head_learns_and_its_probabilities_are_sharp_only_where_classes_part() -> None:
    random = np.random.default_rng(0)
    classes = np.repeat([0, 1, 2], 40)
    columns = random.normal(size=(120, 30))
    columns[:, :3] += 4.0 * np.eye(3)[classes]
    head = fit_kernel_head(columns, classes, np.arange(120))
    said = head.probabilities(columns)
    np.testing.assert_allclose(said.sum(axis=1), 1.0)
    assert (said.argmax(axis=1) == classes).mean() > 0.97
    noise = fit_kernel_head(random.normal(size=(120, 30)), classes, np.arange(120))
    assert noise.probabilities(random.normal(size=(50, 30))).max(axis=1).mean() < 0.5


def test_softmax_of_large_scores_is_finite() -> None:
    np.testing.assert_allclose(softmax(np.array([[1000.0, 1000.0]])), [[0.5, 0.5]])
