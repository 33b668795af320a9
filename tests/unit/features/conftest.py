"""Tiny Sentinel-2 and Landsat scenes on one grid, with STAC items, for series of segments; layers tables of composites."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pystac
import pytest
import rasterio
import shapely
from affine import Affine

from agristat_platform.catalogue import CollectionRequest, Grid, ImagerySource, MaskSettings
from agristat_platform.imagery import LAYERS_SCHEMA, SCENES_SCHEMA

GRID = Grid("EPSG:32630", Affine(30, 0, 300_000, 0, -30, 4_600_000), 6, 4)


@pytest.fixture
def grid() -> Grid:
    """6 × 4 pixels of 30 m."""
    return GRID


def _write(path: Path, values: Any, grid: Grid) -> str:
    pixels = np.broadcast_to(np.asarray(values), grid.shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path, "w", driver="GTiff", height=grid.height, width=grid.width, count=1, dtype=pixels.dtype, crs=grid.crs,
        transform=grid.transform,
    ) as dataset:  # fmt: skip
        dataset.write(pixels, 1)
    return str(path)


@pytest.fixture
def scene(tmp_path: Path) -> Callable[..., pystac.Item]:
    """Writes a scene of numbers per band and returns its item: Sentinel-2 without offset, or Landsat."""

    def make(
        day: date, *, collection: str = "sentinel-2-l2a", tile: str = "30TTM", grid: Grid = GRID, **bands: Any
    ) -> pystac.Item:
        scene_id = f"{collection[:10]}-{tile}-{day}"
        moment = datetime(day.year, day.month, day.day, 11, tzinfo=UTC)
        footprint = shapely.box(-7, 41, -6, 42)
        properties = {"proj:code": grid.crs, "platform": collection[:10], "sat:relative_orbit": 37}
        item = pystac.Item(scene_id, shapely.geometry.mapping(footprint), list(footprint.bounds), moment, properties)
        item.collection_id = collection
        if collection == "sentinel-2-l2a":
            item.properties |= {"s2:processing_baseline": "03.01", "grid:code": f"MGRS-{tile}"}
        for name, values in bands.items():
            dtype = np.uint8 if name == "SCL" else np.uint16
            path = _write(tmp_path / scene_id / f"{name}.tif", np.asarray(values, dtype), grid)
            item.add_asset(name, pystac.Asset(path, roles=["data"]))
        return item

    return make


@pytest.fixture
def scenes_table() -> Callable[[list[pystac.Item]], pa.Table]:
    """A scenes table in which every item is kept."""

    def make(items: list[pystac.Item]) -> pa.Table:
        rows = []
        for item in items:
            row: dict[str, Any] = {}
            for field in SCENES_SCHEMA:
                row[field.name] = None if field.nullable else False
            row |= {"scene_id": item.id, "collection": item.collection_id, "datetime": item.datetime, "kept": True}
            row["item"] = json.dumps(item.to_dict(include_self_link=False, transform_hrefs=False))
            rows.append(row)
        return pa.Table.from_pylist(rows, schema=SCENES_SCHEMA)

    return make


@pytest.fixture
def undilated() -> Callable[..., ImagerySource]:
    """Makes the imagery section of a region from bands per collection, with masks as they come."""

    def make(**collections: list[str]) -> ImagerySource:
        requests = {
            name.replace("_", "-"): CollectionRequest(bands=tuple(bands)) for name, bands in collections.items()
        }
        masks = MaskSettings(cloud_dilation_m=0, shadow_dilation_m=0)
        return ImagerySource(catalogue="embedded", collections=requests, masks=masks)

    return make


def _layer_row(
    collection: str, band: str, interval: int, layer: str | None, statistic: str, orbit: str | None
) -> dict[str, Any]:
    return {
        "file": f"{collection}_{'season' if interval == 0 else f't{interval:02d}'}.tif",
        "band_index": 1,
        "collection": collection,
        "band": band,
        "layer": layer or band,
        "statistic": statistic,
        "orbit": orbit,
        "interval": interval,
        "interval_start": date(2024, max(interval, 1), 1),
        "interval_end": date(2024, interval + 1, 1) if interval else date(2024, 12, 1),
        "scale": 1.0,
        "offset": 0.0,
        "nodata": 0.0,
        "unit": "",
        "valid_share": 1.0,
        "observations_mean": 1.0,
    }


@pytest.fixture
def layers_of() -> Callable[..., pa.Table]:
    """(collection, band, interval[, layer, statistic, orbit]) … → layers table."""

    def build(*rows: tuple[Any, ...]) -> pa.Table:
        defaults = (None, "median", None)
        return pa.Table.from_pylist(
            [_layer_row(*row[:3], *(*row[3:], *defaults[len(row) - 3 :])) for row in rows], schema=LAYERS_SCHEMA
        )

    return build
