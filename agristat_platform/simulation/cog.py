"""Writing simulated rasters: cloud-optimised GeoTIFFs that say they are simulated."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio

from agristat_platform.catalogue import Grid

SIMULATED_TAG = {"AGRISTAT_SIMULATED": "YES"}


def write_cog(
    path: Path,
    values: npt.NDArray[np.generic],
    grid: Grid,
    *,
    nodata: float | None,
    colours: Mapping[int, tuple[int, int, int, int]] | None = None,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Write one band, (rows, columns), as a COG with overviews and the tag AGRISTAT_SIMULATED=YES.

    `colours` gives a uint8 raster a colour table. Compression is set for speed: these files live for one demo.
    """
    categories = values.dtype == np.uint8
    with rasterio.open(
        path,
        "w",
        driver="COG",
        height=values.shape[0],
        width=values.shape[1],
        count=1,
        dtype=values.dtype.name,
        crs=grid.crs,
        transform=grid.transform,
        nodata=nodata,
        compress="ZSTD",
        level=1,
        predictor="NO" if categories else "YES",
        blocksize=512,
        resampling="nearest" if categories else "average",
    ) as dataset:
        dataset.write(values, 1)
        if colours is not None:
            dataset.write_colormap(1, dict(colours))
        dataset.update_tags(**SIMULATED_TAG, **(tags or {}))
