"""Thermal time: curves on the axis of warmth, and the gate's decision where warmth governs crops and where it doesn't."""

import numpy as np
import pytest

from agristat_platform.classification import MemberSettings
from agristat_platform.classification.cross_season import recognise, teach
from agristat_platform.classification.cross_season.degree_days import (
    at_progress,
    check_degree_days,
    progress,
    target_on_axis,
)
from agristat_platform.classification.cross_season.errors import InvalidDegreeDaysError, InvalidReviewsError
from agristat_platform.classification.cross_season.samples import check_samples

TINY = MemberSettings(trees=20, rounds=10, kernel_columns=84, copies=1, bags=1)
CROPS = np.array(["a", "b", "c"])
STEPS, PARCELS = 18, 60


def test_a_steady_season_is_read_as_it_was() -> None:
    series = np.random.default_rng(0).normal(size=(3, 6, 2))
    series[1, 2, 0] = np.nan
    reached = progress(np.linspace(100.0, 600.0, 6)[None], 500.0, 1.0)
    np.testing.assert_allclose(at_progress(series, reached), series)


def test_a_warm_season_is_drawn_out_and_a_cold_one_ends_early() -> None:
    series = np.arange(5.0)[None, :, None]
    warm, cold = np.array([[0.0, 200, 400, 600, 800]]), np.array([[0.0, 50, 100, 150, 200]])
    # Of 400 °C d in all: the warm season has them at its third step, the cold one half of them at its end.
    np.testing.assert_allclose(at_progress(series, progress(warm, 400.0, 1.0))[0, :, 0], [0, 0.5, 1, 1.5, 2])
    np.testing.assert_array_equal(
        at_progress(series, progress(cold, 400.0, 1.0))[0, :, 0], [0.0, 2.0, 4.0, np.nan, np.nan]
    )
    # Half by the calendar: the cold season comes to 0.75.
    np.testing.assert_allclose(progress(cold, 400.0, 0.5)[0], [0, 0.1875, 0.375, 0.5625, 0.75])


def test_a_spell_without_warmth_has_its_last_value_and_gaps_stay_gaps() -> None:
    series = np.array([[0.0, 7.0, 1.0, 2.0, 3.0], [0.0, 7.0, np.nan, 2.0, 3.0]])[:, :, None]
    reached = progress(np.array([[0.0, 0.0, 0.0, 50.0, 100.0]]), 100.0, 1.0)
    found = at_progress(series, reached)[:, :, 0]
    np.testing.assert_allclose(found[0], [1.0, 1.5, 2.0, 2.5, 3.0])
    assert np.isnan(found[1, 0])
    np.testing.assert_allclose(found[1, 2:], [2.0, 2.5, 3.0])


def test_a_series_does_not_lose_its_only_value() -> None:
    series = np.full((2, 5, 1), np.nan)
    series[0, 4] = 1.0
    warm = np.array([[0.0, 200, 400, 600, 800]])
    found = target_on_axis(series, warm, 400.0, "thermal")
    np.testing.assert_array_equal(found, series)


def world(*, by_warmth: bool) -> tuple[list[tuple], dict[int, np.ndarray]]:
    random = np.random.default_rng(3)
    seasons, warmth, step = [], {}, np.arange(STEPS)
    for year in range(5):
        course = 2 + 14 * np.sin(np.pi * (step + 1 + random.normal(0, 1.5)) / (STEPS + 2)) + random.normal(0, 2)
        warmth[year] = np.cumsum(np.maximum(course, 0.3) * 16)
        crop = random.integers(0, 3, PARCELS)
        need = np.array([780.0, 1090.0, 1400.0])[crop] + random.normal(0, 60, PARCELS)
        on_time = np.array([6.0, 8.0, 10.0])[crop] + random.normal(0, 0.4, PARCELS)
        peak = np.interp(need, warmth[year], step) if by_warmth else on_time
        curves = np.exp(-0.5 * ((step[None] - peak[:, None]) / 1.8) ** 2)[:, :, None]
        seasons.append((curves + random.normal(0, 0.15, curves.shape), CROPS[crop]))
    return seasons, warmth


def answers(seasons: list[tuple], warmth: dict[int, np.ndarray] | None):
    past, (target, _) = seasons[:-1], seasons[-1]
    known = {} if warmth is None else {"degree_days": {y: w for y, w in warmth.items() if y < len(past)}}
    ahead = {} if warmth is None else {"target_degree_days": warmth[len(past)]}
    values, labels = np.concatenate([p[0] for p in past]), np.concatenate([p[1] for p in past])
    taught = teach(values, labels, np.repeat(np.arange(len(past)), PARCELS), settings=TINY, **known)
    return taught.recognise(target, **ahead)


def test_where_warmth_governs_crops_its_axis_is_taken() -> None:
    seasons, warmth = world(by_warmth=True)
    found, without = answers(seasons, warmth), answers(seasons, None)
    assert found.gate.chosen["time_axis"] == "thermal"
    truth = seasons[-1][1]
    assert (found.labels == truth).mean() > max(0.9, (without.labels == truth).mean() + 0.05)


def test_where_the_calendar_governs_them_nothing_changes() -> None:
    seasons, warmth = world(by_warmth=False)
    found, without = answers(seasons, warmth), answers(seasons, None)
    assert found.gate.chosen["time_axis"] == "calendar"
    assert found.probabilities.tobytes() == without.probabilities.tobytes()
    rows = [row for row in found.gate.rows if row.stage == "time_axis"]
    assert [row.option for row in rows] == ["calendar", "thermal", "mixed"]
    assert all(row.gain < 0 for row in rows[1:])
    assert "time_axis" not in without.gate.chosen


def test_bad_degree_days_are_named() -> None:
    seasons, warmth = world(by_warmth=True)
    values, labels = (np.concatenate([p[i] for p in seasons[:2]]) for i in range(2))
    years = np.repeat([0, 1], PARCELS)
    samples = check_samples(values, labels.tolist(), years.tolist(), None)
    number = len(values)
    with pytest.raises(InvalidDegreeDaysError, match="seasons without degree days: 1"):
        check_degree_days({0: warmth[0]}, samples, given=number)
    with pytest.raises(InvalidDegreeDaysError, match=r"degree_days of 1 are missing at some step, or fall"):
        check_degree_days({0: warmth[0], 1: warmth[1][::-1]}, samples, given=number)
    with pytest.raises(InvalidDegreeDaysError, match="bring no warmth"):
        check_degree_days({0: np.zeros(STEPS), 1: warmth[1]}, samples, given=number)
    with pytest.raises(InvalidDegreeDaysError, match=rf"degree_days have shape \({number}, 3\)"):
        check_degree_days(np.ones((number, 3)), samples, given=number)
    good = check_degree_days(np.tile(warmth[0], (number, 1)), samples, given=number)
    with pytest.raises(InvalidDegreeDaysError, match="of 1 or 7 series"):
        good.of_target(np.tile(warmth[0], (2, 1)), 7)
    with pytest.raises(InvalidDegreeDaysError, match="target_degree_days are missing"):
        recognise(values, labels, years, values, degree_days={0: warmth[0], 1: warmth[1]})
    with pytest.raises(InvalidReviewsError, match="degree days of their own"):
        recognise(
            values,
            labels,
            years,
            values,
            degree_days={0: warmth[0], 1: warmth[1]},
            target_degree_days=np.tile(warmth[0], (number, 1)),
            reviewed=(values[:1], ["a"]),
        )
