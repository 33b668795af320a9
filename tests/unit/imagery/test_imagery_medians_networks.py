"""Sorting networks, medians of every type, percentiles: against numpy place by place."""

import itertools
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agristat_platform.imagery.medians import masked_median
from agristat_platform.imagery.percentiles import masked_percentiles
from agristat_platform.imagery.sorting_networks import BLOCK_PIXELS, median_network, sorting_network


def exchanged(network, values):
    for low, high in network:
        values[low], values[high] = np.minimum(values[low], values[high]), np.maximum(values[low], values[high])
    return values


@pytest.mark.parametrize("depth", [*range(13), 16])
def test_networks_sort_every_arrangement_of_zeros_and_ones(depth):
    """What sorts all of 0 and 1 sorts anything (Knuth 5.3.4, theorem Z)."""
    values = np.array(list(itertools.product((0, 1), repeat=depth)), np.uint8).reshape(2**depth, depth).T
    assert (exchanged(sorting_network(depth), values.copy()) == np.sort(values, axis=0)).all()
    runs = np.concatenate([np.sort(values[k : k + 4], axis=0) for k in range(0, depth, 4)] or [values])
    assert (exchanged(sorting_network(depth, None, 4), runs.copy()) == np.sort(values, axis=0)).all()
    for outputs in {0, depth // 2 + 1, depth}:
        done = exchanged(sorting_network(depth, outputs), values.copy())
        assert (done[:outputs] == np.sort(values, axis=0)[:outputs]).all()


def test_number_of_comparisons():
    assert [len(sorting_network(depth)) for depth in (0, 1, 2, 4, 8, 16)] == [0, 0, 1, 5, 19, 63]  # Knuth's table
    assert len(sorting_network(24, 13)) == 119
    assert len(median_network(24)) == 89  # 30 are done before


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([("uint8", 0), ("uint16", 0), ("uint16", 65535), ("int16", -32768), ("int32", 7), ("uint32", 0)]),
    st.integers(0, 40),
    st.integers(0, 2**32 - 1),
)
def test_integer_medians_of_any_depth_and_type(kind, depth, seed):
    dtype, nodata = kind
    rng = np.random.default_rng(seed)
    span = np.iinfo(dtype)
    stack = rng.integers(span.min, span.max, (depth, 3, 5), dtype, endpoint=True)
    stack[rng.random(stack.shape) < 0.2] = span.max  # valid, and level with where missing ones are put
    stack[rng.random(stack.shape) < rng.random()] = nodata
    median, count = masked_median(stack, nodata)
    assert (median.dtype, count.dtype) == (np.dtype(dtype), np.dtype(np.uint16))
    for place in np.ndindex(3, 5):
        values = sorted(int(value) for value in stack[(slice(None), *place)] if value != nodata)
        assert count[place] == len(values)
        middle = values[(len(values) - 1) // 2 : len(values) // 2 + 1]
        assert median[place] == ((middle[0] + middle[-1] + 1) // 2 if values else nodata)


@pytest.mark.filterwarnings("ignore:All-NaN")
def test_float_medians_are_those_of_numpy():
    rng = np.random.default_rng(3)
    for dtype, depth in itertools.product((np.float32, np.float64), (1, 2, 7, 24, 25)):
        stack = rng.normal(size=(depth, 4, 300)).astype(dtype)
        stack[rng.random(stack.shape) < 0.4] = np.nan
        stack[:, 0, 0] = np.nan
        stack[-1, 0, 1] = np.inf
        median, count = masked_median(stack, np.nan)
        expected = np.nanmedian(stack, axis=0)
        assert median.dtype == dtype
        np.testing.assert_array_equal(median, expected)
        assert (count == np.isfinite(stack).sum(axis=0) + np.isinf(stack).sum(axis=0)).all()
        assert np.isnan(median[0, 0])
        np.testing.assert_array_equal(masked_median(stack[::-1], np.nan)[0], median)


def test_signed_zeros_give_one_zero_in_any_order():
    stack = np.array([-0.0, 0.0, 0.0], np.float32).reshape(3, 1, 1)
    for order in itertools.permutations(range(3)):
        assert not np.signbit(masked_median(stack[list(order)], np.nan)[0].item())


def test_a_place_is_the_same_whatever_lies_around_it():
    rng = np.random.default_rng(8)
    stack = rng.integers(0, 9, (11, 3, BLOCK_PIXELS)).astype(np.uint16)
    median, count = masked_median(stack, 0)
    for rows, cols in (
        (slice(0, 1), slice(5, 6)),
        (slice(1, 3), slice(0, 999)),
        (slice(0, 3, 2), slice(None, None, 3)),
    ):
        part, of_part = masked_median(stack[:, rows, cols], 0)
        assert (part == median[rows, cols]).all()
        assert (of_part == count[rows, cols]).all()


def test_stacks_that_cannot_be_sorted_are_named():
    with pytest.raises(TypeError, match=r"stack of int64; medians take"):
        masked_median(np.zeros((2, 1, 1), np.int64), 0)
    with pytest.raises(ValueError, match="65536 observations"):
        masked_median(np.zeros((65_536, 1, 1), np.uint16), 0)


def test_percentiles_by_hand():
    stack = np.array([50, 10, 40, 20, 30], np.uint16).reshape(5, 1, 1)
    valid = np.ones(stack.shape, bool)
    values, count = masked_percentiles(stack, valid, (10, 50, 90, 0, 100))
    assert values.ravel().tolist() == [14, 30, 46, 10, 50]  # 10 + 0.4 × 10; 40 + 0.6 × 10
    valid[0] = False  # 50: 10, 20, 30, 40 are left, 0.9 × 3 = 2.7
    values, count = masked_percentiles(stack, valid, (90,))
    assert values.item() == pytest.approx(37)
    assert count.item() == 4
    none, count = masked_percentiles(stack, np.zeros(stack.shape, bool), (10, 90))
    assert np.isnan(none).all()
    assert count.item() == 0


@pytest.mark.filterwarnings("ignore:All-NaN")
@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.float32])
def test_percentiles_are_those_of_numpy(dtype):
    rng = np.random.default_rng(11)
    for depth in (1, 2, 9, 24):
        stack = rng.normal(3000, 2000, (depth, 3, 400)).clip(0).astype(dtype)
        valid = rng.random(stack.shape) < 0.6
        valid[:, 0, 0] = True
        if dtype is np.float32:
            stack[rng.random(stack.shape) < 0.1] = np.nan
        stack[:, 1, 1] = np.iinfo(np.int16).max
        values, count = masked_percentiles(stack, valid, (10, 25, 50, 90))
        gaps = np.where(valid, stack, np.nan).astype(np.float64)
        expected = np.nanpercentile(gaps, (10, 25, 50, 90), axis=0)
        np.testing.assert_allclose(values, expected, rtol=1e-6, atol=1e-6)
        assert (count == np.isfinite(gaps).sum(axis=0)).all()


def test_percentiles_asked_for_wrongly():
    stack = np.zeros((2, 1, 1), np.uint16)
    with pytest.raises(ValueError, match=r"\[10, 101\] are not all between 0 and 100"):
        masked_percentiles(stack, stack == 0, (10, 101))
    with pytest.raises(ValueError, match=re.escape("shape (1, 1, 1), the stack (2, 1, 1)")):
        masked_percentiles(stack, stack[:1] == 0, (10,))
    with pytest.raises(TypeError, match="uint16, not boolean"):
        masked_percentiles(stack, stack, (10,))
