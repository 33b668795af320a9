"""How many pixels each pair of labels of two label rasters share, counted in one pass.

Belongs here: counting, in memory and from files. What the counts mean is in `seasons.links`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit
from rasterio.windows import Window

from agristat_platform.segmentation.errors import LabelGridError
from agristat_platform.segmentation.label_rasters import label_raster
from agristat_platform.segmentation.raster_files import grid_in_words, open_raster, read_rows, share_grid

STRIP_PIXELS = 4_000_000  # of both rasters at a time: 32 MB of labels, and still several rows of blocks
FIRST_SLOTS = 1 << 12

Pairs = tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32], npt.NDArray[np.int64]]


@njit(cache=True, nogil=True)
def find_slot(keys, key):  # type: ignore[no-untyped-def]
    """Where a key stands, or the empty slot where it belongs (linear probing; 0 marks an empty slot)."""
    mask = np.uint64(len(keys) - 1)
    at = ((key * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(20)) & mask
    while keys[at] != np.uint64(0) and keys[at] != key:
        at = (at + np.uint64(1)) & mask
    return at


@njit(cache=True, nogil=True)
def grown_table(keys, counts):  # type: ignore[no-untyped-def]
    """A table of twice as many slots with the same counts."""
    larger = np.zeros(2 * len(keys), dtype=np.uint64)
    moved = np.zeros(2 * len(keys), dtype=np.int64)
    for i in range(len(keys)):
        if keys[i] != np.uint64(0):
            to = find_slot(larger, keys[i])
            larger[to] = keys[i]
            moved[to] = counts[i]
    return larger, moved


@njit(cache=True, nogil=True)
def _count_strip(previous, current, keys, counts, used):  # type: ignore[no-untyped-def]
    """Add a strip's pairs to the table; returns the table, which may have grown.

    Neighbouring pixels mostly make the same pair, so the table is asked once a run.
    """
    n = len(previous)
    start = 0
    while start < n:
        p = previous[start]
        c = current[start]
        end = start + 1
        while end < n and previous[end] == p and current[end] == c:
            end += 1
        key = (np.uint64(p) << np.uint64(32)) | np.uint64(c)
        if key != np.uint64(0):
            at = find_slot(keys, key)
            if keys[at] == np.uint64(0):
                keys[at] = key
                used += 1
            counts[at] += end - start
            if 2 * used > len(keys):
                keys, counts = grown_table(keys, counts)
        start = end
    return keys, counts, used


def count_overlaps(previous_labels: npt.NDArray[Any], labels: npt.NDArray[Any]) -> Pairs:
    """Pixels of every pair of labels that occurs, of two rasters in memory.

    Parameters
    ----------
    previous_labels, labels:
        (rows, cols) segment numbers on one grid, 0 = nodata.

    Returns
    -------
    (previous label, label, pixels), ordered by both; a label of 0 is ground that the other raster alone labels. The pair
    (0, 0) is left out.

    Raises
    ------
    ImageShapeError, TooManySegmentsError
        One of them is no label raster.
    LabelGridError
        They have different sizes.
    """
    before, after = label_raster(previous_labels), label_raster(labels)
    if before.shape != after.shape:
        raise LabelGridError(
            f"the previous labels have {before.shape[0]} × {before.shape[1]} pixels, the labels {after.shape[0]} × {after.shape[1]}",
            remedy="Segments of two seasons are compared on the region's one grid: segment one of them again",
        )
    return _counted([(before.reshape(-1), after.reshape(-1))])


def count_file_overlaps(previous_path: Path, path: Path, *, strip_pixels: int = STRIP_PIXELS) -> Pairs:
    """Pixels of every pair of labels that occurs, of two label files, read in strips of whole rows.

    Memory is a strip of both and the table of pairs, whatever the files' size.

    Raises
    ------
    LabelGridError
        The files have different CRS, transforms or sizes (the message gives both), or mark nodata by another value than 0.
    ImageShapeError, TooManySegmentsError
        A file holds no segment numbers.
    ImageSourceError
        A file cannot be opened or read.
    """
    with open_raster(previous_path) as before, open_raster(path) as after:
        _require_one_grid(before, after)
        return _counted(_strips(before, after, strip_pixels))


def _strips(before: Any, after: Any, strip_pixels: int) -> Iterator[tuple[Any, Any]]:
    block = max(before.block_shapes[0][0], after.block_shapes[0][0])
    rows = max(block, strip_pixels // after.width // block * block)  # whole blocks: each is decoded once
    for top in range(0, after.height, rows):
        window = Window(0, top, after.width, min(rows, after.height - top))
        first, second = (label_raster(read_rows(raster, window)).reshape(-1) for raster in (before, after))
        yield first, second


def _counted(strips: Iterable[tuple[Any, Any]]) -> Pairs:
    keys, counts, used = np.zeros(FIRST_SLOTS, np.uint64), np.zeros(FIRST_SLOTS, np.int64), 0
    for before, after in strips:
        keys, counts, used = _count_strip(before, after, keys, counts, used)
    found = np.flatnonzero(keys)
    found = found[np.argsort(keys[found])]
    return (
        (keys[found] >> np.uint64(32)).astype(np.uint32),
        (keys[found] & np.uint64(0xFFFFFFFF)).astype(np.uint32),
        counts[found],
    )


def on_one_grid(previous_path: Path, path: Path) -> bool:
    """Whether two rasters have the same CRS, transform and size, so that `count_file_overlaps` compares them."""
    with open_raster(previous_path) as before, open_raster(path) as after:
        return share_grid(before, after)


def _require_one_grid(before: Any, after: Any) -> None:
    for raster in (before, after):
        if raster.nodata not in (None, 0):
            raise LabelGridError(
                f"nodata is {raster.nodata:g} in a label raster", where=raster.name, remedy="Labels mark nodata by 0"
            )
    if not share_grid(before, after):
        raise LabelGridError(
            f"the label rasters lie on different grids: {grid_in_words(before)}; {grid_in_words(after)}",
            where=f"{before.name}, {after.name}",
            remedy="Segments of two seasons are compared on the region's one grid: segment one of them again",
        )
