"""Crop maps as rasters: written from a segment raster and its classes, opened, and counted."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import rasterio
import rasterio.shutil
from rasterio.errors import RasterioError
from rasterio.windows import Window

from agristat_platform.catalogue import CropNomenclature
from agristat_platform.mapping.class_tables import write_class_table
from agristat_platform.mapping.crop_layers import CropMapFiles, codes_by_value, crop_layers
from agristat_platform.mapping.errors import (
    RasterUnreadableError,
    SegmentWithoutClassError,
    UnmappableClassError,
)

PIXEL_COUNTS_SCHEMA = pa.schema(
    [
        pa.field("crop_code", pa.string(), nullable=False),
        pa.field("class_id", pa.uint8(), nullable=False),
        pa.field("pixels", pa.int64(), nullable=False),
        pa.field("area_ha", pa.float64(), nullable=False, metadata={"unit": "ha"}),
        pa.field("is_estimate", pa.bool_(), nullable=False),
    ],
    metadata={
        "note": "Pixel counts carry the map's errors as bias and have no standard error. They are not an estimate."
    },
)

_BLOCK = 512


def write_crop_map(
    segments_tif: Path | str,
    classified: pa.Table,
    nomenclature: CropNomenclature,
    target_dir: Path | str,
    *,
    simulated: bool = False,
) -> CropMapFiles:
    """Write crop map, confidence, second class and its probability as cloud-optimised GeoTIFFs, a block at a time.

    Maps of classes have the nomenclature's colour table and its codes and names as tags (`CLASS_CODES`, JSON by class
    value, and `CLASS_<value>`), and an attribute table beside them (`class_tables`). Files appear complete under their names
    or not at all; equal input gives equal bytes.

    Parameters
    ----------
    segments_tif:
        One band of segment numbers, 0 = nodata.
    classified:
        `CLASSIFIED_SCHEMA` table that covers every segment in the raster.
    simulated:
        Tag the files as simulated.

    Raises
    ------
    RasterUnreadableError
        The segment raster can't be read.
    SegmentWithoutClassError
        The raster has segments that `classified` lacks.
    UnmappableClassError
        A second class isn't in the nomenclature.
    """
    folder = Path(target_dir)
    folder.mkdir(parents=True, exist_ok=True)
    files = CropMapFiles.within(folder)
    known = _known(classified)
    layers = crop_layers(
        files, classified, nomenclature, len(known), {"AGRISTAT_SIMULATED": "YES"} if simulated else {}
    )
    try:
        with open_raster(segments_tif) as source, ExitStack() as opened:
            profile = _profile(source)
            outputs = [
                opened.enter_context(rasterio.open(layer.part, "w", **profile, nodata=layer.nodata)) for layer in layers
            ]
            for window in _windows(source):
                segments = _read_segments(source, window, known)
                for output, layer in zip(outputs, layers, strict=True):
                    output.write(layer.values[segments], 1, window=window)
            for output, layer in zip(outputs, layers, strict=True):
                if layer.colours:
                    output.write_colormap(1, layer.colours)
                output.update_tags(**layer.tags)
        for layer in layers:
            _optimise(layer.part, layer.target, "NEAREST")
            if layer.colours:
                write_class_table(layer.target, nomenclature)
    finally:
        for layer in layers:
            layer.part.unlink(missing_ok=True)
    return files


def pixel_counts(crop_map: Path | str, nomenclature: CropNomenclature | None = None) -> pa.Table:
    """Pixels and hectares of each class of a crop map (`PIXEL_COUNTS_SCHEMA`); not an estimate of area.

    Parameters
    ----------
    nomenclature:
        Says which value is which crop; None: the map's own tags do, as written by `write_crop_map`.

    Raises
    ------
    RasterUnreadableError
        Not a readable crop map of ours.
    UnmappableClassError
        The raster holds values without a crop.
    """
    counts = np.zeros(256, dtype=np.int64)
    with open_raster(crop_map) as source:
        codes = class_codes(source, crop_map) if nomenclature is None else codes_by_value(nomenclature)
        pixel_ha = abs(source.transform.a * source.transform.e) / 10_000
        for window in _windows(source):
            counts += np.bincount(source.read(1, window=window).ravel(), minlength=256)
    check_classes(np.flatnonzero(counts), codes, crop_map)
    ids = sorted(codes)
    return pa.table(
        {
            "crop_code": [codes[i] for i in ids],
            "class_id": np.array(ids, dtype=np.uint8),
            "pixels": counts[ids],
            "area_ha": counts[ids] * pixel_ha,
            "is_estimate": [False] * len(ids),
        },
        schema=PIXEL_COUNTS_SCHEMA,
    )


@contextmanager
def open_raster(path: Path | str) -> Iterator[rasterio.DatasetReader]:
    """Open a raster for reading; what GDAL can't read, here or later, becomes a RasterUnreadableError with the path."""
    try:
        with rasterio.open(path) as source:
            yield source
    except RasterioError as reason:
        raise RasterUnreadableError(
            f"raster can't be read: {reason}", where=str(path), remedy="Restore the file or make it again"
        ) from reason


def class_codes(source: rasterio.DatasetReader, path: Path | str) -> dict[int, str]:
    """Crop code by raster value, from the tags of a map written by `write_crop_map`."""
    tag = source.tags().get("CLASS_CODES")
    if tag is None or source.dtypes[0] != "uint8":
        raise RasterUnreadableError(
            "raster is not a crop map: it has no CLASS_CODES tag or isn't uint8",
            where=str(path),
            remedy="Give a map written by mapping.write_crop_map",
        )
    return {int(value): code for value, code in json.loads(tag).items()}


def check_classes(values: np.ndarray, codes: dict[int, str], path: Path | str) -> None:
    """Raise UnmappableClassError when a raster holds values other than 0 that have no code."""
    strangers = [str(value) for value in values.tolist() if value and value not in codes]
    if strangers:
        raise UnmappableClassError(
            f"crop map holds the values {', '.join(strangers)}, which have no class",
            where=str(path),
            remedy="Write the map with the nomenclature it was classified with",
        )


def _known(classified: pa.Table) -> np.ndarray:
    """Whether each segment number is classified; 0, nodata, is."""
    segment = classified.column("segment_id").to_numpy()
    known = np.zeros(int(segment.max(initial=0)) + 1, dtype=bool)
    known[segment] = True
    known[0] = True
    return known


def _read_segments(source: rasterio.DatasetReader, window: Window, known: np.ndarray) -> np.ndarray:
    segments = source.read(1, window=window)
    found = np.unique(segments)
    beyond = found[found >= len(known)]
    unknown = np.concatenate([found[found < len(known)][~known[found[found < len(known)]]], beyond])
    if len(unknown):
        raise SegmentWithoutClassError(
            f"{len(unknown)} segments of the raster were not classified, such as {', '.join(map(str, unknown[:5]))}",
            where=source.name,
            remedy="Classify the features of this very segmentation",
        )
    return segments


def _profile(source: rasterio.DatasetReader) -> dict[str, object]:
    return {
        "driver": "GTiff",
        "width": source.width,
        "height": source.height,
        "count": 1,
        "dtype": "uint8",
        "crs": source.crs,
        "transform": source.transform,
        "tiled": True,
        "blockxsize": _BLOCK,
        "blockysize": _BLOCK,
        "compress": "deflate",
    }


def _windows(source: rasterio.DatasetReader) -> Iterator[Window]:
    for row in range(0, source.height, _BLOCK):
        for col in range(0, source.width, _BLOCK):
            yield Window(col, row, min(_BLOCK, source.width - col), min(_BLOCK, source.height - row))


def _optimise(source: Path, target: Path, resampling: str) -> None:
    finished = target.with_name(f".{target.stem}.{os.getpid()}.cog.tif")
    try:
        rasterio.shutil.copy(
            source, finished, driver="COG", compress="DEFLATE", blocksize=_BLOCK, overview_resampling=resampling
        )
        finished.replace(target)
    finally:
        finished.unlink(missing_ok=True)
