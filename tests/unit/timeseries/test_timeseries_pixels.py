"""Raster blocks against the same series one by one; nodata, weights, block shapes, and what is refused."""

from datetime import date, timedelta

import numpy as np
import pytest

from agristat_platform.timeseries import (
    SeriesShapeError,
    SeriesValueError,
    season_grid,
    smooth_pixels,
    smooth_to_grid,
)

START, END = date(2024, 11, 1), date(2025, 6, 1)
GRID = season_grid(START, END)
DATES = [START + timedelta(days=day) for day in range(-20, 230, 6)]


def block(seed=1, rows=9, cols=7):
    rng = np.random.default_rng(seed)
    stack = rng.integers(1, 10000, (len(DATES), rows, cols)).astype(np.uint16)
    stack[rng.random(stack.shape) < 0.1] = 0
    return stack, rng.random(stack.shape) < 0.5


def series_of(stack, clear, **more):
    """The block's pixels as `smooth_to_grid` smooths them."""
    physical = np.where(stack == 0, np.nan, stack.astype(np.float64) * 1e-4 + 0.5).reshape(len(DATES), -1).T
    return smooth_to_grid(DATES, physical, clear.reshape(len(DATES), -1).T.astype(float), GRID, **more)


@pytest.mark.parametrize("more", [{}, {"smoothing": "vcurve"}, {"envelope": 0.9, "order": 1, "max_gap_days": 20}])
def test_a_pixel_is_a_series(more):
    stack, clear = block()
    clear[5:, 2, 3] = False
    found = smooth_pixels(DATES, stack, clear, GRID, nodata=0, scale=1e-4, offset=0.5, **more)
    one = series_of(stack, clear, **more)
    assert found.samples.dtype == np.float32
    assert found.samples.shape == (23, 9, 7)
    assert np.array_equal(found.samples.reshape(23, -1).T, one.values.astype(np.float32), equal_nan=True)
    assert np.array_equal(found.clear_dates.ravel(), one.clear_dates)
    assert np.array_equal(found.longest_gap_days.ravel(), one.longest_gap_days)
    assert np.array_equal(found.flag.ravel(), one.flag)
    assert found.flag[2, 3] == 1
    assert np.isnan(found.samples[:, 2, 3]).all()
    assert found.clear_dates.dtype == np.uint16


def test_the_block_around_a_pixel_changes_no_bit(monkeypatch):
    stack, clear = block(2, 40, 33)
    whole = smooth_pixels(DATES, stack, clear, GRID, nodata=0)
    for rows, cols in ((slice(3, 17), slice(None)), (slice(None), slice(5, 6)), (slice(39, 40), slice(31, 33))):
        part = smooth_pixels(DATES, stack[:, rows, cols], clear[:, rows, cols], GRID, nodata=0, n_jobs=2)
        assert part.samples.tobytes() == whole.samples[:, rows, cols].tobytes()
        assert np.array_equal(part.flag, whole.flag[rows, cols])
    monkeypatch.setattr("agristat_platform.timeseries.pixels._STRIP", 70)
    for one, other in zip(smooth_pixels(DATES, stack, clear, GRID, nodata=0), whole, strict=True):
        assert one.tobytes() == other.tobytes()


def test_types_and_weights():
    stack, clear = block(3)
    single = np.where(clear & (stack > 0), stack, np.nan).astype(np.float32)
    from_mask = smooth_pixels(DATES, stack, clear, GRID, nodata=0)
    assert smooth_pixels(DATES, single, None, GRID).samples.tobytes() == from_mask.samples.tobytes()
    signed = stack.astype(np.int16)
    signed[stack == 0] = -32768
    assert smooth_pixels(DATES, signed, clear, GRID, nodata=-32768).samples.tobytes() == from_mask.samples.tobytes()
    by_date = np.arange(len(DATES)) % 3 > 0
    tiled = np.broadcast_to(by_date[:, np.newaxis, np.newaxis], stack.shape)
    assert (
        smooth_pixels(DATES, stack, by_date, GRID).samples.tobytes()
        == smooth_pixels(DATES, stack, tiled.astype(np.float32), GRID).samples.tobytes()
    )
    # Half the weight everywhere is twice the λ.
    half = smooth_pixels(DATES, stack, clear * 0.5, GRID, nodata=0, smoothing=10)
    assert half.samples == pytest.approx(smooth_pixels(DATES, stack, clear, GRID, nodata=0, smoothing=20).samples)
    assert smooth_pixels(DATES, stack[:, :0], None, GRID).samples.shape == (23, 0, 7)


def test_all_cloud_says_so():
    stack, clear = block(4)
    found = smooth_pixels(DATES, stack, np.zeros_like(clear), GRID)
    assert np.isnan(found.samples).all()
    assert (found.flag == 1).all()
    assert (found.clear_dates == 0).all()
    assert (found.longest_gap_days == 211).all()


def test_bad_input_is_named():
    stack, clear = block(5)
    with pytest.raises(SeriesShapeError, match=r"42 dates do not fit a stack of shape \(41, 9, 7\)"):
        smooth_pixels(DATES, stack[:41], None, GRID)
    with pytest.raises(SeriesShapeError, match=r"clear of shape \(9, 7\)"):
        smooth_pixels(DATES, stack, clear[0], GRID)
    with pytest.raises(SeriesShapeError, match="not one number"):
        smooth_pixels(DATES, stack, clear, GRID, smoothing=np.ones(63))
    with pytest.raises(SeriesValueError, match="type int64"):
        smooth_pixels(DATES, stack.astype(np.int64), clear, GRID)
    with pytest.raises(SeriesValueError, match="scale is nan"):
        smooth_pixels(DATES, stack, clear, GRID, scale=np.nan)
    weights = clear.astype(np.float32)
    weights[4, 8, 2] = -1
    with pytest.raises(SeriesValueError, match=r"a weight is -1.*date 4, row 8, column 2"):
        smooth_pixels(DATES, stack, weights, GRID)
    with pytest.raises(SeriesValueError, match=r"a weight is nan.*date 1, row 0, column 0"):
        smooth_pixels(DATES, stack, np.where(np.arange(42) == 1, np.nan, 1.0), GRID)
    values = stack.astype(np.float32)
    values[7, 0, 6] = np.inf
    with pytest.raises(SeriesValueError, match=r"infinite.*date 7, row 0, column 6"):
        smooth_pixels(DATES, values, clear, GRID)
    with pytest.raises(SeriesValueError, match="'gcv'"):
        smooth_pixels(DATES, stack, clear, GRID, smoothing="gcv")
