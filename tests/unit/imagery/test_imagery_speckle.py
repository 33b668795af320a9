"""Multi-temporal speckle filter: the formula, its independence of blocks, missing pixels and refused input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agristat_platform.imagery import SpeckleAccumulator

INTERVALS = (0, 0, 1, 2, 2, 2)


def season_of(shape: tuple[int, int], seed: int = 1, missing: float = 0.0) -> np.ndarray:
    """Six dates of gamma speckle of 5 looks over ground that varies, some pixels missing."""
    rng = np.random.default_rng(seed)
    ground = 0.05 * (1 + rng.random(shape)) * np.linspace(1, 2, 6)[:, None, None]
    power = (ground * rng.gamma(5.0, 0.2, (6, *shape))).astype(np.float32)
    power[rng.random(power.shape) < missing] = np.nan
    return power


def filtered(power: np.ndarray, window: int, rows: slice, cols: slice) -> tuple[np.ndarray, np.ndarray]:
    halo = window // 2
    padded = np.pad(power, ((0, 0), (halo, halo), (halo, halo)), constant_values=np.nan)
    accumulator = SpeckleAccumulator((rows.stop - rows.start, cols.stop - cols.start), 3, window)
    for date, interval in zip(padded, INTERVALS, strict=True):
        accumulator.add(date[rows.start : rows.stop + 2 * halo, cols.start : cols.stop + 2 * halo], interval)
    return accumulator.result()


def by_the_formula(power: np.ndarray, window: int) -> np.ndarray:
    """Mean over each interval of J_k = E_k * mean_i(I_i / E_i), straight from the paper."""
    halo = window // 2
    padded = np.pad(power.astype(np.float64), ((0, 0), (halo, halo), (halo, halo)), constant_values=np.nan)
    local = np.nanmean(np.lib.stride_tricks.sliding_window_view(padded, (window, window), axis=(1, 2)), axis=(3, 4))
    local[np.isnan(power)] = np.nan
    smooth = local * np.nanmean(power / local, axis=0)
    return np.stack([np.nanmean(smooth[np.array(INTERVALS) == k], axis=0) for k in range(3)])


@pytest.mark.filterwarnings("ignore:Mean of empty slice")
@pytest.mark.parametrize("window", [3, 7])
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_is_the_published_formula(window, missing):
    power = season_of((23, 31), missing=missing)
    found, counts = filtered(power, window, slice(0, 23), slice(0, 31))
    np.testing.assert_allclose(found, by_the_formula(power, window), rtol=3e-6)
    seen = np.isfinite(power)
    np.testing.assert_array_equal(counts, [seen[np.array(INTERVALS) == k].sum(axis=0) for k in range(3)])


def test_three_pixels_by_hand():
    # one row, two dates of one interval, window 3: E of the middle pixel is 2 and then 4 (rows beyond are missing)
    accumulator = SpeckleAccumulator((1, 1), 1, 3)
    for values in ([1.0, 3.0, 2.0], [6.0, 2.0, 4.0]):
        block = np.full((3, 3), np.nan, np.float32)
        block[1] = values
        accumulator.add(block, 0)
    # R = (3/2 + 2/4) / 2 = 1; the interval's mean of E is (2 + 4) / 2 = 3
    assert accumulator.result()[0][0, 0, 0] == pytest.approx(3.0)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 15), st.integers(1, 9), st.integers(0, 20), st.integers(1, 9), st.sampled_from([3, 5, 9]))
def test_a_pixel_is_the_same_to_the_bit_in_every_block(row, rows, col, cols, window):
    power = season_of((25, 30), missing=0.2) * np.float32(1.7) ** np.arange(30, dtype=np.float32)
    whole, whole_counts = filtered(power, window, slice(0, 25), slice(0, 30))
    part, counts = filtered(power, window, slice(row, row + rows), slice(col, col + cols))
    np.testing.assert_array_equal(part, whole[:, row : row + rows, col : col + cols])
    np.testing.assert_array_equal(counts, whole_counts[:, row : row + rows, col : col + cols])


def test_uniform_ground_without_speckle_stays_as_it_is():
    power = np.full((6, 12, 12), 0.125, np.float32)
    found, _ = filtered(power, 5, slice(0, 12), slice(0, 12))
    np.testing.assert_allclose(found, 0.125, rtol=1e-6)


def test_an_edge_that_lasts_stays_sharp():
    power = np.full((6, 20, 20), 0.1, np.float32)
    power[:, :, 10:] = 0.4
    found, _ = filtered(power, 7, slice(0, 20), slice(0, 20))
    np.testing.assert_allclose(found, power[:3], rtol=1e-6)


def test_missing_stays_missing_and_zero_is_missing():
    power = season_of((9, 9))
    power[:, 4, 4] = np.nan
    power[2, 1, 1] = 0.0  # the only date of the second interval
    power[0, 7, 7] = -1.0
    found, counts = filtered(power, 3, slice(0, 9), slice(0, 9))
    assert np.isnan(found[:, 4, 4]).all()
    assert not counts[:, 4, 4].any()
    assert np.isnan(found[1, 1, 1])
    assert counts[0, 7, 7] == 1
    assert np.isfinite(found[0]).sum() == 80


def test_bad_input_is_refused():
    for window in (1, 2, 8, -3):
        with pytest.raises(ValueError, match="odd and at least 3"):
            SpeckleAccumulator((4, 4), 2, window)
    with pytest.raises(ValueError, match="at least one interval"):
        SpeckleAccumulator((4, 4), 0, 7)
    accumulator = SpeckleAccumulator((4, 4), 2, 7)
    with pytest.raises(ValueError, match=r"\(4, 4\), not \(10, 10\)"):
        accumulator.add(np.ones((4, 4), np.float32), 0)
    with pytest.raises(IndexError, match="interval 2 of 2"):
        accumulator.add(np.ones((10, 10), np.float32), 2)
