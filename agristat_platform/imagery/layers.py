"""Composite rasters: how values are stored, written as COG, described in the layers table, and read back."""

from __future__ import annotations

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
from rasterio.io import DatasetWriter
from rasterio.windows import Window

from agristat_platform.catalogue import Grid, Interval
from agristat_platform.imagery.collections import Band, Collection
from agristat_platform.imagery.errors import UnreadableSceneError

LAYERS_SCHEMA = pa.schema(
    [
        pa.field("file", pa.string(), nullable=False),
        pa.field("band_index", pa.int32(), nullable=False, metadata={"counted": "from 1"}),
        pa.field("collection", pa.string(), nullable=False),
        pa.field("band", pa.string(), nullable=False),
        pa.field("interval", pa.int32(), nullable=False, metadata={"counted": "from 1"}),
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


class CompositeWriter:
    """Writes one collection's composites in blocks of rows and turns them into a COG at the end.

    Bands run interval by interval (`B04_t01`, `B08_t01`, …, `B04_t02`, …). Use as a context manager; leaving it with
    an error leaves no file behind.
    """

    def __init__(
        self, target: Path, grid: Grid, collection: Collection, bands: Sequence[Band], intervals: Sequence[Interval]
    ) -> None:
        kinds = {STORAGE[band.kind].dtype for band in bands}
        self.storage_dtype = "float32" if "float32" in kinds else ("int16" if "int16" in kinds else "uint16")
        self.target = target
        self._working = target.with_name(f".{target.stem}.working.tif")
        self._grid = grid
        self._collection = collection
        self.order = [(interval, band) for interval in intervals for band in bands]
        self._dataset: DatasetWriter | None = None

    def __enter__(self) -> CompositeWriter:
        self.target.parent.mkdir(parents=True, exist_ok=True)
        self._dataset = rasterio.open(
            self._working,
            "w",
            driver="GTiff",
            width=self._grid.width,
            height=self._grid.height,
            count=len(self.order),
            dtype=self.storage_dtype,
            crs=self._grid.crs,
            transform=self._grid.transform,
            nodata=STORAGE[self.order[0][1].kind].nodata,
            tiled=True,
            blockxsize=256,
            blockysize=256,
            interleave="band",
            compress="zstd",
            zstd_level=1,
            bigtiff="if_safer",
        )
        self._describe(self._dataset)
        return self

    def write(self, band_index: int, rows: slice, pixels: NDArray[Any]) -> None:
        """Write stored pixels (rows, width) of one band; `band_index` counts from 1 in `order`."""
        if self._dataset is None:
            raise ValueError("the writer is not open")
        window = Window(0, rows.start, self._grid.width, rows.stop - rows.start)
        self._dataset.write(pixels.astype(self.storage_dtype, copy=False), band_index, window=window)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if self._dataset is not None:
            self._dataset.close()
        try:
            if kind is None:
                write_cog(self._working, self.target)
        finally:
            self._working.unlink(missing_ok=True)

    def _describe(self, dataset: DatasetWriter) -> None:
        dataset.update_tags(collection=self._collection.name)
        for index, (interval, band) in enumerate(self.order, start=1):
            storage = STORAGE[band.kind]
            dataset.set_band_description(index, f"{band.name}_{interval.label}")
            dataset.update_tags(
                index,
                band=band.name,
                interval_start=interval.start.isoformat(),
                interval_end=interval.end.isoformat(),
                unit=storage.unit,
            )
        dataset.scales = [STORAGE[band.kind].scale for _, band in self.order]
        dataset.offsets = [0.0 for _ in self.order]


def write_cog(source: Path, target: Path, *, overview_resampling: str = "average") -> None:
    """Write a raster file as Cloud Optimized GeoTIFF (ZSTD, 256-pixel tiles, overviews), whole or not at all."""
    partial = target.with_name(f".{target.stem}.partial.tif")
    try:
        rasterio.shutil.copy(
            source,
            partial,
            driver="COG",
            compress="ZSTD",
            level=1,
            predictor="YES",
            blocksize=256,
            overviews="IGNORE_EXISTING",
            overview_resampling=overview_resampling,
            bigtiff="IF_SAFER",
        )
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def layer_row(
    file: str,
    band_index: int,
    collection: Collection,
    band: Band,
    interval: Interval,
    valid_share: float,
    observations_mean: float,
) -> dict[str, Any]:
    """One row of the layers table."""
    storage = STORAGE[band.kind]
    return {
        "file": file,
        "band_index": band_index,
        "collection": collection.name,
        "band": band.name,
        "interval": interval.index,
        "interval_start": interval.start,
        "interval_end": interval.end,
        "scale": storage.scale,
        "offset": 0.0,
        "nodata": storage.nodata,
        "unit": storage.unit,
        "valid_share": valid_share,
        "observations_mean": observations_mean,
    }


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


def read_layers(path: Path, layers: Sequence[Mapping[str, Any]], rows: slice | None = None) -> NDArray[np.float32]:
    """Physical values of several layers of one file, (layers, rows, width), NaN where missing.

    A COG holds its bands pixel by pixel, so reading all layers at once decodes each block once instead of once a layer.

    Raises
    ------
    UnreadableSceneError
        The composite is missing or damaged.
    """
    try:
        with rasterio.open(path) as dataset:
            window = None if rows is None else Window(0, rows.start, dataset.width, rows.stop - rows.start)
            pixels = dataset.read([int(layer["band_index"]) for layer in layers], window=window)
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
