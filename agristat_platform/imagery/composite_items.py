"""STAC items and a collection for composites, so that any STAC tool can find and read them without the platform."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pystac

from agristat_platform.catalogue import Grid
from agristat_platform.imagery.collections import collection_table
from agristat_platform.imagery.grid_items import grid_item, projection_fields

COG_TYPE = "image/tiff; application=geotiff; profile=cloud-optimized"
EXTENSIONS = (
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/raster/v2.0.0/schema.json",
    "https://stac-extensions.github.io/eo/v2.0.0/schema.json",
)
DATA_TYPES = {"reflectance": "uint16", "kelvin": "uint16", "index": "int16"}
COLLECTION_FILE = "collection.json"


def composite_items(layers: pa.Table, grid: Grid, name: str, *, simulated: bool = False) -> list[pystac.Item]:
    """An item for each file of composites, its asset beside it (`./<file>`).

    Parameters
    ----------
    layers:
        LAYERS_SCHEMA.
    grid:
        The region's grid.
    name:
        Of the composites' collection, such as `demo-valley-2023-10`; items are `<name>-<file without ending>`.
    simulated:
        Say so in every item's title and description.

    Returns
    -------
    Items in the order of the files; bands carry name, statistic, scale, offset, nodata, unit and valid share.
    """
    by_file: dict[str, list[dict[str, Any]]] = {}
    for row in layers.to_pylist():
        by_file.setdefault(row["file"], []).append(row)
    return [_item(file, rows, grid, name, simulated) for file, rows in by_file.items()]


def composite_documents(layers: pa.Table, grid: Grid, name: str, *, simulated: bool = False) -> dict[str, Any]:
    """The same items, and the collection that holds them, as JSON documents by file name."""
    items = composite_items(layers, grid, name, simulated=simulated)
    collection = pystac.Collection(
        name,
        f"{_said(simulated)}Composites per interval on one grid, clear observations only, of {name}",
        pystac.Extent.from_items(items),
        title=f"{_said(simulated)}Composites {name}",
        license="other",
    )
    documents = {}
    for item in items:
        collection.add_link(pystac.Link("item", f"./{_document_name(item, name)}", "application/json"))
        item.add_link(pystac.Link("collection", f"./{COLLECTION_FILE}", "application/json"))
        item.collection_id = name
        documents[_document_name(item, name)] = item.to_dict(include_self_link=False, transform_hrefs=False)
    documents[COLLECTION_FILE] = collection.to_dict(include_self_link=False, transform_hrefs=False)
    return documents


def _document_name(item: pystac.Item, name: str) -> str:
    return f"{item.id.removeprefix(name + '-')}.json"


def _said(simulated: bool) -> str:
    return "SIMULATED. " if simulated else ""


def _item(file: str, rows: Sequence[Mapping[str, Any]], grid: Grid, name: str, simulated: bool) -> pystac.Item:
    first, stem = rows[0], Path(file).stem
    start, end = first["interval_start"], first["interval_end"]
    properties = {
        "title": f"{_said(simulated)}{first['collection']}, {start} to {end - timedelta(days=1)}",
        "gsd": grid.transform.a,
        **projection_fields(grid),
    }
    item = grid_item(f"{name}-{stem}", grid, start, end, properties, EXTENSIONS)
    asset = pystac.Asset(
        f"./{file}", media_type=COG_TYPE, roles=["data"], extra_fields={"bands": [_band(row) for row in rows]}
    )
    item.add_asset("composite", asset)
    return item


def _band(row: Mapping[str, Any]) -> dict[str, Any]:
    nodata = row["nodata"]
    band = collection_table(row["collection"]).band(row["band"])
    said: dict[str, Any] = {
        "name": row["layer"],
        "description": f"{row['statistic']} of {row['band']}",
        "data_type": DATA_TYPES.get(row["unit"], "float32"),
        "nodata": "nan" if nodata != nodata else int(nodata),
        "unit": row["unit"],
        "raster:scale": row["scale"],
        "raster:offset": row["offset"],
        "statistics": {"valid_percent": round(100 * row["valid_share"], 2)},
    }
    if band.common_name is not None and row["interval"] > 0:
        said["eo:common_name"] = band.common_name
    return said
