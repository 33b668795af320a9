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
from pyproj.exceptions import ProjError
from rasterio.errors import RasterioError, RasterioIOError
from rasterio.io import DatasetReader

from agristat_platform.catalogue import Grid, MaskSettings
from agristat_platform.imagery.access import REMOTE_OPTIONS, FileAccess, StoreEnvironment
from agristat_platform.imagery.collections import Band, Collection
from agristat_platform.imagery.encoding import Encoding, band_encoding, href_of, needs_calibration
from agristat_platform.imagery.errors import UnreadableSceneError
from agristat_platform.imagery.harmonisation import adjustment
from agristat_platform.imagery.layers import BLOCK_CACHE_BYTES, STORAGE, stored
from agristat_platform.imagery.number_merging import (
    SIXTEEN_BITS,
    Marks,
    along_axes,
    merge_copied,
    merge_interpolated,
    place_on_lattice,
)
from agristat_platform.imagery.resampling import (
    Places,
    pixel_places,
    sample_bilinear,
    source_window,
)
from agristat_platform.imagery.sentinel1_grd import GrdScene, read_annotation
from agristat_platform.imagery.sky_reading import read_sky, require_same_pixels, saturation_band
from agristat_platform.imagery.windows import grid_window, physical, pixel_width, read_window

MOST_OPEN_FILES = 256
MOST_PLACES = 6
MOST_CALIBRATIONS = 64
SLANTED_COLS = 2048


class SceneReader:
    """Reads bands of scenes on one grid, in blocks of rows; keeps files open between blocks.

    Use as a context manager. Memory is that of the block asked for, whatever the size of region and scene.

    Parameters
    ----------
    grid:
        Grid on which every array comes back.
    cols:
        Columns of the grid to read; None: all.
    masks:
        Dilation of cloud and shadow in `sky`.
    harmonise:
        Landsat's reflectance comes back adjusted to Sentinel-2's band passes.
    cache_bytes:
        Decoded blocks that GDAL keeps while the reader is open.
    access:
        How files are let be read where they lie; None: with the keys of the process's environment.
    """

    def __init__(
        self,
        grid: Grid,
        *,
        cols: slice | None = None,
        masks: MaskSettings | None = None,
        harmonise: bool = True,
        cache_bytes: int = BLOCK_CACHE_BYTES,
        access: FileAccess | None = None,
    ) -> None:
        self.grid = grid
        self.cols = cols or slice(0, grid.width)
        self.width = self.cols.stop - self.cols.start
        self._masks = masks or MaskSettings()
        self._harmonise = harmonise
        self._access = access or FileAccess()
        self._stores = StoreEnvironment(self._access)
        self._open: OrderedDict[str, DatasetReader] = OrderedDict()
        self._places: OrderedDict[tuple[str, int, int], Places] = OrderedDict()
        self._lattices: dict[str, tuple[int, int] | None] = {}
        self._wider: dict[tuple[int, int], SceneReader] = {}
        self._calibrations: OrderedDict[tuple[str, str], GrdScene] = OrderedDict()
        self._environment = rasterio.Env(**REMOTE_OPTIONS, GDAL_CACHEMAX=cache_bytes)

    def __enter__(self) -> SceneReader:
        self._environment.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._open:
            self._open.popitem()[1].close()
        self._stores.close()
        self._environment.__exit__(kind, error, trace)

    def widened(self, cols: slice) -> SceneReader:
        """A reader of other columns that shares this one's open files; it lives as long as this one."""
        key = (cols.start, cols.stop)
        if key not in self._wider:
            wider = SceneReader(self.grid, cols=cols, masks=self._masks, harmonise=self._harmonise, access=self._access)
            wider._open, wider._lattices, wider._calibrations = self._open, self._lattices, self._calibrations
            wider._stores = self._stores
            self._wider[key] = wider
        return self._wider[key]

    def values(self, item: pystac.Item, collection: Collection, band: Band, rows: slice) -> NDArray[np.float32]:
        """Physical values of a band on some rows of the grid, shape (rows, width), NaN where missing.

        Reflectance (0-1), linear power (> 0), kelvin or index, as the collection's table says; the
        baseline's offset is applied in here and nowhere else.

        Raises
        ------
        UnreadableSceneError, MissingAssetError, UnknownBaselineError, UncalibratedRadarError
        """
        if needs_calibration(item, collection, band):
            return self._calibrated(item, band, rows)
        parts = self._slanted_parts(item, band)
        if len(parts) > 1:
            blocks = [self.widened(part).values(item, collection, band, rows) for part in parts]
            return np.concatenate(blocks, axis=1)
        encoding = self._encoding(item, collection, band)
        found = self._window(item, band, rows, encoding.nodata)
        if found is None:
            return np.full((rows.stop - rows.start, self.width), np.nan, np.float32)
        pixels, transform, places = found
        if band.kind == "radar":
            pixels = np.where(pixels > 0, pixels, np.nan).astype(np.float32)  # power of nothing is nodata, not 0
        return physical(sample_bilinear(pixels, transform, places, encoding.nodata), encoding)

    def composite_pixels(self, item: pystac.Item, collection: Collection, band: Band, rows: slice) -> NDArray[Any]:
        """`values` as composites store them (`layers.STORAGE`), shape (rows, width).

        Raises
        ------
        As `values`.
        """
        storage = STORAGE[band.kind]
        pixels = np.full((rows.stop - rows.start, self.width), storage.nodata, storage.dtype)
        everywhere = np.ones((1, *pixels.shape), np.uint8)
        self.merge_pixels(item, collection, band, rows, Marks(everywhere, 0, 0), pixels)
        return pixels

    def merge_pixels(
        self, item: pystac.Item, collection: Collection, band: Band, rows: slice, marks: Marks, out: NDArray[Any]
    ) -> None:
        """Write the stored pixels of a band into `out` (rows, width) where the scene's bit is set and it has a value.

        16-bit files are never turned into floating point: where a scene's pixels are the grid's own, each of 65 536
        possible numbers is converted once, and on another lattice of the same CRS numbers are interpolated, scaled and
        rounded (halves up) in one pass.

        Raises
        ------
        As `values`.
        """
        storage = STORAGE[band.kind]
        if storage.dtype in SIXTEEN_BITS and self._merge_numbers(item, collection, band, rows, marks, out):
            return
        values = stored(self.values(item, collection, band, rows), storage)
        wanted = (marks.planes[marks.plane] & np.uint8(1 << marks.bit)) != 0
        there = np.isfinite(values) if storage.dtype == "float32" else values != storage.nodata
        np.copyto(out, values, where=wanted & there)

    def _merge_numbers(
        self, item: pystac.Item, collection: Collection, band: Band, rows: slice, marks: Marks, out: NDArray[Any]
    ) -> bool:
        """`merge_pixels` for what needs no floating point; False where it does, and then nothing is written."""
        storage = STORAGE[band.kind]
        encoding = self._encoding(item, collection, band)
        href = href_of(item, band)
        try:
            dataset = self._dataset(href)
            if dataset.dtypes[0] not in SIXTEEN_BITS:
                return False
            place = self._place_on_lattice(href, dataset)
            if place is not None:
                corner = place[0] + rows.start, place[1] + self.cols.start
                merge_copied(dataset, corner, encoding, storage, marks, out)
                return True
            if self._decimation(dataset) == 1 and along_axes(self.grid, dataset):
                places = self._places_in(dataset.crs.to_wkt(), rows)
                merge_interpolated(dataset, places, encoding, storage, marks, out)
                return True
        except RasterioError as error:
            self._forget(href)
            raise unreadable(item, band, href, error) from error
        return False

    def _calibrated(self, item: pystac.Item, band: Band, rows: slice) -> NDArray[np.float32]:
        """Backscatter of digital numbers; a scene's annotation is read once and kept."""
        key = (item.id, band.name)
        if key not in self._calibrations:
            while len(self._calibrations) >= MOST_CALIBRATIONS:
                self._calibrations.popitem(last=False)
            self._calibrations[key] = GrdScene(
                item,
                band.name,
                open_raster=self._dataset,
                open_text=lambda href: read_annotation(href, self._access),
            )
        self._calibrations.move_to_end(key)
        href = href_of(item, band)
        try:
            return self._calibrations[key].read(self.grid, rows, self.cols)
        except RasterioError as error:
            self._forget(href)
            raise unreadable(item, band, href, error) from error

    def _encoding(self, item: pystac.Item, collection: Collection, band: Band) -> Encoding:
        """The band's encoding, harmonised where the reader is to."""
        encoding = band_encoding(item, collection, band)
        if not self._harmonise or collection.name != "landsat-c2-l2" or band.kind != "optical":
            return encoding
        slope, offset = adjustment(band.name)
        return Encoding(encoding.scale * slope, encoding.offset * slope + offset, encoding.nodata)

    def _place_on_lattice(self, href: str, dataset: DatasetReader) -> tuple[int, int] | None:
        """`place_on_lattice` of a scene's file, decided once."""
        if href not in self._lattices:
            self._lattices[href] = place_on_lattice(self.grid, dataset)
        return self._lattices[href]

    def sky(self, item: pystac.Item, collection: Collection, rows: slice) -> NDArray[np.uint8]:
        """Sky class of `masks` on some rows of the grid, from the collection's mask band; DATA_MISSING outside the scene.

        Cloud and shadow are dilated in the scene's own pixels, before they are put on the grid. A Landsat pixel that is
        saturated is SATURATED where the item has that file (`qa_radsat`).
        """
        if collection.mask_band is None or collection.mask_rule is None:
            raise ValueError(f"{collection.name} has no mask band")
        band = collection.band(collection.mask_band)
        href = href_of(item, band)
        try:
            mask = self._dataset(href)
            places = self._places_in(_crs_of(mask, item, band, href), rows)
            marking = saturation_band(item, collection)
            saturation = None
            if marking is not None:
                band, href = marking, href_of(item, marking)
                saturation = self._dataset(href)
                require_same_pixels(mask, saturation, item, href)
            return read_sky(mask, saturation, collection.mask_rule, self._masks, places)
        except RasterioError as error:
            self._forget(href)
            raise unreadable(item, band, href, error) from error

    def extent(self, item: pystac.Item, band: Band) -> tuple[slice, slice]:
        """Rows and columns of the grid that the file of a band may cover, a margin included; empty where none."""
        href = href_of(item, band)
        try:
            dataset = self._dataset(href)
            if dataset.crs is None:  # on the ground by other means than a CRS, or nowhere: reading finds out
                return slice(0, self.grid.height), slice(0, self.grid.width)
            return grid_window(self.grid, str(dataset.crs.to_wkt()), tuple(dataset.bounds))
        except (RasterioError, ProjError) as error:
            self._forget(href)
            raise unreadable(item, band, href, error) from error

    def _slanted_parts(self, item: pystac.Item, band: Band) -> list[slice]:
        """Columns read at once: few of a scene askew to the grid, whose box around a wide strip is mostly unwanted."""
        if self.width <= SLANTED_COLS:
            return [self.cols]
        href = href_of(item, band)
        try:
            dataset = self._dataset(href)
        except RasterioError as error:
            raise unreadable(item, band, href, error) from error
        if dataset.crs is None or along_axes(self.grid, dataset):
            return [self.cols]
        starts = range(self.cols.start, self.cols.stop, SLANTED_COLS)
        return [slice(start, min(start + SLANTED_COLS, self.cols.stop)) for start in starts]

    def _window(
        self, item: pystac.Item, band: Band, rows: slice, nodata: float
    ) -> tuple[NDArray[np.float32], Affine, Places] | None:
        """Pixels of a scene around some rows, their transform, and the rows' places in the scene's CRS."""
        href = href_of(item, band)
        try:
            dataset = self._dataset(href)
            places = self._places_in(_crs_of(dataset, item, band, href), rows)
            window = source_window(places, dataset.transform, dataset.width, dataset.height)
            if window is None:
                return None
            pixels, transform = read_window(dataset, window, self._decimation(dataset), nodata)
        except RasterioError as error:
            self._forget(href)
            raise unreadable(item, band, href, error) from error
        return pixels, transform, places

    def _decimation(self, dataset: DatasetReader) -> int:
        """How many scene pixels fall side by side into a grid pixel; more than one are averaged before sampling."""
        return max(1, math.floor(self.grid.transform.a / pixel_width(dataset.transform) + 0.25))

    def _dataset(self, href: str) -> DatasetReader:
        href = self._stores.address(href)
        if href in self._open:
            self._open.move_to_end(href)
            return self._open[href]
        while len(self._open) >= MOST_OPEN_FILES:
            self._open.popitem(last=False)[1].close()
        self._open[href] = rasterio.open(href)
        return self._open[href]

    def _forget(self, href: str) -> None:
        href = self._stores.address(href)
        if href in self._open:
            self._open.pop(href).close()

    def _places_in(self, crs: str, rows: slice) -> Places:
        key = (crs, rows.start, rows.stop)
        if key not in self._places:
            while len(self._places) >= MOST_PLACES:
                self._places.popitem(last=False)
            self._places[key] = pixel_places(self.grid, rows, self.cols, crs)
        self._places.move_to_end(key)
        return self._places[key]


def _crs_of(dataset: DatasetReader, item: pystac.Item, band: Band, href: str) -> str:
    """The scene's CRS; a scene without one lies nowhere."""
    if dataset.crs is None:
        radar = band.kind == "radar"
        raise UnreadableSceneError(
            f"band {band.name} of scene {item.id} has no coordinate reference system",
            where=href,
            remedy="Use a terrain-corrected product (sentinel-1-rtc instead of GRD)"
            if radar
            else "The file is damaged or only a part of it: fetch it again",
        )
    return str(dataset.crs.to_wkt())


def unreadable(item: pystac.Item, band: Band, href: str, error: Exception) -> UnreadableSceneError:
    """The error for a file that cannot be read, naming scene, band, file and remedy."""
    missing = isinstance(error, RasterioIOError) and "No such file" in str(error)
    what = "is missing" if missing else "cannot be read"
    # rasterio keeps GDAL's own words in the cause; access tokens stay out
    told = error.__cause__ if "previous exception" in str(error) and error.__cause__ is not None else error
    reason = re.sub(r"\?\S*", "", str(told))[:160]
    return UnreadableSceneError(
        f"band {band.name} of scene {item.id} {what}: {reason}",
        where=href,
        remedy="Fetch the file again, or take the scene's item out of the catalogue that is searched",
    )
