"""What one item says about itself: its file per band, its scale and offset, its tile, zone, baseline, orbit and moment.

The −1000 offset of Sentinel-2 since processing baseline 04.00 is decided here, once per band and scene. Catalogues
write the same fact into different fields (Earth Search, Planetary Computer, Copernicus Data Space); all of them are
read here, nowhere else.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import PurePath
from typing import Any

import pystac

from agristat_platform.imagery.collections import Band, Collection, collection_table
from agristat_platform.imagery.errors import (
    ItemWithoutDatetimeError,
    MissingAssetError,
    UncalibratedRadarError,
    UnknownBaselineError,
    UnknownCollectionError,
)

OFFSET_SINCE_BASELINE = (4, 0)
BOA_OFFSET = -0.1
_CALIBRATED_ROLES = {"gamma0", "sigma0", "beta0"}
_PRODUCT_FIELDS = ("s2:product_uri", "sentinel:product_id")
_MGRS = re.compile(r"T?(\d{1,2})([A-Z]{3})")


@dataclass(frozen=True)
class Encoding:
    """How a scene's pixels become physical values: physical = dn * scale + offset, `nodata` (may be NaN) is none."""

    scale: float
    offset: float
    nodata: float


def collection_of(item: pystac.Item) -> Collection:
    """The band table of an item's collection; an item without one is an UnknownCollectionError."""
    if item.collection_id is None:
        raise UnknownCollectionError("item names no collection", where=item.id, remedy="Set `collection` in the item")
    return collection_table(item.collection_id)


def asset_of(item: pystac.Item, band: Band) -> pystac.Asset:
    """The item's asset of a band, whatever the catalogue calls it; MissingAssetError names those that the item has."""
    for key in band.assets:
        if key in item.assets:
            return item.assets[key]
    found = ", ".join(list(item.assets)[:20]) or "none"
    raise MissingAssetError(
        f"scene has no file for band {band.name}",
        where=item.id,
        remedy=f"Looked for {', '.join(band.assets)}; the item has {found}. Leave the band out of the region's "
        "collections, or use a catalogue that carries it",
    )


def href_of(item: pystac.Item, band: Band) -> str:
    """Where the file of a band lies: absolute path or URL (relative ones count from the item's own address)."""
    return _address(asset_of(item, band))


def annotation_hrefs(item: pystac.Item, collection: Collection, band: Band) -> dict[str, str]:
    """Where the annotation files of a band of digital numbers lie, by content ("calibration"), as `href_of`.

    Raises
    ------
    UncalibratedRadarError
        The item does not name them, so that its numbers cannot become backscatter.
    """
    wanted = {content: name.format(band.name.lower()) for content, name in collection.annotations.items()}
    missing = [name for name in wanted.values() if name not in item.assets]
    if missing or not wanted:
        raise UncalibratedRadarError(
            f"{collection.name} band {band.name} holds digital numbers, and the tables to calibrate them are not there",
            where=item.id,
            remedy=f"The item lacks {', '.join(missing) or 'annotations'}; use a catalogue that carries them, ask for "
            "sentinel-1-rtc, or for GRD calibrated by the catalogue (role sigma0 or gamma0)",
        )
    return {content: _address(item.assets[name]) for content, name in wanted.items()}


def needs_calibration(item: pystac.Item, collection: Collection, band: Band) -> bool:
    """Whether pixels of a band are digital numbers that `sentinel1_grd` has to turn into backscatter."""
    if collection.calibrated or band.kind != "radar":
        return False
    asset = asset_of(item, band)
    return not _is_calibrated(asset, _band_metadata(asset))


def _address(asset: pystac.Asset) -> str:
    href = asset.href.removeprefix("file://")
    if PurePath(href).is_absolute() or "://" in href:
        return href
    return asset.get_absolute_href() or href


def _band_metadata(asset: pystac.Asset) -> dict[str, Any]:
    """What the asset says about its first band: raster extension 1.x (`raster:bands`) or STAC 1.1 (`bands`).

    A field that is null says nothing.
    """
    fields = asset.extra_fields
    places = [fields, *((fields.get(name) or [{}])[0] for name in ("bands", "raster:bands"))]
    found: dict[str, Any] = {}
    for number, place in enumerate(places):
        for key in ("scale", "offset", "nodata", "unit"):
            plain = number > 0 or key in ("nodata", "unit")  # an asset's own `offset` is not one of pixel values
            for spelling in (f"raster:{key}", key) if plain else (f"raster:{key}",):
                if place.get(spelling) is not None:
                    found.setdefault(key, place[spelling])
    return found


def _number(value: Any) -> float:
    """STAC writes NaN and infinity as strings, because JSON cannot."""
    return float(value)


def processing_baseline(item: pystac.Item) -> str | None:
    """Sentinel-2 processing baseline such as "05.09", from whichever field tells it; None when none does."""
    properties = item.properties
    for key in ("s2:processing_baseline", "processing:version", "sentinel:processing_baseline"):
        value = properties.get(key)
        if value is not None and re.fullmatch(r"\d{1,2}\.\d{1,2}", str(value)):
            major, minor = str(value).split(".")
            return f"{int(major):02d}.{minor:0>2}"
    for name in product_names(item):
        match = re.search(r"_N(\d{2})(\d{2})_", name)
        if match:
            return f"{match[1]}.{match[2]}"
    return None


def product_names(item: pystac.Item) -> list[str]:
    """Names of the product that an item was made from, as far as it tells them, its own id last."""
    return [str(item.properties[key]) for key in _PRODUCT_FIELDS if item.properties.get(key)] + [item.id]


def reflectance_offset(item: pystac.Item, band: Band) -> float:
    """Offset in reflectance units still to be added to a Sentinel-2 L2A band: −0.1 or 0.

    The order matters, because catalogues contradict themselves. `earthsearch:boa_offset_applied: true` wins:
    Earth Search subtracted 1000 from the pixels and left −0.1 in `raster:bands` of many items. Then a baseline
    before 04.00, whose products never hold the offset, whatever a catalogue's template declares. Then the offset that
    the asset declares. Then the baseline alone (BOA_ADD_OFFSET = −1000 since 04.00, Sentinel-2 Products
    Specification Document issue 14.9). With none of these: UnknownBaselineError, never a guess.
    """
    for key in ("earthsearch:boa_offset_applied", "sentinel:boa_offset_applied"):
        if item.properties.get(key) is True:
            return 0.0
    baseline = processing_baseline(item)
    before = baseline is not None and tuple(map(int, baseline.split("."))) < OFFSET_SINCE_BASELINE
    declared = _band_metadata(asset_of(item, band)).get("offset")
    if declared is not None:
        template = before and math.isclose(_number(declared), BOA_OFFSET)
        return 0.0 if template else _number(declared)
    if baseline is None:
        raise UnknownBaselineError(
            "Sentinel-2 item tells neither an offset nor its processing baseline",
            where=item.id,
            remedy="Add s2:processing_baseline to the item, or raster:bands with scale and offset to its assets",
        )
    return 0.0 if before else BOA_OFFSET


def band_encoding(item: pystac.Item, collection: Collection, band: Band) -> Encoding:
    """Scale, offset and nodata of one band of one scene: the item's own where it tells them, else the table's.

    Raises
    ------
    UncalibratedRadarError
        Digital numbers of Sentinel-1 GRD, unless the asset is marked as calibrated backscatter.
    UnknownBaselineError, MissingAssetError
    """
    asset = asset_of(item, band)
    metadata = _band_metadata(asset)
    nodata = _number(metadata["nodata"]) if metadata.get("nodata") is not None else band.nodata
    if band.kind == "mask":
        return Encoding(1.0, 0.0, band.nodata)
    if not collection.calibrated and not _is_calibrated(asset, metadata):
        raise UncalibratedRadarError(
            f"{collection.name} band {band.name} holds digital numbers, not backscatter",
            where=item.id,
            remedy="Ask for sentinel-1-rtc instead, or for GRD calibrated by the catalogue (role sigma0 or gamma0)",
        )
    scale = _number(metadata.get("scale", band.scale))
    if collection.baseline_offset:
        return Encoding(scale, reflectance_offset(item, band), nodata)
    return Encoding(scale, _number(metadata.get("offset", band.offset)), nodata)


def _is_calibrated(asset: pystac.Asset, metadata: dict[str, Any]) -> bool:
    roles = {role.lower() for role in asset.roles or []}
    return bool(roles & _CALIBRATED_ROLES) or metadata.get("unit") == "linear power"


def moment_of(item: pystac.Item) -> datetime:
    """Nominal acquisition moment in UTC: `datetime`, or `start_datetime` of a composite.

    Raises
    ------
    ItemWithoutDatetimeError
    """
    moment = item.datetime or item.common_metadata.start_datetime
    if moment is None:
        raise ItemWithoutDatetimeError(
            "item has neither datetime nor start_datetime",
            where=item.id,
            remedy="Correct the item in its catalogue; without a moment it belongs to no season",
        )
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def epsg_of(item: pystac.Item) -> int | None:
    """EPSG code of the item's own grid, from proj:code or proj:epsg of the item or else of its assets.

    None when it has none (custom CRS), or when its assets lie in different ones.
    """
    own = _epsg(item.properties)
    if own is not None:
        return own
    codes = {_epsg(asset.extra_fields) for asset in item.assets.values()} - {None}
    return codes.pop() if len(codes) == 1 else None


def _epsg(fields: Mapping[str, Any]) -> int | None:
    code = fields.get("proj:code")
    if isinstance(code, str) and code.upper().startswith("EPSG:"):
        return int(code.split(":")[1])
    value = fields.get("proj:epsg")
    return int(value) if value is not None else None


def tile_of(item: pystac.Item) -> str:
    """Name of the tile: MGRS square of Sentinel-2 with a zone of two digits, WRS-2 path/row of Landsat, else ""."""
    properties = item.properties
    grid_code = properties.get("grid:code")
    if isinstance(grid_code, str) and "-" in grid_code:
        return _mgrs(grid_code.split("-", 1)[1])
    if properties.get("s2:mgrs_tile"):
        return _mgrs(str(properties["s2:mgrs_tile"]))
    if "mgrs:utm_zone" in properties and "mgrs:grid_square" in properties:
        zone = int(properties["mgrs:utm_zone"])
        return f"{zone:02d}{properties.get('mgrs:latitude_band', '')}{properties['mgrs:grid_square']}"
    if "landsat:wrs_path" in properties and "landsat:wrs_row" in properties:
        return f"{int(properties['landsat:wrs_path']):03d}{int(properties['landsat:wrs_row']):03d}"
    return ""


def _mgrs(name: str) -> str:
    match = _MGRS.fullmatch(name)
    return f"{int(match[1]):02d}{match[2]}" if match else name


def platform_of(item: pystac.Item) -> str:
    """Satellite in one spelling ("sentinel-2a", "landsat-8"), or ""."""
    name = item.properties.get("platform") or item.properties.get("eo:platform") or ""
    return str(name).lower().replace("_", "-")


def orbit_of(item: pystac.Item) -> str:
    """Relative orbit of Sentinel, from the item or its product's name, or WRS-2 path of Landsat; "" when unknown."""
    properties = item.properties
    for key in ("sat:relative_orbit", "landsat:wrs_path"):
        if properties.get(key) is not None:
            return str(int(properties[key]))
    for name in product_names(item):
        match = re.search(r"_R(\d{3})_", name)
        if match:
            return str(int(match[1]))
    return ""


def orbit_direction(item: pystac.Item) -> str | None:
    """ "ascending" or "descending"; None when the item does not tell."""
    state = str(item.properties.get("sat:orbit_state") or "").lower()
    return state if state in ("ascending", "descending") else None


def stated_cloud_share(item: pystac.Item) -> float | None:
    """Share of cloud (0-1) that the catalogue states for the whole scene; None when it states none (Landsat: −1).

    For people to compare: what is kept is decided on the mask over the area of interest.
    """
    percent = item.properties.get("eo:cloud_cover")
    return float(percent) / 100 if percent is not None and 0 <= float(percent) <= 100 else None


def acquisition_of(item: pystac.Item) -> tuple[str, str, str, str, str]:
    """Key of the overpass that an item belongs to: collection, platform, UTC day, orbit and its direction.

    Tiles with the same key were taken within one pass and overlap with the same sky.
    """
    return (
        item.collection_id or "",
        platform_of(item),
        moment_of(item).strftime("%Y-%m-%d"),
        orbit_of(item),
        orbit_direction(item) or "",
    )


def period_of(item: pystac.Item) -> tuple[date, date]:
    """First day and first day after of what an item shows: a composite's period, or the day of a scene."""
    first = moment_of(item).date()
    start, end = item.common_metadata.start_datetime, item.common_metadata.end_datetime
    if start is None or end is None:
        return first, first + timedelta(days=1)
    return start.astimezone(UTC).date(), end.astimezone(UTC).date() + timedelta(days=1)
