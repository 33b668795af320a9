"""Every compositing method against slow references, with clear dates as booleans and as bits."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agristat_platform.imagery.clear_bits import clear_words, pack_clear
from agristat_platform.imagery.compositing_methods import METHODS, WHOLE_SPECTRUM_METHODS, compose_bands
from agristat_platform.imagery.medians import clear_mean, clear_median, masked_median
from agristat_platform.imagery.percentiles import masked_percentiles_stored


def case(seed, depth, bands=3, shape=(3, 5), gaps=0.1, cloud=0.4):
    rng = np.random.default_rng(seed)
    stack = rng.integers(1, 9000, (depth, bands, *shape)).astype(np.uint16)
    stack[rng.random(stack.shape) < gaps] = 0
    return stack, rng.random((depth, *shape)) > cloud


def compose(method, stack, clear, nodata=0, **more):
    days = more.pop("days", list(range(len(stack))))
    return compose_bands(method, stack, clear, nodata=nodata, days=days, target_day=2.2, **more)


def complete_at(stack, clear, place):
    spectra = stack[(slice(None), slice(None), *place)]
    return np.flatnonzero(clear[(slice(None), *place)] & (spectra > 0).all(axis=1)), spectra.astype(np.float64)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from([0, 1, 2, 3, 4, 7, 8, 9, 33, 64, 65, 150, 301]), st.integers(0, 2**32 - 1))
def test_medians_means_and_percentiles_of_what_is_clear(depth, seed):
    stack, clear = case(seed, depth)
    bits = pack_clear(clear)
    masked = np.where(clear[:, None], stack, 0).astype(np.uint16)
    for of in (clear, bits):
        median, count = clear_median(stack, of, 0)
        expected, expected_count = masked_median(masked, 0)
        assert (median == expected).all()
        assert (count == expected_count).all()
        assert (count == (masked > 0).sum(axis=0)).all()
    mean, _ = clear_mean(stack, bits, 0)
    quantiles, of_band = masked_percentiles_stored(stack[:, 0], 0, (0, 10, 35, 50, 90, 100), clear=bits)
    assert (of_band == count[0]).all()
    for place in np.ndindex(3, 5):
        values = sorted(int(value) for value in masked[(slice(None), 0, *place)] if value)
        if not values:
            assert mean[(0, *place)] == median[(0, *place)] == quantiles[(0, *place)] == 0
            continue
        assert mean[(0, *place)] == (2 * sum(values) + len(values)) // (2 * len(values))
        for number, percent in enumerate((0, 10, 35, 50, 90, 100)):
            position = Fraction((len(values) - 1) * percent, 100)
            low = position.numerator // position.denominator
            high = min(low + 1, len(values) - 1)
            exact = values[low] + (position - low) * (values[high] - values[low])
            assert quantiles[(number, *place)] == (exact + Fraction(1, 2)).__floor__()


@settings(max_examples=30, deadline=None)
@given(st.sampled_from([1, 2, 3, 5, 17, 66]), st.integers(0, 2**32 - 1))
def test_medoid_is_the_least_sum_in_sixteenths(depth, seed):
    stack, clear = case(seed, depth)
    found = compose("medoid", stack, pack_clear(clear))
    for place in np.ndindex(3, 5):
        dates, spectra = complete_at(stack, clear, place)
        assert found.count[place] == len(dates)
        if len(dates) == 0:
            assert found.observation[place] == -1
            assert (found.values[(slice(None), *place)] == 0).all()
            continue
        sums = np.array([sum(np.sqrt(((spectra[k] - spectra[j]) ** 2).sum()) for j in dates) for k in dates])
        taken = found.observation[place]
        assert sums[list(dates).index(taken)] <= sums.min() + 0.07 * len(dates)  # two roundings of a sixteenth each
        assert (found.values[(slice(None), *place)] == spectra[taken]).all()


def test_ties_of_the_medoid_go_to_the_first():
    square = np.array([[1, 1], [1, 101], [101, 101], [101, 1]], np.uint16).reshape(4, 2, 1, 1)
    every = np.ones((4, 1, 1), bool)
    assert compose("medoid", square, every).observation.item() == 0
    every[0] = False
    assert compose("medoid", square, every).observation.item() == 2  # the corner between the other two
    assert compose("medoid", square[::-1].copy(), np.ones((4, 1, 1), bool)).observation.item() == 0


@pytest.mark.parametrize("depth", [1, 2, 3, 6, 24, 70])
def test_geometric_median_of_stored_values_leaves_no_shorter_sum(depth):
    stack, clear = case(depth, depth, bands=4, shape=(10, 20))
    found = compose("geometric_median", stack, clear)
    doubles = compose("geometric_median", stack.astype(np.float64), clear, nodata=0)
    assert found.unconverged == doubles.unconverged == 0
    for place in np.ndindex(10, 20):
        dates, spectra = complete_at(stack, clear, place)
        if len(dates) == 0:
            assert (found.values[(slice(None), *place)] == 0).all()
            continue
        ours, theirs = (
            np.sqrt(((spectra[dates] - made.values[(slice(None), *place)].astype(float)) ** 2).sum(axis=1)).sum()
            for made in (found, doubles)
        )
        assert ours <= theirs * (1 + 2e-5) + len(dates)  # of rounding to whole units, at most 1 an observation


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("depth", [5, 24, 67])
def test_a_place_is_the_same_in_any_block_and_with_bits(method, depth):
    stack, clear = case(4, depth, shape=(4, 1500))
    clear[:, 1] = np.repeat(clear[:, 1, ::500], 500, axis=1)  # cloud that lies together
    distance = np.random.default_rng(5).integers(0, 700, clear.shape).astype(np.uint16)
    whole = compose(method, stack, clear, cloud_distance=distance)
    bits = compose(method, stack, pack_clear(clear), cloud_distance=distance)
    assert (whole.values == bits.values).all()
    for rows, cols in ((slice(1, 2), slice(7, 8)), (slice(0, 3), slice(333, 1001)), (slice(2, 4), slice(0, 64))):
        part = compose(method, stack[:, :, rows, cols], clear[:, rows, cols], cloud_distance=distance[:, rows, cols])
        assert (part.values == whole.values[:, rows, cols]).all()
        assert (part.count == whole.count[rows, cols]).all()
        assert (part.observation == whole.observation[rows, cols]).all()


@pytest.mark.parametrize("method", METHODS)
def test_order_of_dates_does_not_matter(method):
    stack, clear = case(6, 15, shape=(6, 40))
    order = np.random.default_rng(7).permutation(15)
    one = compose(method, stack, clear)
    other = compose(method, stack[order], clear[order], days=order)
    if method == "geometric_median":  # sums in another order
        assert np.abs(one.values.astype(int) - other.values).max() <= 1
        return
    alone = (one.count != 2) if method == "medoid" else np.ones(one.count.shape, bool)  # of two, either is a medoid
    assert (one.values == other.values)[:, alone].all()
    if method in ("medoid", "best_pixel"):
        taken = np.where(other.observation >= 0, order[other.observation], -1)
        assert (taken == one.observation)[alone].all()


@pytest.mark.parametrize("method", METHODS)
def test_nothing_clear_one_observation_one_band_and_no_pixels(method):
    stack, clear = case(8, 4, bands=1, gaps=0)
    none = compose(method, stack, np.zeros_like(clear))
    assert (none.values == 0).all()
    assert (none.count == 0).all()
    clear[:] = False
    clear[2] = True
    only = compose(method, stack, clear)
    assert (only.values == stack[2]).all()
    assert (only.count == 1).all()
    assert (only.observation == (2 if method in ("medoid", "best_pixel") else -1)).all()
    floats = compose(method, np.where(clear[:, None], stack, np.nan).astype(np.float32), None, nodata=np.nan)
    assert (floats.values == stack[2]).all()
    missing = compose(method, np.full((4, 1, 3, 5), np.nan, np.float32), clear, nodata=np.nan)
    assert np.isnan(missing.values).all()
    for shape in ((0, 5), (3, 0)):
        empty = compose(method, np.zeros((4, 2, *shape), np.uint16), np.zeros((4, *shape), bool))
        assert empty.values.shape == (2, *shape)
    assert (compose(method, stack[:0], clear[:0]).values == 0).all()


def test_whole_spectra_drop_a_date_with_a_missing_band():
    stack = np.array([[[[10]], [[0]]], [[[30]], [[40]]], [[[32]], [[44]]]], np.uint16)
    every = np.ones((3, 1, 1), bool)
    for method in WHOLE_SPECTRUM_METHODS:
        assert compose(method, stack, every).count.item() == 2
    assert compose("geometric_median", stack, every).values.ravel().tolist() == [31, 42]
    assert compose("median", stack, every).values.ravel().tolist() == [30, 42]
    assert compose("mean", stack, every).values.ravel().tolist() == [24, 42]
    assert compose("median", stack, every).count.item() == 3


def test_bits_by_hand():
    clear = np.array([True, False, True]).reshape(3, 1, 1)
    assert pack_clear(clear).item() == 0b101
    assert pack_clear(clear).dtype == np.uint8
    many = np.zeros((70, 1, 2), bool)
    many[65, 0, 1] = True
    words = pack_clear(many)
    assert (words.dtype, words.shape) == (np.dtype(np.uint64), (2, 1, 2))
    assert words[1].tolist() == [[0, 2]]
    assert clear_words(words, 70, (1, 2)).shape == (2, 2)


def test_what_does_not_fit_is_named():
    stack, clear = case(9, 9)
    with pytest.raises(ValueError, match="no compositing method 'mode'; there are median, mean"):
        compose("mode", stack, clear)
    with pytest.raises(ValueError, match="best_pixel needs the day"):
        compose_bands("best_pixel", stack, clear, nodata=0)
    with pytest.raises(TypeError, match="clear dates are int64"):
        compose("median", stack, clear.astype(np.int64))
    with pytest.raises(ValueError, match="1 words of uint8; 9 dates take 2"):
        compose("median", stack, np.zeros((3, 5), np.uint8))
    with pytest.raises(ValueError, match=r"shape \(2, 5\)"):
        compose("mean", stack, np.zeros((2, 5), np.uint16))
    with pytest.raises(ValueError, match="cannot be put into"):
        clear_median(stack, clear, 0, out=np.empty((3, 3, 5), np.int16))
    with pytest.raises(TypeError, match="stored percentiles are of integers"):
        masked_percentiles_stored(stack[:, 0].astype(np.float32), 0, (10,))
    with pytest.raises(ValueError, match="not all between 0 and 100"):
        masked_percentiles_stored(stack[:, 0], 0, (-1,))


def test_medians_go_where_they_are_wanted():
    stack, clear = case(10, 6)
    out = np.empty((3, 3, 5), np.uint16)
    median, _ = clear_median(stack, clear, 0, out=out)
    assert median is out
    assert (out == clear_median(stack, clear, 0)[0]).all()
