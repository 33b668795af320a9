"""Real Sentinel-2 of Flanders, April 2023: masks and composite against numpy on the same numbers."""

from datetime import date

import numpy as np
import pystac
import pytest
import rasterio

from agristat_platform.catalogue import Grid, MaskSettings, season_intervals
from agristat_platform.imagery import assess_scenes, build_composites, read_layer
from agristat_platform.imagery.masks import SCL_CLEAR

DATES = 12


@pytest.mark.real_data
def test_masks_shares_and_median_of_real_scenes(real_data, tmp_path, make_item, write_raster, request_bands):
    path = real_data / "flanders_sentinel" / "sentinel2_l2a.nc"
    if "netCDF" not in rasterio.drivers.raster_driver_extensions().values():
        pytest.skip("this build of GDAL reads no netCDF")
    with rasterio.open(f"netcdf:{path}:S2-L2A-SCL") as dataset:
        scl, transform, crs = dataset.read(), dataset.transform, dataset.crs.to_string()
    with rasterio.open(f"netcdf:{path}:S2-L2A-B04") as dataset:
        red = dataset.read()
    assert red.shape == scl.shape == (DATES, 66, 64)
    red = np.where(red == 32769, 0, red).astype(np.uint16)  # the file's nodata
    scl = np.where(scl > 11, 0, scl).astype(np.uint8)
    items = []
    for number in range(DATES):
        files = {
            "red": write_raster(tmp_path / f"{number}_red.tif", red[number], transform, crs),
            "scl": write_raster(tmp_path / f"{number}_scl.tif", scl[number], transform, crs),
        }
        grid = Grid(crs, transform, 64, 66)
        item = make_item(f"F{number:02d}", "sentinel-2-l2a", files, when=f"2023-04-{2 + 2 * number:02d}T10:40:00Z",
                         crs=crs, **{"grid:code": "MGRS-31UFS"})  # fmt: skip
        item.assets["red"].extra_fields["raster:bands"] = [{"scale": 0.0001, "offset": 0, "nodata": 0}]
        items.append(pystac.Item.from_dict(item.to_dict()))
    imagery = request_bands(sentinel_2_l2a=["B04"]).model_copy(
        update={"max_cloud_share": 0.6, "masks": MaskSettings(cloud_dilation_m=0, shadow_dilation_m=0)}
    )
    scenes = assess_scenes(items, grid, grid.outline(), imagery)
    kept = np.array(scenes["kept"].to_pylist())
    # pixels of 30 m: their centres are those of every third 10 m pixel, from the second on
    sampled = scl[:, 1::3, 1::3]
    for share, classes in zip(scenes["clear_share"].to_pylist(), sampled, strict=True):
        seen = np.count_nonzero(classes)
        assert (share is None) == (seen == 0)
        if seen:
            assert share == pytest.approx(np.isin(classes, SCL_CLEAR).sum() / seen)
    assert 0 < kept.sum() < DATES
    april = season_intervals(date(2023, 4, 1), date(2023, 5, 1), "month")
    composite = build_composites(scenes, grid, april, imagery, tmp_path / "c", aoi_projected=grid.outline())
    values = read_layer(composite.files[0], composite.layers.to_pylist()[0])
    stack = np.where(np.isin(scl, SCL_CLEAR) & (red > 0), red.astype(float), np.nan)[kept]
    seen = np.isfinite(stack).any(axis=0)
    assert (np.isfinite(values) == seen).all()
    expected = np.floor(np.nanmedian(stack[:, seen], axis=0) + 0.5) / 10_000
    assert np.abs(values[seen] - expected).max() < 1e-6
