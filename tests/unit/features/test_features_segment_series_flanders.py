"""Real Sentinel-2 of Flanders, April 2023: what blocks of fields looked like on each date, by hand from the cube."""

from datetime import date, timedelta

import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio

from agristat_platform.catalogue import Grid, TimeSeriesSettings
from agristat_platform.features import (
    ObservationWriter,
    SegmentLabels,
    plan_series,
    read_overpasses,
    series_overpasses,
    write_series,
)
from agristat_platform.imagery.masks import SCL_CLEAR
from agristat_platform.timeseries import season_grid

DATES = [date(2023, 4, day) for day in (2, 5, 7, 10, 12, 15, 17, 20, 22, 25, 27, 30)]


@pytest.fixture(scope="module")
def cube(real_data):
    """Red, near infrared and scene classes, (12, 66, 64), and their grid."""
    if "netCDF" not in rasterio.drivers.raster_driver_extensions().values():
        pytest.skip("this build of GDAL reads no netCDF")
    path = real_data / "flanders_sentinel" / "sentinel2_l2a.nc"
    arrays = []
    for band in ("B04", "B08", "SCL"):
        with rasterio.open(f"netcdf:{path}:S2-L2A-{band}") as dataset:
            arrays.append(dataset.read())
            grid = Grid(dataset.crs.to_string(), dataset.transform, dataset.width, dataset.height)
    red, nir, scl = arrays
    red, nir = (np.where(numbers == 32769, 0, numbers).astype(np.uint16) for numbers in (red, nir))
    return red, nir, np.where(scl > 11, 0, scl).astype(np.uint8), grid


@pytest.mark.real_data
def test_ndvi_of_real_fields_is_the_formula_on_their_clear_pixels(cube, tmp_path, scene, scenes_table, undilated):
    red, nir, scl, grid = cube
    labels = (1 + np.arange(66)[:, None] // 11 * 4 + np.arange(64)[None, :] // 16).astype(np.uint32)
    ids, pixels = np.unique(labels, return_counts=True)
    items = [
        scene(day, grid=grid, tile="31UFS", B04=red[k], B08=nir[k], SCL=scl[k]) for k, day in enumerate(DATES)
    ]  # the cube's numbers carry no offset any more: a baseline without one says so
    imagery = undilated(sentinel_2_l2a=["B04", "B08"])
    plan = plan_series(imagery, ["ndvi"])
    season = season_grid(DATES[0], DATES[-1] + timedelta(days=1), n_samples=5, padding_days=10)
    overpasses = series_overpasses(scenes_table(items), grid, plan, DATES[0], DATES[-1])
    segments = SegmentLabels(lambda rows, cols: labels[rows, cols], ids, pixels)
    with ObservationWriter(tmp_path / "o.parquet", plan, segments) as writer:
        read_overpasses(overpasses, grid, imagery, [writer], largest=(25, None))
    rows = pq.read_table(tmp_path / "o.parquet").to_pylist()
    found = {(row["date"], row["segment_id"]): row for row in rows}
    compared = 0
    for k, day in enumerate(DATES):
        for segment in ids:
            inside = labels == segment
            seen = inside & (scl[k] > 0)
            clear = inside & np.isin(scl[k], SCL_CLEAR) & (red[k] > 0) & (nir[k] > 0)
            assert ((day, segment) in found) == seen.any()
            if not seen.any():
                continue
            row = found[day, segment]
            assert row["clear_pixels"] == clear.sum()
            assert row["clear_share"] == pytest.approx(clear.sum() / inside.sum())
            assert row["weight"] == (row["clear_share"] if clear.sum() / inside.sum() >= 0.5 else 0)
            if not clear.any():
                assert row["ndvi"] is None
                continue
            mean_red, mean_nir = red[k][clear].mean() / 1e4, nir[k][clear].mean() / 1e4
            assert row["ndvi"] == pytest.approx((mean_nir - mean_red) / (mean_nir + mean_red), abs=1e-6)
            compared += 1
    assert compared > 30
    settings = TimeSeriesSettings(indices=("ndvi",), samples=5, padding_days=10, min_clear_dates=2)
    paths = tmp_path / "s.parquet", tmp_path / "p.parquet"
    summary = write_series(tmp_path / "o.parquet", ids, ["ndvi"], season, settings, *paths)
    enough = 0
    for row in pq.read_table(paths[0]).to_pylist():
        counted = [day for day in DATES if found.get((day, row["segment_id"]), {"weight": 0})["weight"] > 0]
        assert row["clear_dates"] == len(counted)
        assert row["too_few"] == (len(counted) < 2)
        enough += not row["too_few"]
        if not row["too_few"]:
            observed = [found[day, row["segment_id"]]["ndvi"] for day in counted]
            assert min(observed) - 0.1 < min(row["samples"]) <= max(row["samples"]) < max(observed) + 0.1
    assert enough > 15
    assert summary.implausible == {"ndvi": 0}
