"""How the grid is cut into tiles: large enough that blocks of scenes are seldom decoded twice, small enough for memory.

Cuts run along the edges of the blocks of 10 m bands, which then cost nothing, and through the middle of those of 20 m
bands. These need a pixel from beyond each cut, so that a cut on the edge of their blocks would have two more rows of
blocks decoded, and one through the middle has one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pystac

from agristat_platform.catalogue import Grid
from agristat_platform.imagery.encoding import epsg_of
from agristat_platform.imagery.layers import BLOCK_CACHE_BYTES

BLOCK = 512  # pixels of a block of most scenes, each way
COARSE = 2 * BLOCK  # the same of a 20 m band, in pixels of 10 m
TILE_ROWS, TILE_COLS = 6 * COARSE, 12 * COARSE
MASK_BYTES = 128 << 20  # of a tile's masks, a bit per scene
STACK_BYTES = 128 << 20  # of the observations held at once
STRIP_ROWS = BLOCK
LEAST_CACHE_BYTES = 48 << 20

Work = Literal["copy", "bands", "spectra", "percentiles", "radar", "speckle"]


@dataclass(frozen=True)
class TileUnit:
    """Work that is done in one go and kept when it is done: some layers on one tile of the grid."""

    name: str
    work: Work
    collection: str
    rows: slice
    cols: slice
    layers: tuple[int, ...]


def tile_shape(work: Work, layers: int, scenes: int) -> tuple[int, int]:
    """Rows and columns of the largest tile, so that masks stay within MASK_BYTES and a strip within STACK_BYTES.

    Parameters
    ----------
    layers:
        That are computed together; of the speckle filter those of one band and direction, which are its intervals.
    scenes:
        That a layer is made from.
    """
    bytes_each = _bytes_each(work, layers, scenes)
    cols = _whole(STACK_BYTES // (STRIP_ROWS * max(1, bytes_each)), TILE_COLS)
    planes = max(1, -(-scenes // 8))
    return _whole(MASK_BYTES // (planes * cols), TILE_ROWS), cols


def _bytes_each(work: Work, layers: int, scenes: int) -> int:
    """Bytes held for each pixel of a strip."""
    return {
        "spectra": 2 * scenes * (layers + 1),
        "radar": 4 * scenes,
        "speckle": max(4 * scenes, 6 * layers),  # passes at hand; half of what the filter holds and gives back
    }.get(work, 2 * scenes)


def cache_bytes(work: Work, layers: int, scenes: int, cols: int) -> int:
    """Decoded blocks that GDAL must keep, so that none of 20 m is decoded again for the next strip.

    Two rows of such blocks lie under a strip, half as wide as the strip's pixels are many and as many rows high, which
    is what the strip itself takes; half as much again for what is at their sides. More would be memory for nothing.
    """
    strip = _bytes_each(work, layers, scenes) * cols * STRIP_ROWS
    return min(max(3 * strip // 2, LEAST_CACHE_BYTES), BLOCK_CACHE_BYTES)


def _whole(pixels: int, most: int) -> int:
    """The largest multiple of COARSE within a number of pixels, at least one."""
    return max(1, min(pixels, most) // COARSE) * COARSE


def block_edge(items: Sequence[pystac.Item], grid: Grid) -> tuple[int, int]:
    """First row and column of the grid, 0 to COARSE - 1, on which a block of 20 m begins; (0, 0) where unknown.

    Taken from the first scene in the grid's CRS that tells where its pixels of the grid's size lie (`proj:transform`).
    """
    a, _, left, _, e, top = tuple(grid.transform)[:6]
    for item in items:
        if f"EPSG:{epsg_of(item)}" != grid.crs.upper():
            continue
        places = [item.properties, *(asset.extra_fields for asset in item.assets.values())]
        for place in (fields.get("proj:transform") for fields in places):
            if isinstance(place, list) and len(place) >= 6 and (place[0], place[4]) == (a, e):
                return round((place[5] - top) / e) % COARSE, round((place[2] - left) / a) % COARSE
    return 0, 0


def tiles(
    grid: Grid, shape: tuple[int, int], edge: tuple[int, int], largest: tuple[int | None, int | None]
) -> list[tuple[slice, slice]]:
    """Rows and columns of each tile, row by row, none larger than `shape` or, where given, `largest`.

    Tiles of whole blocks of 20 m are cut through the middle of such blocks, `edge` being where the first begins.
    """
    rows = _cuts(grid.height, largest[0] or shape[0], edge[0])
    return [(row, col) for row in rows for col in _cuts(grid.width, largest[1] or shape[1], edge[1])]


def _cuts(size: int, step: int, edge: int) -> list[slice]:
    if size <= step:
        return [slice(0, size)]
    middle = (edge + BLOCK) % COARSE
    first = step if step % COARSE else middle + (step - middle) // COARSE * COARSE
    starts = [0, *range(first, size, step)]
    return [slice(start, stop) for start, stop in zip(starts, [*starts[1:], size], strict=True)]


def strip_rows(arrays: int, width: int, bytes_each: int) -> int:
    """Rows of a strip, so that a stack of arrays stays within STACK_BYTES; at most a block."""
    return max(16, min(STRIP_ROWS, STACK_BYTES // max(1, arrays * width * bytes_each) // 16 * 16))


def strips(rows: slice, size: int) -> list[slice]:
    """Some rows, `size` at a time."""
    return [slice(start, min(start + size, rows.stop)) for start in range(rows.start, rows.stop, size)]
