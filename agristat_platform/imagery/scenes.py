"""Which scenes of a search are good enough over the area of interest, and why the others are not.

Cloud is counted from the mask inside the area, never taken from the scene's metadata.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pystac
from numpy.typing import NDArray
from rasterio.features import geometry_mask

from agristat_platform.catalogue import Grid, ImagerySource
from agristat_platform.imagery.collections import requested_bands
from agristat_platform.imagery.encoding import (
    asset_of,
    band_encoding,
    collection_of,
    epsg_of,
    moment_of,
    processing_baseline,
    tile_of,
)
from agristat_platform.imagery.errors import AoiOutsideImageryError, NoScenesLeftError, UnreadableSceneError
from agristat_platform.imagery.masks import CLEAR, DATA_MISSING
from agristat_platform.imagery.reading import SceneReader
from agristat_platform.imagery.resampling import coarse_grid
from agristat_platform.imagery.versions import superseded_scenes

ASSESSMENT_PIXEL_M = 30.0
ASSESSMENT_ROWS = 512

SCENES_SCHEMA = pa.schema(
    [
        pa.field("scene_id", pa.string(), nullable=False),
        pa.field("collection", pa.string(), nullable=False),
        pa.field("datetime", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("platform", pa.string()),
        pa.field("tile", pa.string()),
        pa.field("epsg", pa.int32()),
        pa.field("processing_baseline", pa.string()),
        pa.field("aoi_cover", pa.float64(), metadata={"unit": "share of the AOI with data"}),
        pa.field("clear_share", pa.float64(), metadata={"unit": "share of the AOI part with data"}),
        pa.field("cloud_share", pa.float64(), metadata={"unit": "share of the AOI part with data"}),
        pa.field("kept", pa.bool_(), nullable=False),
        pa.field("reason", pa.string()),
        pa.field("item", pa.string(), nullable=False, metadata={"content": "STAC item, JSON"}),
    ]
)

Progress = Callable[[str, int, int], None]


def assess_scenes(
    items: Sequence[pystac.Item],
    grid: Grid,
    aoi_projected: Any,
    imagery: ImagerySource,
    *,
    on_unreadable: Literal["fail", "drop"] = "fail",
    progress: Progress | None = None,
) -> pa.Table:
    """Keep or drop each scene, with a reason for each that is dropped.

    Parameters
    ----------
    items:
        As `search_scenes` returns them.
    grid:
        The region's pixel grid; the assessment uses pixels of at least 30 m on the same area.
    aoi_projected:
        shapely geometry in the grid's CRS.
    imagery:
        The region's requests: bands, `max_cloud_share` (of the AOI part that the scene covers) and `min_aoi_cover`.
    on_unreadable:
        "fail": a file that cannot be read is an error; "drop": the scene is dropped and its reason says so.
    progress:
        Called with ("scenes", done, all).

    Returns
    -------
    pyarrow.Table, SCENES_SCHEMA, sorted by collection, moment and id.

    Raises
    ------
    AoiOutsideImageryError
        No scene has data inside the area.
    NoScenesLeftError
        A requested collection has no scene left; says how many fell to which reason.
    UnreadableSceneError, MissingAssetError, UnknownBaselineError, UncalibratedRadarError
    """
    if not items:
        raise AoiOutsideImageryError(
            "the catalogue has no scene over the area within these dates",
            where=", ".join(imagery.collections),
            remedy="Check the AOI (longitude before latitude), the season's dates and the collections of the region",
        )
    superseded = superseded_scenes(items)
    coarse = coarse_grid(grid, ASSESSMENT_PIXEL_M)
    aoi = aoi_pixels(aoi_projected, coarse)
    rows = []
    with SceneReader(coarse) as reader:
        for number, item in enumerate(items, start=1):
            rows.append(_assess(item, reader, aoi, imagery, superseded.get(item.id), on_unreadable))
            if progress is not None:
                progress("scenes", number, len(items))
    rows.sort(key=lambda row: (row["collection"], row["datetime"], row["scene_id"]))
    table = pa.Table.from_pylist(rows, schema=SCENES_SCHEMA)
    _require_some(rows, imagery)
    return table


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


def kept_items(scenes: pa.Table) -> list[pystac.Item]:
    """STAC items of the scenes that were kept, in table order."""
    rows = scenes.select(["kept", "item"]).to_pylist()
    return [pystac.Item.from_dict(json.loads(row["item"])) for row in rows if row["kept"]]


def _assess(
    item: pystac.Item,
    reader: SceneReader,
    aoi: NDArray[np.bool_],
    imagery: ImagerySource,
    superseded_by: str | None,
    on_unreadable: Literal["fail", "drop"],
) -> dict[str, Any]:
    """One row of the scenes table."""
    cover: float | None = None
    clear: float | None = None
    reason = superseded_by
    if reason is None:
        try:
            _require_bands(item, imagery)
            cover, clear = _shares(item, reader, aoi, imagery)
            reason = _reason(cover, clear, imagery)
        except UnreadableSceneError as error:
            if on_unreadable == "fail":
                raise
            reason = f"unreadable: {error.what}"
    return {
        "scene_id": item.id,
        "collection": collection_of(item).name,
        "datetime": moment_of(item),
        "platform": item.properties.get("platform"),
        "tile": tile_of(item) or None,
        "epsg": epsg_of(item),
        "processing_baseline": processing_baseline(item),
        "aoi_cover": cover,
        "clear_share": clear,
        "cloud_share": None if clear is None else 1.0 - clear,
        "kept": reason is None,
        "reason": reason,
        "item": json.dumps(item.to_dict(include_self_link=True, transform_hrefs=False), sort_keys=True),
    }


def _require_bands(item: pystac.Item, imagery: ImagerySource) -> None:
    """Every requested band has a file and a known encoding; found out before any pixel is read."""
    table = collection_of(item)
    for name in requested_bands(imagery.collections)[table.name]:
        band_encoding(item, table, table.band(name))
    if table.mask_band is not None:
        asset_of(item, table.band(table.mask_band))


def _shares(
    item: pystac.Item, reader: SceneReader, aoi: NDArray[np.bool_], imagery: ImagerySource
) -> tuple[float, float | None]:
    """Share of the area with data, and clear share of that part (None without mask, or without data)."""
    table = collection_of(item)
    with_data = clear = 0
    for rows in row_blocks(aoi.shape[0], ASSESSMENT_ROWS):
        inside = aoi[rows]
        if table.mask_rule is not None:
            sky = reader.sky(item, table, rows)
            with_data += int(np.count_nonzero((sky != DATA_MISSING) & inside))
            clear += int(np.count_nonzero((sky == CLEAR) & inside))
        else:
            first = table.band(requested_bands(imagery.collections)[table.name][0])
            with_data += int(np.count_nonzero(np.isfinite(reader.values(item, table, first, rows)) & inside))
    cover = with_data / np.count_nonzero(aoi)
    return float(cover), (clear / with_data if table.mask_rule is not None and with_data else None)


def row_blocks(height: int, size: int) -> list[slice]:
    """Slices over all rows, `size` at a time."""
    return [slice(start, min(start + size, height)) for start in range(0, height, size)]


def _reason(cover: float, clear: float | None, imagery: ImagerySource) -> str | None:
    if cover < imagery.min_aoi_cover or cover == 0:
        covered, least = _told_apart(cover, imagery.min_aoi_cover)
        return f"covers {covered} of the AOI, under the limit of {least}"
    if clear is not None and 1.0 - clear > imagery.max_cloud_share:
        cloud, limit = _told_apart(1.0 - clear, imagery.max_cloud_share)
        return f"cloud {cloud} of the AOI over the limit of {limit}"
    return None


def _told_apart(share: float, limit: float) -> tuple[str, str]:
    """Two shares in percent with as many decimals as it takes to read that they differ: 20.02 % and 20.00 %."""
    for decimals in range(6):
        texts = f"{100 * share:.{decimals}f} %", f"{100 * limit:.{decimals}f} %"
        if texts[0] != texts[1]:
            break
    return texts


def _require_some(rows: list[dict[str, Any]], imagery: ImagerySource) -> None:
    covers = [row["aoi_cover"] for row in rows if row["aoi_cover"] is not None]
    if covers and max(covers) == 0:
        raise AoiOutsideImageryError(
            f"none of the {len(covers)} scenes found has data inside the area of interest",
            where=", ".join(imagery.collections),
            remedy="Check the AOI and the CRS of region and scenes",
        )
    for collection in requested_bands(imagery.collections):
        of_it = [row for row in rows if row["collection"] == collection]
        if not any(row["kept"] for row in of_it):
            raise NoScenesLeftError(_counted(of_it), where=f"collection {collection}", remedy=_remedy(imagery))


def _counted(rows: list[dict[str, Any]]) -> str:
    """How many scenes fell to which kind of reason."""
    if not rows:
        return "no scene found within the dates and the area"
    kinds = Counter(row["reason"].split(" ", 1)[0].rstrip(":") for row in rows)
    names = {"cloud": "too cloudy", "covers": "covering too little of the AOI"}
    parts = [
        f"{count} {names.get(kind, kind)}" for kind, count in sorted(kinds.items(), key=lambda kv: (-kv[1], kv[0]))
    ]
    return f"no scene is left of {len(rows)}: {', '.join(parts)}"


def _remedy(imagery: ImagerySource) -> str:
    return (
        f"Raise max_cloud_share ({imagery.max_cloud_share:.2f}) or lower min_aoi_cover ({imagery.min_aoi_cover:.2f}) "
        "in the region file, widen the season, or take the collection out of it"
    )
