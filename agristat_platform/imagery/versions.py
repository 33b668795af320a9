"""Which of several processings of the same scene counts: the newest, and the others are listed with their reason."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pystac

from agristat_platform.imagery.encoding import collection_of, moment_of, processing_baseline, tile_of

_SAME_FOOTPRINT_DEG = 0.02


def superseded_scenes(items: Iterable[pystac.Item]) -> dict[str, str]:
    """Scenes that a later processing of the same tile and sensing replaces.

    Two items are the same scene when collection, platform, tile and sensing agree. The newest processing baseline
    wins; at equal baselines the newest generation time, but only if both cover the same ground: one datatake may be
    delivered as two half tiles. Radar and ready composites are never compared.

    Parameters
    ----------
    items:
        Items with platform collection names.

    Returns
    -------
    Scene id of each superseded item → reason that names its successor.
    """
    groups: dict[tuple[str, ...], list[pystac.Item]] = {}
    for item in items:
        if collection_of(item).kind == "optical":
            groups.setdefault(_sensing(item), []).append(item)
    reasons: dict[str, str] = {}
    for group in groups.values():
        group.sort(key=_version, reverse=True)
        newest = group[0]
        for item in group[1:]:
            older = processing_baseline(item)
            newer = processing_baseline(newest)
            if older == newer and not _same_ground(item, newest):
                continue
            label = f"baseline {newer} over {older}" if older != newer else "a later processing"
            reasons[item.id] = f"superseded by {newest.id} ({label})"
    return reasons


def _sensing(item: pystac.Item) -> tuple[str, ...]:
    """Key of what was sensed, free of how it was processed."""
    properties = item.properties
    datatake = str(properties.get("s2:datatake_id", ""))
    if datatake:
        when = re.sub(r"_N\d{2}\.\d{2}$", "", datatake)
    elif tile_of(item) and "landsat:wrs_path" in properties:
        when = moment_of(item).strftime("%Y-%m-%d")  # one pass over a row a day
    else:
        when = moment_of(item).strftime("%Y-%m-%dT%H:%M:%S")
    return (item.collection_id or "", str(properties.get("platform", "")), tile_of(item), when)


def _version(item: pystac.Item) -> tuple[tuple[int, ...], str, str]:
    """Sorts later processings last: baseline, then generation time, then id."""
    baseline = processing_baseline(item) or "0.0"
    properties = item.properties
    generated = properties.get("s2:generation_time") or properties.get("processing:datetime") or ""
    match = re.search(r"_\d{8}_(\d{8})_", item.id) if "landsat:wrs_path" in properties else None
    generated = generated or (match[1] if match else "") or properties.get("created") or ""
    return (tuple(int(part) for part in baseline.split(".")), str(generated), item.id)


def _same_ground(one: pystac.Item, other: pystac.Item) -> bool:
    if one.bbox is None or other.bbox is None:
        return False
    return all(abs(a - b) <= _SAME_FOOTPRINT_DEG for a, b in zip(one.bbox, other.bbox, strict=False))
