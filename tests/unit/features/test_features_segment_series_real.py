"""Real Sentinel-2 of Flanders, April 2023, on its real days: two fields' NDVI, curves through it and what is not known.

Field 1 is rows 28-37, columns 36-45. Field 2 is rows 18-27, columns 10-17: 52 of its 80 pixels lie under the cirrus of
5 April. The other ten days are cloud.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow.parquet as pq
import pytest

from agristat_platform.catalogue import Grid, TimeSeriesSettings
from agristat_platform.features import (
    ObservationWriter,
    SegmentLabels,
    plan_series,
    read_overpasses,
    series_overpasses,
    write_series,
)
from agristat_platform.imagery import assess_season
from agristat_platform.timeseries import season_grid
from tests.unit.imagery.flanders import FIFTEENTH, FIFTH, read_cube, request, scene

pytestmark = pytest.mark.real_data
FIELDS = {1: np.s_[28:38, 36:46], 2: np.s_[18:28, 10:18]}
APRIL = season_grid(date(2023, 4, 1), date(2023, 5, 1))  # nodes of 1, 6, 11 … April, 30 days more on either side
SAMPLE_DAYS = np.linspace(0, 29, 23)


@dataclass
class Cube:
    numbers: dict
    days: list
    grid: Grid


@pytest.fixture(scope="module")
def cube(real_data):
    path = real_data / "flanders_sentinel" / "sentinel2_l2a.nc"
    return Cube(*read_cube(path, "S2-L2A", ["B04", "B08", "SCL"]))


def observed(cube, folder, classes):
    """Items → scenes → observations of both fields, by field and day; and the file."""
    items = [
        scene(folder, "S2", "sentinel-2-l2a", day, cube.grid,
              {"B04": cube.numbers["B04"][k], "B08": cube.numbers["B08"][k], "SCL": classes[k].astype(np.uint8)},
              **{"grid:code": "MGRS-31UFS", "earthsearch:boa_offset_applied": True})
        for k, day in enumerate(cube.days)
    ]  # fmt: skip
    imagery = request("sentinel-2-l2a", ["B04", "B08"])
    scenes = assess_season(items, cube.grid, cube.grid.outline(), imagery).scenes
    labels = np.zeros(cube.grid.shape, np.uint32)
    for number, field in FIELDS.items():
        labels[field] = number
    plan = plan_series(imagery, ["ndvi"])
    passes = series_overpasses(scenes, cube.grid, plan, cube.days[0], cube.days[-1])
    segments = SegmentLabels(lambda rows, cols: labels[rows, cols], np.array([1, 2], np.uint32), np.array([100, 80]))
    path = folder / "observations.parquet"
    with ObservationWriter(path, plan, segments) as writer:
        read_overpasses(passes, cube.grid, imagery, [writer], largest=(20, None))
    return {(row["segment_id"], row["date"]): row for row in pq.read_table(path).to_pylist()}, path


def curves(path, folder, **settings):
    """Rows of series and phenology by field."""
    targets = folder / "series.parquet", folder / "phenology.parquet"
    write_series(
        path, np.array([1, 2], np.uint32), ["ndvi"], APRIL, TimeSeriesSettings(indices=("ndvi",), **settings), *targets
    )
    return [{row["segment_id"]: row for row in pq.read_table(target).to_pylist()} for target in targets]


def field_ndvi(cube, k, field, clear=None):
    """(NIR − red) / (NIR + red) of the means of a field's pixels on day k."""
    inside = np.ones((10, 10 if field == 1 else 8), bool) if clear is None else clear
    red, nir = (cube.numbers[band][k][FIELDS[field]][inside].astype(float).mean() / 1e4 for band in ("B04", "B08"))
    return (nir - red) / (nir + red)


def test_ndvi_of_fields_on_the_days_that_show_the_ground(cube, tmp_path):
    found, _ = observed(cube, tmp_path, cube.numbers["SCL"])
    fifth, fifteenth = date(2023, 4, 5), date(2023, 4, 15)
    assert (cube.days[FIFTH], cube.days[FIFTEENTH]) == (fifth, fifteenth)
    assert sorted(found) == [(1, fifth), (1, fifteenth), (2, fifth), (2, fifteenth)]  # the others were dropped
    for k, day in ((FIFTH, fifth), (FIFTEENTH, fifteenth)):
        row = found[1, day]
        assert (row["clear_pixels"], row["clear_share"], row["weight"]) == (100, 1.0, 1.0)
        assert row["ndvi"] == pytest.approx(field_ndvi(cube, k, 1), abs=1e-6)
    # 28 of 80 pixels are clear: NDVI is theirs, but at 0.35 of the field it does not count
    row = found[2, fifth]
    assert (row["clear_pixels"], row["weight"]) == (28, 0.0)
    assert row["clear_share"] == pytest.approx(0.35)
    clear = cube.numbers["SCL"][FIFTH][FIELDS[2]] != 10
    assert row["ndvi"] == pytest.approx(field_ndvi(cube, FIFTH, 2, clear), abs=1e-6)
    assert row["ndvi"] != pytest.approx(field_ndvi(cube, FIFTH, 2), abs=1e-3)
    assert found[2, fifteenth]["clear_pixels"] == 80


def test_two_clear_days_make_no_season(cube, tmp_path):
    _, path = observed(cube, tmp_path, cube.numbers["SCL"])
    series, phenology = curves(path, tmp_path)
    for field, clear_dates in ((1, 2), (2, 1)):
        row = series[field]
        assert (row["clear_dates"], row["too_few"], row["flag"]) == (clear_dates, True, "too_few")
        assert row["samples"] is None
        assert row["smoothing"] is None
        assert phenology[field]["flag"] == "no_data"
        assert all(phenology[field][name] is None for name in ("start_day", "peak_day", "end_day", "amplitude"))


def test_where_two_days_are_enough_the_curve_is_the_line_between_them(cube, tmp_path):
    """5 April goes to the node of the 6th, 15 April to that of the 16th; a line bends nowhere, so no penalty moves it.

    Level to day 5, a line to day 15, level to day 29.
    """
    found, path = observed(cube, tmp_path, cube.numbers["SCL"])
    series, phenology = curves(path, tmp_path, min_clear_dates=2)
    first, second = (found[1, cube.days[k]]["ndvi"] for k in (FIFTH, FIFTEENTH))
    expected = np.interp(SAMPLE_DAYS, [5, 15], [first, second])
    assert series[1]["samples"] == pytest.approx(expected, abs=1e-5)
    assert (series[1]["flag"], series[1]["longest_gap_days"]) == ("ok", 29 - 14)
    assert series[2]["samples"] is None  # one day that counts
    # field 1 changes by less than 0.1 in NDVI: no season, and no days of one
    assert abs(second - first) < 0.1
    assert (phenology[1]["flag"], phenology[1]["start_day"], phenology[1]["end_day"]) == ("no_season", None, None)


def test_whittaker_through_twelve_days_is_the_penalised_least_squares(cube, tmp_path):
    """The mask set aside, twelve days count; 5 and 7 April share the node of the 6th, which has their mean, twice the weight.

    (W + 30 D'D) z = W y with second differences D, solved densely; level beyond the first and last node observed.
    """
    found, path = observed(cube, tmp_path, np.full_like(cube.numbers["SCL"], 4))
    series, phenology = curves(path, tmp_path, smoothing=30.0)
    nodes = APRIL.nodes.astype(date)
    assert (nodes[0], nodes[6], len(nodes)) == (date(2023, 3, 2), date(2023, 4, 1), 19)
    for field in FIELDS:
        weight, total = np.zeros(19), np.zeros(19)
        for k, day in enumerate(cube.days):
            value = field_ndvi(cube, k, field)
            assert found[field, day]["ndvi"] == pytest.approx(value, abs=1e-6)
            nearest = int(np.argmin([abs((node - day).days) for node in nodes]))
            weight[nearest] += 1
            total[nearest] += value
        assert weight[6:13].tolist() == [1, 2, 2, 2, 2, 2, 1]
        second = np.diff(np.eye(19), 2, axis=0)
        curve = np.linalg.solve(np.diag(weight) + 30 * second.T @ second, total)
        curve[:6], curve[13:] = curve[6], curve[12]
        expected = np.interp(SAMPLE_DAYS, 5 * np.arange(-6, 13), curve)
        row = series[field]
        assert row["samples"] == pytest.approx(expected, abs=1e-5)
        assert (row["clear_dates"], row["flag"], row["smoothing"]) == (12, "ok", 30.0)
        assert row["longest_gap_days"] == 3
    # field 1 rises to the last day by 0.107, field 2 by 0.076, less than the 0.1 that makes a season; neither has a peak
    for field, flag in ((1, "up_at_both"), (2, "no_season")):
        row = phenology[field]
        assert row["flag"] == flag
        assert row["amplitude"] == pytest.approx(np.ptp(series[field]["samples"]), abs=1e-6)
        assert all(row[name] is None for name in ("start_day", "peak_day", "end_day", "length_days", "integral"))
