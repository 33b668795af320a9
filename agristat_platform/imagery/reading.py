"""Bands of scenes read from their files on the region's grid. The only module that opens scenes' rasters.

A file that cannot be read is an UnreadableSceneError naming scene, asset and remedy, never an empty block.
"""

from __future__ import annotations

import math
import re
from collections import OrderedDict
from types import TracebackType
from typing import Any

import numpy as np
import pystac
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.errors import RasterioError, RasterioIOError
from rasterio.io import DatasetReader
from rasterio.windows import Window

from agristat_platform.catalogue import Grid
from agristat_platform.imagery.collections import Band, Collection
from agristat_platform.imagery.encoding import Encoding, band_encoding, href_of
from agristat_platform.imagery.errors import UnreadableSceneError
from agristat_platform.imagery.layers import STORAGE, Storage, stored
from agristat_platform.imagery.masks import sky_mask
from agristat_platform.imagery.resampling import (
    Places,
    pixel_places,
    same_crs,
    sample_bilinear,
    sample_nearest,
    source_window,
)
from agristat_platform.imagery.signing import SasTokens

MOST_OPEN_FILES = 256
MOST_PLACES = 6
LATTICE_TOLERANCE = 1e-7  # of a pixel: a tenth of what sampling takes for the same lattice, which copies too
BLOCK_CACHE_MIB = 256  # decoded blocks that GDAL keeps; its default is a share of the machine's memory


class SceneReader:
    """Reads bands of scenes on one grid, in blocks of rows; keeps files open between blocks.

    Use as a context manager. Memory is that of the block asked for, whatever the size of region and scene.

    Parameters
    ----------
    grid:
        Grid on which every array comes back.
    tokens:
        Access to files in Planetary Computer's storage; None: its public service.
    """

    def __init__(self, grid: Grid, tokens: SasTokens | None = None) -> None:
        self.grid = grid
        self._tokens = tokens or SasTokens()
        self._open: OrderedDict[str, DatasetReader] = OrderedDict()
        self._places: OrderedDict[tuple[str, int, int], Places] = OrderedDict()
        self._lattices: dict[str, tuple[int, int] | None] = {}
        self._environment = rasterio.Env(
            GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR", GDAL_HTTP_MAX_RETRY=3, GDAL_CACHEMAX=BLOCK_CACHE_MIB
        )

    def __enter__(self) -> SceneReader:
        self._environment.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._open:
            self._open.popitem()[1].close()
        self._environment.__exit__(kind, error, trace)

    def values(self, item: pystac.Item, collection: Collection, band: Band, rows: slice) -> NDArray[np.float32]:
        """Physical values of a band on some rows of the grid, shape (rows, width), NaN where missing.

        Reflectance (0-1), linear power (> 0), kelvin or index, as the collection's table says; the
        baseline's offset is applied in here and nowhere else.

        Raises
        ------
        UnreadableSceneError, MissingAssetError, UnknownBaselineError, UncalibratedRadarError
        """
        encoding = band_encoding(item, collection, band)
        found = self._window(item, band, rows, encoding.nodata)
        if found is None:
            return np.full((rows.stop - rows.start, self.grid.width), np.nan, np.float32)
        pixels, transform, places = found
        if band.kind == "radar":
            pixels = np.where(pixels > 0, pixels, np.nan).astype(np.float32)  # power of nothing is nodata, not 0
        return physical(sample_bilinear(pixels, transform, places, encoding.nodata), encoding)

    def composite_pixels(self, item: pystac.Item, collection: Collection, band: Band, rows: slice) -> NDArray[Any]:
        """`values` as composites store them (`layers.STORAGE`), shape (rows, width).

        Where a scene's pixels are the grid's own, nothing has to be sampled: each of a file's 65 536 possible numbers
        is converted once instead of each pixel, with the same result.

        Raises
        ------
        As `values`.
        """
        storage = STORAGE[band.kind]
        encoding = band_encoding(item, collection, band)
        href = href_of(item, band)
        try:
            dataset = self._dataset(href)
            place = self._place_on_lattice(href, dataset)
            if place is None or dataset.dtypes[0] not in ("uint16", "int16"):
                return stored(self.values(item, collection, band, rows), storage)
            pixels = np.full((rows.stop - rows.start, self.grid.width), storage.nodata, storage.dtype)
            top, left = place[0] + rows.start, place[1]
            row0, row1 = max(0, top), min(dataset.height, place[0] + rows.stop)
            col0, col1 = max(0, left), min(dataset.width, left + self.grid.width)
            if row0 < row1 and col0 < col1:
                numbers = dataset.read(1, window=Window(col0, row0, col1 - col0, row1 - row0))
                pixels[row0 - top : row1 - top, col0 - left : col1 - left] = stored_numbers(numbers, encoding, storage)
        except RasterioError as error:
            self._forget(href)
            raise unreadable(item, band, href, error) from error
        return pixels

    def _place_on_lattice(self, href: str, dataset: DatasetReader) -> tuple[int, int] | None:
        """Row and column of the grid's corner in a scene whose pixels coincide with the grid's; None for any other."""
        if href not in self._lattices:
            grid, scene = self.grid.transform, dataset.transform
            same_cells = (grid.a, grid.b, grid.d, grid.e) == (scene.a, 0.0, 0.0, scene.e) and scene.b == scene.d == 0.0
            col, row = (grid.c - scene.c) / scene.a, (grid.f - scene.f) / scene.e
            on_cells = abs(col - round(col)) < LATTICE_TOLERANCE and abs(row - round(row)) < LATTICE_TOLERANCE
            found = dataset.crs is not None and same_cells and on_cells and same_crs(self.grid, dataset.crs.to_wkt())
            self._lattices[href] = (round(row), round(col)) if found else None
        return self._lattices[href]

    def sky(self, item: pystac.Item, collection: Collection, rows: slice) -> NDArray[np.uint8]:
        """Mask of `masks` on some rows of the grid, from the collection's mask band; DATA_MISSING outside the scene."""
        if collection.mask_band is None or collection.mask_rule is None:
            raise ValueError(f"{collection.name} has no mask band")
        found = self._window(item, collection.band(collection.mask_band), rows, None)
        if found is None:
            return np.zeros((rows.stop - rows.start, self.grid.width), np.uint8)
        pixels, transform, places = found
        return sky_mask(sample_nearest(pixels, transform, places), collection.mask_rule)

    def _window(
        self, item: pystac.Item, band: Band, rows: slice, nodata: float | None
    ) -> tuple[NDArray[np.float32], Affine, Places] | None:
        """Pixels of a scene around some rows, their transform, and the rows' places in the scene's CRS.

        `nodata` None: classes, which are never averaged.
        """
        href = href_of(item, band)
        try:
            dataset = self._dataset(href)
            if dataset.crs is None:
                raise UnreadableSceneError(
                    f"band {band.name} of scene {item.id} has no coordinate reference system",
                    where=href,
                    remedy="Use a terrain-corrected product (sentinel-1-rtc instead of GRD)",
                )
            places = self._places_in(dataset.crs.to_wkt(), rows)
            window = source_window(places, dataset.transform, dataset.width, dataset.height)
            if window is None:
                return None
            factor = 1 if nodata is None else self._decimation(dataset)
            pixels, transform = _read_window(dataset, window, factor, 0.0 if nodata is None else nodata)
        except RasterioError as error:
            self._forget(href)
            raise unreadable(item, band, href, error) from error
        return pixels, transform, places

    def _decimation(self, dataset: DatasetReader) -> int:
        """How many scene pixels fall side by side into a grid pixel; more than one are averaged before sampling."""
        return max(1, math.floor(self.grid.transform.a / abs(dataset.transform.a) + 0.25))

    def _dataset(self, href: str) -> DatasetReader:
        href = self._tokens.signed(href)
        if href in self._open:
            self._open.move_to_end(href)
            return self._open[href]
        while len(self._open) >= MOST_OPEN_FILES:
            self._open.popitem(last=False)[1].close()
        self._open[href] = rasterio.open(href)
        return self._open[href]

    def _forget(self, href: str) -> None:
        href = self._tokens.signed(href)
        if href in self._open:
            self._open.pop(href).close()

    def _places_in(self, crs: str, rows: slice) -> Places:
        key = (crs, rows.start, rows.stop)
        if key not in self._places:
            while len(self._places) >= MOST_PLACES:
                self._places.popitem(last=False)
            self._places[key] = pixel_places(self.grid, rows, crs)
        self._places.move_to_end(key)
        return self._places[key]


def physical(values: NDArray[np.float32], encoding: Encoding) -> NDArray[np.float32]:
    """Numbers of a file as physical values."""
    if encoding.scale == 1.0 and encoding.offset == 0.0:
        return values
    return (values.astype(np.float64) * encoding.scale + encoding.offset).astype(np.float32)


def stored_numbers(numbers: NDArray[Any], encoding: Encoding, storage: Storage) -> NDArray[Any]:
    """Numbers of a 16-bit file as composites store them, each possible number converted once."""
    possible = np.arange(1 << 16, dtype=np.uint16).view(numbers.dtype).astype(np.float32)
    possible[possible == np.float32(encoding.nodata)] = np.nan
    return stored(physical(possible, encoding), storage)[numbers.view(np.uint16)]


def _read_window(
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


def unreadable(item: pystac.Item, band: Band, href: str, error: Exception) -> UnreadableSceneError:
    """The error for a file that cannot be read, naming scene, band, file and remedy."""
    missing = isinstance(error, RasterioIOError) and "No such file" in str(error)
    what = "is missing" if missing else "cannot be read"
    reason = re.sub(r"\?\S*", "", str(error))[:160]  # without access tokens
    return UnreadableSceneError(
        f"band {band.name} of scene {item.id} {what}: {reason}",
        where=href,
        remedy="Fetch the file again, or leave the scene out with on_unreadable='drop'",
    )
