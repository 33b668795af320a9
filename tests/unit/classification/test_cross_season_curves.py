"""Gaps, shifts and the description of curves, on numbers that can be checked by hand."""

import numpy as np
import pytest

from agristat_platform.classification.cross_season.curve_features import curve_features, phases, season_statistics
from agristat_platform.classification.cross_season.curves import fill_gaps, shift_in_time, warp_in_time

NAN = np.nan


def _one(*values: float) -> np.ndarray:
    return np.array(values, dtype=float)[None, :, None]


def test_gaps_are_filled_by_straight_lines_and_level_ends() -> None:
    filled, support = fill_gaps(_one(NAN, 2, NAN, NAN, 8, NAN))
    np.testing.assert_allclose(filled[0, :, 0], [2, 2, 4, 6, 8, 8])
    assert support[0].tolist() == [0, 1, 0, 0, 1, 0]


def test_a_feature_without_any_value_takes_the_mean_of_the_others() -> None:
    series = np.array([[[1.0, 5.0], [2.0, 7.0]], [[3.0, NAN], [4.0, NAN]], [[3.0, 7.0], [4.0, 9.0]]])
    filled, support = fill_gaps(series)
    np.testing.assert_allclose(filled[1, :, 1], [6, 8])
    assert support[1].tolist() == [0.5, 0.5]


def test_nothing_missing_is_nothing_changed() -> None:
    series = np.random.default_rng(0).normal(size=(3, 5, 2))
    filled, support = fill_gaps(series)
    np.testing.assert_array_equal(filled, series)
    assert (support == 1).all()


def test_shifts_move_later_when_positive() -> None:
    np.testing.assert_allclose(shift_in_time(_one(0, 10, 20, 30), np.array([1.0]))[0, :, 0], [0, 0, 10, 20])
    np.testing.assert_allclose(shift_in_time(_one(0, 10, 20, 30), np.array([-0.5]))[0, :, 0], [5, 15, 25, 30])


def test_warping_keeps_values_within_range_and_follows_its_seed() -> None:
    series = np.random.default_rng(0).random((20, 23, 2))
    warped = warp_in_time(series, 1.0, seed=3)
    np.testing.assert_array_equal(warped, warp_in_time(series, 1.0, seed=3))
    assert (warped >= series.min(axis=1, keepdims=True) - 1e-12).all()
    assert (warped <= series.max(axis=1, keepdims=True) + 1e-12).all()
    assert np.abs(warped - series).max() > 0.1


def test_phases_of_one_hump() -> None:
    # Quantile 0.1 is 0 and quantile 0.95 is 1: level 0.5 is crossed upwards at 2.5 and downwards at 5.5.
    hump = phases(_one(0, 0, 0, 1, 1, 1, 0, 0, 0, 0))[0]
    middle = hump[9:18]
    np.testing.assert_allclose(middle[:4], [2.5, 5.5, 2.5, 5.5])
    np.testing.assert_allclose(middle[4:], [3, -3, 3, 1, 0.3])
    assert hump[-2:].tolist() == [3, 0]


def test_spans_between_phases_do_not_feel_a_shift() -> None:
    curve = _one(0, 0, 0, 0, 1, 3, 4, 3, 1, 0, 0, 2, 5, 2, 0, 0, 0, 0)
    early, late = phases(curve)[0], phases(shift_in_time(curve, np.array([2.0])))[0]
    for level in range(3):
        np.testing.assert_allclose(early[9 * level + 4 : 9 * level + 9], late[9 * level + 4 : 9 * level + 9])
        np.testing.assert_allclose(early[9 * level] + 2, late[9 * level])


def test_a_level_curve_has_phases_all_the_same() -> None:
    assert np.isfinite(phases(np.ones((2, 8, 3)))).all()


def test_season_statistics_by_hand() -> None:
    row = season_statistics(_one(1, 2, 3, 4, 5))[0]
    assert row[:4].tolist() == pytest.approx([3, np.sqrt(2), 1, 5])
    assert row[4:].tolist() == pytest.approx([1.4, 2, 3, 4, 4.6, 0])


def test_features_of_a_curve_do_not_depend_on_the_others() -> None:
    series = np.random.default_rng(0).random((7, 12, 3))
    np.testing.assert_array_equal(curve_features(series)[3:5], curve_features(series[3:5]))
