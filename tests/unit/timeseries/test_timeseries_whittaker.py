"""The Whittaker smoother against a dense solve, its limits, and what it refuses."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agristat_platform.timeseries import SeriesShapeError, SeriesValueError, whittaker_smooth


def dense(y, w, smoothing, order):
    n = len(y)
    difference = np.diff(np.eye(n), n=order, axis=0)
    w = np.where(np.isnan(y), 0.0, w)
    return np.linalg.solve(np.diag(w) + smoothing * difference.T @ difference, w * np.nan_to_num(y))


def test_by_hand():
    # Order 1, λ = 1, y = (0, 3): (1 + 1) z1 − z2 = 0 and −z1 + 2 z2 = 3 give z = (1, 2).
    assert whittaker_smooth(np.array([[0.0, 3.0]]), smoothing=1.0, order=1)[0] == pytest.approx([1.0, 2.0])
    # The gap of a first-order fit lies on the line between its neighbours.
    gap = whittaker_smooth(np.array([[0.0, np.nan, 3.0]]), smoothing=2.0, order=1)[0]
    assert gap[1] == pytest.approx((gap[0] + gap[2]) / 2)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3), st.floats(0.01, 1e4), st.integers(4, 30), st.integers(0, 2**32 - 1))
def test_equal_to_a_dense_solve(order, smoothing, n_steps, seed):
    rng = np.random.default_rng(seed)
    y = rng.normal(size=(3, n_steps))
    y[rng.random(y.shape) < 0.3] = np.nan
    y[:, :order] = 1.5  # enough values to determine the curve
    w = rng.uniform(0.1, 2, y.shape)
    found = whittaker_smooth(y, w, smoothing, order)
    for k in range(3):
        assert found[k] == pytest.approx(dense(y[k], w[k], smoothing, order), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_polynomials_below_the_order_pass_unchanged(order):
    x = np.arange(12.0)
    y = np.polynomial.polynomial.polyval(x, [2.0, -0.3, 0.05][:order])
    gappy = y.copy()
    gappy[[3, 4, 9]] = np.nan
    assert whittaker_smooth(gappy[np.newaxis], smoothing=100.0, order=order)[0] == pytest.approx(y)


def test_much_smoothing_gives_the_straight_line():
    rng = np.random.default_rng(1)
    y = rng.normal(size=20)
    line = np.polyval(np.polyfit(np.arange(20), y, 1), np.arange(20))
    assert whittaker_smooth(y[np.newaxis], smoothing=1e8)[0] == pytest.approx(line, abs=1e-4)


def test_series_do_not_touch_each_other():
    rng = np.random.default_rng(2)
    y = rng.normal(size=(4, 10))
    together = whittaker_smooth(y, smoothing=np.array([1.0, 5.0, 20.0, 100.0]))
    for k, smoothing in enumerate((1.0, 5.0, 20.0, 100.0)):
        assert np.array_equal(together[k], whittaker_smooth(y[k : k + 1], smoothing=smoothing)[0])


def test_weights_by_step_and_zero_weight():
    y = np.array([[1.0, 9.0, 2.0, 3.0, 4.0], [2.0, np.nan, 2.0, 1.0, 0.0]])
    w = np.array([1.0, 0.0, 1.0, 2.0, 1.0])
    left_out = y.copy()
    left_out[:, 1] = np.nan
    expected = whittaker_smooth(left_out, np.tile(w, (2, 1)))
    assert np.array_equal(whittaker_smooth(y, w), expected)
    w[1] = 0.5
    assert not np.array_equal(whittaker_smooth(y, w)[0], expected[0])


def test_undetermined_series_stay_missing():
    nan = np.nan
    y = np.array([[nan] * 5, [nan, 1.0, nan, nan, nan], [nan, 1.0, nan, 2.0, nan]])
    smoothed = whittaker_smooth(y)
    assert np.isnan(smoothed[:2]).all()
    assert smoothed[2] == pytest.approx([0.5, 1.0, 1.5, 2.0, 2.5])
    assert whittaker_smooth(np.empty((0, 5))).shape == (0, 5)


def test_precision_follows_the_input():
    assert whittaker_smooth(np.ones((1, 5), np.float32)).dtype == np.float32
    assert whittaker_smooth(np.ones((1, 5), np.int16)).dtype == np.float64


def test_bad_input_is_named():
    y = np.ones((2, 5))
    with pytest.raises(SeriesShapeError, match=r"\(5,\)"):
        whittaker_smooth(y[0])
    with pytest.raises(SeriesShapeError, match=r"2 steps.*order 2"):
        whittaker_smooth(y[:, :2])
    with pytest.raises(SeriesShapeError, match=r"\(3,\)"):
        whittaker_smooth(y, np.ones(3))
    with pytest.raises(SeriesShapeError, match=r"\(4,\).*2 series"):
        whittaker_smooth(y, smoothing=np.ones(4))
    with pytest.raises(SeriesValueError, match="order is 4"):
        whittaker_smooth(y, order=4)
    with pytest.raises(SeriesValueError, match="smoothing is 0"):
        whittaker_smooth(y, smoothing=0.0)
    with pytest.raises(SeriesValueError, match=r"weight is -1.*series 0, step 4"):
        whittaker_smooth(y, np.array([1.0, 1, 1, 1, -1]))
    with pytest.raises(SeriesValueError, match="series 1, step 2"):
        whittaker_smooth(np.where(np.arange(10).reshape(2, 5) == 7, np.inf, y))
