"""A hash of everything that decides what composites hold: work done for an equal one can be used again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pystac

from agristat_platform.catalogue import Grid, ImagerySource, Interval

ENGINE = (
    2  # raised when composites of the same inputs get other bytes: finished tiles of the engine before are not used
)


def content_key(
    grid: Grid,
    imagery: ImagerySource,
    intervals: Sequence[Interval],
    items: Mapping[str, Sequence[pystac.Item]],
    aoi_projected: Any | None,
    tiles: Sequence[tuple[str, int, int]],
) -> str:
    """Hash of what decides the units' files, as 64 hexadecimal digits.

    Parameters
    ----------
    items:
        Scenes by collection. All that they say counts, since it may decide scale, offset, overpass or direction; files
        on this machine count with size and time of change.
    tiles:
        Name, row and column after the last, of each unit.
    """
    content = {
        "engine": ENGINE,
        "grid": [grid.crs, list(grid.transform)[:6], grid.width, grid.height],
        "imagery": imagery.model_dump(mode="json"),
        "intervals": [[interval.start.isoformat(), interval.end.isoformat()] for interval in intervals],
        "items": {name: [item_state(item) for item in own] for name, own in items.items()},
        "aoi": None if aoi_projected is None else aoi_projected.wkb_hex,
        "units": [list(tile) for tile in tiles],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def item_state(item: pystac.Item) -> list[Any]:
    """All that a scene says and the state of its files, as JSON: equal states give equal pixels."""
    assets = {
        name: [*_file_state(asset.href), asset.roles, asset.extra_fields] for name, asset in item.assets.items()
    }  # fmt: skip
    return [item.id, item.collection_id, str(item.datetime), item.properties, assets]


def _file_state(href: str) -> list[Any]:
    path = Path(href.removeprefix("file://"))
    if path.is_absolute() and path.is_file():
        state = path.stat()
        return [href, state.st_size, state.st_mtime_ns]
    return [href, 0, 0]
