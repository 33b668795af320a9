"""The real cubes of Flanders, April 2023, as scenes of a catalogue: numbers and days from the files, items made for them.

66 × 64 pixels of 10 m: Sentinel-2 L2A of 12 days, of which two (5 and 15 April) show the ground, and
Sentinel-1 σ0 of 10 days.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pystac
import pytest
import rasterio
import shapely
import shapely.geometry
from numpy.typing import NDArray

from agristat_platform.catalogue import (
    CollectionRequest,
    Grid,
    ImagerySource,
    Interval,
    MaskSettings,
    reproject,
    season_intervals,
)

NODATA = 32_769
FIFTH, FIFTEENTH = 1, 5  # the two days that show the ground, by position
UNDILATED = MaskSettings(cloud_dilation_m=0, shadow_dilation_m=0)
APRIL = season_intervals(date(2023, 4, 1), date(2023, 5, 1), "month")


def read_cube(path: Path, prefix: str, bands: Sequence[str]) -> tuple[dict[str, NDArray[Any]], list[date], Grid]:
    """Arrays by band, (days, 66, 64) as stored, the days of the file, and its grid."""
    if not path.is_file():
        pytest.skip(f"no real data: {path} is not there")
    if "netCDF" not in rasterio.drivers.raster_driver_extensions().values():
        pytest.skip("this build of GDAL reads no netCDF")
    arrays = {}
    for band in bands:
        with rasterio.open(f"netcdf:{path}:{prefix}-{band}") as dataset:
            arrays[band] = dataset.read()
            grid = Grid(dataset.crs.to_string(), dataset.transform, dataset.width, dataset.height)
            since = dataset.tags()["NETCDF_DIM_t_VALUES"].strip("{}").split(",")
    return arrays, [date(1990, 1, 1) + timedelta(days=int(number)) for number in since], grid


def write(path: Path, values: NDArray[Any], grid: Grid, nodata: float) -> str:
    """One band as GeoTIFF."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path, "w", driver="GTiff", height=grid.height, width=grid.width, count=1, dtype=values.dtype, crs=grid.crs,
        transform=grid.transform, nodata=nodata,
    ) as dataset:  # fmt: skip
        dataset.write(values, 1)
    return str(path)


def scene(
    folder: Path,
    name: str,
    collection: str,
    day: date,
    grid: Grid,
    files: Mapping[str, NDArray[Any]],
    **properties: Any,
) -> pystac.Item:
    """Files of one day and their item."""
    outline = reproject(shapely.box(*grid.bounds), grid.crs, "EPSG:4326")
    item = pystac.Item(
        f"{name}-{day}", shapely.geometry.mapping(outline), list(outline.bounds),
        datetime(day.year, day.month, day.day, 10, 40, tzinfo=UTC), {"proj:code": grid.crs, **properties},
    )  # fmt: skip
    item.collection_id = collection
    for band, values in files.items():
        nodata = 0 if values.dtype.kind == "u" else float("nan")
        path = write(folder / f"{name}-{day}" / f"{band}.tif", values, grid, nodata)
        item.add_asset(band, pystac.Asset(path, roles=["data"]))
    return item


def request(collection: str, bands: Sequence[str], orbits: str = "apart", **changes: Any) -> ImagerySource:
    """The imagery section of a region that asks for one collection; masks not dilated unless said."""
    asked = {collection: CollectionRequest(bands=tuple(bands), orbits=orbits)}
    return ImagerySource(**{"catalogue": "embedded", "collections": asked, "masks": UNDILATED, **changes})


def single_days(days: Sequence[date]) -> list[Interval]:
    """An interval for every day."""
    return [Interval(k, day, day + timedelta(days=1)) for k, day in enumerate(days, start=1)]
