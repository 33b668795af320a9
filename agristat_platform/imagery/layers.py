"""Composite rasters: how values are stored, written as COG, described in the layers table, and read back."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import rasterio
import rasterio.shutil
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.windows import Window

from agristat_platform.imagery.errors import UnreadableSceneError

BLOCK_CACHE_BYTES = 256 << 20  # decoded blocks that GDAL keeps; rasterio hands the number on as bytes

LAYERS_SCHEMA = pa.schema(
    [
        pa.field("file", pa.string(), nullable=False),
        pa.field("band_index", pa.int32(), nullable=False, metadata={"counted": "from 1"}),
        pa.field("collection", pa.string(), nullable=False),
        pa.field("band", pa.string(), nullable=False),
        pa.field("layer", pa.string(), nullable=False, metadata={"meaning": "name, one of its kind in an interval"}),
        pa.field("statistic", pa.string(), nullable=False),
        pa.field("orbit", pa.string(), metadata={"meaning": "direction of the passes, of radar"}),
        pa.field("interval", pa.int32(), nullable=False, metadata={"counted": "from 1; 0 is the whole season"}),
        pa.field("interval_start", pa.date32(), nullable=False),
        pa.field("interval_end", pa.date32(), nullable=False, metadata={"meaning": "first day after"}),
        pa.field("scale", pa.float64(), nullable=False),
        pa.field("offset", pa.float64(), nullable=False),
        pa.field("nodata", pa.float64(), nullable=False),
        pa.field("unit", pa.string(), nullable=False),
        pa.field("valid_share", pa.float64(), nullable=False, metadata={"unit": "share of AOI pixels"}),
        pa.field("observations_mean", pa.float64(), nullable=False, metadata={"unit": "observations per AOI pixel"}),
    ]
)


@dataclass(frozen=True)
class Storage:
    """How a kind of layer is stored: physical = dn * scale; `least` and `most` bound dn so that nodata stays free."""

    dtype: str
    scale: float
    nodata: float
    least: float
    most: float
    unit: str


STORAGE: dict[str, Storage] = {
    "optical": Storage("uint16", 1e-4, 0, 1, 65535, "reflectance"),
    "thermal": Storage("uint16", 0.01, 0, 1, 65535, "kelvin"),
    "index": Storage("int16", 1e-4, -32768, -32767, 32767, "index"),
    "radar": Storage("float32", 1.0, float("nan"), 0.0, float("inf"), "linear power"),
}


def stored(values: NDArray[np.float32], storage: Storage) -> NDArray[Any]:
    """Physical values as they are stored: scaled, rounded, clipped; NaN becomes nodata.

    Reflectance of zero and below becomes the least value (0.0001), since 0 means missing.
    """
    if storage.dtype == "float32":
        return values.astype(np.float32)
    finite = np.isfinite(values)
    numbers = np.rint(np.where(finite, values, 0).astype(np.float64) / storage.scale)
    numbers = np.clip(numbers, storage.least, storage.most)
    return np.where(finite, numbers, storage.nodata).astype(storage.dtype)


def write_cog(
    source: Path, target: Path, *, overview_resampling: str = "average", with_overviews: bool = False, level: int = 1
) -> None:
    """Write a raster file as Cloud Optimized GeoTIFF (ZSTD, 512-pixel tiles, overviews), whole or not at all.

    Parameters
    ----------
    source:
        Anything GDAL reads, with nodata, scales and descriptions that the COG takes over.
    target:
        Replaced when the COG is complete.
    overview_resampling:
        "average" leaves missing pixels out of its means; "nearest" or "mode" for classes.
    with_overviews:
        The source has its overviews, which are taken over; otherwise they are made.
    level:
        Of ZSTD, 1 to 22.
    """
    partial = target.with_name(f".{target.stem}.{os.getpid()}.partial.tif")
    try:
        with rasterio.Env(GDAL_CACHEMAX=BLOCK_CACHE_BYTES):
            rasterio.shutil.copy(
                source,
                partial,
                driver="COG",
                compress="ZSTD",
                level=level,
                predictor="YES",
                blocksize=512,
                overviews="FORCE_USE_EXISTING" if with_overviews else "IGNORE_EXISTING",
                overview_resampling=overview_resampling,
                bigtiff="IF_SAFER",
            )
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def read_layer(path: Path, layer: Mapping[str, Any], rows: slice | None = None) -> NDArray[np.float32]:
    """Physical values of one layer, (rows, width), NaN where missing.

    Parameters
    ----------
    path:
        The composite file that the layer lies in.
    layer:
        Row of the layers table, as `layers.to_pylist()` gives it.
    rows:
        Some rows of the grid only; None: all.
    """
    return read_layers(path, [layer], rows)[0]


def read_layers(
    path: Path, layers: Sequence[Mapping[str, Any]], rows: slice | None = None, *, most_pixels: int | None = None
) -> NDArray[np.float32]:
    """Physical values of several layers of one file, (layers, rows, width), NaN where missing.

    A COG holds its bands pixel by pixel, so reading all layers at once decodes each block once instead of once a layer.

    Parameters
    ----------
    rows:
        Some rows of the grid only; None: all.
    most_pixels:
        Longest side of what comes back, picked from the overviews; None: full resolution.

    Raises
    ------
    UnreadableSceneError
        The composite is missing or damaged.
    """
    try:
        with rasterio.Env(GDAL_CACHEMAX=BLOCK_CACHE_BYTES), rasterio.open(path) as dataset:
            window = None if rows is None else Window(0, rows.start, dataset.width, rows.stop - rows.start)
            height = dataset.height if rows is None else rows.stop - rows.start
            longest = max(height, dataset.width)
            share = 1.0 if most_pixels is None else min(1.0, most_pixels / longest)
            shape = (len(layers), max(1, int(height * share)), max(1, int(dataset.width * share)))
            pixels = dataset.read([int(layer["band_index"]) for layer in layers], window=window, out_shape=shape)
    except RasterioError as error:
        raise UnreadableSceneError(
            f"composite cannot be read: {str(error)[:160]}",
            where=str(path),
            remedy="Materialise the composites of this partition again",
        ) from error
    values = np.empty(pixels.shape, np.float32)
    for index, layer in enumerate(layers):
        nodata = float(layer["nodata"])
        missing = ~np.isfinite(pixels[index]) if np.isnan(nodata) else pixels[index] == nodata
        physical = pixels[index].astype(np.float64) * float(layer["scale"]) + float(layer["offset"])
        values[index] = np.where(missing, np.nan, physical)
    return values
