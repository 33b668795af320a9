"""Label rasters as files and as pictures.

Belongs here: what is done with labels that are finished. Where they come from is no business of this module.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import rasterio
import rasterio.shutil
from affine import Affine
from PIL import Image
from rasterio._err import CPLE_BaseError  # what rasterio.shutil.copy raises; nothing public is above it
from rasterio.errors import RasterioError
from rasterio.windows import Window

from agristat_platform.catalogue import Grid
from agristat_platform.segmentation.errors import ImageShapeError, LabelTargetError
from agristat_platform.segmentation.label_rasters import label_raster

BLOCK_CACHE_BYTES = 64 << 20  # decoded blocks that GDAL keeps; rasterio hands the number on as bytes
OUTLINE = (255, 230, 0, 255)
STRIP_ROWS = 512


def write_labels(path: Path, labels: npt.NDArray[np.uint32], grid: Grid) -> None:
    """Write labels as a Cloud Optimized GeoTIFF: uint32, 0 = nodata, overviews by nearest neighbour.

    The file appears whole or not at all; no second copy of the labels is made in memory, but one beside `path`.

    Raises
    ------
    ImageShapeError
        Labels and grid have different sizes, or the labels are not whole numbers from 0.
    TooManySegmentsError
        A label above 2**32 - 1.
    LabelTargetError
        The file cannot be written.
    """
    if labels.shape != grid.shape:
        raise ImageShapeError(f"labels are {labels.shape}, the grid is {grid.shape}", where=str(path))
    labels = label_raster(labels)
    with LabelTarget(path) as target:
        target.write(labels, grid.crs, grid.transform)


class LabelTarget:
    """A label file to be, made in a folder beside its place and put there whole; a context manager.

    Raises
    ------
    LabelTargetError
        On entering, which is before the work that makes the labels: the folder is missing or takes no files, or the
        path is a folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._folders = ExitStack()

    def __enter__(self) -> Self:
        with _named_errors(self.path):
            if self.path.is_dir():
                raise IsADirectoryError(f"{self.path.name} is a folder")
            folder = self._folders.enter_context(TemporaryDirectory(prefix=f".{self.path.stem}.", dir=self.path.parent))
        self._folder = Path(folder)
        return self

    def __exit__(self, *_: object) -> None:
        self._folders.close()

    def write(self, labels: npt.NDArray[np.uint32], crs: Any, transform: Affine) -> None:
        """Write the labels, (rows, cols), on the grid of this CRS and transform.

        Raises
        ------
        LabelTargetError
            GDAL or the file system refuses.
        """
        rows, cols = labels.shape
        plain, finished = self._folder / "plain.tif", self._folder / "labels.tif"
        profile = {
            "driver": "GTiff",
            "dtype": "uint32",
            "count": 1,
            "width": cols,
            "height": rows,
            "bigtiff": "IF_SAFER",
        }
        with _named_errors(self.path), rasterio.Env(GDAL_CACHEMAX=BLOCK_CACHE_BYTES):
            with rasterio.open(plain, "w", **profile, crs=crs, transform=transform, nodata=0) as raster:
                for top in range(0, rows, STRIP_ROWS):
                    strip = labels[top : top + STRIP_ROWS]
                    raster.write(strip, 1, window=Window(0, top, cols, len(strip)))
                raster.set_band_description(1, "segment_id")
            rasterio.shutil.copy(
                plain,
                finished,
                driver="COG",
                compress="ZSTD",
                level=9,
                predictor="YES",
                blocksize=256,
                overview_resampling="nearest",
                bigtiff="IF_SAFER",
            )
            os.replace(finished, self.path)


@contextmanager
def _named_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, RasterioError, CPLE_BaseError) as error:
        raise LabelTargetError(
            f"the labels cannot be written: {error}",
            where=str(path),
            remedy="Name a file in a folder that exists, may be written to and has room for 8 bytes a pixel",
        ) from error


def outlines_over(picture: bytes, labels: npt.NDArray[Any]) -> bytes:
    """PNG of the segments' outlines over a picture of the same area.

    Parameters
    ----------
    picture:
        PNG that shows every k-th pixel of the grid the labels lie on.
    labels:
        (rows, cols), 0 = nodata.

    Returns
    -------
    PNG with the picture's content at the labels' own resolution and a one-pixel line where two segments meet; equal
    inputs give equal bytes.
    """
    below = Image.open(io.BytesIO(picture)).convert("RGBA").resize(labels.shape[::-1], Image.Resampling.BILINEAR)
    pixels = np.array(below)
    edge = np.zeros(labels.shape, dtype=bool)
    edge[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    edge[1:, :] |= labels[1:, :] != labels[:-1, :]
    pixels[edge] = OUTLINE
    buffer = io.BytesIO()
    Image.fromarray(pixels, "RGBA").convert("RGB").quantize(128, method=Image.Quantize.MEDIANCUT).save(
        buffer, format="PNG"
    )
    return buffer.getvalue()
