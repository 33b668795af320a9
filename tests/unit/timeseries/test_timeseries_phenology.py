"""Phenology by hand: triangle, half sine, plateau, two crops, cut-off seasons; what shifts and scales; what is refused."""

from datetime import date

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agristat_platform.timeseries import (
    PHENOLOGY_FLAGS,
    PHENOLOGY_SCHEMA,
    SeriesShapeError,
    SeriesValueError,
    phenology,
    phenology_table,
    season_grid,
)

DAYS = np.arange(0, 201, 10.0)


def through(*points):
    """The straight lines through (day, value), read every ten days."""
    return np.interp(DAYS, *zip(*points, strict=True))[np.newaxis]


def flag(found):
    return found.flag_names.tolist()


def test_a_triangle():
    # 0.2 up to day 50, 0.8 on day 100, 0.2 from day 150: 20 % of 0.6 above 0.2 on days 60 and 140.
    found = phenology(through((0, 0.2), (50, 0.2), (100, 0.8), (150, 0.2), (200, 0.2)), DAYS)
    assert flag(found) == ["ok"]
    assert found.cycles.tolist() == [1]
    assert found.start_day == pytest.approx([60])
    assert found.peak_day == pytest.approx([100])
    assert found.end_day == pytest.approx([140])
    assert found.length_days == pytest.approx([80])
    assert found.base == pytest.approx([0.2])
    assert found.peak_value == pytest.approx([0.8])
    assert found.amplitude == pytest.approx([0.6])
    # Over the base 0.12 at both ends and 0.6 at the peak: 80 · (0.12 + 0.6) / 2.
    assert found.integral == pytest.approx([28.8])
    assert found.integral_above_zero == pytest.approx([28.8 + 80 * 0.2])
    half = phenology(through((0, 0.2), (50, 0.2), (100, 0.8), (150, 0.2), (200, 0.2)), DAYS, threshold=0.45)
    assert half.start_day == pytest.approx([50 + 0.45 * 50])


def test_sides_of_their_own_minima():
    # Left 0.2, right 0.3 and seen: 0.3 is below 0.2 + 0.2 · 0.6. Thresholds 0.32 and 0.40, base 0.25.
    found = phenology(through((0, 0.2), (50, 0.2), (100, 0.8), (150, 0.3), (200, 0.3)), DAYS)
    assert found.start_day == pytest.approx([60])
    assert found.end_day == pytest.approx([140])
    assert found.base == pytest.approx([0.25])
    assert found.amplitude == pytest.approx([0.55])


def test_a_half_sine_between_samples():
    days = np.linspace(0, 180, 361)
    found = phenology((0.1 + 0.5 * np.sin(np.pi * days / 180))[np.newaxis], days)
    crossing = 180 / np.pi * np.arcsin(0.2)
    assert found.start_day == pytest.approx([crossing], abs=1e-3)
    assert found.end_day == pytest.approx([180 - crossing], abs=1e-3)
    assert found.peak_day == pytest.approx([90])
    area = 0.5 * 180 / np.pi * 2 * np.cos(np.pi * crossing / 180)
    assert found.integral == pytest.approx([area], rel=1e-4)
    # 23 samples, as the models take them: within a tenth of a step.
    few = np.linspace(0, 180, 23)
    coarse = phenology((0.1 + 0.5 * np.sin(np.pi * few / 180))[np.newaxis].astype(np.float32), few)
    assert coarse.start_day == pytest.approx([crossing], abs=0.1 * 180 / 22)


def test_a_plateau_peaks_in_its_middle():
    found = phenology(through((0, 0.2), (40, 0.2), (80, 0.7), (120, 0.7), (160, 0.2), (200, 0.2)), DAYS)
    assert found.peak_day == pytest.approx([100])
    assert found.start_day == pytest.approx([48])
    assert found.end_day == pytest.approx([152])


def test_two_crops_give_the_larger():
    # The valley of 0.4 on day 90 bounds both: the second starts at 0.4 + 0.2 · 0.5 = 0.5.
    found = phenology(through((0, 0.2), (50, 0.7), (90, 0.4), (140, 0.9), (190, 0.2), (200, 0.2)), DAYS)
    assert found.cycles.tolist() == [2]
    assert flag(found) == ["ok"]
    assert found.peak_day == pytest.approx([140])
    assert found.start_day == pytest.approx([100])
    assert found.end_day == pytest.approx([180])
    assert found.base == pytest.approx([0.3])


def test_a_dent_is_no_second_crop():
    # The valley is 0.1 below the lower top, the range 0.7: 0.25 of it is 0.175.
    points = through((0, 0.2), (80, 0.9), (90, 0.7), (110, 0.8), (180, 0.2), (200, 0.2))
    assert phenology(points, DAYS).cycles.tolist() == [1]
    assert phenology(points, DAYS, cycle_share=0.1).cycles.tolist() == [2]
    assert phenology(points, DAYS, cycle_share=0.1, min_amplitude=0.15).cycles.tolist() == [1]
    level = through((0, 0.2), (60, 0.8), (100, 0.3), (140, 0.8), (200, 0.2))
    assert phenology(level, DAYS).peak_day == pytest.approx([60])  # of equal ones the first


def test_still_up_at_the_end():
    # Down to 0.6 on the last day only: 0.6 is above 0.2 + 0.2 · 0.6, its own "minimum" would give an end all the same.
    found = phenology(through((0, 0.2), (50, 0.2), (100, 0.8), (150, 0.6), (200, 0.6)), DAYS)
    assert flag(found) == ["up_at_end"]
    assert found.start_day == pytest.approx([60])
    assert found.peak_day == pytest.approx([100])
    assert np.isnan([found.end_day, found.length_days, found.integral, found.integral_above_zero]).all()
    assert found.base == pytest.approx([0.2])


def test_still_rising_at_the_end():
    found = phenology(through((0, 0.2), (120, 0.2), (200, 0.8)), DAYS)
    assert flag(found) == ["up_at_end"]
    assert found.start_day == pytest.approx([136])
    assert np.isnan([found.peak_day, found.end_day]).all()
    assert found.peak_value == pytest.approx([0.8])


def test_already_up_at_the_start():
    falling = phenology(through((0, 0.8), (80, 0.2), (200, 0.2)), DAYS)
    assert flag(falling) == ["up_at_start"]
    assert falling.end_day == pytest.approx([64])
    assert np.isnan([falling.start_day, falling.peak_day]).all()
    risen = phenology(through((0, 0.6), (50, 0.8), (100, 0.2), (200, 0.2)), DAYS)
    assert flag(risen) == ["up_at_start"]
    assert risen.peak_day == pytest.approx([50])


def test_a_slope_through_the_season_has_neither_start_nor_end():
    for points in (((0, 0.2), (200, 0.8)), ((0, 0.8), (200, 0.2))):
        found = phenology(through(*points), DAYS)
        assert flag(found) == ["up_at_both"]
        assert np.isnan([found.start_day, found.peak_day, found.end_day]).all()
        assert found.amplitude == pytest.approx([0.6])


def test_the_crop_inside_goes_before_one_cut_off():
    found = phenology(through((0, 0.9), (60, 0.2), (110, 0.8), (160, 0.2), (200, 0.2)), DAYS)
    assert found.cycles.tolist() == [2]
    assert flag(found) == ["ok"]
    assert found.peak_day == pytest.approx([110])
    weeds = phenology(through((0, 0.2), (30, 0.45), (60, 0.2), (200, 0.95)), DAYS)
    assert weeds.cycles.tolist() == [2]
    assert flag(weeds) == ["up_at_end"]
    assert weeds.start_day == pytest.approx([60 + 0.2 * 140])


def test_no_season_and_no_data():
    flat, missing = np.full((1, 21), 0.3), through((0, 0.2), (100, 0.8), (200, 0.2))
    flat[0, 7] = 0.39
    missing[0, 3] = np.nan
    found = phenology(np.concatenate([flat, missing]), DAYS)
    assert flag(found) == ["no_season", "no_data"]
    assert found.cycles.tolist() == [0, -1]
    assert found.amplitude[0] == pytest.approx(0.09)
    assert np.isnan([found.start_day, found.peak_day, found.end_day, found.integral]).all()
    assert np.isnan([found.amplitude[1], found.base[1], found.peak_value[1]]).all()
    assert flag(phenology(flat, DAYS, min_amplitude=0.08)) == ["ok"]
    assert phenology(np.empty((0, 21)), DAYS).flag.shape == (0,)


@st.composite
def curves(draw):
    """Values in 1/256, so that sums, shifts and doublings are exact."""
    return np.array(draw(st.lists(st.integers(0, 256), min_size=21, max_size=21)), float)[np.newaxis] / 256


def measures(found):
    return np.array([found.start_day, found.peak_day, found.end_day]), np.array([found.amplitude, found.peak_value])


@settings(max_examples=200, deadline=None)
@given(curves(), st.integers(-64, 64), st.integers(-3, 3))
def test_shifts_and_scales(curve, shift, power):
    plain = phenology(curve, DAYS)
    days, heights = measures(plain)
    later = phenology(curve, DAYS + shift)
    assert measures(later)[0] == pytest.approx(days + shift, nan_ok=True)
    scale = 2.0**power
    larger = phenology(curve * scale, DAYS, min_amplitude=0.1 * scale)
    assert measures(larger)[0] == pytest.approx(days, nan_ok=True)
    assert measures(larger)[1] == pytest.approx(heights * scale, nan_ok=True)
    assert larger.integral == pytest.approx(plain.integral * scale, nan_ok=True)
    raised = phenology(curve + 1, DAYS)
    assert raised.amplitude == pytest.approx(plain.amplitude, nan_ok=True)
    for other in (later, larger, raised):
        assert np.array_equal(other.flag, plain.flag)
        assert np.array_equal(other.cycles, plain.cycles)


@settings(max_examples=200, deadline=None)
@given(curves())
def test_order_in_time_and_what_the_flags_promise(curve):
    found = phenology(curve, DAYS)
    days, _ = measures(found)
    known = days[~np.isnan(days)]
    assert (np.diff(known) > 0).all()
    assert ((known >= 0) & (known <= 200)).all()
    name = flag(found)[0]
    assert np.isnan(found.start_day[0]) == (name in ("no_season", "up_at_start", "up_at_both"))
    assert np.isnan(found.end_day[0]) == (name in ("no_season", "up_at_end", "up_at_both"))
    assert found.peak_value[0] <= curve.max()
    if name == "ok":
        inside = (days[0] <= DAYS) & (days[2] >= DAYS)
        assert found.peak_value[0] == curve[0, inside].max()
        assert (curve[0, inside] > found.base[0] - 1e-12).any()
    # A series is measured alike wherever it stands.
    among = phenology(np.concatenate([curve[:, ::-1], curve, curve * 2]), DAYS)
    assert np.array_equal([column[1] for column in measures(among)[0]], days[:, 0], equal_nan=True)


def test_the_season_grid_gives_the_days():
    grid = season_grid(date(2024, 11, 1), date(2025, 6, 1))
    assert grid.sample_days == pytest.approx(np.linspace(0, 211, 23))
    assert grid.sample_days == pytest.approx((grid.positions - 6) * 5)


def test_the_table():
    curve = through((0, 0.2), (50, 0.2), (100, 0.8), (150, 0.2), (200, 0.2))
    found = phenology(np.concatenate([curve, np.full((1, 21), np.nan)]), DAYS)
    table = phenology_table(found, np.array([7, 9]), "ndvi")
    assert table.schema.equals(PHENOLOGY_SCHEMA, check_metadata=True)
    table.validate(full=True)
    rows = table.to_pylist()
    assert rows[0]["segment_id"] == 7
    assert rows[0]["index"] == "ndvi"
    assert rows[0]["start_day"] == pytest.approx(60)
    assert rows[0]["cycles"] == 1
    empty = {name for name, value in rows[1].items() if value is None}
    assert empty == set(PHENOLOGY_SCHEMA.names) - {"segment_id", "index", "flag"}
    assert rows[1]["flag"] == "no_data" == PHENOLOGY_FLAGS[1]
    assert pa.concat_tables([table, phenology_table(found, [1, 2], "evi")]).num_rows == 4


def test_bad_input_is_named():
    curve = through((0, 0.2), (100, 0.8), (200, 0.2))
    with pytest.raises(SeriesShapeError, match=r"21 sample days do not fit samples of shape \(21,\)"):
        phenology(curve[0], DAYS)
    with pytest.raises(SeriesShapeError, match="2 samples show no season"):
        phenology(curve[:, :2], DAYS[:2])
    with pytest.raises(SeriesValueError, match=r"30\.0 at sample 4"):
        phenology(curve, np.where(DAYS == 40, 30.0, DAYS))
    with pytest.raises(SeriesValueError, match="nan at sample 2"):
        phenology(curve, np.where(DAYS == 20, np.nan, DAYS))
    with pytest.raises(SeriesValueError, match="series 0, sample 5"):
        phenology(np.where(DAYS == 50, np.inf, curve), DAYS)
    with pytest.raises(SeriesValueError, match=r"threshold is 0\.5"):
        phenology(curve, DAYS, threshold=0.5)
    with pytest.raises(SeriesValueError, match="min_amplitude is 0"):
        phenology(curve, DAYS, min_amplitude=0)
    with pytest.raises(SeriesValueError, match="cycle_share is 0"):
        phenology(curve, DAYS, cycle_share=0)
    with pytest.raises(SeriesShapeError, match="3 segments do not fit 1 series"):
        phenology_table(phenology(curve, DAYS), [1, 2, 3], "ndvi")
