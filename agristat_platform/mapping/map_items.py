"""The STAC item of a crop map: what its files hold, on which grid, what class each value is, and where it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pyarrow as pa
import pystac

from agristat_platform.catalogue import CropNomenclature, Grid
from agristat_platform.imagery import grid_item, projection_fields
from agristat_platform.mapping.class_tables import SUFFIX
from agristat_platform.mapping.crop_layers import (
    CONFIDENCE_FILE,
    CROP_MAP_FILE,
    NO_CONFIDENCE,
    SECOND_CROP_FILE,
    SECOND_PROBABILITY_FILE,
)

ITEM_FILE = "crop_map.json"
EXTENSIONS = (
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/raster/v2.0.0/schema.json",
    "https://stac-extensions.github.io/classification/v2.0.0/schema.json",
)
NOT_AN_ESTIMATE = (
    "Counts of pixels and what follows from them are not an estimate of area: they carry the map's errors as bias and have no "
    "standard error."
)
_COG = "image/tiff; application=geotiff; profile=cloud-optimized"
_PARQUET = "application/vnd.apache.parquet"
_CLASS_TABLE = "Value, code, name and colour of every class, for GIS programs"
_TABLES = (
    ("probabilities", "probabilities.parquet", "Probability of every class for every segment", ["data"]),
    ("segments", "segments.parquet", "Class, confidence and second class of every segment", ["data"]),
    ("pixel_counts", "pixel_counts.parquet", f"Pixels by class. {NOT_AN_ESTIMATE}", ["metadata"]),
)


def crop_map_item(
    counts: pa.Table,
    nomenclature: CropNomenclature,
    grid: Grid,
    *,
    region: str,
    season: str,
    start: date,
    end: date,
    simulated: bool = False,
    links: Sequence[Mapping[str, str]] = (),
) -> pystac.Item:
    """The item that lies beside the files of a crop map; their addresses are relative to it.

    Assets: crop_map, confidence, second_crop, second_probability (COG), probabilities, segments, pixel_counts (Parquet),
    class_table (XML), quicklook (PNG).
    Class tables are those of the classification extension: value, name (the code), title, colour, and pixels of the map,
    which `agristat:pixel_counts_are_an_estimate: false` and the description say are no estimate.

    Parameters
    ----------
    counts:
        `crop_rasters.pixel_counts` of this map.
    grid:
        The region's grid.
    region, season:
        The partition; the item's id is `<region>-<season>-crop-map`.
    start, end:
        First day of the season, and the day after its last.
    simulated:
        Say so in title and properties.
    links:
        `rel`, `href`, and optionally `type` and `title` of links to where the map came from.
    """
    said = "SIMULATED. " if simulated else ""
    properties = {
        "title": f"{said}Crop map of {region}, season {season}",
        "description": f"{said}Class of every segment, its confidence, and the second class. {NOT_AN_ESTIMATE}",
        "gsd": grid.transform.a,
        "agristat:region": region,
        "agristat:season": season,
        "agristat:nomenclature": nomenclature.code,
        "agristat:simulated": simulated,
        "agristat:pixel_counts_are_an_estimate": False,
        **projection_fields(grid),
    }
    item = grid_item(f"{region}-{season}-crop-map", grid, start, end, properties, EXTENSIONS)
    pixels = dict(zip(counts["class_id"].to_pylist(), counts["pixels"].to_pylist(), strict=True))
    everything = grid.shape[0] * grid.shape[1]
    classified = round(100 * sum(pixels.values()) / everything, 2)
    shown = {"nodata": 0, "statistics": {"valid_percent": classified}}
    share = {"nodata": NO_CONFIDENCE, "unit": "%"}
    with_counts, without = _classes(nomenclature, pixels, everything), _classes(nomenclature, None, everything)
    layers: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
        ("crop_map", CROP_MAP_FILE, "Class", shown | {"classification:classes": with_counts}),
        ("confidence", CONFIDENCE_FILE, "Probability of the class", share),
        ("second_crop", SECOND_CROP_FILE, "Second class", {"nodata": 0, "classification:classes": without}),
        ("second_probability", SECOND_PROBABILITY_FILE, "Probability of the second class", share),
    )
    for name, file, title, band in layers:
        fields = {"bands": [{"name": name, "data_type": "uint8", "raster:sampling": "area", **band}]}
        item.add_asset(name, pystac.Asset(f"./{file}", f"{said}{title}", None, _COG, ["data"], extra_fields=fields))
    for name, file, told, roles in _TABLES:
        item.add_asset(name, pystac.Asset(f"./{file}", name, told, _PARQUET, roles))
    item.add_asset(
        "class_table",
        pystac.Asset(f"./{CROP_MAP_FILE}{SUFFIX}", "class_table", _CLASS_TABLE, "application/xml", ["metadata"]),
    )
    item.add_asset("quicklook", pystac.Asset("./quicklook.png", "Quicklook", None, "image/png", ["overview"]))
    for link in links:
        item.add_link(pystac.Link(link["rel"], link["href"], link.get("type"), link.get("title")))
    return item


def crop_map_document(item: pystac.Item) -> dict[str, Any]:
    """The item as a JSON document with its addresses as they are, for a file beside the map (`ITEM_FILE`)."""
    return item.to_dict(include_self_link=False, transform_hrefs=False)


def _classes(nomenclature: CropNomenclature, pixels: Mapping[int, int] | None, everything: int) -> list[dict[str, Any]]:
    """Class objects, nodata first; with `pixels` each has how many there are."""
    counted = None if pixels is None else everything - sum(pixels.values())
    rows: list[dict[str, Any]] = [_class(0, "nodata", "no class", counted, everything) | {"nodata": True}]
    for crop in nomenclature.crops:
        title = crop.name.get("en", crop.code)
        count = None if pixels is None else pixels.get(crop.class_id, 0)
        rows.append(
            _class(crop.class_id, crop.code, title, count, everything) | {"color_hint": crop.colour[1:].upper()}
        )
    return rows


def _class(value: int, name: str, title: str, count: int | None, everything: int) -> dict[str, Any]:
    row: dict[str, Any] = {"value": value, "name": name, "title": title, "description": title}
    if count is not None:
        row |= {"count": count, "percentage": round(100 * count / everything, 4)}
    return row
