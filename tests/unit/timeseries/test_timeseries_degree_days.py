"""Degree days of single days by hand, and of a season up to its steps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agristat_platform.timeseries import (
    SeriesShapeError,
    SeriesValueError,
    cumulative_degree_days,
    daily_degree_days,
)


def test_a_day_wholly_above_the_base_counts_its_mean() -> None:
    for method in ("triangle", "average"):
        assert daily_degree_days([12.0], [24.0], base=10, method=method).tolist() == [8.0]


def test_a_day_partly_above_the_base_counts_the_tip_of_its_triangle() -> None:
    # From 4 to 16 °C: 6 of 12 degrees are above 10 °C, for half of the day, at 3 °C on average.
    assert daily_degree_days([4.0], [16.0], base=10).tolist() == [1.5]
    assert daily_degree_days([4.0], [16.0], base=10, method="average").tolist() == [0.0]
    assert daily_degree_days([-3.0], [9.0], base=10).tolist() == [0.0]


def test_warmth_beyond_the_upper_temperature_is_cut_off() -> None:
    # From 20 to 40 °C above 10 °C: 20; of it the tip above 30 °C, 10²/(2 × 20) = 2.5, is cut off.
    assert daily_degree_days([20.0], [40.0], base=10, upper=30).tolist() == [17.5]
    assert daily_degree_days([32.0], [40.0], base=10, upper=30).tolist() == [20.0]
    assert daily_degree_days([32.0], [40.0], base=10, upper=30, method="average").tolist() == [20.0]


def test_a_day_of_one_temperature_and_a_missing_one() -> None:
    found = daily_degree_days([15.0, np.nan, 5.0], [15.0, 20.0, np.nan], base=10)
    np.testing.assert_array_equal(found, [5.0, np.nan, np.nan])


@given(st.floats(-20, 40), st.floats(0, 25), st.floats(-5, 15), st.floats(0.5, 30))
def test_the_triangle_is_what_numbers_say(low: float, span: float, base: float, above: float) -> None:
    course = low + span * np.linspace(0, 1, 20_001)  # a symmetric triangle spends its time evenly over the temperatures
    upper = base + above
    expected = np.clip(course - base, 0, above).mean()
    assert daily_degree_days([low], [low + span], base=base, upper=upper)[0] == pytest.approx(expected, abs=2e-3)


def test_steps_read_what_has_come_together() -> None:
    assert cumulative_degree_days([1.0, 2.0, 3.0, 4.0], [0, 2]).tolist() == [1.0, 6.0]
    two = cumulative_degree_days([[1.0, 2.0, 3.0], [0.0, 0.0, 1.0]], [1, 2])
    assert two.tolist() == [[3.0, 6.0], [0.0, 1.0]]
    # What lies beyond the last step need not be known.
    assert cumulative_degree_days([1.0, 2.0, np.nan], [1]).tolist() == [3.0]


def test_bad_input_is_named() -> None:
    with pytest.raises(SeriesValueError, match=r"minimum is above the maximum on 1 days .*position 1: 9.0 and 3.0"):
        daily_degree_days([1.0, 9.0], [2.0, 3.0], base=0)
    with pytest.raises(SeriesValueError, match="upper must lie above base"):
        daily_degree_days([1.0], [2.0], base=10, upper=10)
    with pytest.raises(SeriesValueError, match="method is 'sine'"):
        daily_degree_days([1.0], [2.0], base=10, method="sine")
    with pytest.raises(SeriesValueError, match="infinite"):
        daily_degree_days([-np.inf], [2.0], base=10)
    with pytest.raises(SeriesShapeError, match=r"minima have shape \(1,\), maxima \(2,\)"):
        daily_degree_days([1.0], [2.0, 3.0], base=10)
    with pytest.raises(SeriesValueError, match="first on day 1"):
        cumulative_degree_days([1.0, np.nan, 2.0], [2])
    with pytest.raises(SeriesShapeError, match="degree days are of 3 days"):
        cumulative_degree_days([1.0, 1.0, 2.0], [1, 3])
    with pytest.raises(SeriesShapeError, match="whole numbers that rise"):
        cumulative_degree_days([1.0, 1.0, 2.0], [1, 1])
