"""Rasters in files: opening and reading with errors that name the file, and whether they lie on one grid.

Belongs here: what label files and images have in common. What follows where grids differ is the caller's to say.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy.typing as npt
import rasterio
from rasterio.errors import RasterioError
from rasterio.windows import Window

from agristat_platform.segmentation.errors import ImageSourceError

_SHIFT_OF_GRID = 1e-6  # of a pixel: what two writers of one grid may differ by in floating point


def open_raster(path: str | Path) -> Any:
    """The raster, to be closed by the caller.

    Raises
    ------
    ImageSourceError
        There is none, or GDAL does not know it.
    """
    try:
        return rasterio.open(path)
    except RasterioError as error:
        raise ImageSourceError(
            f"the raster cannot be opened: {error}", where=str(path), remedy="Check the path and the file"
        ) from error


def read_rows(raster: Any, window: Window) -> npt.NDArray[Any]:
    """The first band of an open raster within whole rows.

    Raises
    ------
    ImageSourceError
        The file cannot be read there.
    """
    try:
        band: npt.NDArray[Any] = raster.read(1, window=window)
    except RasterioError as error:
        raise unreadable(raster, window, error) from error
    return band


def unreadable(raster: Any, window: Window, error: RasterioError) -> ImageSourceError:
    """The error of rows that cannot be read."""
    return ImageSourceError(
        f"rows {window.row_off} to {window.row_off + window.height - 1} cannot be read: {error}",
        where=raster.name,
        remedy="The file may be cut short; make it again",
    )


def share_grid(first: Any, other: Any) -> bool:
    """Whether two open rasters have the same size, CRS and, to a millionth of a pixel, transform."""
    slack = _SHIFT_OF_GRID * abs(first.transform.a)
    shifted = any(abs(a - b) > slack for a, b in zip(first.transform[:6], other.transform[:6], strict=True))
    return bool(first.shape == other.shape and not shifted and first.crs == other.crs)


def grid_in_words(raster: Any) -> str:
    """Size, pixel, origin and CRS of an open raster."""
    a, _, c, _, e, f = tuple(raster.transform)[:6]
    crs = raster.crs.to_string()[:40] if raster.crs else "no CRS"
    return f"{raster.width} × {raster.height} pixels of {a:g} × {-e:g} from ({c:g}, {f:g}) in {crs}"
