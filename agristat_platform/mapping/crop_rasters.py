"""Crop maps as rasters: written from a segment raster and its classes, opened, and counted."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import rasterio
import rasterio.shutil
from rasterio.errors import RasterioError
from rasterio.windows import Window

from agristat_platform.catalogue import CropNomenclature
from agristat_platform.mapping.errors import (
    RasterUnreadableError,
    SegmentWithoutClassError,
    UnmappableClassError,
)

CROP_MAP_FILE = "crop_map.tif"
CONFIDENCE_FILE = "crop_confidence.tif"
NO_CONFIDENCE = 255

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


@dataclass(frozen=True)
class CropMapFiles:
    """Paths of a written map: `crop_map` (uint8 class, 0 nodata) and `confidence` (uint8 per cent, 255 nodata)."""

    crop_map: Path
    confidence: Path


def write_crop_map(
    segments_tif: Path | str,
    classified: pa.Table,
    nomenclature: CropNomenclature,
    target_dir: Path | str,
    *,
    simulated: bool = False,
) -> CropMapFiles:
    """Write the crop map and its confidence as cloud-optimised GeoTIFFs, a block of the segment raster at a time.

    The map has the nomenclature's colour table and its codes and names as tags (`CLASS_CODES`, JSON by class value,
    and `CLASS_<value>`). Both files appear complete under their names or not at all; equal input gives equal bytes.

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
    """
    folder = Path(target_dir)
    folder.mkdir(parents=True, exist_ok=True)
    files = CropMapFiles(folder / CROP_MAP_FILE, folder / CONFIDENCE_FILE)
    classes, confidence, known = _lookups(classified)
    tags = {"AGRISTAT_SIMULATED": "YES"} if simulated else {}
    map_part, confidence_part = _part(files.crop_map), _part(files.confidence)
    try:
        with open_raster(segments_tif) as source:
            profile = _profile(source)
            with (
                rasterio.open(map_part, "w", **profile, nodata=0) as map_out,
                rasterio.open(confidence_part, "w", **profile, nodata=NO_CONFIDENCE) as confidence_out,
            ):
                for window in _windows(source):
                    segments = _read_segments(source, window, known)
                    map_out.write(classes[segments], 1, window=window)
                    confidence_out.write(confidence[segments], 1, window=window)
                map_out.write_colormap(1, nomenclature.colour_table)
                map_out.update_tags(**_class_tags(nomenclature), **tags)
                confidence_out.update_tags(UNIT="per cent", MEANING="highest class probability", **tags)
        _optimise(map_part, files.crop_map, "NEAREST")
        _optimise(confidence_part, files.confidence, "NEAREST")
    finally:
        map_part.unlink(missing_ok=True)
        confidence_part.unlink(missing_ok=True)
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


def codes_by_value(nomenclature: CropNomenclature) -> dict[int, str]:
    """Crop code by raster value."""
    return {crop.class_id: crop.code for crop in nomenclature.crops}


def check_classes(values: np.ndarray, codes: dict[int, str], path: Path | str) -> None:
    """Raise UnmappableClassError when a raster holds values other than 0 that have no code."""
    strangers = [str(value) for value in values.tolist() if value and value not in codes]
    if strangers:
        raise UnmappableClassError(
            f"crop map holds the values {', '.join(strangers)}, which have no class",
            where=str(path),
            remedy="Write the map with the nomenclature it was classified with",
        )


def _lookups(classified: pa.Table) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Class, confidence in per cent and "is classified" by segment number; index 0 is nodata."""
    segment = classified.column("segment_id").to_numpy()
    size = int(segment.max(initial=0)) + 1
    classes = np.zeros(size, dtype=np.uint8)
    confidence = np.full(size, NO_CONFIDENCE, dtype=np.uint8)
    known = np.zeros(size, dtype=bool)
    share = classified.column("confidence").to_numpy()
    classes[segment] = classified.column("class_id").to_numpy()
    confidence[segment] = np.where(np.isfinite(share), np.round(100 * np.nan_to_num(share)), NO_CONFIDENCE)
    known[segment] = True
    known[0] = True
    classes[0], confidence[0] = 0, NO_CONFIDENCE
    return classes, confidence, known


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


def _class_tags(nomenclature: CropNomenclature) -> dict[str, str]:
    names = {f"CLASS_{crop.class_id}": f"{crop.code} {crop.name.get('en', '')}".strip() for crop in nomenclature.crops}
    return {"CLASS_CODES": json.dumps(codes_by_value(nomenclature)), "NOMENCLATURE": nomenclature.code, **names}


def _part(path: Path) -> Path:
    return path.with_name(f".{path.stem}.{os.getpid()}.part.tif")


def _optimise(source: Path, target: Path, resampling: str) -> None:
    finished = target.with_name(f".{target.stem}.{os.getpid()}.cog.tif")
    try:
        rasterio.shutil.copy(
            source, finished, driver="COG", compress="DEFLATE", blocksize=_BLOCK, overview_resampling=resampling
        )
        finished.replace(target)
    finally:
        finished.unlink(missing_ok=True)
