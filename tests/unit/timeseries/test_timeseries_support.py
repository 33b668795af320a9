"""What of a smoothed series rests on observations: gaps, ends, and a crop that nobody saw."""

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agristat_platform.timeseries import SERIES_FLAGS, SeriesValueError, season_grid, smooth_to_grid

START, END = date(2024, 11, 1), date(2025, 6, 1)  # days 0 to 211
GRID = season_grid(START, END)


def smoothed(days, values=None, **more):
    """One series observed on such days of the season."""
    dates = [START + timedelta(days=int(day)) for day in days]
    given = np.full(len(days), 0.4) if values is None else np.asarray(values)
    return smooth_to_grid(dates, given[np.newaxis], None, GRID, **more)


def by_hand(days, reach):
    """Longest gap within days 0 to 211, and which samples have a date within reach."""
    seen = np.unique(days)
    marks = np.concatenate([[0], seen[(seen > 0) & (seen < 211)], [211]])
    near = np.abs(GRID.sample_days[:, np.newaxis] - seen).min(axis=1) <= reach + 1e-9
    return np.diff(marks).max(), near


def test_a_crop_inside_a_gap_is_drawn_over_and_said():
    days = np.arange(-25, 240, 5)
    truth = 0.2 + 0.6 * np.exp(-(((days - 105) / 18.0) ** 2))  # up and down within days 60 to 150
    seen = (days <= 60) | (days >= 150)
    whole, gappy = smoothed(days, truth), smoothed(days[seen], truth[seen])
    middle = np.argmin(np.abs(GRID.sample_days - 105))
    assert whole.values[0, middle] > 0.6
    assert gappy.values[0, middle] < 0.35  # the smoother knows nothing of the crop
    assert gappy.longest_gap_days[0] == 90
    assert SERIES_FLAGS[gappy.flag[0]] == "long_gap"
    assert SERIES_FLAGS[whole.flag[0]] == "ok"
    assert not gappy.too_few[0]
    unsupported = GRID.sample_days[~gappy.supported[0]]
    assert len(unsupported) > 0
    assert np.array_equal(unsupported, GRID.sample_days[(GRID.sample_days > 90) & (GRID.sample_days < 120)])
    wider = smoothed(days[seen], truth[seen], max_gap_days=90)
    assert wider.supported.all()
    assert SERIES_FLAGS[wider.flag[0]] == "ok"
    assert np.array_equal(wider.values, gappy.values)


def test_an_end_without_observations_is_not_supported():
    inside = np.arange(40, 165, 5)
    bare = smoothed(inside, max_gap_days=40)
    sample = GRID.sample_days
    assert np.array_equal(bare.supported[0], (sample >= 20) & (sample <= 180))
    assert bare.longest_gap_days[0] == 211 - 160
    assert np.isfinite(bare.values).all()
    held = smoothed(np.concatenate([[-10], inside, [215]]), max_gap_days=40)
    assert held.supported[0, [0, -1]].all()
    assert not held.supported.all()  # day 10 to 20 and 180 to 195 still have none near by


def test_the_curve_does_not_run_on_beyond_the_dates():
    # A straight rise of 0.004 a day from day 50 to 150: order 2 would run on to 0.05 − 0.2 and 0.45 + 0.24.
    inside = np.arange(50, 155, 5)
    series = smoothed(inside, 0.05 + 0.004 * (inside - 50))
    sample = GRID.sample_days
    assert series.values[0] == pytest.approx(0.05 + 0.004 * (np.clip(sample, 50, 150) - 50))
    assert SERIES_FLAGS[series.flag[0]] == "long_gap"


def test_observations_in_the_padding_hold_the_ends():
    days, rng = np.arange(-30, 240, 5), np.random.default_rng(1)
    dates = [START + timedelta(days=int(day)) for day in days]
    noisy = np.sin(2 * np.pi * days / 120) + rng.normal(0, 0.2, (300, len(days)))
    truth = np.sin(2 * np.pi * GRID.sample_days / 120)
    inside = ((days >= 0) & (days < 212)).astype(float)
    error = [
        np.abs(smooth_to_grid(dates, noisy, weights, GRID).values - truth)[:, [0, -1]].mean()
        for weights in (None, inside)
    ]
    assert error[0] < 0.8 * error[1]


def test_too_few_goes_before_a_long_gap():
    few = smoothed([0, 100, 150, 200])
    assert SERIES_FLAGS[few.flag[0]] == "too_few"
    assert not few.supported.any()
    assert few.longest_gap_days[0] == 100
    none = smoothed(np.arange(0, 210, 10), np.full(21, np.nan))
    assert none.longest_gap_days[0] == 211
    assert SERIES_FLAGS[none.flag[0]] == "too_few"


def test_values_of_weight_zero_support_nothing():
    days = np.arange(0, 212, 10)
    weights = np.where((days > 50) & (days < 140), 0.0, 0.01)
    dates = [START + timedelta(days=int(day)) for day in days]
    series = smooth_to_grid(dates, np.full((1, len(days)), 0.4), weights, GRID)
    assert series.longest_gap_days[0] == 90
    assert not series.supported.all()


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(-32, 241), min_size=1, max_size=40), st.integers(4, 200))
def test_gaps_and_support_by_hand(days, max_gap):
    series = smoothed(days, max_gap_days=max_gap, min_clear_dates=2)
    gap, near = by_hand(days, max_gap / 2)
    assert series.longest_gap_days[0] == gap
    if not series.too_few[0]:
        assert np.array_equal(series.supported[0], near)
        assert SERIES_FLAGS[series.flag[0]] == ("ok" if near.all() else "long_gap")
        assert smoothed(days, max_gap_days=None, min_clear_dates=2).supported.all()
    more = smoothed([*days, 100], max_gap_days=max_gap, min_clear_dates=2)
    assert more.longest_gap_days[0] <= gap  # one more date never makes a gap longer


def test_bad_input_is_named():
    with pytest.raises(SeriesValueError, match="max_gap_days is 0"):
        smoothed([0, 10], max_gap_days=0)
