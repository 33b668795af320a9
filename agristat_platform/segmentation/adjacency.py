"""Which segments of a label raster lie side by side, found in one pass.

Belongs here: neighbours of any raster of labels, read by strips. The graph that regions grow on is in
`region_growing.graph`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit
from rasterio.windows import Window

from agristat_platform.segmentation.label_overlaps import FIRST_SLOTS, STRIP_PIXELS, find_slot, grown_table
from agristat_platform.segmentation.label_rasters import label_raster
from agristat_platform.segmentation.raster_files import open_raster, read_rows

Neighbours = tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32], npt.NDArray[np.int64]]


@njit(cache=True, nogil=True)
def _count_sides(above, labels, keys, counts, used):  # type: ignore[no-untyped-def]
    """Add the sides within a strip, and between it and the row above, to the table; returns the table."""
    rows, cols = labels.shape
    for row in range(rows):
        for col in range(cols):
            own = labels[row, col]
            if own == 0:
                continue
            for side in range(2):
                if side == 0:
                    if col == 0:
                        continue
                    other = labels[row, col - 1]
                elif row > 0:
                    other = labels[row - 1, col]
                else:
                    other = above[col]
                if other == 0 or other == own:
                    continue
                key = (np.uint64(min(own, other)) << np.uint64(32)) | np.uint64(max(own, other))
                at = find_slot(keys, key)
                if keys[at] == np.uint64(0):
                    keys[at] = key
                    used += 1
                counts[at] += 1
                if 2 * used > len(keys):
                    keys, counts = grown_table(keys, counts)
    return keys, counts, used


def neighbours(labels: npt.NDArray[Any]) -> Neighbours:
    """Pairs of segments with a common side, of a raster in memory.

    Parameters
    ----------
    labels:
        (rows, cols) segment numbers, 0 = nodata.

    Returns
    -------
    (lower number, higher number, common sides of pixels), each (pairs,), ordered by both. Pixels that touch at a corner are
    no neighbours, and ground without a segment is none.

    Raises
    ------
    ImageShapeError, TooManySegmentsError
        It is no label raster.
    """
    return _counted([label_raster(labels)])


def file_neighbours(path: Path, *, strip_pixels: int = STRIP_PIXELS) -> Neighbours:
    """`neighbours` of a label file, read in strips of whole rows; memory is a strip and the table of pairs.

    Raises
    ------
    ImageShapeError, TooManySegmentsError
        The file holds no segment numbers.
    ImageSourceError
        The file cannot be opened or read.
    """
    with open_raster(path) as raster:
        return _counted(_strips(raster, strip_pixels))


def _strips(raster: Any, strip_pixels: int) -> Iterator[npt.NDArray[np.uint32]]:
    block = raster.block_shapes[0][0]
    rows = max(block, strip_pixels // raster.width // block * block)  # whole blocks: each is decoded once
    for top in range(0, raster.height, rows):
        window = Window(0, top, raster.width, min(rows, raster.height - top))
        yield label_raster(read_rows(raster, window))


def _counted(strips: Iterable[npt.NDArray[np.uint32]]) -> Neighbours:
    keys, counts, used = np.zeros(FIRST_SLOTS, np.uint64), np.zeros(FIRST_SLOTS, np.int64), 0
    above: npt.NDArray[np.uint32] | None = None
    for labels in strips:
        above = np.zeros(labels.shape[1], np.uint32) if above is None else above
        keys, counts, used = _count_sides(above, labels, keys, counts, used)
        above = labels[-1].copy()
    found = np.flatnonzero(keys)
    found = found[np.argsort(keys[found])]
    low, high = keys[found] >> np.uint64(32), keys[found] & np.uint64(0xFFFFFFFF)
    return low.astype(np.uint32), high.astype(np.uint32), counts[found]
