"""Rasters in files as one image that is read row by row.

Belongs here: opening, the check that files lie on one grid, reading, and what the files say is missing. What is done
with the pixels is in `steps`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.enums import MaskFlags
from rasterio.errors import RasterioError
from rasterio.windows import Window

from agristat_platform.segmentation.errors import ImageSourceError
from agristat_platform.segmentation.label_files import BLOCK_CACHE_BYTES
from agristat_platform.segmentation.raster_files import grid_in_words, open_raster, share_grid, unreadable

_TALLEST_BLOCK = 2048  # rows; a strip of higher blocks would be most of many an image


class ImageFiles:
    """The bands of several rasters on one grid, in the order of the files; a context manager.

    Parameters
    ----------
    paths:
        Anything GDAL opens; every band counts.
    nodata:
        Value that marks missing pixels in every band, beside NaN; "file": what each file says of each of its bands,
        by value or by mask; None: no value does.

    Attributes
    ----------
    shape: (bands, rows, cols).
    crs, transform: of the grid.
    nodata: value that marks missing pixels in what `read` gives, beside NaN and its mask; None where none does.

    Raises
    ------
    ImageSourceError
        On entering: there is no file, one cannot be opened or has another grid than the first.
    """

    def __init__(self, paths: Sequence[str | Path], nodata: float | Literal["file"] | None) -> None:
        self._paths = paths
        self._files = ExitStack()
        self._wanted_nodata = nodata
        self.nodata: float | None = None

    def __enter__(self) -> Self:
        if not self._paths:
            raise ImageSourceError("there is no raster to segment", remedy="Name at least one")
        with ExitStack() as stack:
            stack.enter_context(rasterio.Env(GDAL_CACHEMAX=BLOCK_CACHE_BYTES))
            rasters = [stack.enter_context(open_raster(path)) for path in self._paths]
            for raster in rasters[1:]:
                _require_one_grid(rasters[0], raster)
            self._files = stack.pop_all()
        self._rasters = rasters
        first = rasters[0]
        self.shape = (sum(raster.count for raster in rasters), int(first.height), int(first.width))
        self.crs, self.transform = first.crs, first.transform
        self._dtype = np.result_type(*(np.dtype(name) for raster in rasters for name in raster.dtypes))
        self._masked = False
        if self._wanted_nodata == "file":
            values = {
                None if value is None or np.isnan(value) else value for raster in rasters for value in raster.nodatavals
            }
            flags = [flags for raster in rasters for flags in raster.mask_flag_enums]
            plain = ([MaskFlags.nodata], [MaskFlags.all_valid])
            # Reading masks takes time; one value for all bands is compared with just as well.
            self._masked = len(values) > 1 or any(flag not in plain for flag in flags)
            self.nodata = None if self._masked else values.pop()
        else:
            self.nodata = self._wanted_nodata
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()

    def strip_rows(self, rows: int) -> int:
        """So many rows, or a few less or more, that every block of the files lies in one strip."""
        blocks = [shape[0] for raster in self._rasters for shape in raster.block_shapes]
        block = int(np.lcm.reduce(blocks))
        return rows if block > _TALLEST_BLOCK else max(rows // block, 1) * block

    def read(self, rows: slice) -> npt.NDArray[Any]:
        """Rows of all bands as (bands, rows, cols); masked where a file's mask counts.

        Raises
        ------
        ImageSourceError
            A file cannot be read there.
        """
        window = Window(0, rows.start, self.shape[2], rows.stop - rows.start)
        image = np.empty((self.shape[0], window.height, window.width), dtype=self._dtype)
        missing = np.zeros(image.shape[1:], dtype=np.bool_)
        band = 0
        for raster in self._rasters:
            try:
                raster.read(window=window, out=image[band : band + raster.count])
                if self._masked:
                    missing |= (raster.read_masks(window=window) == 0).any(axis=0)
            except RasterioError as error:
                raise unreadable(raster, window, error) from error
            band += raster.count
        return np.ma.array(image, mask=np.broadcast_to(missing, image.shape), copy=False) if self._masked else image


def _require_one_grid(first: Any, other: Any) -> None:
    if not share_grid(first, other):
        raise ImageSourceError(
            f"the rasters lie on different grids: {grid_in_words(first)}; {grid_in_words(other)}",
            where=f"{first.name}, {other.name}",
            remedy="Bring all bands to one grid first",
        )
