"""Masked median and mean against numpy on random stacks with gaps."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from agristat_platform.imagery.medians import first_with_data, masked_mean, masked_median


@settings(max_examples=60, deadline=None)
@given(
    npst.arrays(
        np.uint16, st.tuples(st.integers(1, 9), st.integers(1, 4), st.integers(1, 4)), elements=st.integers(0, 6)
    )
)
def test_median_is_that_of_numpy_with_halves_up(stack):
    median, count = masked_median(stack, 0)
    with_gaps = np.where(stack == 0, np.nan, stack.astype(float))
    assert (count == np.isfinite(with_gaps).sum(axis=0)).all()
    for place in np.ndindex(count.shape):
        values = with_gaps[(slice(None), *place)]
        values = values[np.isfinite(values)]
        expected = 0 if values.size == 0 else np.floor(np.median(values) + 0.5)
        assert median[place] == expected


def test_median_by_hand_and_order_does_not_matter():
    stack = np.array([9, 0, 4, 65535, 5], np.uint16).reshape(5, 1, 1)
    assert masked_median(stack, 0)[0].item() == 7  # of 4, 5, 9, 65535: (5 + 9) / 2
    assert masked_median(stack[::-1], 0)[0].item() == 7
    negative = np.array([-5, -32768, -2], np.int16).reshape(3, 1, 1)
    assert masked_median(negative, -32768)[0].item() == -3  # −3.5, half up
    assert masked_median(np.zeros((0, 1, 1), np.uint16), 0)[1].item() == 0


def test_mean_of_power_is_not_that_of_decibels():
    stack = np.array([0.01, 0.1, np.nan], np.float32).reshape(3, 1, 1)
    mean, count = masked_mean(stack)
    assert count.item() == 2
    assert np.isclose(mean.item(), 0.055)  # −12.6 dB; the mean of −20 and −10 dB would be −15 dB, 0.0316
    assert np.isnan(masked_mean(np.full((2, 1, 1), np.nan, np.float32))[0].item())


def test_first_with_data():
    masks = [np.array([[True, False, False]]), np.array([[True, True, False]])]
    assert first_with_data(masks).tolist() == [[0, 1, -1]]
