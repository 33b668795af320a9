"""What the rasters of a crop map hold: a value of each layer by segment number, colours and tags.

Not here: writing and reading them (`crop_rasters`).
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from agristat_platform.catalogue import CropNomenclature
from agristat_platform.mapping.errors import UnmappableClassError

CROP_MAP_FILE = "crop_map.tif"
CONFIDENCE_FILE = "crop_confidence.tif"
SECOND_CROP_FILE = "second_crop.tif"
SECOND_PROBABILITY_FILE = "second_probability.tif"
NO_CONFIDENCE = 255
_FILES = (CROP_MAP_FILE, CONFIDENCE_FILE, SECOND_CROP_FILE, SECOND_PROBABILITY_FILE)


@dataclass(frozen=True)
class CropMapFiles:
    """Paths of a written map.

    `crop_map` and `second_crop` hold classes (uint8, 0 nodata), `confidence` and `second_probability` the probability of
    each (uint8 per cent, 255 nodata).
    """

    crop_map: Path
    confidence: Path
    second_crop: Path
    second_probability: Path

    @classmethod
    def within(cls, folder: Path) -> CropMapFiles:
        """The files by their names in a folder."""
        return cls(*(folder / name for name in _FILES))


@dataclass(frozen=True)
class CropLayer:
    """A raster in the making: its value by segment number, and what the file says of it."""

    target: Path
    values: np.ndarray
    nodata: int
    tags: dict[str, str]
    colours: dict[int, tuple[int, int, int, int]] | None = None

    @property
    def part(self) -> Path:
        """Where it is written before it is whole."""
        return self.target.with_name(f".{self.target.stem}.{os.getpid()}.part.tif")


def codes_by_value(nomenclature: CropNomenclature) -> dict[int, str]:
    """Crop code by raster value."""
    return {crop.class_id: crop.code for crop in nomenclature.crops}


def crop_layers(
    files: CropMapFiles, classified: pa.Table, nomenclature: CropNomenclature, size: int, tags: dict[str, str]
) -> list[CropLayer]:
    """Class, confidence, second class and its probability of each segment number below `size`.

    Raises
    ------
    UnmappableClassError
        A second class isn't in the nomenclature.
    """
    segment = classified.column("segment_id").to_numpy()

    def by_segment(values: np.ndarray, nodata: int) -> np.ndarray:
        lookup = np.full(size, nodata, dtype=np.uint8)
        lookup[segment] = values
        lookup[0] = nodata
        return lookup

    def per_cent(name: str) -> np.ndarray:
        share = classified.column(name).to_numpy()
        return by_segment(
            np.where(np.isfinite(share), np.round(100 * np.nan_to_num(share)), NO_CONFIDENCE), NO_CONFIDENCE
        )

    classes, colours = _class_tags(nomenclature), nomenclature.colour_table
    first = by_segment(classified.column("class_id").to_numpy(), 0)
    second = by_segment(_second_classes(classified, nomenclature), 0)
    first_said = {"UNIT": "per cent", "MEANING": "highest class probability"}
    second_said = {"UNIT": "per cent", "MEANING": "probability of the second class"}
    return [
        CropLayer(files.crop_map, first, 0, classes | tags, colours),
        CropLayer(files.confidence, per_cent("confidence"), NO_CONFIDENCE, first_said | tags),
        CropLayer(files.second_crop, second, 0, classes | {"MEANING": "second class"} | tags, colours),
        CropLayer(files.second_probability, per_cent("second_probability"), NO_CONFIDENCE, second_said | tags),
    ]


def _second_classes(classified: pa.Table, nomenclature: CropNomenclature) -> np.ndarray:
    names = classified.column("second_crop_code").to_pylist()
    strangers = sorted({name for name in names if name is not None and name not in nomenclature.class_ids})
    if strangers:
        raise UnmappableClassError(
            f"second classes {', '.join(strangers)} are not in the nomenclature {nomenclature.code}",
            remedy="Classify segments with the region's nomenclature",
        )
    return np.array([0 if name is None else nomenclature.class_ids[name] for name in names], dtype=np.uint8)


def _class_tags(nomenclature: CropNomenclature) -> dict[str, str]:
    names = {f"CLASS_{crop.class_id}": f"{crop.code} {crop.name.get('en', '')}".strip() for crop in nomenclature.crops}
    return {"CLASS_CODES": json.dumps(codes_by_value(nomenclature)), "NOMENCLATURE": nomenclature.code, **names}
