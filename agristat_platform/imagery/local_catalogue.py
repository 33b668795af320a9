"""STAC items over files that lie on this machine, so that real archives come through the same search as any catalogue."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pystac
import rasterio
import shapely
import shapely.geometry
from rasterio.errors import RasterioError

from agristat_platform.catalogue import reproject
from agristat_platform.imagery.collections import collection_table
from agristat_platform.imagery.errors import MissingRealDataError, UnreadableSceneError

COG_TYPE = "image/tiff; application=geotiff; profile=cloud-optimized"
_PERIOD_FILE = re.compile(r"(\d{4}-\d{2}-\d{2})_(\d{4}-\d{2}-\d{2})_([a-z0-9]+)\.tif")


def catalogue_composites(folder: Path, archive_dir: Path, region: str, *, collection: str) -> Path:
    """Describe a folder of ready composites as STAC items for the embedded catalogue.

    The images stay where they are; items point at them. Doing it again changes nothing.

    Parameters
    ----------
    folder:
        Files named `<first day>_<last day>_<band>.tif`, every band of the collection for every period.
    archive_dir:
        Archive of prepared imagery.
    region:
        Code of the region.
    collection:
        A collection of the band tables, such as `cbers-4-awfi-16d`.

    Returns
    -------
    The folder `<archive>/<region>/items`.

    Raises
    ------
    MissingRealDataError
        Folder absent or empty, or a date that lacks a band.
    UnknownCollectionError, UnreadableSceneError
    """
    periods = composite_files(folder)
    table = collection_table(collection)
    items = []
    for (start, end), files in periods.items():
        missing = sorted(set(table.bands) - set(files))
        if missing:
            raise MissingRealDataError(
                f"the composite of {start} has no {', '.join(missing)}", where=str(folder), remedy="Restore the folder"
            )
        items.append(composite_item(f"{table.name}_{start.isoformat()}", table.name, start, end, files))
    written = write_items(items, Path(archive_dir) / region / "items")
    write_collections(written)
    return written


def composite_files(folder: Path) -> dict[tuple[date, date], dict[str, Path]]:
    """Files of a folder of ready composites by (first day, last day) and band, oldest first.

    Raises
    ------
    MissingRealDataError
        No such folder, or no file named `<first day>_<last day>_<band>.tif` in it.
    """
    periods: dict[tuple[date, date], dict[str, Path]] = {}
    for path in sorted(folder.glob("*.tif")) if folder.is_dir() else []:
        match = _PERIOD_FILE.fullmatch(path.name)
        if match:
            period = (date.fromisoformat(match[1]), date.fromisoformat(match[2]))
            periods.setdefault(period, {})[match[3]] = path.resolve()
    if not periods:
        raise MissingRealDataError(
            "there are no composites",
            where=str(folder),
            remedy="Set AGRISTAT_REAL_DATA to the folder with the real data",
        )
    return dict(sorted(periods.items()))


def composite_item(
    item_id: str, collection: str, start: date, end: date, files: Mapping[str, Path], *, platform: str | None = None
) -> pystac.Item:
    """STAC item of one ready composite: footprint, period and projection from its files.

    Parameters
    ----------
    start, end:
        First and last day that it was made from.
    files:
        By band name of the collection's table.
    platform:
        Satellite, where it is known.
    """
    table = collection_table(collection)
    first = next(iter(files.values()))
    try:
        with rasterio.open(first) as dataset:
            bounds, transform, shape, crs = dataset.bounds, dataset.transform, dataset.shape, dataset.crs
    except RasterioError as error:
        raise UnreadableSceneError(
            f"composite cannot be read: {error}", where=str(first), remedy="Restore it"
        ) from error
    footprint = shapely.set_precision(reproject(shapely.box(*bounds), crs.to_wkt(), "EPSG:4326"), 1e-7)  # 1 cm
    epsg = crs.to_epsg()
    properties: dict[str, Any] = {
        **({"platform": platform} if platform else {}),
        "proj:code": f"EPSG:{epsg}" if epsg else None,
        "proj:shape": list(shape),
        "proj:transform": list(transform)[:6],
    }
    if epsg is None:
        properties["proj:wkt2"] = crs.to_wkt()
    first_moment = datetime.combine(start, time(), UTC)
    last_moment = datetime.combine(end, time(23, 59, 59), UTC)
    item = pystac.Item(
        item_id,
        shapely.geometry.mapping(footprint),
        [round(value, 7) for value in footprint.bounds],
        first_moment,
        properties,
        start_datetime=first_moment,
        end_datetime=last_moment,
        stac_extensions=[
            "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
            "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
        ],
    )
    item.collection_id = collection
    link = collection_link(collection)
    item.add_link(pystac.Link(link["rel"], link["href"], link["type"]))
    for name, path in files.items():
        band = table.band(name)
        raster = {"scale": band.scale, "offset": band.offset, "nodata": band.nodata}
        asset = pystac.Asset(str(path), media_type=COG_TYPE, roles=["data"], extra_fields={"raster:bands": [raster]})
        item.add_asset(name, asset)
    return item


def write_items(items: Iterable[pystac.Item], folder: Path) -> Path:
    """Write each item as `<id>.json`; a file that holds the same already is left as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    for item in items:
        _write_when_changed(folder / f"{item.id}.json", item.to_dict(include_self_link=False, transform_hrefs=False))
    return folder


def collection_link(collection: str) -> dict[str, str]:
    """The link that STAC asks of an item that names a collection; the file is written by `write_collections`."""
    return {"rel": "collection", "href": f"../collections/{collection}.json", "type": "application/json"}


def write_collections(items_folder: Path) -> Path:
    """Write a STAC collection beside the items for every collection they name, with their extent in space and time.

    A file that holds the same already is left as it is.

    Returns
    -------
    The folder `collections` beside `items_folder`.
    """
    by_collection: dict[str, list[pystac.Item]] = {}
    for path in sorted(items_folder.glob("*.json")):
        item = pystac.Item.from_dict(json.loads(path.read_text(encoding="utf-8")))
        by_collection.setdefault(item.collection_id or "", []).append(item)
    folder = items_folder.parent / "collections"
    folder.mkdir(parents=True, exist_ok=True)
    for name, items in by_collection.items():
        collection = pystac.Collection(
            name,
            f"Scenes of {name} in the local archive of {items_folder.parent.name}",
            pystac.Extent.from_items(items),
        )
        _write_when_changed(folder / f"{name}.json", collection.to_dict(include_self_link=False))
    return folder


def _write_when_changed(path: Path, document: Mapping[str, Any]) -> None:
    text = json.dumps(document, indent=1, sort_keys=True) + "\n"
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    partial = path.with_suffix(f".{os.getpid()}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
