"""Which of several processings of the same scene counts: the newest, and the others are listed with their reason."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pystac
import shapely
import shapely.geometry

from agristat_platform.imagery.encoding import (
    collection_of,
    moment_of,
    platform_of,
    processing_baseline,
    product_names,
    tile_of,
)

SUPERSEDED = "superseded"  # first word of the reason of every scene that a later processing replaces
OWN_PROCESSING = "99.99"  # baseline that Sen2Cor writes outside ESA's ground segment
_SAME_GROUND_SHARE = 0.9  # of the older footprint: baselines draw a swath's edge a little differently
_CATEGORIES = ("RT", "T2", "T1")  # Landsat Collection 2, worst first: real time, tier 2, tier 1
_LANDSAT_PRODUCT = re.compile(r"L[A-Z]\d{2}_L\w{3}_\d{6}_(\d{8})_(\d{8})_02_(RT|T1|T2)")


def superseded_scenes(items: Iterable[pystac.Item]) -> dict[str, str]:
    """Scenes that a later processing of the same tile and sensing replaces.

    Two items are the same scene when collection, platform, tile and sensing agree. Of Sentinel-2 the newest processing
    baseline wins (a run of Sen2Cor of one's own, baseline 99.99, gives way to ESA's), then the newest generation time.
    Of Landsat a final processing wins over real time, then the newest processing date, then tier 1 over tier 2. In
    either case only if what is newer covers the same ground, for one datatake may be delivered as two half tiles. Radar
    and ready composites are never compared.

    Parameters
    ----------
    items:
        Items with platform collection names.

    Returns
    -------
    Scene id of each superseded item → reason that begins with "superseded" and names its successor.
    """
    groups: dict[tuple[str, ...], list[pystac.Item]] = {}
    for item in items:
        if collection_of(item).kind == "optical":
            groups.setdefault(_sensing(item), []).append(item)
    reasons: dict[str, str] = {}
    for group in groups.values():
        group.sort(key=_version, reverse=True)
        kept: list[pystac.Item] = []
        for item in group:
            successor = _successor(kept, item)
            if successor is None:
                kept.append(item)
            else:
                reasons[item.id] = f"{SUPERSEDED} by {successor.id} ({_difference(successor, item)})"
    return reasons


def superseded_counts(scenes: pa.Table) -> dict[str, int]:
    """How many scenes of each collection were dropped for a later processing of themselves.

    Parameters
    ----------
    scenes:
        `SCENES_SCHEMA`.

    Returns
    -------
    Collection → count, collections without any included with 0, sorted by name.
    """
    rows = scenes.select(["collection", "reason"]).to_pylist()
    counts = Counter({row["collection"]: 0 for row in rows})
    counts.update(row["collection"] for row in rows if (row["reason"] or "").startswith(SUPERSEDED))
    return dict(sorted(counts.items()))


def _sensing(item: pystac.Item) -> tuple[str, ...]:
    """Key of what was sensed, free of how it was processed."""
    return (item.collection_id or "", platform_of(item), tile_of(item), _sensing_start(item))


def _sensing_start(item: pystac.Item) -> str:
    """Start of the datatake (Sentinel-2), day of the pass (Landsat: one pass over a row a day), else the moment."""
    properties = item.properties
    if "landsat:wrs_path" in properties:
        return moment_of(item).strftime("%Y-%m-%d")
    named = [str(properties.get(key, "")) for key in ("s2:datatake_id", "eopf:datatake_id")]
    for name in [*named, *product_names(item)]:
        match = re.match(r"(?:GS2[A-Z]|S2[A-Z]_MSIL2A)_(\d{8}T\d{6})_", name)
        if match:
            return match[1]
    return moment_of(item).strftime("%Y%m%dT%H%M%S")


def _version(item: pystac.Item) -> tuple[tuple[int, ...], str, int, str]:
    """Sorts later processings last: baseline, then generation time, then Landsat's category, then id."""
    if "landsat:wrs_path" in item.properties:
        category = _category(item)
        rank = _CATEGORIES.index(category) if category in _CATEGORIES else -1
        return ((int(category != "RT"),), _generated(item), rank, item.id)
    baseline = processing_baseline(item)
    official = baseline is not None and baseline != OWN_PROCESSING
    parts = tuple(int(part) for part in baseline.split(".")) if official and baseline else ()
    return ((int(official), *parts), _generated(item), 0, item.id)


def _generated(item: pystac.Item) -> str:
    """When the product was made as digits alone, so that spellings of the moment compare; "" when unknown.

    `created` is when the catalogue described it, which may be years later: it counts only where nothing else does.
    """
    properties = item.properties
    stated = properties.get("s2:generation_time") or properties.get("processing:datetime")
    if stated is None and "landsat:wrs_path" in properties:
        match = _LANDSAT_PRODUCT.match(item.id)
        stated = match[2] if match else None
    return re.sub(r"\D", "", str(stated or properties.get("created") or ""))[:14]


def _category(item: pystac.Item) -> str:
    stated = str(item.properties.get("landsat:collection_category") or "")
    match = _LANDSAT_PRODUCT.match(item.id)
    return stated or (match[3] if match else "")


def _successor(newer: list[pystac.Item], item: pystac.Item) -> pystac.Item | None:
    """The newer version that takes an item's place; None where newer versions leave ground of it uncovered.

    An item that tells no footprint covers whatever its tile does.
    """
    if not newer:
        return None
    footprint = _footprint(item)
    shapes = [_footprint(other) for other in newer]
    known = [shape for shape in shapes if shape is not None]
    if footprint is None or footprint.area == 0 or len(known) < len(shapes):
        return newer[0]
    if shapely.union_all(known).intersection(footprint).area < _SAME_GROUND_SHARE * footprint.area:
        return None
    return max(zip(newer, known, strict=True), key=lambda pair: pair[1].intersection(footprint).area)[0]


def _footprint(item: pystac.Item) -> Any:
    if item.geometry is not None:
        return shapely.make_valid(shapely.geometry.shape(item.geometry))
    return None if item.bbox is None else shapely.box(*item.bbox)


def _difference(newer: pystac.Item, older: pystac.Item) -> str:
    if "landsat:wrs_path" in newer.properties:
        new, old = _category(newer), _category(older)
        return f"{new} over {old}" if new != old else "a later processing"
    new_baseline, old_baseline = processing_baseline(newer), processing_baseline(older)
    return f"baseline {new_baseline} over {old_baseline}" if new_baseline != old_baseline else "a later processing"
