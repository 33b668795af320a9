"""Series per pixel: rasters of samples from the same reading as the segments', whatever the strips."""

from datetime import date, timedelta

import numpy as np
import pytest
import rasterio

from agristat_platform.catalogue import TimeSeriesSettings
from agristat_platform.features import (
    PixelWriter,
    index_scale,
    plan_series,
    read_overpasses,
    series_overpasses,
    write_pixel_series,
)
from agristat_platform.features.series import pixel_series
from agristat_platform.features.series.pixel_series import NODATA, encoded
from agristat_platform.timeseries import season_grid, smooth_to_grid

START, END = date(2024, 1, 1), date(2024, 4, 1)
SEASON = season_grid(START, END, n_samples=7, padding_days=20)
SETTINGS = TimeSeriesSettings(indices=("ndvi",), samples=7, padding_days=20, pixels=("ndvi",), min_clear_dates=4)
DAYS = [START + timedelta(days=k) for k in range(-14, 104, 12)]


@pytest.fixture
def scenes(scene, scenes_table):
    """Ten dates of slowly greening land; a pixel that is cloudy on all dates but three, one that is never seen."""
    items = []
    for number, day in enumerate(DAYS):
        sky = np.full((4, 6), 4)
        sky[0, 0] = 4 if number in (2, 5, 8) else 9
        sky[0, 1] = 0
        nir = 2000 + 200 * number + np.arange(24).reshape(4, 6) * 10
        items.append(scene(day, B04=1000, B08=nir, SCL=sky))
    return scenes_table(items)


def written(tmp_path, scenes, imagery, grid, *, largest=(None, None)):
    plan = plan_series(imagery, SETTINGS.indices)
    overpasses = series_overpasses(scenes, grid, plan, SEASON.nodes[0].astype(date), SEASON.nodes[-1].astype(date))
    folder, target = tmp_path / "scratch", tmp_path / "out"
    for path in (folder, target):
        path.mkdir(parents=True)
    observed = []
    for overpass in overpasses:
        observed.append((overpass.day, folder / f"{overpass.day}.tif"))
        with PixelWriter(observed[-1][1], grid, ["ndvi"]) as writer:
            read_overpasses([overpass], grid, imagery, [writer], largest=largest)
    return write_pixel_series(observed, ["ndvi"], grid, SEASON, SETTINGS, target)


def test_samples_are_those_of_the_pixels_own_series(tmp_path, scenes, undilated, grid):
    series, counts = written(tmp_path, scenes, undilated(sentinel_2_l2a=["B04", "B08"]), grid)
    assert [path.name for path in (series, counts)] == ["ndvi_series.tif", "ndvi_clear_dates.tif"]
    with rasterio.open(series) as raster:
        assert raster.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert (raster.count, raster.dtypes[0], raster.nodata, raster.scales[0]) == (7, "int16", NODATA, 1e-4)
        assert raster.descriptions == tuple(str(day) for day in SEASON.sample_dates)
        samples = raster.read()
    nir = np.array([2000 + 200 * number + 230 for number in range(len(DAYS))]) / 1e4  # the last pixel
    ndvi = np.round((nir - 0.1) / (nir + 0.1), 4)
    expected = smooth_to_grid(DAYS, ndvi[None], None, SEASON, min_clear_dates=4).values[0]
    assert np.abs(samples[:, 3, 5] * 1e-4 - expected).max() < 1e-4
    with rasterio.open(counts) as raster:
        clear, gap = raster.read()
        assert raster.descriptions == ("clear_dates", "longest_gap_days")
    assert clear[3, 5] == sum(START <= day < END for day in DAYS)
    assert clear[0, 0] == 3
    assert clear[0, 1] == 0
    assert gap[0, 1] == 90
    assert (samples[:, 0, :2] == NODATA).all()  # too few dates, and none: nothing is invented


def test_blocks_and_strips_change_no_byte(tmp_path, monkeypatch, scenes, undilated, grid):
    imagery = undilated(sentinel_2_l2a=["B04", "B08"])
    first = [path.read_bytes() for path in written(tmp_path / "a", scenes, imagery, grid)]
    monkeypatch.setattr(pixel_series, "BLOCK_ROWS", 1)
    monkeypatch.setattr(pixel_series, "STACK_MIB", 0)
    second = [path.read_bytes() for path in written(tmp_path / "b", scenes, imagery, grid, largest=(1, 4))]
    assert first == second


def test_stored_numbers_reach_the_range_of_each_index():
    assert (index_scale("ndvi"), index_scale("lai"), index_scale("gcvi")) == (1e-4, 1e-3, 1e-3)
    assert encoded(np.array([0.12345, np.nan, -9.0, 9.0]), 1e-4).tolist() == [1234, NODATA, -32767, 32767]
