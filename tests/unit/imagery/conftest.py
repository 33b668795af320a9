"""Tiny real scenes written on the fly: COGs in one UTM zone or two, with STAC items that point at them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import pytest
import rasterio
import shapely
import shapely.geometry
from affine import Affine

from agristat_platform.catalogue import CollectionRequest, Grid, ImagerySource, reproject
from tests.unit.imagery.file_server import FileServer

GRID = Grid("EPSG:32630", Affine(10, 0, 249_600, 0, -10, 4_610_400), 60, 48)


@pytest.fixture
def grid() -> Grid:
    """60 × 48 pixels of 10 m at the western edge of zone 30N."""
    return GRID


@pytest.fixture
def aoi() -> Any:
    """The whole grid."""
    return shapely.box(*GRID.bounds)


def write_raster(path: Path, values: np.ndarray, transform: Affine, crs: str = "EPSG:32630", nodata: Any = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path,
        "w",
        driver="COG",
        height=values.shape[0],
        width=values.shape[1],
        count=1,
        dtype=values.dtype,
        crs=crs,
        transform=transform,
        nodata=nodata,
        compress="DEFLATE",
        blocksize=128,
    ) as dataset:
        dataset.write(values, 1)
    return path


def lonlat_footprint(transform: Affine, shape: tuple[int, int], crs: str) -> Any:
    left, top = transform * (0, 0)
    right, bottom = transform * (shape[1], shape[0])
    return reproject(shapely.box(left, bottom, right, top), crs, "EPSG:4326")


def make_item(
    scene_id: str,
    collection: str,
    files: dict[str, Path],
    *,
    when: str = "2023-11-10T11:00:00Z",
    footprint: Any = None,
    crs: str = "EPSG:32630",
    **properties: Any,
) -> pystac.Item:
    footprint = footprint or lonlat_footprint(GRID.transform, GRID.shape, GRID.crs)
    item = pystac.Item(
        scene_id,
        shapely.geometry.mapping(footprint),
        list(footprint.bounds),
        datetime.fromisoformat(when.replace("Z", "+00:00")).astimezone(UTC),
        {"proj:code": crs, "platform": "sentinel-2a", **properties},
    )
    item.collection_id = collection
    for name, path in files.items():
        item.add_asset(name, pystac.Asset(str(path), roles=["data"]))
    return item


@pytest.fixture
def sentinel2(tmp_path: Path) -> Callable[..., pystac.Item]:
    """Writes a Sentinel-2 scene of one value (or array) and scene class on the grid, returns its item."""

    def make(
        scene_id: str,
        red: Any = 3000,
        scl: Any = 4,
        *,
        transform: Affine = GRID.transform,
        shape: tuple[int, int] = GRID.shape,
        crs: str = GRID.crs,
        **properties: Any,
    ) -> pystac.Item:
        folder = tmp_path / "scenes" / scene_id
        red_pixels = np.broadcast_to(np.asarray(red, np.uint16), shape).copy()
        classes = np.broadcast_to(np.asarray(scl, np.uint8), shape).copy()
        files = {
            "B04": write_raster(folder / "B04.tif", red_pixels, transform, crs),
            "SCL": write_raster(folder / "SCL.tif", classes, transform, crs),
        }
        properties.setdefault("s2:processing_baseline", "05.09")
        properties.setdefault("grid:code", "MGRS-30TTM")
        footprint = lonlat_footprint(transform, shape, crs)
        return make_item(scene_id, "sentinel-2-l2a", files, crs=crs, footprint=footprint, **properties)

    return make


def request_bands(interval: str = "month", **collections: list[str]) -> ImagerySource:
    requests = {name.replace("_", "-"): CollectionRequest(bands=tuple(bands)) for name, bands in collections.items()}
    return ImagerySource(catalogue="embedded", collections=requests, interval=interval)


@pytest.fixture
def red_only() -> ImagerySource:
    """Sentinel-2 red, monthly, at most 20 % cloud, at least 5 % cover."""
    return request_bands(sentinel_2_l2a=["B04"])


@pytest.fixture(name="make_item")
def _make_item() -> Callable[..., pystac.Item]:
    """Makes a STAC item over files that may or may not exist."""
    return make_item


@pytest.fixture(name="write_raster")
def _write_raster() -> Callable[..., Path]:
    """Writes an array as COG."""
    return write_raster


@pytest.fixture(name="request_bands")
def _request_bands() -> Callable[..., ImagerySource]:
    """Makes the imagery section of a region from bands per collection (underscores for hyphens)."""
    return request_bands


@pytest.fixture
def file_server(tmp_path: Path) -> Iterator[FileServer]:
    """Serves a folder over HTTP with ranges, and over S3 with checked signatures once keys are set."""
    with FileServer(tmp_path / "served") as server:
        yield server
