"""Which scenes of a search are good enough over the area of interest, and why the others are not.

Cloud is counted from the mask inside the area, never taken from the scene's metadata. Counting is in
`scene_shares`, the rules in `scene_rules`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pystac
from numpy.typing import NDArray
from rasterio.features import geometry_mask

from agristat_platform.catalogue import Grid, ImagerySource, Season
from agristat_platform.imagery.collections import requested_bands
from agristat_platform.imagery.encoding import (
    acquisition_of,
    annotation_hrefs,
    asset_of,
    band_encoding,
    collection_of,
    epsg_of,
    moment_of,
    needs_calibration,
    processing_baseline,
    tile_of,
)
from agristat_platform.imagery.errors import AoiOutsideImageryError
from agristat_platform.imagery.overpasses import Overpass, overpasses_of
from agristat_platform.imagery.reading import SceneReader
from agristat_platform.imagery.resampling import coarse_grid
from agristat_platform.imagery.scene_rules import reason_to_drop, require_some
from agristat_platform.imagery.scene_shares import SHARES, OverpassCount, SkyCount, count_overpass, row_blocks
from agristat_platform.imagery.versions import SUPERSEDED, superseded_scenes

__all__ = [
    "OVERPASSES_SCHEMA",
    "SCENES_SCHEMA",
    "Progress",
    "SeasonAssessment",
    "aoi_pixels",
    "assess_scenes",
    "assess_season",
    "kept_items",
    "row_blocks",
]

ASSESSMENT_PIXEL_M = 30.0

_OF_THE_PART_WITH_DATA = {"unit": "share of the AOI part with data"}
_SHARE_FIELDS = [
    pa.field("aoi_cover", pa.float64(), metadata={"unit": "share of the AOI with data"}),
    *(pa.field(name, pa.float64(), metadata=_OF_THE_PART_WITH_DATA) for name in SHARES),
]

SCENES_SCHEMA = pa.schema(
    [
        pa.field("scene_id", pa.string(), nullable=False),
        pa.field("collection", pa.string(), nullable=False),
        pa.field("datetime", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("platform", pa.string()),
        pa.field("tile", pa.string()),
        pa.field("epsg", pa.int32()),
        pa.field("processing_baseline", pa.string()),
        *_SHARE_FIELDS,
        pa.field("in_season", pa.bool_(), nullable=False, metadata={"description": "false: only holds ends of series"}),
        pa.field("kept", pa.bool_(), nullable=False),
        pa.field("reason", pa.string()),
        pa.field("item", pa.string(), nullable=False, metadata={"content": "STAC item, JSON"}),
    ]
)

OVERPASSES_SCHEMA = pa.schema(
    [
        pa.field("collection", pa.string(), nullable=False),
        pa.field("date", pa.date32(), nullable=False, metadata={"description": "day in UTC"}),
        pa.field("platform", pa.string()),
        pa.field("orbit", pa.string(), metadata={"description": "relative orbit (WRS path of Landsat) and direction"}),
        pa.field("tiles", pa.list_(pa.string()), nullable=False),
        *_SHARE_FIELDS,
        pa.field("in_season", pa.bool_(), nullable=False),
        pa.field("scenes", pa.int32(), nullable=False),
        pa.field("kept_scenes", pa.int32(), nullable=False),
    ]
)

Progress = Callable[[str, int, int], None]
OnUnreadable = Literal["fail", "drop"]


@dataclass(frozen=True)
class SeasonAssessment:
    """What was found: each scene (SCENES_SCHEMA) and each overpass with its tiles together (OVERPASSES_SCHEMA)."""

    scenes: pa.Table
    overpasses: pa.Table


def assess_scenes(
    items: Sequence[pystac.Item],
    grid: Grid,
    aoi_projected: Any,
    imagery: ImagerySource,
    *,
    season: Season | None = None,
    on_unreadable: OnUnreadable = "fail",
    progress: Progress | None = None,
) -> pa.Table:
    """The scenes table of `assess_season`."""
    return assess_season(
        items, grid, aoi_projected, imagery, season=season, on_unreadable=on_unreadable, progress=progress
    ).scenes


def assess_season(
    items: Sequence[pystac.Item],
    grid: Grid,
    aoi_projected: Any,
    imagery: ImagerySource,
    *,
    season: Season | None = None,
    on_unreadable: OnUnreadable = "fail",
    progress: Progress | None = None,
) -> SeasonAssessment:
    """Keep or drop each scene, with a reason for each that is dropped, and say what each overpass saw.

    Dropped are: scenes replaced by a later processing, scenes with data over less than `min_aoi_cover` of the area,
    scenes with cloud and cloud shadow, dilated as the mask is used, over more than `max_cloud_share` of the part they
    cover, and scenes without a single clear pixel. Snow is no cloud: a scene under snow alone is kept as long as
    anything of it is clear.

    Parameters
    ----------
    items:
        As `search_scenes` returns them.
    grid:
        The region's pixel grid; the assessment uses pixels of at least 30 m on the same area.
    aoi_projected:
        shapely geometry in the grid's CRS.
    imagery:
        The region's requests: bands, masks, `max_cloud_share` (of the AOI part that the scene covers) and
        `min_aoi_cover`.
    season:
        Scenes outside its dates are told apart in the column `in_season`; None: all lie inside.
    on_unreadable:
        "fail": a file that cannot be read is an error; "drop": the scene is dropped and its reason says so.
    progress:
        Called with ("scenes", done, all).

    Returns
    -------
    SeasonAssessment: scenes sorted by collection, moment and id, overpasses by collection, date, platform and orbit.
    Shares of overpasses count each place once, by the tile that composites take it from, and all tiles that could be
    read, kept or not.

    Raises
    ------
    AoiOutsideImageryError
        No scene of the season has data inside the area.
    NoScenesLeftError
        A requested collection has no scene of the season left; says how many fell to which reason.
    ItemWithoutDatetimeError, UnreadableSceneError, MissingAssetError, UnknownBaselineError, UncalibratedRadarError
    """
    items, repeats = _once_each(items)
    superseded = superseded_scenes(items)
    coarse = coarse_grid(grid, ASSESSMENT_PIXEL_M)
    aoi = aoi_pixels(aoi_projected, coarse)
    bands = requested_bands(imagery.collections)
    rows = [_row(item, season, None, superseded[item.id]) for item in items if item.id in superseded]
    rows += [_row(item, season, None, f"{SUPERSEDED} by the same item, which came more than once") for item in repeats]
    seen = []
    done = len(rows)
    with SceneReader(coarse, masks=imagery.masks) as reader:
        for overpass in overpasses_of([item for item in items if item.id not in superseded], grid):
            for item in overpass:
                _require_bands(item, bands)
            table = collection_of(overpass[0])
            count = count_overpass(reader, overpass, table, bands[table.name][0], aoi)
            if count.unreadable and on_unreadable == "fail":
                raise next(iter(count.unreadable.values()))
            own = [_assessed(item, season, count, imagery) for item in overpass]
            rows += own
            seen.append(_overpass_row(overpass, season, count, sum(row["kept"] for row in own)))
            for _ in overpass:
                done += 1
                if progress is not None:
                    progress("scenes", done, len(items) + len(repeats))
    require_some([row for row in rows if row["in_season"]], imagery)
    rows.sort(key=lambda row: (row["collection"], row["datetime"], row["scene_id"]))
    seen.sort(key=lambda row: (row["collection"], row["date"], row["platform"] or "", row["orbit"] or ""))
    return SeasonAssessment(
        pa.Table.from_pylist(rows, schema=SCENES_SCHEMA), pa.Table.from_pylist(seen, schema=OVERPASSES_SCHEMA)
    )


def _once_each(items: Sequence[pystac.Item]) -> tuple[list[pystac.Item], list[pystac.Item]]:
    """Items by platform collection and id: the first of each, and the repeats, as two catalogues may send them."""
    first: dict[tuple[str, str], pystac.Item] = {}
    for item in items:
        first.setdefault((collection_of(item).name, item.id), item)
    kept = set(map(id, first.values()))
    return list(first.values()), [item for item in items if id(item) not in kept]


def aoi_pixels(aoi_projected: Any, grid: Grid) -> NDArray[np.bool_]:
    """True where a pixel's centre lies in the area, shape of the grid (all that it touches where no centre does)."""
    inside = geometry_mask([aoi_projected], grid.shape, grid.transform, invert=True)
    if not inside.any():
        inside = geometry_mask([aoi_projected], grid.shape, grid.transform, invert=True, all_touched=True)
    if not inside.any():
        raise AoiOutsideImageryError(
            "the area of interest does not touch the region's grid", remedy="Check the CRS of the area and of the grid"
        )
    return inside


def kept_items(scenes: pa.Table, *, padding: bool = False) -> list[pystac.Item]:
    """STAC items of the season's scenes that were kept, in table order; with `padding` those before and after it too."""
    rows = scenes.select(["kept", "in_season", "item"]).to_pylist()
    chosen = [row["item"] for row in rows if row["kept"] and (row["in_season"] or padding)]
    return [pystac.Item.from_dict(json.loads(item)) for item in chosen]


def _assessed(item: pystac.Item, season: Season | None, count: OverpassCount, imagery: ImagerySource) -> dict[str, Any]:
    if item.id in count.unreadable:
        return _row(item, season, None, f"unreadable: {count.unreadable[item.id].what}")
    return _row(item, season, count.scenes[item.id], reason_to_drop(count.scenes[item.id], imagery))


def _row(item: pystac.Item, season: Season | None, count: SkyCount | None, reason: str | None) -> dict[str, Any]:
    """One row of the scenes table."""
    return {
        "scene_id": item.id,
        "collection": collection_of(item).name,
        "datetime": moment_of(item),
        "platform": item.properties.get("platform"),
        "tile": tile_of(item) or None,
        "epsg": epsg_of(item),
        "processing_baseline": processing_baseline(item),
        **_shares(count),
        "in_season": _in_season(item, season),
        "kept": reason is None,
        "reason": reason,
        "item": json.dumps(item.to_dict(include_self_link=True, transform_hrefs=False), sort_keys=True),
    }


def _overpass_row(overpass: Overpass, season: Season | None, count: OverpassCount, kept: int) -> dict[str, Any]:
    first = overpass[0]
    _, platform, day, orbit, direction = acquisition_of(first)
    return {
        "collection": collection_of(first).name,
        "date": date.fromisoformat(day),
        "platform": platform or None,
        "orbit": " ".join(part for part in (orbit, direction) if part) or None,
        "tiles": sorted({tile_of(item) for item in overpass} - {""}),
        **_shares(count.together if count.scenes else None),
        "in_season": _in_season(first, season),
        "scenes": len(overpass),
        "kept_scenes": kept,
    }


def _shares(count: SkyCount | None) -> dict[str, float | None]:
    if count is None:
        return dict.fromkeys(("aoi_cover", *SHARES))
    return {"aoi_cover": count.aoi_cover, **count.shares()}


def _in_season(item: pystac.Item, season: Season | None) -> bool:
    """Whether a scene, or part of a composite's period, lies within the season."""
    if season is None:
        return True
    begin, end = item.common_metadata.start_datetime, item.common_metadata.end_datetime
    first: datetime = begin or moment_of(item)
    last: datetime = end or first
    return first.astimezone(UTC).date() < season.end and last.astimezone(UTC).date() >= season.start


def _require_bands(item: pystac.Item, bands: dict[str, tuple[str, ...]]) -> None:
    """Every requested band has a file and a known encoding; found out before any pixel is read."""
    table = collection_of(item)
    for name in bands[table.name]:
        band = table.band(name)
        if needs_calibration(item, table, band):
            annotation_hrefs(item, table, band)
        else:
            band_encoding(item, table, band)
    if table.mask_band is not None:
        asset_of(item, table.band(table.mask_band))
