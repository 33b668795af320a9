"""The block kernel: the same for any place, block and thread; float32; V-curve and envelope against brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agristat_platform.timeseries import (
    DEFAULT_SMOOTHINGS,
    SeriesShapeError,
    SeriesValueError,
    whittaker_smooth,
    whittaker_vcurve,
)


def dense(y, w, smoothing, order=2):
    difference = np.diff(np.eye(len(y)), n=order, axis=0)
    w = np.where(np.isnan(y), 0.0, w)
    return np.linalg.solve(np.diag(w) + smoothing * difference.T @ difference, w * np.nan_to_num(y))


def gappy(seed, n_series=75, n_steps=23, gaps=0.4):
    """NDVI-like curves with noise, some values missing, some weights 0, random weights else."""
    rng = np.random.default_rng(seed)
    time = np.linspace(0, 1, n_steps)
    peak, height = rng.uniform(0.3, 0.7, (n_series, 1)), rng.uniform(0.2, 0.7, (n_series, 1))
    y = 0.2 + height * np.exp(-(((time - peak) / 0.2) ** 2)) + rng.normal(0, 0.03, (n_series, n_steps))
    y[rng.random(y.shape) < gaps / 2] = np.nan
    w = np.where(rng.random(y.shape) < gaps / 2, 0.0, rng.uniform(0.1, 1, y.shape))
    return y, w


def v_curve(y, w, smoothings, order=2):
    points = []
    for smoothing in smoothings:
        z = dense(y, w, smoothing, order)
        misfit = np.sum(w * np.nan_to_num(y - z) ** 2)
        points.append((np.log(misfit), np.log(np.sum(np.diff(z, n=order) ** 2))))
    change = np.diff(np.array(points), axis=0)
    return np.hypot(*change.T) / np.diff(np.log(smoothings))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 3), st.floats(0.01, 1e4), st.integers(5, 40), st.integers(0, 2**32 - 1))
def test_gaps_and_zero_weights_equal_a_dense_solve(order, smoothing, n_steps, seed):
    y, w = gappy(seed, n_series=35, n_steps=n_steps)
    found = whittaker_smooth(y, w, smoothing, order)
    determined = ((w > 0) & ~np.isnan(y)).sum(axis=1)
    for k in range(35):
        if determined[k] < order:
            assert np.isnan(found[k]).all()
        elif determined[k] > order + 1:
            assert found[k] == pytest.approx(dense(y[k], w[k], smoothing, order), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("n_steps", [3, 4, 23, 73])
def test_float32_is_the_float64_result_rounded_also_where_end_weights_are_zero(n_steps):
    y, w = gappy(1, n_series=500, n_steps=n_steps, gaps=0.2)
    w[:250, -(n_steps // 3) :] = 0.0
    w[125:375, : n_steps // 3] = 0.0
    y32, w32 = y.astype(np.float32), w.astype(np.float32)
    for smoothing in (0.1, 10.0, 1000.0):
        single = whittaker_smooth(y32, w32, smoothing)
        double = whittaker_smooth(y32.astype(np.float64), w32.astype(np.float64), smoothing)
        assert single.dtype == np.float32
        assert np.array_equal(single, double.astype(np.float32), equal_nan=True)
        assert np.nanmax(np.abs(single - double) / np.maximum(np.abs(double), 1)) <= 1e-7


@pytest.mark.parametrize("n_series", [1, 31, 32, 33, 64, 100])
def test_place_in_a_block_and_threads_change_no_bit(n_series):
    y, w = gappy(2, n_series=n_series)
    smoothing = np.random.default_rng(3).uniform(0.1, 100, n_series)
    alone = np.concatenate([whittaker_smooth(y[k : k + 1], w[k : k + 1], smoothing[k]) for k in range(n_series)])
    for n_jobs in (1, 2, 5):
        assert np.array_equal(whittaker_smooth(y, w, smoothing, n_jobs=n_jobs), alone)
        backwards = whittaker_smooth(y[::-1], w[::-1], smoothing[::-1], n_jobs=n_jobs)[::-1]
        assert np.array_equal(backwards, alone)
    together, chosen = whittaker_vcurve(y, w, envelope=0.9, n_jobs=3)
    for k in range(0, n_series, 7):
        single, own = whittaker_vcurve(y[k : k + 1], w[k : k + 1], envelope=0.9)
        assert np.array_equal(together[k], single[0])
        assert chosen[k] == own[0]


def test_the_result_goes_where_it_is_wanted():
    y, w = gappy(9)
    for kind in (np.float64, np.float32):
        out = np.full(y.shape, 7, kind)
        assert whittaker_smooth(y.astype(kind), w, 5.0, out=out) is out
        assert np.array_equal(out, whittaker_smooth(y.astype(kind), w, 5.0), equal_nan=True)
        smoothed, _ = whittaker_vcurve(y.astype(kind), w, out=out)
        assert smoothed is out
        assert np.array_equal(out, whittaker_vcurve(y.astype(kind), w)[0], equal_nan=True)
    for wrong in (out, np.empty((75, 22)), np.empty((23, 75)).T, np.empty((75, 46))[:, ::2]):
        with pytest.raises(SeriesShapeError, match="does not take a result"):
            whittaker_smooth(y, w, out=wrong)
    for overlap in (y, w):
        with pytest.raises(SeriesShapeError, match="overlaps"):
            whittaker_smooth(y, w, out=overlap)


def test_a_value_of_weight_zero_leaves_no_trace():
    y, w = gappy(4)
    huge = np.where(w == 0, 1e200, y)
    assert np.array_equal(whittaker_vcurve(huge, w)[0], whittaker_vcurve(y, w)[0])
    assert np.array_equal(whittaker_smooth(huge, w), whittaker_smooth(np.where(w == 0, np.nan, y), w))


@pytest.mark.parametrize("order", [1, 2, 3])
def test_the_v_curve_is_at_its_least(order):
    y, w = gappy(5, n_series=60)
    smoothed, chosen = whittaker_vcurve(y, w, order=order)
    between = np.sqrt(np.array(DEFAULT_SMOOTHINGS[1:]) * np.array(DEFAULT_SMOOTHINGS[:-1]))
    for k in range(60):
        v = v_curve(y[k], w[k], np.array(DEFAULT_SMOOTHINGS), order)
        at = int(np.argmin(np.abs(np.log(between / chosen[k]))))
        assert chosen[k] == pytest.approx(between[at], rel=1e-12)
        assert v[at] <= v.min() * (1 + 1e-6)
        assert smoothed[k] == pytest.approx(whittaker_smooth(y[k : k + 1], w[k : k + 1], chosen[k], order)[0], abs=1e-9)
    assert len(np.unique(chosen)) > 3


def test_the_v_curve_smooths_noise_more():
    time = np.arange(60)
    wave = np.sin(2 * np.pi * time / 40)
    noise = np.random.default_rng(6).normal(size=(100, 60))
    little, much = (whittaker_vcurve(wave + sd * noise)[1] for sd in (0.02, 0.5))
    assert np.median(much) > 3 * np.median(little)


def test_the_v_curve_without_corner():
    nan = np.nan
    line = np.arange(8.0)
    y = np.array([line, np.zeros(8), np.full(8, nan), [nan, 1.0, *[nan] * 6], [nan, 1.0, nan, 2.0, *[nan] * 4]])
    smoothed, chosen = whittaker_vcurve(y, smoothings=[1.0, 4.0, 16.0])
    assert smoothed[0] == pytest.approx(line)
    assert (smoothed[1] == 0).all()
    assert np.isnan(smoothed[2:4]).all()
    assert smoothed[4] == pytest.approx([0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0])
    assert chosen[1] == 2.0  # every λ fits alike: the smallest
    assert np.isnan(chosen[2:4]).all()


def test_the_envelope_against_plain_rounds():
    y, w = gappy(7, n_series=40)
    for order in (1, 2, 3):
        found = whittaker_smooth(y, w, 5.0, order, envelope=0.85, envelope_rounds=3)
        for k in range(40):
            z = dense(y[k], w[k], 5.0, order)
            for _ in range(3):
                z = dense(y[k], w[k] * np.where(y[k] > z, 0.85, 1 - 0.85), 5.0, order)
            assert found[k] == pytest.approx(z, abs=1e-8)


def test_the_envelope_passes_over_cloud():
    time = np.linspace(0, 1, 40)
    curve = 0.2 + 0.6 * np.exp(-(((time - 0.5) / 0.2) ** 2))
    hazy = np.tile(curve, (50, 1))
    rng = np.random.default_rng(8)
    haze = rng.random(hazy.shape) < 0.2
    hazy[haze] -= rng.uniform(0.1, 0.4, haze.sum()).clip(max=hazy[haze])
    plain = np.abs(whittaker_smooth(hazy, smoothing=5.0) - curve).mean()
    upper = np.abs(whittaker_smooth(hazy, smoothing=5.0, envelope=0.95) - curve).mean()
    assert upper < 0.5 * plain
    # 0.5 halves every weight, which is the plain fit of twice the λ.
    half = whittaker_smooth(hazy, smoothing=5.0, envelope=0.5)
    assert half == pytest.approx(whittaker_smooth(hazy, smoothing=10.0), abs=1e-12)


def test_bad_input_is_named():
    y = np.ones((40, 6))
    with pytest.raises(SeriesValueError, match=r"envelope is 1\.0"):
        whittaker_smooth(y, envelope=1.0)
    with pytest.raises(SeriesValueError, match="envelope_rounds is 0"):
        whittaker_smooth(y, envelope=0.9, envelope_rounds=0)
    with pytest.raises(SeriesValueError, match="n_jobs is 0"):
        whittaker_smooth(y, n_jobs=0)
    with pytest.raises(SeriesShapeError, match="at least two"):
        whittaker_vcurve(y, smoothings=[1.0])
    with pytest.raises(SeriesValueError, match=r"1\.0 follows 2\.0"):
        whittaker_vcurve(y, smoothings=[2.0, 1.0])
    with pytest.raises(SeriesValueError, match="smoothing is -1"):
        whittaker_vcurve(y, smoothings=[-1.0, 1.0])
    bad = y.copy()
    bad[37, 4] = np.nan
    with pytest.raises(SeriesValueError, match=r"weight is nan.*series 37, step 4"):
        whittaker_vcurve(y, bad, n_jobs=2)
    bad[37, 4] = -np.inf
    with pytest.raises(SeriesValueError, match="series 37, step 4"):
        whittaker_smooth(bad.astype(np.float32))
