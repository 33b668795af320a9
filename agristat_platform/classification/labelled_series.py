"""Labelled points that bring their own time series, read into training labels and a wide feature table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyproj
import shapely

from agristat_platform.catalogue import CropNomenclature
from agristat_platform.classification.errors import InvalidLabelsError
from agristat_platform.classification.labels import LABELS_SCHEMA

_REQUIRED = ("sample_id", "label", "longitude", "latitude", "step")


@dataclass(frozen=True)
class LabelledSeries:
    """Training labels with features of their own.

    `labels` has LABELS_SCHEMA; `series` has label_id and float32 columns `<layer>_tNN_mean`, rows in the same
    order. `repeated_positions` counts places with more than one label, `conflicting_positions` those of them whose
    labels differ; none is removed here.
    """

    labels: pa.Table
    series: pa.Table
    repeated_positions: int
    conflicting_positions: int


def read_labelled_series(
    path: Path, nomenclature: CropNomenclature, crs: str, *, layers: Sequence[str] = ("ndvi", "evi")
) -> LabelledSeries:
    """Read a long table of labelled series: one row per sample and time step.

    Parameters
    ----------
    path:
        Parquet with sample_id, label, longitude, latitude, step (from 0) and a column per layer, physical units.
    nomenclature:
        Its classes' `labels` (or codes) say which class a label is.
    crs:
        CRS of the region, for the points.
    layers:
        Columns that become features `<layer>_tNN_mean`, NN = step + 1.

    Raises
    ------
    InvalidLabelsError
        File absent, a column absent, a label that the nomenclature does not know, a step that comes twice, or a sample
        with two labels or places.
    """
    if not Path(path).is_file():
        raise InvalidLabelsError(
            "the labelled series are not there",
            where=str(path),
            remedy="Set AGRISTAT_REAL_DATA to the folder with them",
        )
    table = pq.read_table(path)
    absent = [name for name in (*_REQUIRED, *layers) if name not in table.column_names]
    if absent:
        raise InvalidLabelsError(f"column {', '.join(absent)} is missing", where=str(path), remedy="Restore the file")
    sample = np.asarray(table["sample_id"])
    step = np.asarray(table["step"]).astype(np.int64)
    names, first, row = np.unique(sample, return_index=True, return_inverse=True)
    if len(np.unique(row * (int(step.max()) + 1) + step)) != len(row):
        raise InvalidLabelsError("a sample has a step twice", where=str(path), remedy="Remove the repeated rows")
    for column in ("label", "longitude", "latitude"):
        values = np.asarray(table[column])
        if (values != values[first][row]).any():
            raise InvalidLabelsError(f"a sample has two values of {column}", where=str(path), remedy="Correct the file")
    texts = [str(label) for label in np.asarray(table["label"])[first]]
    lon, lat = np.asarray(table["longitude"])[first], np.asarray(table["latitude"])[first]
    label_ids = [str(name) for name in names]
    series: dict[str, pa.Array] = {"label_id": pa.array(label_ids, pa.string())}
    for layer in layers:
        wide = np.full((len(names), int(step.max()) + 1), np.nan, np.float32)
        wide[row, step] = np.asarray(table[layer], dtype=np.float32)
        for number in range(wide.shape[1]):
            series[f"{layer}_t{number + 1:02d}_mean"] = pa.array(wide[:, number], pa.float32(), from_pandas=True)
    repeated, conflicting = _shared_places(lon, lat, texts)
    return LabelledSeries(
        _labels(label_ids, _codes(texts, nomenclature, path), lon, lat, crs, Path(path).name),
        pa.table(series),
        repeated,
        conflicting,
    )


def _codes(texts: Sequence[str], nomenclature: CropNomenclature, path: Path) -> list[str]:
    known = {crop.code: crop.code for crop in nomenclature.crops}
    known |= {label: crop.code for crop in nomenclature.crops for label in crop.labels}
    unknown = sorted(set(texts) - set(known))
    if unknown:
        raise InvalidLabelsError(
            f"labels {', '.join(unknown)} are in no class of nomenclature {nomenclature.code}",
            where=str(path),
            remedy=f"Add them under `labels` of a class in config/crops/{nomenclature.code}.yaml",
        )
    return [known[text] for text in texts]


def _labels(
    label_ids: list[str], codes: list[str], lon: np.ndarray, lat: np.ndarray, crs: str, source: str
) -> pa.Table:
    to_region = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    points = shapely.points(*to_region.transform(lon, lat))
    rows = len(label_ids)
    columns = {
        "label_id": label_ids,
        "crop_code": codes,
        "geometry": shapely.to_wkb(points),
        "parcel_id": [None] * rows,
        "role": ["train"] * rows,
        "source": [source] * rows,
        "observed_on": [None] * rows,
        "block": [None] * rows,
    }
    return pa.table(columns, schema=LABELS_SCHEMA)


def _shared_places(lon: np.ndarray, lat: np.ndarray, texts: Sequence[str]) -> tuple[int, int]:
    """Places with more than one sample, and those of them where the labels differ."""
    places: dict[tuple[float, float], list[str]] = {}
    for x, y, text in zip(lon, lat, texts, strict=True):
        places.setdefault((float(x), float(y)), []).append(text)
    repeated = [found for found in places.values() if len(found) > 1]
    return len(repeated), sum(len(set(found)) > 1 for found in repeated)
