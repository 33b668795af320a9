"""The season's grid by hand, and irregular dates on it."""

from datetime import date, timedelta

import numpy as np
import pytest

from agristat_platform.timeseries import (
    SeriesShapeError,
    SeriesValueError,
    season_grid,
    smooth_to_grid,
    whittaker_smooth,
    whittaker_vcurve,
)

START, END = date(2024, 11, 1), date(2025, 6, 1)  # 212 days


def every(step, first=START - timedelta(days=30), last=END + timedelta(days=30)):
    return [first + timedelta(days=k) for k in range(0, (last - first).days, step)]


def test_the_grid_by_hand():
    # 1 March to 23 March: 22 days, the last at day 21; nodes at 0, 5, 10, 15, 20, 25; padding 2 nodes on either side.
    grid = season_grid(date(2025, 3, 1), date(2025, 3, 23), n_samples=4, padding_days=7)
    assert [str(node) for node in grid.nodes] == [
        "2025-02-19", "2025-02-24", "2025-03-01", "2025-03-06", "2025-03-11",
        "2025-03-16", "2025-03-21", "2025-03-26", "2025-03-31", "2025-04-05",
    ]  # fmt: skip
    assert grid.positions == pytest.approx([2.0, 3.4, 4.8, 6.2])
    assert [str(day) for day in grid.sample_dates] == ["2025-03-01", "2025-03-08", "2025-03-15", "2025-03-22"]
    days = np.array(
        ["2025-02-16", "2025-02-17", "2025-02-21", "2025-02-22", "2025-04-07", "2025-04-08"], "datetime64[D]"
    )
    assert grid.node_of(days).tolist() == [-1, 0, 0, 1, 9, -1]
    assert grid.in_season(np.array(["2025-02-28", "2025-03-01", "2025-03-22", "2025-03-23"], "datetime64[D]")).tolist() == [
        False, True, True, False,
    ]  # fmt: skip


def test_a_season_of_seven_months():
    grid = season_grid(START, END)
    assert len(grid.positions) == 23
    assert str(grid.sample_dates[0]) == "2024-11-01"
    assert str(grid.sample_dates[-1]) == "2025-05-31"
    assert np.diff(grid.positions) == pytest.approx(211 / 22 / 5)
    assert len(grid.nodes) == 44 + 2 * 6
    assert grid.nodes[-1] >= np.datetime64(END) + 30 - 1


@pytest.mark.parametrize("step", [1, 2, 3, 5, 10, 16])
def test_every_day_of_the_season_has_a_node(step):
    grid = season_grid(START, END, step_days=step, padding_days=0)
    days = np.arange(np.datetime64(START), np.datetime64(END))
    node = grid.node_of(days)
    assert node.min() == 0
    assert np.abs((days - grid.nodes[node]).astype(int)).max() <= step / 2
    assert 0 <= grid.positions[0] <= grid.positions[-1] <= len(grid.nodes) - 1


def test_a_straight_line_is_read_at_its_place():
    grid = season_grid(START, END)
    dates = [START + timedelta(days=5 * k) for k in range(-6, 50) if k % 3]
    line = np.array([(day - START).days for day in dates], dtype=float)[np.newaxis]
    series = smooth_to_grid(dates, line, None, grid)
    assert series.values[0] == pytest.approx(np.linspace(0, 211, 23), abs=1e-6)
    # 43 nodes from day 0 to day 210, a third of them (0, 15, …, 210) unobserved.
    assert series.clear_dates[0] == 43 - 15
    assert not series.too_few[0]


def test_observations_of_a_node_are_averaged_by_weight():
    grid = season_grid(date(2025, 3, 1), date(2025, 3, 23), padding_days=0)
    dates = [date(2025, 3, day) for day in (1, 2, 6, 11, 16, 21, 21)]
    y = np.array([[1.0, 4.0, 2.0, np.nan, 3.0, 5.0, 9.0]])
    w = np.array([[1.0, 2.0, 1.0, 1.0, 0.0, 1.0, 1.0]])
    # Nodes 0, 5, 10, 15, 20, 25: (1 + 2·4)/3 = 3 of weight 3, 2, missing, missing, 7 of weight 2, missing.
    nan = np.nan
    curve = whittaker_smooth(np.array([[3.0, 2.0, nan, nan, 7.0, nan]]), np.array([[3.0, 1, 0, 0, 2, 0]]), 4.0)[0]
    curve[5] = curve[4]  # level after the last node observed
    series = smooth_to_grid(dates, y, w, grid, smoothing=4.0, min_clear_dates=4)
    assert series.values[0] == pytest.approx(np.interp(np.linspace(0, 21, 23), np.arange(0, 30, 5), curve))
    assert series.clear_dates.tolist() == [4]  # 1, 2, 6 and 21 March; the second value of the 21st is no other date
    assert smooth_to_grid(dates, y, w, grid, min_clear_dates=5).too_few.tolist() == [True]


def test_too_few_clear_dates_are_flagged_not_filled():
    grid = season_grid(START, END)
    dates = every(10)
    y = np.full((4, len(dates)), 0.4)
    inside = np.array([START <= day < END for day in dates])
    y[1] = np.nan
    y[2, inside] = np.nan  # the padding alone says nothing about the season
    clear = np.ones(y.shape)
    clear[3, np.flatnonzero(inside)[4:]] = 0
    series = smooth_to_grid(dates, y, clear, grid)
    assert series.clear_dates.tolist() == [inside.sum(), 0, 0, 4]
    assert series.too_few.tolist() == [False, True, True, True]
    assert series.too_few_count == 3
    assert np.isnan(series.values[1:]).all()
    assert np.isnan(series.smoothing[1:]).all()
    assert series.values[0] == pytest.approx(0.4)
    assert not smooth_to_grid(dates, y, clear, grid, min_clear_dates=4).too_few[3]


def test_all_on_one_node_determines_no_curve():
    grid = season_grid(START, END)
    dates = [START + timedelta(days=day) for day in (-2, 0, 1, 2)]
    series = smooth_to_grid(dates, np.ones((1, 4)), None, grid, min_clear_dates=3)
    assert series.clear_dates.tolist() == [3]
    assert series.too_few.tolist() == [True]
    assert np.isnan(series.values).all()


def test_padding_holds_the_ends():
    grid, bare = season_grid(START, END), season_grid(START, END, padding_days=0)
    dates = every(5)
    day = np.array([(d - START).days for d in dates])
    truth = np.sin(2 * np.pi * np.linspace(0, 211, 23) / 120)
    y = np.sin(2 * np.pi * day / 120) + np.random.default_rng(1).normal(0, 0.2, (300, len(day)))

    def error_at_the_ends(grid):
        return np.abs(smooth_to_grid(dates, y, None, grid).values - truth)[:, [0, -1]].mean()

    assert error_at_the_ends(grid) < 0.8 * error_at_the_ends(bare)


def test_order_of_dates_dtype_threads_and_chunks():
    grid = season_grid(START, END)
    dates = np.array(every(4), dtype="datetime64[D]")
    rng = np.random.default_rng(2)
    y = rng.normal(0.5, 0.1, (9000, len(dates))).astype(np.float32)
    w = (rng.random(y.shape) > 0.5).astype(np.float32)
    whole = smooth_to_grid(dates, y, w, grid)
    assert whole.values.dtype == np.float32
    mixed = rng.permutation(len(dates))
    other = smooth_to_grid(dates[mixed], y[:, mixed], w[:, mixed], grid, n_jobs=2)
    assert np.array_equal(whole.values, other.values)
    assert np.array_equal(whole.clear_dates, other.clear_dates)
    some = slice(8190, 8195)
    assert np.array_equal(smooth_to_grid(dates, y[some], w[some], grid).values, whole.values[some])
    per_series = smooth_to_grid(dates, y, w, grid, smoothing=np.full(9000, 10.0))
    assert np.array_equal(per_series.values, whole.values)


def test_vcurve_and_envelope_are_those_of_the_smoother():
    grid = season_grid(date(2025, 3, 1), date(2025, 5, 1), n_samples=13, padding_days=0)  # samples on nodes
    dates = list(grid.nodes.astype(object))
    y = np.random.default_rng(3).normal(0.5, 0.1, (5, len(dates)))
    series = smooth_to_grid(dates, y, None, grid, smoothing="vcurve", envelope=0.9)
    curve, chosen = whittaker_vcurve(y, envelope=0.9)
    assert series.values == pytest.approx(curve[:, : len(grid.positions)], abs=1e-9)
    assert np.array_equal(series.smoothing, chosen)


def test_bad_input_is_named():
    grid = season_grid(START, END)
    dates, y = every(30), np.ones((2, len(every(30))))
    with pytest.raises(SeriesValueError, match="2025-03-01 to 2025-03-02 has 1 days"):
        season_grid(date(2025, 3, 1), date(2025, 3, 2))
    with pytest.raises(SeriesValueError, match="step_days is 0"):
        season_grid(START, END, step_days=0)
    with pytest.raises(SeriesValueError, match="n_samples is 1"):
        season_grid(START, END, n_samples=1)
    with pytest.raises(SeriesValueError, match="padding_days is -1"):
        season_grid(START, END, padding_days=-1)
    with pytest.raises(SeriesShapeError, match=r"dates do not fit values of shape \(2, 3\)"):
        smooth_to_grid(dates, y[:, :3], None, grid)
    with pytest.raises(SeriesShapeError, match=r"weights of shape \(3,\)"):
        smooth_to_grid(dates, y, np.ones(3), grid)
    with pytest.raises(SeriesShapeError, match=r"\(3,\) does not fit 2 series"):
        smooth_to_grid(dates, y, None, grid, smoothing=np.ones(3))
    with pytest.raises(SeriesValueError, match="'gcv'"):
        smooth_to_grid(dates, y, None, grid, smoothing="gcv")
    with pytest.raises(SeriesValueError, match="min_clear_dates is 1"):
        smooth_to_grid(dates, y, None, grid, min_clear_dates=1)
    with pytest.raises(SeriesValueError, match=r"weight is -1.*series 1, date 0"):
        smooth_to_grid(dates, y, np.array([[1.0], [-1.0]]) * y, grid)
    with pytest.raises(SeriesValueError, match=r"infinite.*series 0, date 2"):
        smooth_to_grid(dates, np.where(np.arange(len(dates)) == 2, np.inf, y), None, grid)
    with pytest.raises(SeriesValueError, match="date 1"):
        smooth_to_grid(np.array([dates[0], None, *dates[2:]], "datetime64[D]"), y, None, grid)
