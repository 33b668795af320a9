"""Windows of scenes' files: read as they are or averaged, and numbers turned into physical values and stored ones."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.io import DatasetReader
from rasterio.windows import Window

from agristat_platform.catalogue import Grid
from agristat_platform.imagery.encoding import Encoding
from agristat_platform.imagery.layers import Storage, stored
from agristat_platform.imagery.resampling import way_between

MARGIN = 8  # pixels around a transformed box, whose bent edges are followed at 21 points each


def physical(values: NDArray[np.float32], encoding: Encoding) -> NDArray[np.float32]:
    """Numbers of a file as physical values."""
    if encoding.scale == 1.0 and encoding.offset == 0.0:
        return values
    return (values.astype(np.float64) * encoding.scale + encoding.offset).astype(np.float32)


@lru_cache(maxsize=32)
def conversion_table(dtype: np.dtype[Any], encoding: Encoding, storage: Storage) -> NDArray[Any]:
    """Each number a 16-bit file may hold, by its bit pattern, as composites store it."""
    possible = np.arange(1 << 16, dtype=np.uint16).view(dtype).astype(np.float32)
    possible[possible == np.float32(encoding.nodata)] = np.nan
    return stored(physical(possible, encoding), storage)


def pixel_width(transform: Affine) -> float:
    """Length of the step from one column to the next, also of scenes that are not north-up."""
    return math.hypot(transform.a, transform.d)


@lru_cache(maxsize=32)
def whole_shift(dtype: np.dtype[Any], encoding: Encoding, storage: Storage) -> int | None:
    """The whole number that turns numbers of a file into stored ones; None where it isn't as simple as that.

    It is when adding it, clipping to the storage's range and keeping nodata gives `conversion_table` entry by entry, as
    it does for Sentinel-2 with and without the offset of its baseline.
    """
    if str(dtype) != "uint16" or storage.dtype != "uint16" or not 0 <= encoding.nodata <= 65535:
        return None
    shift = round(encoding.offset / storage.scale)
    possible = np.arange(1 << 16)
    simple = np.clip(possible + shift, storage.least, storage.most).astype(np.uint16)
    simple[possible == encoding.nodata] = storage.nodata
    return shift if np.array_equal(simple, conversion_table(dtype, encoding, storage)) else None


def widened(window: tuple[int, int, int, int], margin: int, dataset: DatasetReader) -> tuple[int, int, int, int]:
    """A window with a margin on all sides, within the scene."""
    row0, row1, col0, col1 = window
    return (
        max(0, row0 - margin),
        min(dataset.height, row1 + margin),
        max(0, col0 - margin),
        min(dataset.width, col1 + margin),
    )


def grid_window(grid: Grid, crs: str, bounds: tuple[float, float, float, float]) -> tuple[slice, slice]:
    """Rows and columns of a grid that a box of another CRS may reach, MARGIN pixels included; empty where none.

    Raises
    ------
    pyproj.exceptions.ProjError
        There is no way from that CRS to the grid's.
    """
    x0, y0, x1, y1 = bounds  # of a scene that is not north-up bottom may be above top
    box = (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
    left, bottom, right, top = way_between(crs, grid.crs).transform_bounds(*box)
    if not all(map(math.isfinite, (left, bottom, right, top))):
        return slice(0, grid.height), slice(0, grid.width)
    (col0, row0), (col1, row1) = ~grid.transform * (left, top), ~grid.transform * (right, bottom)
    return _within(row0, row1, grid.height), _within(col0, col1, grid.width)


def _within(first: float, last: float, size: int) -> slice:
    start = min(max(math.floor(first) - MARGIN, 0), size)
    return slice(start, max(start, min(math.ceil(last) + MARGIN, size)))


def read_window(
    dataset: DatasetReader, window: tuple[int, int, int, int], factor: int, nodata: float
) -> tuple[NDArray[np.float32], Affine]:
    """First band of a window as float32, averaged by `factor` on cells counted from the scene's corner."""
    row0, row1, col0, col1 = window
    if factor > 1:
        row0, col0 = row0 // factor * factor, col0 // factor * factor
        row1 = min(dataset.height, -(-row1 // factor) * factor)
        col1 = min(dataset.width, -(-col1 // factor) * factor)
    pixels = dataset.read(1, window=Window(col0, row0, col1 - col0, row1 - row0)).astype(np.float32)
    transform = dataset.transform * Affine.translation(col0, row0)
    if factor == 1:
        return pixels, transform
    return cell_means(pixels, factor, nodata), transform * Affine.scale(factor)


def cell_means(pixels: NDArray[np.float32], factor: int, nodata: float) -> NDArray[np.float32]:
    """Mean of the valid pixels of each factor × factor cell; `nodata` where fewer than half of them are valid."""
    rows, cols = -(-pixels.shape[0] // factor), -(-pixels.shape[1] // factor)
    padded = np.full((rows * factor, cols * factor), np.nan, np.float32)
    padded[: pixels.shape[0], : pixels.shape[1]] = np.where(pixels == nodata, np.nan, pixels)
    cells = padded.reshape(rows, factor, cols, factor)
    count = np.isfinite(cells).sum(axis=(1, 3))
    total = np.nansum(cells, axis=(1, 3), dtype=np.float64)
    means = total / np.maximum(count, 1)
    return np.where(2 * count >= factor * factor, means, nodata).astype(np.float32)
