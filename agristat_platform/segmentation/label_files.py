"""Label rasters as files and as pictures."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
import rasterio.shutil
from PIL import Image

from agristat_platform.catalogue import Grid
from agristat_platform.segmentation.errors import ImageShapeError

OUTLINE = (255, 230, 0, 255)


def write_labels(path: Path, labels: npt.NDArray[np.uint32], grid: Grid) -> None:
    """Write labels as a Cloud Optimized GeoTIFF: uint32, 0 = nodata, overviews by nearest neighbour.

    Raises
    ------
    ImageShapeError
        Labels and grid have different sizes.
    """
    if labels.shape != grid.shape:
        raise ImageShapeError(f"labels are {labels.shape}, the grid is {grid.shape}", where=str(path))
    profile = {"driver": "GTiff", "dtype": "uint32", "count": 1, "width": grid.width, "height": grid.height}
    with rasterio.MemoryFile() as memory:
        with memory.open(**profile, crs=grid.crs, transform=grid.transform, nodata=0) as raster:
            raster.write(labels, 1)
            raster.set_band_description(1, "segment_id")
        with memory.open() as raster:
            rasterio.shutil.copy(
                raster,
                path,
                driver="COG",
                compress="ZSTD",
                level=9,
                predictor="YES",
                blocksize=256,
                overview_resampling="nearest",
            )


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
