"""Overpasses: the tiles of one pass of one satellite, seen under one sky, read as a single picture of the grid.

Belongs here: which scenes are one pass, and which of its overlapping tiles a place is taken from. What several passes
become together is in `composites` and, per segment, in `features`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date
from typing import Any

import numpy as np
import pystac
from numpy.typing import NDArray

from agristat_platform.catalogue import Grid
from agristat_platform.imagery.collections import Band, Collection
from agristat_platform.imagery.composite_tiling import COARSE, block_edge, tiles
from agristat_platform.imagery.encoding import acquisition_of, epsg_of, moment_of, tile_of
from agristat_platform.imagery.layers import STORAGE
from agristat_platform.imagery.masks import CLEAR, DATA_MISSING
from agristat_platform.imagery.medians import first_with_data
from agristat_platform.imagery.reading import SceneReader

Overpass = list[pystac.Item]

READ_ROWS, READ_COLS = COARSE, 4 * COARSE  # 4 M pixels: 8 MiB a band, and what is made of them


def overpasses_of(items: Sequence[pystac.Item], grid: Grid) -> list[Overpass]:
    """Scenes by overpass in the order of their keys (`acquisition_of`), each with the tile of the grid's own zone first.

    The order in which the items come does not matter.
    """
    groups: dict[tuple[str, ...], Overpass] = {}
    for item in items:
        groups.setdefault(acquisition_of(item), []).append(item)
    own = grid.crs.upper()
    for group in groups.values():
        group.sort(key=lambda item: (f"EPSG:{epsg_of(item)}" != own, tile_of(item), item.id))
    return [groups[key] for key in sorted(groups)]


def observation_day(overpass: Overpass) -> date:
    """UTC day on which an overpass saw the ground; of a composite the middle of its period.

    Raises
    ------
    ItemWithoutDatetimeError
    """
    about = overpass[0].common_metadata
    if about.start_datetime is None or about.end_datetime is None:
        return moment_of(overpass[0]).date()
    start, end = about.start_datetime.astimezone(UTC), about.end_datetime.astimezone(UTC)
    return (start + (end - start) / 2).date()


def reading_blocks(
    overpass: Overpass, grid: Grid, largest: tuple[int | None, int | None] = (None, None)
) -> list[tuple[slice, slice]]:
    """Rows and columns of the blocks in which an overpass is read: a stretch of columns from north to south, then the next.

    Cut by the files of its first tile in the grid's CRS, so that hardly any block of them is decoded twice: what GDAL's
    cache holds of one is at hand for the one below, however wide the grid is.

    Parameters
    ----------
    largest:
        Most rows and columns; None: READ_ROWS, READ_COLS.
    """
    blocks = tiles(grid, (READ_ROWS, READ_COLS), block_edge(overpass, grid), largest)
    return sorted(blocks, key=lambda block: (block[1].start, block[0].start))


def tile_skies(
    reader: SceneReader, overpass: Overpass, collection: Collection, rows: slice
) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
    """Which tile of an overpass each place of some rows is taken from, and the class of its sky there (`masks`).

    Returns
    -------
    owner:
        int16, index into the overpass of the first tile with data, −1 where none has.
    sky:
        uint8, that tile's class; DATA_MISSING where no tile has data.
    """
    skies = [reader.sky(item, collection, rows) for item in overpass]
    owner = first_with_data([sky != DATA_MISSING for sky in skies])
    merged = np.full(owner.shape, DATA_MISSING, np.uint8)
    for index, sky in enumerate(skies):
        np.copyto(merged, sky, where=owner == index)
    return owner, merged


def clear_owner(reader: SceneReader, overpass: Overpass, collection: Collection, rows: slice) -> NDArray[np.int16]:
    """Tile that each place is taken from; −1 without data or without clear ground there."""
    owner, sky = tile_skies(reader, overpass, collection, rows)
    return np.where(sky == CLEAR, owner, np.int16(-1))


def merged_pixels(
    reader: SceneReader,
    overpass: Overpass,
    collection: Collection,
    band: Band,
    rows: slice,
    owner: NDArray[np.int16] | None,
) -> NDArray[Any]:
    """Stored pixels (`layers.STORAGE`) of an overpass on some rows, nodata where missing.

    With `owner` (of `clear_owner`) a place is taken from that tile alone; None, for what has no mask: from the first
    tile that has a value there. A tile from which nothing is taken is not read.
    """
    storage = STORAGE[band.kind]
    merged: NDArray[Any] | None = None if owner is None else np.full(owner.shape, storage.nodata, storage.dtype)
    for index, item in enumerate(overpass):
        if merged is None:
            merged = reader.composite_pixels(item, collection, band, rows)
            continue
        if owner is not None:
            wanted = owner == index
        else:
            wanted = np.isnan(merged) if np.isnan(storage.nodata) else merged == storage.nodata
        if wanted.any():
            np.copyto(merged, reader.composite_pixels(item, collection, band, rows), where=wanted)
    if merged is None:
        raise ValueError("an overpass has at least one scene")
    return merged
