"""STAC items of simulated scenes, in the words that the real catalogues use for each collection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry

from agristat_platform.catalogue import Grid
from agristat_platform.imagery import collection_link

STAC_VERSION = "1.0.0"
SIMULATED_PROPERTY = "agristat:simulated"
SEASON_PROPERTY = "agristat:season"
_EXTENSIONS = {
    "eo": "https://stac-extensions.github.io/eo/v1.1.0/schema.json",
    "proj1": "https://stac-extensions.github.io/projection/v1.1.0/schema.json",
    "proj2": "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "raster": "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
    "grid": "https://stac-extensions.github.io/grid/v1.1.0/schema.json",
    "view": "https://stac-extensions.github.io/view/v1.0.0/schema.json",
    "sar": "https://stac-extensions.github.io/sar/v1.0.0/schema.json",
    "sat": "https://stac-extensions.github.io/sat/v1.0.0/schema.json",
    "landsat": "https://landsat.usgs.gov/stac/landsat-extension/v1.1.1/schema.json",
}
COG_TYPE = "image/tiff; application=geotiff; profile=cloud-optimized"


@dataclass(frozen=True)
class SceneAsset:
    """One file of a scene: asset key, file name, grid and the `raster:bands` entry that tells how to read it."""

    key: str
    file_name: str
    grid: Grid
    raster_band: Mapping[str, Any]
    title: str
    roles: Sequence[str] = ("data",)
    eo_band: Mapping[str, Any] | None = None


def stac_item(
    identifier: str,
    collection: str,
    moment: datetime,
    footprint: BaseGeometry,
    assets: Sequence[SceneAsset],
    directory: Path,
    epsg: int,
    extensions: Sequence[str],
    properties: Mapping[str, Any],
) -> dict[str, Any]:
    """A STAC 1.0.0 item with absolute hrefs into `directory`, marked as simulated.

    `created` and `updated` follow from the acquisition, so that the same scene gives the same item.
    """
    stamp = _iso(moment)
    made = _iso(moment + timedelta(days=1))
    described: dict[str, Any] = {
        "datetime": stamp,
        "created": made,
        "updated": made,
        SIMULATED_PROPERTY: True,
        **properties,
    }
    # catalogues differ: version 2 of the extension names the CRS by proj:code, version 1 by proj:epsg, never both
    described |= {"proj:code": f"EPSG:{epsg}"} if "proj2" in extensions else {"proj:epsg": epsg}
    return {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": [_EXTENSIONS[name] for name in ("raster", *extensions)],
        "id": identifier,
        "collection": collection,
        "geometry": shapely.geometry.mapping(footprint),
        "bbox": [round(value, 7) for value in footprint.bounds],
        "properties": described,
        "links": [collection_link(collection)],
        "assets": {asset.key: _asset(asset, directory) for asset in assets},
    }


def _asset(asset: SceneAsset, directory: Path) -> dict[str, Any]:
    grid = asset.grid
    described: dict[str, Any] = {
        "href": (directory / asset.file_name).as_posix(),
        "type": COG_TYPE,
        "title": asset.title,
        "roles": list(asset.roles),
        "gsd": grid.transform.a,
        "proj:shape": [grid.height, grid.width],
        "proj:transform": [float(value) for value in tuple(grid.transform)[:6]],
        "raster:bands": [dict(asset.raster_band)],
    }
    if asset.eo_band is not None:
        described["eo:bands"] = [dict(asset.eo_band)]
    return described


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
