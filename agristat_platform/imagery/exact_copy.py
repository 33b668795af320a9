"""Ready composites taken over pixel by pixel: same lattice or an error, never a silent resampling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pystac
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window

from agristat_platform.catalogue import Grid
from agristat_platform.imagery.collections import Band, Collection
from agristat_platform.imagery.encoding import Encoding, band_encoding, href_of
from agristat_platform.imagery.errors import GridMismatchError
from agristat_platform.imagery.layers import STORAGE, stored
from agristat_platform.imagery.reading import unreadable
from agristat_platform.imagery.resampling import same_crs

LATTICE_TOLERANCE = 1e-3  # of a pixel


def copy_exactly(
    overpasses: Sequence[Sequence[pystac.Item]],
    collection: Collection,
    band: Band,
    grid: Grid,
    rows: slice,
    cols: slice,
) -> tuple[NDArray[Any], NDArray[np.uint16]]:
    """Stored pixels of a band on some rows and columns of the grid, and where there is a value (count 1).

    Where the file's scale is the platform's, numbers are copied as they are and only nodata is renamed.

    Raises
    ------
    GridMismatchError
        The file lies on another lattice, or does not reach over the whole grid.
    UnreadableSceneError
    """
    storage = STORAGE[band.kind]
    shape = (rows.stop - rows.start, cols.stop - cols.start)
    pixels = np.full(shape, storage.nodata, storage.dtype)
    for item in (item for overpass in overpasses for item in overpass):
        encoding = band_encoding(item, collection, band)
        raw = _lattice_window(item, band, grid, rows, cols)
        missing = (raw == encoding.nodata) | ~np.isfinite(raw)
        free = (pixels == storage.nodata) & ~missing
        pixels[free] = _same_numbers(raw, encoding, band)[free]
    return pixels, (pixels != storage.nodata).astype(np.uint16)


def _same_numbers(raw: NDArray[Any], encoding: Encoding, band: Band) -> NDArray[Any]:
    storage = STORAGE[band.kind]
    if encoding.scale == storage.scale and encoding.offset == 0.0 and raw.dtype == np.dtype(storage.dtype):
        return raw
    physical = raw.astype(np.float64) * encoding.scale + encoding.offset
    return stored(physical.astype(np.float32), storage)


def _lattice_window(item: pystac.Item, band: Band, grid: Grid, rows: slice, cols: slice) -> NDArray[Any]:
    href = href_of(item, band)
    try:
        with rasterio.open(href) as dataset:
            row, col = _place_on_lattice(dataset, grid, item, href)
            return dataset.read(
                1, window=Window(col + cols.start, row + rows.start, cols.stop - cols.start, rows.stop - rows.start)
            )
    except RasterioError as error:
        raise unreadable(item, band, href, error) from error


def _place_on_lattice(dataset: DatasetReader, grid: Grid, item: pystac.Item, href: str) -> tuple[int, int]:
    """Row and column of the file at which the grid begins."""
    col, row = (~dataset.transform) * (grid.transform.c, grid.transform.f)
    sizes = (grid.transform.a / dataset.transform.a, grid.transform.e / dataset.transform.e)
    drift = max(abs(sizes[0] - 1) * grid.width, abs(sizes[1] - 1) * grid.height)
    aligned = max(abs(col - round(col)), abs(row - round(row)), drift) < LATTICE_TOLERANCE
    if not (aligned and same_crs(grid, dataset.crs.to_wkt())):
        raise GridMismatchError(
            f"composite {item.id} lies on another pixel lattice than the region",
            where=href,
            remedy=f"Give the region file this grid: crs of the file, transform {list(dataset.transform)[:6]}, "
            f"width {dataset.width}, height {dataset.height}",
        )
    row0, col0 = round(row), round(col)
    if row0 < 0 or col0 < 0 or row0 + grid.height > dataset.height or col0 + grid.width > dataset.width:
        raise GridMismatchError(
            f"composite {item.id} does not reach over the whole region grid",
            where=href,
            remedy=f"Cut the region's grid to the file's {dataset.width} × {dataset.height} pixels",
        )
    return row0, col0
